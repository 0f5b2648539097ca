"""`fleexmon doctor`: every setting and outside system, checked now, and the checks that fail.

Here: the checks and their texts. A system is called with the client that the pipeline itself uses.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Literal

import httpx
import psycopg
import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection.fetch import TIMEOUT, plain
from fleexmon_pipeline.collection.record_runs import Run
from fleexmon_pipeline.collection.records import OUR_DEFAULT, RejectedError, explain
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.migrate import DatabaseTooNewError, version_of
from fleexmon_pipeline.database.server import DatabaseUnreachableError, configured_url, dagster_conninfo, database_url
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.embedded.server import EmbeddedServerError
from fleexmon_pipeline.genai.outcomes import REMEDIES, CallOutcome
from fleexmon_pipeline.retries import call_within
from fleexmon_pipeline.settings import Node, SettingError
from fleexmon_pipeline.window import SLOT, Window, floor
from fleexmon_pipeline.wording import counted, one_line

State = Literal["ok", "off", "warn", "wrong"]
MIN_SERVER, MAX_SERVER = 14, 18  # PostgreSQL
MAX_HEARTBEAT_AGE = timedelta(minutes=2)
MAX_CHECK_AGE = timedelta(days=7)
MAX_RECORDS_READ = 1_000  # of a node's answer, for what is uncertain about it
MIN_RECORDS_WITHOUT_LEVEL = 20
CHECK_SECONDS = 20.0  # for the agent and for GitHub; a node has FLEEXMON_MAX_ANSWER_SECONDS

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Finding:
    """`subject`: a variable or a system; `told`: its state, and for `wrong` what to do."""

    subject: str
    state: State
    told: str  # a key of --json


Environment = Mapping[str, str]


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check every setting and outside system. Prints ok, off, or wrong and what to do; and warn where a check fails.

    Exit status 1 when one is wrong. Creates nothing.
    """
    findings = examine(os.environ, now=datetime.now(UTC))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        typer.echo(render(findings))
    raise typer.Exit(1 if any(finding.state == "wrong" for finding in findings) else 0)


def examine(environment: Environment, *, now: datetime) -> list[Finding]:
    """Everything, in the order in which things depend on each other. Never raises for what it finds."""
    findings = [finding for check in _CHECKS for finding in _settled(check, environment, now)]
    return list(dict.fromkeys(findings))  # several checks may report the same wrong setting


def render(findings: list[Finding]) -> str:
    width = max(len(finding.subject) for finding in findings)
    lines = [
        f"{finding.state:<5}  {finding.subject:<{width}}  " + finding.told.replace("\n", f"\n{' ' * (width + 9)}")
        for finding in findings
    ]
    states = Counter(finding.state for finding in findings)
    checks = (
        f"{counted(states['warn'], 'check')} {'fails' if states['warn'] == 1 else 'fail'}" if states["warn"] else ""
    )
    wrong = f"{states['wrong']} wrong" if states["wrong"] or checks else "nothing is wrong"
    return "\n".join([*lines, "", ", ".join(filter(None, (wrong, checks)))])


def _settled(
    check: Callable[[Environment, datetime], Iterator[Finding]], environment: Environment, now: datetime
) -> Iterator[Finding]:
    try:
        yield from check(environment, now)
    except SettingError as error:
        yield Finding(error.variable, "wrong", str(error).removeprefix(f"{error.variable}: "))
    except (DatabaseUnreachableError, DatabaseTooNewError, EmbeddedServerError, psycopg.Error) as error:
        subject = "DATABASE_URL" if environment.get("DATABASE_URL", "").strip() else "database"
        yield Finding(subject, "wrong", str(error).removeprefix("DATABASE_URL: ").strip())
    except OSError as error:
        yield Finding(error.filename or "machine", "wrong", error.strerror or str(error))


def _homes(environment: Environment, _: datetime) -> Iterator[Finding]:
    yield Finding("python", "ok", sys.version.split()[0])
    home = settings.home(environment)
    yield Finding("FLEEXMON_HOME", "ok", f"{home}{'' if home.exists() else ' (`fleexmon up` creates it)'}")
    given = environment.get("DAGSTER_HOME")
    if not given:
        yield Finding(
            "DAGSTER_HOME",
            "off",
            f"not set: `fleexmon up` uses {home / 'dagster'}. To use dagster's own commands, export it.",
        )
    elif not Path(given).is_absolute() or not (Path(given) / "dagster.yaml").exists():
        yield Finding(
            "DAGSTER_HOME",
            "wrong",
            f"{given} is not an absolute path of a directory with a dagster.yaml. Unset it to use the default.",
        )
    else:
        yield Finding("DAGSTER_HOME", "ok", given)


def _port(environment: Environment, _: datetime) -> Iterator[Finding]:
    port = settings.ui_port(environment)
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    yield Finding("FLEEXMON_PORT", "ok", f"127.0.0.1:{port}, {'in use' if taken else 'free'}")
    url = settings.ui_url(environment)
    told = url or f"not set: the UI answers to http://127.0.0.1:{port} alone"
    yield Finding("FLEEXMON_UI_URL", "ok" if url else "off", told)


def _retention(environment: Environment, _: datetime) -> Iterator[Finding]:
    days = settings.retention_days(environment)
    yield Finding("LOG_RETENTION_DAYS", "ok", f"{days} days")


def _false_alarms(environment: Environment, _: datetime) -> Iterator[Finding]:
    allowed = settings.false_alarms_per_day(environment)
    yield Finding("FLEEXMON_FALSE_ALARMS_PER_DAY", "ok", f"{allowed:g} a day, of all rules at all nodes")


def _limits(environment: Environment, _: datetime) -> Iterator[Finding]:
    custom = settings.limits(environment)
    if custom == settings.Limits():
        return
    per_response = f"{custom.answer_bytes:,} bytes and {custom.answer_seconds} s"
    limits = f"{per_response} per response, {custom.record_bytes:,} bytes per record"
    yield Finding("FLEEXMON_MAX_*", "ok", limits)


def _rules(environment: Environment, _: datetime) -> Iterator[Finding]:
    own = settings.rules_directory(environment)
    loaded = all_rules(own)
    for problem in loaded.problems:
        yield Finding("FLEEXMON_RULES" if own else "rules", "wrong", f"rejected, the other rules run: {problem}")
    if own and not loaded.problems:
        yield Finding("FLEEXMON_RULES", "ok", f"{own}: {len(loaded.rules)} rules, including the built-in ones")
    topology = settings.topology(environment)
    if topology.problem:
        yield Finding("FLEEXMON_TOPOLOGY", "wrong", topology.problem)
    elif topology.depends_on:
        yield Finding("FLEEXMON_TOPOLOGY", "ok", f"{len(topology.depends_on)} nodes with what they depend on")


def _database(environment: Environment, now: datetime) -> Iterator[Finding]:
    configured = configured_url(environment)
    subject = "DATABASE_URL" if configured else "database"
    if not configured and not (settings.home(environment) / "postgres").exists():
        yield Finding(
            subject, "off", f"none in {settings.home(environment)} yet; `fleexmon up` creates an embedded one"
        )
        return
    url = database_url(environment)
    with connect(url) as connection:
        major = connection.info.server_version // 10_000
        where = "" if configured else f"embedded, in {settings.home(environment)}; "
        if MIN_SERVER <= major <= MAX_SERVER:
            yield Finding(subject, "ok", f"{where}PostgreSQL {major}, tables at version {version_of(connection)}")
        else:
            yield Finding(subject, "wrong", f"PostgreSQL {major} is not supported. Use {MIN_SERVER} to {MAX_SERVER}.")
        encrypted = connection.pgconn.ssl_in_use
        if (
            configured
            and not encrypted
            and not settings.is_loopback(connection.info.host)
            and "/" not in connection.info.host
        ):
            yield Finding(subject, "wrong", "the connection is not encrypted. Add sslmode=verify-full to DATABASE_URL.")
        yield from _coverage(connection, environment, now)
        yield from _failing_channels(connection, environment, now)
        yield from _useless_answers(connection, now)
    with psycopg.connect(psycopg.conninfo.make_conninfo(**dagster_conninfo(url))) as own:
        row = own.execute("SELECT current_schema()").fetchone()
        schema = "" if row is None or row[0] == "public" else f", schema {row[0]}"
        yield Finding("dagster's database", "ok", f"{own.info.dbname}{schema}")
        yield _daemon(own, now)
        yield from _failed_checks(own, now)


def _failing_channels(connection: Connection, environment: Environment, now: datetime) -> Iterator[Finding]:
    """What waits, and why. What is wrong with their settings is told elsewhere."""
    from fleexmon_pipeline.channels.overview import overview  # noqa: PLC0415  only where it is used

    try:
        configured = settings.channels(environment)
    except SettingError:
        return
    for view in overview(connection, configured, now=now) if configured else ():
        if problem := view.problem():
            yield Finding(f"messages to {view.name}", "warn", f"{problem}. `fleexmon channels test {view.name}`")


def _coverage(connection: Connection, environment: Environment, now: datetime) -> Iterator[Finding]:
    """What was collected in the last day, node by node. A node that is no longer watched is off, not wrong."""
    try:
        watched_now = {node.name for node in settings.watched(environment)[0]}
    except SettingError:  # reported where the nodes are checked
        watched_now = set()
    rows = connection.execute(statements("commands")["coverage"], {"since": now - timedelta(days=1)}).fetchall()
    for row in (row for row in rows if row["node"] in watched_now):
        newest = f"newest {row['newest']:%m-%d %H:%M} UTC"
        text = f"last 24 h: {row['whole']} slots complete, {row['broken']} missing or partial; {newest}"
        retried = f"; {row['error']}. Retried automatically." if row["broken"] and row["error"] else ""
        yield Finding(f"coverage of {row['node']}", "wrong" if row["broken"] else "ok", text + retried)
    for row in connection.execute(statements("commands")["nodes_ever"]):
        if watched_now and row["node"] not in watched_now:
            last = f"last polled for {row['newest']:%Y-%m-%d %H:%M} UTC"
            yield Finding(f"node {row['node']}", "off", f"no longer watched; {last}")


def _useless_answers(connection: Connection, now: datetime) -> Iterator[Finding]:
    """Answers of the last day that asking again does not mend, and what to change at the agent."""
    where = {"since": now - timedelta(days=1), "until": now, "outcomes": list(REMEDIES)}
    for row in connection.execute(statements("commands")["useless_answers"], where):
        outcome = CallOutcome(row["outcome"])
        text = f"{counted(row['count'], 'answer')} of the last 24 h, the newest {row['newest']:%m-%d %H:%M} UTC"
        yield Finding(f"GenAI {outcome}", "warn", f"{text}: {REMEDIES[outcome]}.")


def _daemon(own: psycopg.Connection[tuple[object, ...]], now: datetime) -> Finding:
    """Schedules need the daemon; its heartbeats show whether it is running."""
    table = own.execute(statements("commands")["has_heartbeats"]).fetchone()
    row = own.execute(statements("commands")["heartbeat"]).fetchone() if table and table[0] else None
    newest = row[0] if row else None
    if not isinstance(newest, datetime):
        return Finding("daemon", "off", "has never run, so schedules do not run. `fleexmon up` starts it.")
    age = now.replace(tzinfo=None) - newest.replace(tzinfo=None)
    if age > MAX_HEARTBEAT_AGE:
        return Finding(
            "daemon", "off", f"last seen {newest:%Y-%m-%d %H:%M} UTC, so schedules do not run. `fleexmon up` starts it."
        )
    return Finding("daemon", "ok", "running")


def _failed_checks(own: psycopg.Connection[tuple[object, ...]], now: datetime) -> Iterator[Finding]:
    """Checks of assets as they were last evaluated. They are about what was collected, so none is wrong here."""
    table = own.execute(statements("commands")["has_checks"]).fetchone()
    if not table or not table[0]:
        return
    since = {"since": now.replace(tzinfo=None) - MAX_CHECK_AGE}
    for asset, name, event, at in own.execute(statements("commands")["failed_checks"], since):
        where = f"details in the UI: asset {'/'.join(json.loads(str(asset)))}, Checks"
        when = f"evaluated {at:%Y-%m-%d %H:%M} UTC" if isinstance(at, datetime) else "evaluated"
        yield Finding(f"check {name}", "warn", f"fails: {_description(event)} ({when}; {where})")


def _description(event: object) -> str:
    """What a check said, from the event that Dagster stored; its form is Dagster's own and may change."""
    try:
        said = json.loads(str(event))["dagster_event"]["event_specific_data"]["description"]
    except (ValueError, KeyError, TypeError):
        said = None
    return one_line(str(said), most=300) if said else "no description"


def _nodes(environment: Environment, now: datetime) -> Iterator[Finding]:
    nodes, demo = settings.watched(environment)
    for finding in check_nodes(nodes, now=now):
        yield replace(finding, told=f"{finding.told} (demo)") if demo and finding.state == "ok" else finding


@dataclass
class _Seen:
    """What a node's answer holds, and what it leaves uncertain."""

    window: Window
    records: int = 0
    read: int = 0
    outside: int = 0
    without_level: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def add(self, run: Run) -> None:
        self.records += len(run)
        for raw in islice(run, max(MAX_RECORDS_READ - self.read, 0)):
            self.read += 1
            try:
                line, origins = explain(bytes(raw))
            except RejectedError as error:
                self.rejected[str(error)] += 1
                continue
            self.outside += line.time not in self.window
            self.without_level += origins.level == OUR_DEFAULT

    def doubts(self) -> str:
        """What an operator should look at before trusting the node; empty if nothing."""
        if not self.records:
            return ". It was quiet, or it has no lines at all: this does not tell which"
        doubts = []
        if count := self.rejected.total():
            reason = self.rejected.most_common(1)[0][0][:100]
            doubts.append(f"{count:,} of {self.read:,} would be rejected ({reason}); `fleexmon read` shows which")
        if self.outside:
            doubts.append(f"{self.outside:,} of {self.read:,} are outside the requested time and would be ignored")
        if self.without_level == self.read >= MIN_RECORDS_WITHOUT_LEVEL:
            doubts.append("none says its level, so all count as info")
        return "".join(f". {doubt[0].upper()}{doubt[1:]}" for doubt in doubts)


def check_nodes(nodes: Sequence[Node], *, now: datetime) -> list[Finding]:
    """Each is asked for its last slot, once and all at the same time: one that hangs takes 10 s."""
    clients, end = Clients(), floor(now, SLOT)

    def check(node: Node) -> Finding:
        variable = f"{node.name.upper()}_HOST" if node.name in ("blue", "green") else f"LOG_SOURCES {node.name}"
        with ask(clients, node, Window(end - SLOT, end), attempts=1) as answer:
            seen = _Seen(Window(end - SLOT, end))
            for run in answer:
                seen.add(run)
        if answer.error:
            return Finding(variable, "wrong", f"{node.address}: {answer.error}")
        shown = f", with {', '.join(node.credentials.variables)}" if node.credentials.variables else ""
        return Finding(
            variable,
            "ok",
            f"{node.address}: {seen.records:,} lines in the last slot, answered in {answer.seconds:.2f} s{shown}"
            f"{seen.doubts()}",
        )

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(check, nodes))


def _genai(environment: Environment, _: datetime) -> Iterator[Finding]:
    agent = settings.genai(environment)
    if agent is None:
        yield Finding("GENAI_AGENT_URL", "off", "not set: issues come from rules alone")
        return
    try:
        status = call_within(CHECK_SECONDS, lambda: _status_of(agent.url))
        if status >= 500 and status != 501:  # 501: it does not support GET
            yield Finding(
                "GENAI_AGENT_URL", "wrong", f"{agent.url} answers HTTP {status}. Pending judgements will be retried."
            )
            return
    except (httpx.HTTPError, TimeoutError) as error:
        yield Finding("GENAI_AGENT_URL", "wrong", f"{agent.url}: {plain(error)}. Pending judgements will be retried.")
        return
    key = "with GENAI_API_KEY" if agent.api_key else "without GENAI_API_KEY"
    yield Finding(
        "GENAI_AGENT_URL",
        "ok",
        f"{agent.url} answers ({status}), {key}; for its answers, see the check everything_is_judged",
    )


def _status_of(url: str) -> int:
    """Requests no completion: a check must not cost tokens. 404 and 405 come from an agent without a page there."""
    with httpx.stream("GET", url, timeout=TIMEOUT, follow_redirects=False) as response:
        return response.status_code


def _github(environment: Environment, _: datetime) -> Iterator[Finding]:
    github = settings.github(environment)
    if github is None:
        yield Finding("ALERTS_REPO", "off", "not set, nor GH_TOKEN: digests and alerts are not sent anywhere")
        return
    from fleexmon_pipeline.reporting.github import GitHubClient, GitHubError  # noqa: PLC0415  only where it is used

    try:
        state = call_within(CHECK_SECONDS, GitHubClient(github).check)
    except (GitHubError, TimeoutError) as error:
        yield Finding("ALERTS_REPO", "wrong", f"{github.repo}: {error}")
        return
    yield Finding("ALERTS_REPO", "ok", state)


def _heartbeat(environment: Environment, _: datetime) -> Iterator[Finding]:
    """Not called: a call would tell the other side that a tick succeeded."""
    url = settings.heartbeat_url(environment)
    told = "set; each tick calls it" if url else "not set: nobody outside notices when this machine is down"
    yield Finding("FLEEXMON_HEARTBEAT_URL", "ok" if url else "off", told)


def _channels(environment: Environment, _: datetime) -> Iterator[Finding]:
    """Their URLs; nothing is sent. How they did: the check everything_is_sent."""
    from fleexmon_pipeline.channels.channel import usable_channels  # noqa: PLC0415  only where it is used

    usable, problems = usable_channels(environment)
    if not usable and not problems:
        yield Finding("FLEEXMON_CHANNELS", "off", "not set: messages go to GitHub alone, if that is set")
    for problem in problems:
        yield Finding("FLEEXMON_CHANNELS", "wrong", problem.removeprefix("FLEEXMON_CHANNELS: "))
    for channel in usable:
        wants = f"{channel.settings.severity} and worse"
        told = f"{channel.transport.service}, {wants}; to try it: `fleexmon channels test {channel.name}`"
        yield Finding(f"channel {channel.name}", "ok", told)


_CHECKS = (
    _homes,
    _port,
    _retention,
    _false_alarms,
    _limits,
    _rules,
    _database,
    _nodes,
    _genai,
    _github,
    _channels,
    _heartbeat,
)

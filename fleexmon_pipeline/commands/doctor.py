"""`fleexmon doctor`: every setting and outside system, looked at now: ok, off, or wrong and what to do.

Here: the questions and the words. A system is asked with the client that the pipeline itself uses.
"""

from __future__ import annotations

import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

import httpx
import msgspec
import psycopg

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection.fetch import TIMEOUT, plain
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.migrate import DatabaseTooNewError, version_of
from fleexmon_pipeline.database.server import DatabaseUnreachableError, configured_url, dagster_conninfo, database_url
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.embedded.server import EmbeddedServerError
from fleexmon_pipeline.resources.nodes import watched
from fleexmon_pipeline.settings import Node, SettingError
from fleexmon_pipeline.window import SLOT, Window, floor

State = Literal["ok", "off", "wrong"]
Told = TypeVar("Told")
OLDEST_SERVER, NEWEST_SERVER = 14, 18
DAEMON_SILENT = timedelta(minutes=2)
LOOK_SECONDS = 20.0  # for the agent and for GitHub; a node has FLEEXMON_MAX_ANSWER_SECONDS


@dataclass(frozen=True)
class Finding:
    """`subject`: a variable or a system; `told`: what is, and for `wrong` what to do."""

    subject: str
    state: State
    told: str


Environment = Mapping[str, str]


def examine(environment: Environment, *, now: datetime) -> list[Finding]:
    """Everything, in the order in which things depend on each other. Never raises for what it finds."""
    found = [finding for look in _LOOKS for finding in _settled(look, environment, now)]
    return list(dict.fromkeys(found))  # a wrong FLEEXMON_PORT is found by whoever needs it


def render(findings: list[Finding], *, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode([asdict(finding) for finding in findings]).decode()
    width = max(len(finding.subject) for finding in findings)
    told = [
        f"{finding.state:<5}  {finding.subject:<{width}}  " + finding.told.replace("\n", f"\n{' ' * (width + 9)}")
        for finding in findings
    ]
    wrong = sum(finding.state == "wrong" for finding in findings)
    return "\n".join([*told, "", f"{wrong} wrong" if wrong else "nothing is wrong"])


def _settled(
    look: Callable[[Environment, datetime], Iterator[Finding]], environment: Environment, now: datetime
) -> Iterator[Finding]:
    try:
        yield from look(environment, now)
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
    yield Finding("FLEEXMON_HOME", "ok", f"{home}{'' if home.exists() else ' (made at the first start)'}")
    given = environment.get("DAGSTER_HOME")
    if not given:
        yield Finding(
            "DAGSTER_HOME", "off", f"not set: `up` uses {home / 'dagster'}; export it for dagster's own commands"
        )
    elif not Path(given).is_absolute() or not (Path(given) / "dagster.yaml").exists():
        yield Finding("DAGSTER_HOME", "wrong", f"{given}: not an absolute path of a directory with a dagster.yaml")
    else:
        yield Finding("DAGSTER_HOME", "ok", given)


def _port(environment: Environment, _: datetime) -> Iterator[Finding]:
    port = settings.ui_port(environment)
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    yield Finding("FLEEXMON_PORT", "ok", f"127.0.0.1:{port}, {'something listens there' if taken else 'free'}")


def _retention(environment: Environment, _: datetime) -> Iterator[Finding]:
    days = settings.retention_days(environment)
    yield Finding("LOG_RETENTION_DAYS", "ok", f"{days} days")


def _limits(environment: Environment, _: datetime) -> Iterator[Finding]:
    found = settings.limits(environment)
    if found == settings.Limits():
        return
    told = f"{found.answer_bytes:,} bytes and {found.answer_seconds} s an answer, {found.record_bytes:,} bytes a record"
    yield Finding("FLEEXMON_MAX_*", "ok", told)


def _rules(environment: Environment, _: datetime) -> Iterator[Finding]:
    own = settings.rules_directory(environment)
    loaded = all_rules(own)
    for problem in loaded.problems:
        yield Finding("FLEEXMON_RULES" if own else "rules", "wrong", f"refused, the others run: {problem}")
    if own and not loaded.problems:
        yield Finding("FLEEXMON_RULES", "ok", f"{own}: {len(loaded.rules)} rules with the built-in ones")


def _database(environment: Environment, now: datetime) -> Iterator[Finding]:
    configured = configured_url(environment)
    subject = "DATABASE_URL" if configured else "database"
    url = database_url(environment)
    with connect(url) as connection:
        major = connection.info.server_version // 10_000
        where = "" if configured else f"embedded, in {settings.home(environment)}; "
        if OLDEST_SERVER <= major <= NEWEST_SERVER:
            yield Finding(subject, "ok", f"{where}PostgreSQL {major}, version {version_of(connection)} of the tables")
        else:
            yield Finding(
                subject, "wrong", f"PostgreSQL {major}; this release knows {OLDEST_SERVER} to {NEWEST_SERVER}"
            )
        encrypted = connection.pgconn.ssl_in_use
        if (
            configured
            and not encrypted
            and not settings.is_loopback(connection.info.host)
            and "/" not in connection.info.host
        ):
            yield Finding(subject, "wrong", "the connection is not encrypted; add sslmode=verify-full to DATABASE_URL")
        yield from _coverage(connection, environment, now)
    with psycopg.connect(psycopg.conninfo.make_conninfo(**dagster_conninfo(url))) as own:
        row = own.execute("SELECT current_schema()").fetchone()
        schema = "" if row is None or row[0] == "public" else f", schema {row[0]}"
        yield Finding("dagster's database", "ok", f"{own.info.dbname}{schema}")
        yield _daemon(own, now)


def _coverage(connection: Connection, environment: Environment, now: datetime) -> Iterator[Finding]:
    """What was collected lately, node by node; a node that is watched no more is told, and no longer wrong."""
    try:
        watched_now = {node.name for node in watched(environment)[0]}
    except SettingError:  # told where the nodes are asked
        watched_now = set()
    rows = connection.execute(statements("commands")["coverage"], {"since": now - timedelta(days=1)}).fetchall()
    for row in (row for row in rows if row["node"] in watched_now):
        newest = f"newest {row['newest']:%m-%d %H:%M} UTC"
        told = f"last 24 h: {row['whole']} slots whole, {row['broken']} missing or partial; {newest}"
        again = f"; {row['error']}. It is asked again by itself." if row["broken"] and row["error"] else ""
        yield Finding(f"coverage of {row['node']}", "wrong" if row["broken"] else "ok", told + again)
    for row in connection.execute(statements("commands")["nodes_ever"]):
        if watched_now and row["node"] not in watched_now:
            last = f"last asked for {row['newest']:%Y-%m-%d %H:%M} UTC"
            yield Finding(f"node {row['node']}", "off", f"is watched no more; {last}")


def _daemon(own: psycopg.Connection[tuple[object, ...]], now: datetime) -> Finding:
    """Schedules need the daemon; its heartbeats tell whether it runs."""
    found = own.execute(statements("commands")["has_heartbeats"]).fetchone()
    row = own.execute(statements("commands")["heartbeat"]).fetchone() if found and found[0] else None
    newest = row[0] if row else None
    if not isinstance(newest, datetime):
        return Finding("daemon", "off", "has never run; `fleexmon up` starts it")
    age = now.replace(tzinfo=None) - newest.replace(tzinfo=None)
    if age > DAEMON_SILENT:
        return Finding(
            "daemon", "off", f"last heard of {newest:%Y-%m-%d %H:%M} UTC: schedules do not run; `fleexmon up`"
        )
    return Finding("daemon", "ok", "runs")


def _nodes(environment: Environment, now: datetime) -> Iterator[Finding]:
    nodes, demo = watched(environment)
    for finding in look_at(nodes, now=now):
        yield replace(finding, told=f"{finding.told} (demo)") if demo and finding.state == "ok" else finding


def look_at(nodes: Sequence[Node], *, now: datetime) -> list[Finding]:
    """Each is asked for its last slot, once and all at the same time: one that hangs takes 10 s."""
    clients, end = Clients(), floor(now, SLOT)

    def look(node: Node) -> Finding:
        variable = f"{node.name.upper()}_HOST" if node.name in ("blue", "green") else f"LOG_SOURCES {node.name}"
        with ask(clients, node, Window(end - SLOT, end), attempts=1) as answer:
            lines = sum(map(len, answer))
        if answer.error:
            return Finding(variable, "wrong", f"{node.url}: {answer.error}")
        shown = f", with {', '.join(node.credentials.variables)}" if node.credentials.variables else ""
        return Finding(variable, "ok", f"{node.url}: {lines:,} lines of the last slot in {answer.seconds:.2f} s{shown}")

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(look, nodes))


def _genai(environment: Environment, _: datetime) -> Iterator[Finding]:
    found = settings.genai(environment)
    if found is None:
        yield Finding("GENAI_AGENT_URL", "off", "not set: rules work alone")
        return
    try:
        status = _within(LOOK_SECONDS, lambda: _status_of(found.url))
        if status >= 500 and status != 501:  # 501: it takes no GET, which is all that was asked
            yield Finding("GENAI_AGENT_URL", "wrong", f"{found.url} answers HTTP {status}. What it was to judge waits.")
            return
    except (httpx.HTTPError, TimeoutError) as error:
        yield Finding("GENAI_AGENT_URL", "wrong", f"{found.url}: {plain(error)}. What it was to judge waits.")
        return
    key = "with GENAI_API_KEY" if found.api_key else "without GENAI_API_KEY"
    yield Finding(
        "GENAI_AGENT_URL", "ok", f"{found.url} answers ({status}), {key}; its answers: check everything_is_judged"
    )


def _status_of(url: str) -> int:
    """No completion is asked for: a look must not cost tokens. 404 or 405 is an agent that has no page there."""
    with httpx.stream("GET", url, timeout=TIMEOUT, follow_redirects=False) as response:
        return response.status_code


def _github(environment: Environment, _: datetime) -> Iterator[Finding]:
    found = settings.github(environment)
    if found is None:
        yield Finding("ALERTS_REPO", "off", "not set, nor GH_TOKEN: digests and alerts stay here")
        return
    from fleexmon_pipeline.reporting.github import GitHubClient, GitHubError  # noqa: PLC0415  only where it is used

    try:
        told = _within(LOOK_SECONDS, GitHubClient(found).check)
    except (GitHubError, TimeoutError) as error:
        yield Finding("ALERTS_REPO", "wrong", f"{found.repo}: {error}")
        return
    yield Finding("ALERTS_REPO", "ok", told)


def _within(seconds: float, look: Callable[[], Told]) -> Told:
    """Raises TimeoutError when time is up. The look is left to itself then: clients bound each read, not the whole, and
    whoever sends a byte of a header now and then, or a resolver that hangs, would hold the command for ever."""
    results: queue.SimpleQueue[Told | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(look())
        except Exception as error:  # noqa: BLE001  raised below, where it is waited for
            results.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = results.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer in {seconds:g} s") from None
    if isinstance(result, Exception):
        raise result
    return result


_LOOKS = (_homes, _port, _retention, _limits, _rules, _database, _nodes, _genai, _github)

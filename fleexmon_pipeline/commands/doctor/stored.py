"""The database, and its records of collection, channels, the agent, the daemon and the checks.

Only reads; creates nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg

from fleexmon_pipeline import settings
from fleexmon_pipeline.baselines.links import newest_links
from fleexmon_pipeline.commands.doctor.finding import Environment, Finding
from fleexmon_pipeline.commands.home import up_of
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.line_days import is_pending, obstacle, problems
from fleexmon_pipeline.database.migrate import version_of
from fleexmon_pipeline.database.server import configured_url, dagster_conninfo, database_url
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.outcomes import REMEDIES, CallOutcome
from fleexmon_pipeline.lookup.schedules import Up, is_running, last_heartbeat, starting_since
from fleexmon_pipeline.retention.days import days_of_lines
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline.settings.machines import DEFAULT_RUNS_AT_ONCE, MIN_CONNECTIONS
from fleexmon_pipeline.wording import counted, one_line

MIN_SERVER, MAX_SERVER = 14, 18  # PostgreSQL
MAX_CHECK_AGE = timedelta(days=7)
COVERAGE = "coverage of nodes"
MAX_LINKS = 5  # pairs of nodes that are named


def database(environment: Environment, now: datetime) -> Iterator[Finding]:
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
            yield Finding(subject, "ok", f"{where}PostgreSQL {major}, schema version {version_of(connection)}")
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
        yield from _connections(connection, environment)
        yield from lines_by_day(connection)
        yield from _coverage(connection, environment, now)
        yield from _failing_channels(connection, environment, now)
        yield from _useless_answers(connection, now)
        yield from _links(connection)
    with psycopg.connect(psycopg.conninfo.make_conninfo(**dagster_conninfo(url))) as own:
        row = own.execute("SELECT current_schema()").fetchone()
        schema = "" if row is None or row[0] == "public" else f", schema {row[0]}"
        yield Finding("dagster's database", "ok", f"{own.info.dbname}{schema}")
        yield _daemon(own, now, up_of(settings.home(environment)))
        yield from _failed_checks(own, now)


def _connections(connection: Connection, environment: Environment) -> Iterator[Finding]:
    """Whether the server allows as many connections as this installation may use."""
    row = connection.execute(statements("commands")["connections"]).fetchone() or {}
    most = settings.most_connections(DEFAULT_RUNS_AT_ONCE, environment)
    sentence = (
        f"at most {most} with {DEFAULT_RUNS_AT_ONCE} concurrent runs, {row['used']} open now; the server allows "
        f"{row['room']}, {row['taken']} open now"
    )
    if most <= row["room"]:
        yield Finding("connections", "ok", sentence)
        return
    remedy = f"Set FLEEXMON_MAX_CONNECTIONS={max(row['room'], MIN_CONNECTIONS)}, or lower max_concurrent_runs."
    yield Finding("connections", "warn", f"{sentence}. {remedy}")


def lines_by_day(connection: Connection) -> Iterator[Finding]:
    """Whether "LogEntry" is partitioned by day, and if not, why; steps that PostgreSQL refused."""
    refused = problems(connection)
    for problem in refused:
        since = f"since {problem.first_at:%m-%d %H:%M} UTC" if problem.first_at < problem.last_at else "once"
        yield Finding(
            "lines by day", "warn",
            f"{problem.reason}. Refused {since}, retried automatically. Nothing is lost. If another program attached "
            'an object to "LogEntry", such as a foreign key, its owner must drop it.',
        )  # fmt: skip
    if reason := obstacle(connection):
        yield Finding("lines by day", "warn", reason)
    elif is_pending(connection) and all(problem.step != "take over" for problem in refused):
        yield Finding(
            "lines by day", "warn",
            '"LogEntry" is not partitioned yet: it was in use when fleexmon started, or the start was interrupted. '
            "Nothing is lost; the next start continues. Until then some lines of other programs may be missing here.",
        )  # fmt: skip
    elif days := days_of_lines(connection):
        compact = sum(day.compact for day in days)
        yield Finding(
            "lines by day",
            "ok",
            f"{counted(len(days), 'daily partition')} since {days[0].since:%Y-%m-%d}, {compact} of them compact",
        )


def _failing_channels(connection: Connection, environment: Environment, now: datetime) -> Iterator[Finding]:
    """Waiting messages, and why they wait. Invalid settings are reported by `outside.channels`."""
    from fleexmon_pipeline.channels.overview import overview  # noqa: PLC0415  only where it is used

    try:
        configured = settings.channels(environment)
    except SettingError:
        return
    for view in overview(connection, configured, now=now) if configured else ():
        if problem := view.problem():
            yield Finding(f"messages to {view.name}", "warn", f"{problem}. `fleexmon channels test {view.name}`")


def _coverage(connection: Connection, environment: Environment, now: datetime) -> Iterator[Finding]:
    """Coverage of the last day, by node. A node that is no longer watched is off, not wrong."""
    try:
        watched_now = {node.name for node in settings.watched(environment)[0]}
    except SettingError:  # reported where the nodes are checked
        watched_now = set()
    rows = connection.execute(statements("commands")["coverage"], {"since": now - timedelta(days=1)}).fetchall()
    for row in (row for row in rows if row["node"] in watched_now):
        newest = f"newest {row['newest']:%m-%d %H:%M} UTC"
        text = f"last 24 h: {row['whole']} slots complete, {row['broken']} missing or partial; {newest}"
        retried = f"; {row['error']}. They are retried automatically." if row["broken"] and row["error"] else ""
        yield Finding(f"coverage of {row['node']}", "wrong" if row["broken"] else "ok", text + retried, COVERAGE)
    for row in connection.execute(statements("commands")["nodes_ever"]):
        if watched_now and row["node"] not in watched_now:
            last = f"last polled for {row['newest']:%Y-%m-%d %H:%M} UTC"
            yield Finding(f"node {row['node']}", "off", f"no longer watched; {last}")


def _useless_answers(connection: Connection, now: datetime) -> Iterator[Finding]:
    """Unusable answers of the last day that a retry does not fix, and what to change at the agent."""
    where = {"since": now - timedelta(days=1), "until": now, "outcomes": list(REMEDIES)}
    for row in connection.execute(statements("commands")["useless_answers"], where):
        outcome = CallOutcome(row["outcome"])
        text = f"{counted(row['count'], 'answer')} of the last 24 h, the newest {row['newest']:%m-%d %H:%M} UTC"
        yield Finding(f"GenAI {outcome}", "warn", f"{text}: {REMEDIES[outcome]}.")


def _links(connection: Connection) -> Iterator[Finding]:
    """Learnt links between nodes. They merge issues into one incident, so people must be able to correct them."""
    links = newest_links(connection)
    if links:
        pairs = ", ".join(f"{one} and {other}" for one, other in links[:MAX_LINKS])
        more = f" and {len(links) - MAX_LINKS} more pairs" if len(links) > MAX_LINKS else ""
        text = f"{pairs}{more} often have errors at the same time, so their issues become one incident"
        yield Finding("linked nodes", "ok", f"{text}. If that is wrong, list them as `unrelated` in FLEEXMON_TOPOLOGY.")


def _daemon(own: psycopg.Connection[tuple[object, ...]], now: datetime, up: Up | None) -> Finding:
    """Schedules need the daemon; its heartbeats show whether it is running. up: that of this home."""
    newest = last_heartbeat(own)
    if started := starting_since(newest, up):
        return Finding(
            "daemon", "off", f"starting: `fleexmon up` was started at {started:%H:%M:%S} UTC; no schedule runs yet"
        )
    if newest is None:
        return Finding("daemon", "off", "has never run, so no schedule runs. `fleexmon up` starts it.")
    if not is_running(newest, up, now):
        return Finding(
            "daemon", "off", f"last seen {newest:%Y-%m-%d %H:%M} UTC, so no schedule runs. `fleexmon up` starts it."
        )
    return Finding("daemon", "ok", "running")


def _failed_checks(own: psycopg.Connection[tuple[object, ...]], now: datetime) -> Iterator[Finding]:
    """Failed asset checks, as last evaluated. They are about collected data, not about settings, so they only warn."""
    table = own.execute(statements("commands")["has_checks"]).fetchone()
    if not table or not table[0]:
        return
    since = {"since": now.replace(tzinfo=None) - MAX_CHECK_AGE}
    for asset, name, event, at in own.execute(statements("commands")["failed_checks"], since):
        where = f"details in the UI: asset {'/'.join(json.loads(str(asset)))}, Checks"
        when = f"evaluated {at:%Y-%m-%d %H:%M} UTC" if isinstance(at, datetime) else "evaluated"
        yield Finding(f"check {name}", "warn", f"failed: {_description(event)} ({when}; {where})")


def _description(event: object) -> str:
    """A check's description, from the event that Dagster stored. Dagster may change the event's form."""
    try:
        description = json.loads(str(event))["dagster_event"]["event_specific_data"]["description"]
    except (ValueError, KeyError, TypeError):
        description = None
    return one_line(str(description), most=300) if description else "no description"

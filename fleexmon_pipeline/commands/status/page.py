"""The overall state as one page in a terminal of 80 columns: order, wording and colours."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from fleexmon_pipeline import __version__
from fleexmon_pipeline.commands.screen.clock import Clock
from fleexmon_pipeline.commands.screen.listing import SEVERITIES, Column, Row, listing
from fleexmon_pipeline.lookup.archive import ArchiveState
from fleexmon_pipeline.lookup.now import HEALTH_TEXTS, NodeDay, Now, until_text
from fleexmon_pipeline.lookup.schedules import Schedules
from fleexmon_pipeline.wording import counted, inert_line, one_line, short_duration

MAX_NODES = 24  # they fill most of a screen; those with problems come first
MAX_INCIDENTS, MAX_WAITING, MAX_NAME = 10, 5, 20
SHORT_ID = 18  # characters of an incident's id, as in its list
_HEALTH_STYLES = {"no-data": "bold cyan", "incomplete": "bold yellow", "attention": "bold red", "healthy": "bold green"}
_SIGNS = {  # sign and colour of half an hour, by its coverage
    "complete": ("█", "green"),
    "empty": ("▁", "green"),
    "partial": ("▄", "yellow"),
    "missing": ("×", "bold red"),
    "unknown": ("·", "dim"),
    "pending": (" ", ""),
}
_KEY = "█ complete  ▁ no lines  ▄ partial  × missing  · not polled"


@dataclass(frozen=True)
class Versions:
    fleexmon: str
    dagster: str | None
    python: str
    postgresql: str
    tables: str | None

    @classmethod
    def of_here(cls, server: int, tables: str | None) -> Versions:
        """server: libpq's version number, 180003 for 18.3."""
        try:
            dagster = version("dagster")
        except PackageNotFoundError:
            dagster = None
        return cls(__version__, dagster, platform.python_version(), f"{server // 10_000}.{server % 10_000}", tables)


@dataclass(frozen=True)
class Status:
    """deployed: the version of each node; schedules: None if Dagster's database cannot be read."""

    now: datetime
    current: Now
    deployed: dict[str, str]
    versions: Versions
    schedules: Schedules | None
    archive: ArchiveState


def page(status: Status, clock: Clock) -> Iterator[RenderableType]:
    current = status.current
    yield Text.assemble(
        (HEALTH_TEXTS[current.health], _HEALTH_STYLES[current.health]),
        f". {current.sentence} ({clock.full_minute(status.now, named=True)})",
    )
    yield ""
    yield from _nodes(status, clock)
    yield ""
    yield from _incidents(status, clock)
    yield ""
    yield from _work(status, clock)
    yield from _archive(status)
    yield ""
    yield from _schedules(status, clock)
    yield ""
    yield _versions(status.versions)


def _nodes(status: Status, clock: Clock) -> Iterator[RenderableType]:
    nodes = status.current.first_nodes(MAX_NODES)
    if not nodes:
        remedy = (
            ""
            if status.current.configured
            else " Set BLUE_HOST, GREEN_HOST, LOG_SOURCES or FLEEXMON_NODES, or start `fleexmon up`."
        )
        yield Text(f"Nodes: none has been polled yet.{remedy}")
        return
    names = [one_line(node.state.node, most=MAX_NAME) for node in nodes]
    width = max(map(cell_len, names))
    begin, end = clock.time_of_day(status.current.day.since), clock.time_of_day(status.current.day.until)
    yield Text.assemble(("Nodes", "bold"), f", last 24 hours ({begin} to {end} {clock.name})")
    for node, name in zip(nodes, names, strict=True):
        line = Text(f"{name}{' ' * (width - cell_len(name))}  ")
        for coverage, halves in groupby(node.halves):
            sign, style = _SIGNS.get(coverage, ("?", ""))
            line.append(sign * len(list(halves)), style)
        line.append(f"  {_node_text(node, status)}")
        yield line
    if more := len(status.current.nodes) - len(nodes):
        yield Text(f"and {counted(more, 'more node')}: fleexmon nodes")
    yield Text(_KEY, style="dim")


def _node_text(node: NodeDay, status: Status) -> str:
    state = node.state
    parts = [f"last line {_ago(status.now - state.last_line)}" if state.last_line else "no line yet"]
    if running := status.deployed.get(state.node):
        parts.append(f"version {one_line(running, most=20)}")
    if state.gaps["hours"]:
        parts.append(f"{counted(state.gaps['hours'], 'hour')} with gaps")
    if state.rejected:
        parts.append(f"{state.rejected:,} rejected")
    if not state.watched:
        parts.append("no longer watched")
    return ", ".join(parts)


def _incidents(status: Status, clock: Clock) -> Iterator[RenderableType]:
    state, incidents = status.current.overview, status.current.incidents
    severities = ", ".join(f"{count} {inert_line(name)}" for name, count in state.open.items())
    issues = f"{counted(sum(state.open.values()), 'open issue')}" + (f": {severities}" if severities else "")
    yield Text.assemble((f"{counted(len(incidents), 'open incident')}", "bold"), f" ({issues})")
    rows = [
        Row(
            (
                one.severity, str(one.id)[:SHORT_ID], clock.minute(one.started_at),
                short_duration(one.last_seen_at - one.started_at),
            ),
            inert_line(one.title),
            "dim" if one.muted else "",
        )
        for one in incidents[:MAX_INCIDENTS]
    ]  # fmt: skip
    heads = (Column("severity", styles=SEVERITIES), Column("id", style="dim"), Column("began"))
    yield from listing((*heads, Column("for", right=True)), rows)
    if len(incidents) > MAX_INCIDENTS:
        yield Text(f"and {len(incidents) - MAX_INCIDENTS} more: fleexmon incidents list")


def _work(status: Status, clock: Clock) -> Iterator[RenderableType]:
    state = status.current.overview
    ticked = state.freshness.ticked
    last = f"{clock.minute(ticked, named=True)}, {_ago(status.now - ticked)}" if ticked else "none yet"
    yield Text.assemble(("Last tick", "bold"), f"  {last}; {counted(state.freshness.lines, 'line')} since midnight UTC")
    for stage in status.current.stages:
        moment = None if stage.until is None else f"{clock.minute(stage.until, named=True)}"
        late = "  late" if stage.late else ""
        yield Text.assemble(f"  {stage.name:<22} {until_text(moment)}", (late, "yellow"))
    given_up = sum(one.given_up for one in state.waiting)
    waits = f"{counted(len(state.waiting), 'hour')} to process" + (f", {given_up} given up" if given_up else "")
    yield Text.assemble(("Pending", "bold"), f"  {waits}; {counted(state.messages, 'message')} to deliver")
    for one in state.waiting[:MAX_WAITING]:
        again = "given up" if one.given_up else f"next attempt {clock.minute(one.next_at)}"
        reason = f"{one.stage}, {again}: {one_line(one.reason, most=100)}"
        yield Text(f"  {clock.minute(one.hour)}  {reason}")
    if len(state.waiting) > MAX_WAITING:
        yield Text(f"  and {len(state.waiting) - MAX_WAITING} more")


def _archive(status: Status) -> Iterator[RenderableType]:
    """Nothing if there is no archive, and never was one."""
    state = status.archive
    if state.configured or state.days:
        place = one_line(state.configured.text, most=200) if state.configured else "FLEEXMON_ARCHIVE is not set"
        yield Text.assemble(("Archive", "bold"), f"  {place}: {state.sentence}")


def _schedules(status: Status, clock: Clock) -> Iterator[RenderableType]:
    schedules = status.schedules
    if schedules is None:
        yield Text.assemble(
            ("Schedules", "bold"), "  unknown: Dagster's database cannot be read; see `fleexmon doctor`"
        )
        return
    if schedules.running:
        state = ("running", "green")
    elif schedules.starting_since is not None:
        ago = _ago(status.now - schedules.starting_since)
        state = (f"starting: `fleexmon up` was started {ago}. Its daemon has not reported yet.", "yellow")
    elif schedules.daemon_seen is None:
        state = ("not running: the daemon has never run. `fleexmon up` starts it.", "yellow")
    else:
        ago = _ago(status.now - schedules.daemon_seen)
        state = (f"not running: the daemon was last seen {ago}. `fleexmon up` starts it.", "yellow")
    yield Text.assemble(("Schedules", "bold"), "  ", state)
    for one in schedules.schedules:
        ticked = "no tick yet" if one.ticked_at is None else f"ticked {clock.minute(one.ticked_at)}, {one.status}"
        failed = "bold red" if one.status == "failure" else ""
        yield Text.assemble(f"  {one.name:<28} {one.cron:<12} ", (ticked if one.on else "stopped", failed))


def _versions(versions: Versions) -> Text:
    parts = [f"fleexmon {versions.fleexmon}", f"Dagster {versions.dagster}" if versions.dagster else ""]
    parts += [f"Python {versions.python}", f"PostgreSQL {versions.postgresql}", f"schema {versions.tables}"]
    return Text(", ".join(filter(None, parts)), style="dim")


def _ago(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    if seconds < 0:
        return f"{-seconds:,} s ahead"
    return f"{seconds} s ago" if seconds < 120 else f"{short_duration(length)} ago"

"""`fleexmon logs`: print stored log lines.

Here: options, filtering and printing. Reading lines: `lookup/lines.py`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import TIMES
from fleexmon_pipeline.commands.screen.clock import Clock, readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.hints import hint_at_nodes
from fleexmon_pipeline.commands.screen.listing import LEVELS
from fleexmon_pipeline.commands.screen.terminal import is_read_by_a_person, show
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import named_minute, parse_optional_time, parse_time
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.levels import Level
from fleexmon_pipeline.lookup.expressions import texts_of
from fleexmon_pipeline.lookup.lines import LineQuery, LogLine, at_least, neighbours
from fleexmon_pipeline.lookup.search import newest_first
from fleexmon_pipeline.lookup.traces import newest_of_trace
from fleexmon_pipeline.patterns.labels import UnknownPatternError, find_pattern
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.wording import inert

MAX_CONTEXT = 100
_POLL_SECONDS = 2.0
_BREAK = "--"  # between lines that do not follow each other, as in grep

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class _Filter:
    """The query of the database, filters on its lines, and the limit: the newest lines are kept."""

    query: LineQuery
    pattern: str | None
    trace: str | None
    grep: re.Pattern[str] | None
    limit: int


@dataclass(frozen=True)
class _Shown:
    """A line to print. `matches` is False for a line of context."""

    line: LogLine
    matches: bool = True


@app.command()
def logs(
    node: Annotated[str | None, typer.Option(help="Only lines of this node.")] = None,
    since: Annotated[str, typer.Option(help=f"Start: {TIMES}.")] = "15m",
    until: Annotated[str | None, typer.Option(help="End, in the same formats.", show_default="now")] = None,
    level: Annotated[Level | None, typer.Option(help="Only lines of this level or worse.")] = None,
    pattern: Annotated[str | None, typer.Option(help="Only lines of this pattern: its id or a unique prefix.")] = None,
    trace: Annotated[str | None, typer.Option(help="Only lines that carry this trace or request id.")] = None,
    grep: Annotated[str | None, typer.Option(help="Only lines that match this regular expression.")] = None,
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", "-i", help="Ignore case in --grep.")
    ] = False,
    context: Annotated[
        int,
        typer.Option(
            "--context", "-C", min=0, max=MAX_CONTEXT,
            help="Also print this many lines of the same node before and after each match.",
        ),
    ] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new lines as they are collected, until Ctrl-C.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Print at most this many lines, the newest.")] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
) -> None:  # fmt: skip
    """Print stored log lines, oldest first."""
    now = datetime.now(UTC)
    begin, end = parse_time("--since", since, now=now), parse_optional_time("--until", until, now=now)
    query = LineQuery(begin, end, node, at_least(level) if level else None)
    wanted = _Filter(query, pattern, trace, _compiled(grep, ignore_case=ignore_case), limit)
    for option, value in (("--context", context), ("--trace", trace), ("--until", until)):
        if follow and value:
            raise CommandError(f"{option}: cannot be combined with --follow.")
    if end and end <= begin:
        raise CommandError(
            f"--until: {named_minute(end, now=now)} is not after --since, {named_minute(begin, now=now)}."
        )
    clock = readers_clock(now)
    try:
        if follow:
            _follow(wanted, clock, as_json=as_json)
        else:
            _print(_stored(wanted, context, clock), wanted, clock, marked=bool(context), as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _compiled(grep: str | None, *, ignore_case: bool) -> re.Pattern[str] | None:
    if ignore_case and not grep:
        raise CommandError("--ignore-case: needs --grep. Example: --grep timeout -i")
    try:
        return re.compile(grep, re.IGNORECASE if ignore_case else 0) if grep else None
    except re.error as error:
        raise CommandError(f"--grep: not a regular expression: {error}.") from None


def _stored(wanted: _Filter, context: int, clock: Clock) -> list[list[_Shown]]:
    """Runs of consecutive lines: all lines as one run, or with `context` one run around each match."""
    with open_database("reading lines") as connection:
        wanted = _of_stored_pattern(connection, wanted)
        miner = load_miner(connection) if wanted.pattern else None
        lines = _newest(connection, wanted, miner)
        if not lines:
            _report_no_lines(wanted, clock, "Try an earlier --since; `fleexmon nodes` shows what was collected.")
            _hint(connection, wanted)
        if not context:
            return [[_Shown(line) for line in lines]]
        near = neighbours(connection, [line.id for line in lines], context)
    return _with_context(lines, near)


def _of_stored_pattern(connection: Connection, wanted: _Filter) -> _Filter:
    """`wanted` with the whole id of its pattern. An id that `fleexmon patterns FILE` printed need not be stored."""
    try:
        return replace(wanted, pattern=find_pattern(connection, wanted.pattern)[0]) if wanted.pattern else wanted
    except UnknownPatternError:
        return wanted


def _hint(connection: Connection, wanted: _Filter) -> None:
    """Name what may be a typo, after no line was found."""
    hint_at_nodes(connection, wanted.query.node)
    if wanted.pattern:
        try:
            find_pattern(connection, wanted.pattern)
        except UnknownPatternError as error:
            typer.echo(f"fleexmon: {error}", err=True)


def _with_context(lines: Sequence[LogLine], near: dict[UUID, list[LogLine]]) -> list[list[_Shown]]:
    """Runs of matches and their context, by time. Runs of one node that touch or overlap become one."""
    matching = {line.id: line for line in lines}
    runs: list[dict[UUID, LogLine]] = []
    newest: dict[str, dict[UUID, LogLine]] = {}  # the latest run of each node
    for line in lines:
        around = {one.id: matching.get(one.id, one) for one in (*near.get(line.id, ()), line)}
        run = newest.get(line.node)
        if run is None or not run.keys() & around.keys():
            run = newest[line.node] = {}
            runs.append(run)
        run.update(around)
    ordered = (sorted(run.values(), key=lambda line: (line.timestamp, line.id)) for run in runs)
    return [[_Shown(line, line.id in matching) for line in run] for run in ordered]


def _print(runs: Sequence[Sequence[_Shown]], wanted: _Filter, clock: Clock, *, marked: bool, as_json: bool) -> None:
    if as_json:
        for one in (one for run in runs for one in run):
            print_json({**msgspec.to_builtins(vars(one.line)), "matches": one.matches} if marked else one.line)
        return
    if any(runs):
        show(*_page(runs, wanted, clock))


def _page(runs: Sequence[Sequence[_Shown]], wanted: _Filter, clock: Clock) -> Iterator[Text]:
    if is_read_by_a_person():
        yield _heading(clock)
    for place, run in enumerate(runs):
        if place:
            yield Text(_BREAK, style="dim")
        yield from (_text(one, wanted.grep, clock) for one in run)


def _heading(clock: Clock) -> Text:
    return Text(f"{f'time ({clock.name})':<23} {'node':<8} {'level':<5} message", style="bold")


def _text(one: _Shown, grep: re.Pattern[str] | None, clock: Clock) -> Text:
    line = one.line
    person = is_read_by_a_person()
    at = clock.milliseconds(line.timestamp) if person else clock.exact(line.timestamp)
    message = Text(inert(line.message))
    if grep and one.matches:
        for match in grep.finditer(message.plain):
            message.stylize("bold magenta", *match.span())
    styled = Text.assemble(
        (at, "dim"), f" {line.node:<8} ", (f"{line.level:<5}", LEVELS.get(line.level, "")), " ", message
    )
    styled.no_wrap = True
    if not one.matches:
        styled.stylize("dim")
    return styled


def _follow(wanted: _Filter, clock: Clock, *, as_json: bool) -> None:
    console = Console(highlight=False)
    if is_read_by_a_person() and not as_json:
        console.print(_heading(clock))
    for line in _followed(wanted, clock):
        if as_json:
            print_json(line)
        else:
            console.print(_text(_Shown(line), wanted.grep, clock), soft_wrap=True)


def _followed(wanted: _Filter, clock: Clock) -> Iterator[LogLine]:
    """Stored lines, then new ones as they are collected, for ever."""
    with connect(existing_database_url()) as connection:
        wanted = _of_stored_pattern(connection, wanted)
        miner = load_miner(connection) if wanted.pattern else None
        last: LogLine | None = None
        for line in _newest(connection, wanted, miner):
            yield line
            last = line
        if last is None:
            _report_no_lines(wanted, clock, "Waiting for new ones.")
            _hint(connection, wanted)
        while True:
            time.sleep(_POLL_SECONDS)
            if last is not None:
                wanted = replace(wanted, query=replace(wanted.query, since=last.timestamp))
            for line in _newest(connection, wanted, miner):
                if last is None or (line.timestamp, line.id) > (last.timestamp, last.id):
                    yield line
                    last = line


def _report_no_lines(wanted: _Filter, clock: Clock, advice: str) -> None:
    query = wanted.query
    since = clock.full_minute(query.since)
    window = f"between {since} and {clock.full_minute(query.until)}" if query.until else f"since {since}"
    window = f"{window} {clock.name}"
    typer.echo(f"fleexmon: no line matches {window}. {advice}", err=True)


def _newest(connection: Connection, wanted: _Filter, miner: PatternMiner | None) -> list[LogLine]:
    """The newest `limit` that match, in ascending order."""
    lines: list[LogLine] = []
    if wanted.trace:
        stored = newest_of_trace(connection, wanted.trace, wanted.query)
    else:
        stored = newest_first(connection, replace(wanted.query, any_of=texts_of(wanted.grep)))
    for line in _matching(stored, wanted, miner):
        lines.append(line)
        if len(lines) == wanted.limit:
            break
    return lines[::-1]


def _matching(lines: Iterable[LogLine], wanted: _Filter, miner: PatternMiner | None) -> Iterator[LogLine]:
    for line in lines:
        if wanted.grep and not wanted.grep.search(line.message):
            continue
        if miner and miner.resolve(miner.identify([line.message])[0]) != miner.resolve(wanted.pattern or ""):
            continue
        yield line

"""`fleexmon logs`: stored log lines, for a person or for a script."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import TIMES
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import parse_optional_time, parse_time
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.levels import Level
from fleexmon_pipeline.lookup.lines import LineQuery, LogLine, at_least, newest_first
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.wording import inert

_POLL_SECONDS = 2.0

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class _Filter:
    """What the database is asked for, and what is applied to its lines; the newest `limit` of them."""

    query: LineQuery
    pattern: str | None
    grep: re.Pattern[str] | None
    limit: int


@app.command()
def logs(
    node: Annotated[str | None, typer.Option(help="Only lines of this node.")] = None,
    since: Annotated[str, typer.Option(help=f"Only lines from then on: {TIMES}.")] = "15m",
    until: Annotated[str | None, typer.Option(help="Only lines before; the same forms.", show_default="now")] = None,
    level: Annotated[Level | None, typer.Option(help="Only lines of this level or worse.")] = None,
    pattern: Annotated[str | None, typer.Option(help="Only lines of this pattern id.")] = None,
    grep: Annotated[str | None, typer.Option(help="Only lines that match this regular expression.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Then print lines as they are collected, until Ctrl-C.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most this many lines, the newest.")] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
) -> None:
    """Print stored log lines, oldest first."""
    now = datetime.now(UTC)
    begin, end = parse_time("--since", since, now=now), parse_optional_time("--until", until, now=now)
    query = LineQuery(begin, end, node, at_least(level) if level else None)
    wanted = _Filter(query, pattern, _compiled(grep), limit)
    try:
        for line in _lines(wanted, follow=follow):
            if as_json:
                print_json(line)
            else:
                typer.echo(
                    f"{line.timestamp:%Y-%m-%d %H:%M:%S.%f} {line.node:<8} {line.level:<5} {inert(line.message)}"
                )
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _compiled(grep: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(grep) if grep else None
    except re.error as error:
        raise CommandError(f"--grep: not a regular expression: {error}.") from None


def _lines(wanted: _Filter, *, follow: bool) -> Iterator[LogLine]:
    """What is stored; with `follow` then what is collected later, forever."""
    with connect(existing_database_url()) as connection:
        miner = load_miner(connection) if wanted.pattern else None
        last: LogLine | None = None
        for line in _newest(connection, wanted, miner):
            yield line
            last = line
        if last is None:
            query = wanted.query
            until = f"{query.until:%Y-%m-%d %H:%M}" if query.until else "now"
            typer.echo(
                f"fleexmon: no line matches between {query.since:%Y-%m-%d %H:%M} and {until} UTC. "
                + (
                    "Waiting for new ones."
                    if follow
                    else "Try an earlier --since; `fleexmon nodes` shows what was collected."
                ),
                err=True,
            )
        while follow:
            time.sleep(_POLL_SECONDS)
            if last is not None:
                wanted = replace(wanted, query=replace(wanted.query, since=last.timestamp))
            for line in _newest(connection, wanted, miner):
                if last is None or (line.timestamp, line.id) > (last.timestamp, last.id):
                    yield line
                    last = line


def _newest(connection: Connection, wanted: _Filter, miner: PatternMiner | None) -> list[LogLine]:
    """The newest `limit` that match, in ascending order."""
    lines: list[LogLine] = []
    for line in newest_first(connection, wanted.query):
        if wanted.grep and not wanted.grep.search(line.message):
            continue
        if miner and miner.resolve(miner.identify([line.message])[0]) != miner.resolve(wanted.pattern or ""):
            continue
        lines.append(line)
        if len(lines) == wanted.limit:
            break
    return lines[::-1]

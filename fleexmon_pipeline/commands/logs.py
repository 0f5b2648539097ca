"""`fleexmon logs`: stored lines for a person, or for a script."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
import typer

from fleexmon_pipeline.commands.times import moment_of
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.wording import inert

_SECONDS_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True)
class Wanted:
    """Which lines. `levels`: None for all."""

    since: datetime
    until: datetime | None
    node: str | None
    levels: list[str] | None
    pattern: str | None
    grep: re.Pattern[str] | None
    limit: int

    @classmethod
    def of(
        cls, node: str | None, since: str, until: str | None, level: str | None, pattern: str | None,
        grep: str | None, limit: int, *, now: datetime,
    ) -> Wanted:  # fmt: skip
        """From options. Raises typer.BadParameter for one that cannot be used."""
        if level is not None and level not in LEVELS:
            raise typer.BadParameter(f'--level: "{level}" is none of {", ".join(LEVELS)}')
        try:
            expression = re.compile(grep) if grep else None
        except re.error as error:
            raise typer.BadParameter(f"--grep: not a regular expression: {error}") from None
        return cls(
            moment_of("--since", since, now=now),
            moment_of("--until", until, now=now) if until else None,
            node,
            list(LEVELS[LEVELS.index(level) :]) if level else None,
            pattern,
            expression,
            max(1, limit),
        )


def show(wanted: Wanted, write: Callable[[str], object], *, follow: bool, as_json: bool) -> None:
    """Print what is stored, then with `follow` what is collected later."""
    with connect(database_url()) as connection:
        miner = load_miner(connection) if wanted.pattern else None
        last: Any = None
        for row in _lines(connection, wanted, miner):
            write(_json(row) if as_json else _text(row))
            last = row
        while follow:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            if last is not None:
                wanted = replace(wanted, since=last["timestamp"])
            for row in _lines(connection, wanted, miner):
                if last is None or (row["timestamp"], row["id"]) > (last["timestamp"], last["id"]):
                    write(_json(row) if as_json else _text(row))
                    last = row


def _lines(connection: Connection, wanted: Wanted, miner: PatternMiner | None) -> list[dict[str, Any]]:
    """The newest `limit` that are wanted, in ascending order."""
    found: list[dict[str, Any]] = []
    for row in _newest_first(connection, wanted):
        if wanted.grep and not wanted.grep.search(row["message"]):
            continue
        if miner and miner.resolve(miner.identify([row["message"]])[0]) != miner.resolve(wanted.pattern or ""):
            continue
        found.append(row)
        if len(found) == wanted.limit:
            break
    return found[::-1]


def _newest_first(connection: Connection, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """In chunks: the text conditions are tried here, so the database cannot know how many it takes."""
    with connection.transaction(), connection.cursor("log_lines") as cursor:
        cursor.itersize = 2_000
        cursor.execute(
            statements("commands")["lines"],
            {"since": wanted.since, "until": wanted.until, "node": wanted.node, "levels": wanted.levels},
        )
        yield from cursor


def _text(row: dict[str, Any]) -> str:
    message = inert(row["message"])
    return f"{row['timestamp']:%Y-%m-%d %H:%M:%S.%f} {row['node']:<8} {row['level']:<5} {message}"


def _json(row: dict[str, Any]) -> str:
    return msgspec.json.encode({**row, "id": str(row["id"])}).decode()

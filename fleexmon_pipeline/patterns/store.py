"""Load and store the rows of "LogPattern": what a miner remembers between runs, and what people read of a pattern.

Here: patterns and aliases. Their counts: `count_lines.py`; finding them: `miner.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import tuple_row

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.patterns.masks import MASK_VERSION, MAX_READ_CHARS
from fleexmon_pipeline.patterns.miner import PatternMiner, StoredPattern, presentable
from fleexmon_pipeline.window import SLOT, floor

MAX_LOADED = 100_000  # patterns; 0.5 s and 150 MB

_SQL = statements("patterns")


@dataclass(frozen=True)
class Sighting:
    """When a pattern was first and last seen (event time, UTC), and its most severe level."""

    first: datetime
    last: datetime
    level: str

    def __or__(self, other: Sighting) -> Sighting:
        return Sighting(
            min(self.first, other.first), max(self.last, other.last), max(self.level, other.level, key=_rank)
        )


def _rank(level: str) -> tuple[int, str]:
    """Order levels; an unknown word is below all of them."""
    return (LEVELS.index(level) + 1 if level in LEVELS else 0, level)


def load_miner(connection: Connection) -> PatternMiner:
    """A miner that continues from "LogPattern": ids never change, and the aliases so far are known."""
    miner = PatternMiner()
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_SQL["load"], {"mask_version": MASK_VERSION, "limit": MAX_LOADED})
        miner.remember([StoredPattern(*row) for row in cursor])
    return miner


def store_patterns(
    connection: Connection,
    miner: PatternMiner,
    sightings: Mapping[str, Sighting],
    merged: Mapping[str, datetime],
    *,
    redact: Callable[[str], str],
) -> None:
    """Write the patterns seen, those they merged into, and the aliases since the last commit.

    `merged`: alias → the slot from which it is valid. Call it once, at the end of a transaction, and
    `miner.new_aliases.clear()` after the commit. A merged pattern was first seen when its first member was; otherwise a
    merge would make old lines look new.
    """
    seen = dict(sightings)
    for row in connection.execute(_SQL["seen"], {"ids": sorted(miner.new_aliases)}):
        stored = Sighting(row["firstSeen"], row["lastSeen"], row["level"])
        seen[row["id"]] = stored | seen[row["id"]] if row["id"] in seen else stored
    for pattern, sighting in list(seen.items()):
        for ancestor in miner.lineage(pattern)[1:]:
            seen[ancestor] = seen[ancestor] | sighting if ancestor in seen else sighting
    ids = sorted(pattern for pattern in seen if miner.knows(pattern))
    connection.execute(
        _SQL["upsert"],
        {
            "ids": ids,
            "templates": [presentable(miner.template(pattern), redact) for pattern in ids],
            "levels": [seen[pattern].level for pattern in ids],
            "first": [seen[pattern].first for pattern in ids],
            "last": [seen[pattern].last for pattern in ids],
            "aliases": [next(iter(miner.lineage(pattern)[1:]), None) for pattern in ids],
            "since": [merged.get(pattern, floor(seen[pattern].first, SLOT)) for pattern in ids],
            "ranks": list(LEVELS),
            "mask_version": MASK_VERSION,
        },
    )


def succeed_outdated(connection: Connection, miner: PatternMiner, gone: Mapping[str, str]) -> None:
    """Make ids of an older mask version aliases of the patterns that their lines have now.

    `gone`: patterns that a window no longer has, each with the id of one of its lines. Call it after `store_patterns`,
    which writes the targets.
    """
    params = {"ids": sorted(gone), "mask_version": MASK_VERSION}
    samples = {gone[row["id"]]: row["id"] for row in connection.execute(_SQL["outdated"], params)}
    if not samples:
        return
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_SQL["messages"], {"ids": sorted(samples), "longest": MAX_READ_CHARS})
        lines = sorted(cursor)
    successors = dict(zip([samples[entry] for entry, _ in lines], miner.identify([m for _, m in lines]), strict=True))
    connection.execute(
        _SQL["succeed"],
        {"ids": list(successors), "successors": list(successors.values()), "mask_version": MASK_VERSION},
    )

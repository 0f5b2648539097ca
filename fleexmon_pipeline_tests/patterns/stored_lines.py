"""Lines in a test's database together with the counts that analysis makes of them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.window import SLOT, floor
from fleexmon_pipeline_tests.stories import TEN


def at(minute: float) -> datetime:
    """Minutes after ten o'clock."""
    return TEN + timedelta(minutes=minute)


@dataclass(frozen=True)
class Stored:
    """A line; its pattern is its message, unless said otherwise."""

    time: datetime
    level: str = "error"
    message: str = "upstream answered 502"
    node: str = "blue"
    pattern: str | None = None
    id: uuid.UUID | None = None


def store(connection: Connection, lines: Iterable[Stored]) -> list[uuid.UUID]:
    """Insert lines, patterns and counts; ids in the order of the lines."""
    ids = []
    samples: defaultdict[tuple[datetime, str, str, str], list[uuid.UUID]] = defaultdict(list)
    for number, line in enumerate(lines):
        own = line.id or uuid8(line.time, line.node.encode(), line.message.encode(), str(number).encode())
        pattern = line.pattern or line.message
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname)'
            " VALUES (%s, %s, %s, %s, %s, '10.0.0.5')",
            (own, line.time, line.level, line.message, line.node),
        )
        connection.execute(
            'INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")'
            " VALUES (%s, %s, %s, %s, %s, 1) ON CONFLICT DO NOTHING",
            (pattern, pattern, line.level, line.time, line.time),
        )
        samples[floor(line.time, SLOT), line.node, pattern, line.level].append(own)
        ids.append(own)
    for (slot, node, pattern, level), of_slot in samples.items():
        connection.execute(
            'INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, %s, %s)',
            (slot, node, pattern, level, len(of_slot), of_slot),
        )
    return ids

"""Lines that hold a text some rule looks for: one look at the window's lines, however many rules there are.

Here: the scan, and which rule a line counts for. Exact: compared are the lines, not their templates.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.occurrence import MOST_EVIDENCE, Subject
from fleexmon_pipeline.detection.rule import Threshold
from fleexmon_pipeline.window import SLOT, Window, floor

_LIKE = {each: f"\\{each}" for each in "\\%_"}
ROWS_AT_ONCE = 1_000  # lines fetched together; one may have a million characters


@dataclass
class Matches:
    """Of one rule: by node and slot, how many lines, and the newest of them (oldest first)."""

    counts: defaultdict[str, Counter[datetime]] = field(default_factory=lambda: defaultdict(Counter))
    lines: defaultdict[tuple[str, datetime], deque[uuid.UUID]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=MOST_EVIDENCE))
    )

    def newest(self, subject: Subject, end: datetime, slots: int) -> list[uuid.UUID]:
        """Of the `slots` slots that end at `end`, newest first, at most MOST_EVIDENCE."""
        starts = (end - SLOT * back for back in range(1, slots + 1))
        every = (i for start in starts for i in reversed(self.lines.get((subject.node or "", start), ())))
        return list(islice(every, MOST_EVIDENCE))


def find_texts(connection: Connection, rules: Sequence[Threshold], window: Window) -> dict[str, Matches]:
    """Rule name → its lines in the window. Rules without a text are not looked for."""
    sought = [rule for rule in rules if rule.where.has_words]
    found = {rule.name: Matches() for rule in sought}
    if not sought:
        return found
    # PostgreSQL reads expressions otherwise than RE2 does: where a rule has one, every line is read and RE2 decides.
    texts = {_pattern(text.lower()) for rule in sought for text in rule.where.message or ()}
    wanted = ["%"] if any(rule.where.matches for rule in sought) else sorted(texts)
    query = statements("detection")["matching_lines"]
    parameters = {"since": window.since, "until": window.until, "texts": wanted}
    # Streamed rather than read by a server-side cursor, which would keep the scan from running in parallel.
    for row in connection.cursor().stream(query, parameters, size=ROWS_AT_ONCE):
        for rule in sought:
            if rule.where.has_level(row["level"]) and rule.where.has_text(row["message"]):
                matches, slot = found[rule.name], floor(row["timestamp"], SLOT)
                matches.counts[row["node"]][slot] += 1
                matches.lines[row["node"], slot].append(row["id"])
    return found


def _pattern(text: str) -> str:
    """A LIKE pattern that matches at least where `text` does. Whether é equals É depends on the server's locale, so
    what is not ASCII matches anything, and the comparison above decides."""
    return f"%{''.join(_LIKE.get(each, each) if each.isascii() else '%' for each in text)}%"

"""Lines that hold a text some rule looks for: one look at the window's lines, however many rules there are.

Here: the scan, and which rule a line counts for. Exact: compared are the lines, not their templates.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import re2
from psycopg.rows import DictRow

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.rule_model import Threshold
from fleexmon_pipeline.issues.occurrence import MAX_EVIDENCE, Subject
from fleexmon_pipeline.window import SLOT, Window

SQL = statements("detection")
SEPARATOR = b"\x01"  # of messages that are looked at together
LONGEST_TOGETHER = 2_000  # bytes of a message that is; one may have a million characters
ROWS_AT_ONCE = 1_000
MOST_SAID = 5_000  # different messages that are asked for in a slot; of more, all its lines are read


@dataclass
class Matches:
    """Of one rule: by node and slot, how many lines, and the newest of them (oldest first)."""

    counts: defaultdict[str, Counter[datetime]] = field(default_factory=lambda: defaultdict(Counter))
    lines: defaultdict[tuple[str, datetime], deque[uuid.UUID]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=MAX_EVIDENCE))
    )

    def newest(self, subject: Subject, end: datetime, slots: int) -> list[uuid.UUID]:
        """Of the `slots` slots that end at `end`, newest first, at most MAX_EVIDENCE."""
        starts = (end - SLOT * back for back in range(1, slots + 1))
        every = (i for start in starts for i in reversed(self.lines.get((subject.node or "", start), ())))
        return list(islice(every, MAX_EVIDENCE))


Wanted = Callable[[bytes], Iterable[bytes]]


def find_texts(connection: Connection, rules: Sequence[Threshold], window: Window) -> dict[str, Matches]:
    """Rule name → its lines in the window. Each of the rules looks for texts or expressions (`where.has_words`)."""
    found = {rule.name: Matches() for rule in rules}
    if not rules:
        return found
    wanted = _wanted(rules)
    for slot in window.slots():
        for row in _lines_of(connection, slot, wanted):
            for rule in rules:
                if rule.where.has_level(row["level"]) and rule.where.has_text(row["message"]):
                    matches = found[rule.name]
                    matches.counts[row["node"]][slot.since] += 1
                    matches.lines[row["node"], slot.since].append(row["id"])
    return found


def _lines_of(connection: Connection, slot: Window, wanted: Wanted) -> Iterator[DictRow]:
    """At least the lines of a slot that some rule is about, oldest first."""
    where = {"since": slot.since, "until": slot.until, "longest": LONGEST_TOGETHER}
    messages: set[bytes] = set()
    odd = False
    # Streamed rather than fetched at once: the texts of a busy slot's minutes are as large as the slot.
    for row in connection.cursor().stream(SQL["messages"], where):
        messages.update(wanted((row["messages"] or "").encode()))
        odd = odd or row["odd"]
    if messages or odd:
        said = sorted(map(bytes.decode, messages)) if len(messages) <= MOST_SAID else None
        asked = {**where, "messages": said, "odd": odd}
        yield from connection.cursor().stream(SQL["lines_that_say"], asked, size=ROWS_AT_ONCE)


def _wanted(rules: Sequence[Threshold]) -> Wanted:
    """What tells of joined messages which ones some rule may be about: no fewer; `has_text` decides.

    RE2 looks for all texts at once, in the time that it takes to look for one. Expressions have beginnings and ends, so
    they are asked message by message.
    """
    texts = sorted({_pattern(text.lower()) for rule in rules for text in rule.where.message or ()})
    expressions = sorted({f"(?:{each})" for rule in rules for each in rule.where.matches or ()})
    try:
        of_any = [_compiled([*expressions, *texts])]
    except re2.error:  # two expressions give a group the same name, or together they are too large
        of_any = [_compiled([each]) for each in (*expressions, *texts)]

    def by_text(joined: bytes) -> Iterator[bytes]:
        for each in of_any:
            at = 0
            while at < len(joined) and (match := each.search(joined, at)) is not None:
                begin, end = joined.rfind(SEPARATOR, 0, match.start()) + 1, joined.find(SEPARATOR, match.end())
                at = len(joined) if end < 0 else end + 1
                yield joined[begin : at if end < 0 else end]

    def by_message(joined: bytes) -> Iterator[bytes]:
        return (each for each in joined.split(SEPARATOR) if any(one.search(each) is not None for one in of_any))

    return by_message if expressions else by_text


def _compiled(patterns: Sequence[str]) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20  # some thousands of texts
    return re2.compile("|".join(patterns).encode(), options)


def _pattern(text: str) -> str:
    """An expression that matches wherever the lower case of a message has `text`, which is lower case itself.

    RE2 knows upper from lower case as Unicode's simple tables have it. Of ASCII only the i comes from a longer one, İ;
    what is not ASCII matches anything, and the comparison of the line decides.
    """
    runs = re.findall(r"[\x00-\x7f]+|[^\x00-\x7f]+", text)
    found = (re2.escape(run).replace("i", "[iİ]") if run.isascii() else f"[^\x01]{{0,{len(run)}}}" for run in runs)
    return f"(?i:{''.join(found)})"

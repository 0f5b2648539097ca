"""Find the lines that match texts of rules, in one scan of the window for all rules.

It compares the lines themselves, not their templates.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import re2
from psycopg.rows import DictRow

from fleexmon_pipeline.archive.days import one_snapshot
from fleexmon_pipeline.archive.read import ColdLine, cold_texts
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.rule_model import Where
from fleexmon_pipeline.issues.occurrence import MAX_EVIDENCE, Subject
from fleexmon_pipeline.window import SLOT, Window

SQL = statements("detection")
SEPARATOR = b"\x01"  # between joined messages, which are scanned together
MAX_JOINED_BYTES = 2_000  # per message in a joined text; a message may have a million characters
ROWS_AT_ONCE = 1_000
MAX_MESSAGES = 5_000  # different messages by which a slot's lines are selected; if there are more, all lines are read


@dataclass
class Matches:
    """One rule's lines: their number by node and slot, and ids of the newest, oldest first."""

    counts: defaultdict[str, Counter[datetime]] = field(default_factory=lambda: defaultdict(Counter))
    lines: defaultdict[tuple[str, datetime], deque[uuid.UUID]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=MAX_EVIDENCE))
    )

    def newest(self, subject: Subject, end: datetime, slots: int) -> list[uuid.UUID]:
        """Ids in the `slots` slots that end at `end`: newest first, at most MAX_EVIDENCE."""
        starts = (end - SLOT * back for back in range(1, slots + 1))
        ids = (id_ for start in starts for id_ in reversed(self.lines.get((subject.node or "", start), ())))
        return list(islice(ids, MAX_EVIDENCE))


Filter = Callable[[bytes], Iterable[bytes]]  # joined messages → those that a rule may match


def find_texts(connection: Connection, conditions: Mapping[str, Where], window: Window) -> dict[str, Matches]:
    """Rule → its lines in the window. Each condition has texts or expressions (`has_words`)."""
    by_rule = {name: Matches() for name in conditions}
    if not conditions:
        return by_rule
    may_match, expression = _filter(conditions.values()), _one_expression(conditions.values())
    with one_snapshot(connection), cold_texts(connection, window, expression) as cold:
        for slot in window.slots():
            of_table = _lines_of(connection, slot, may_match)
            for line in _with_archived(of_table, cold.of(slot)) if cold else of_table:
                for name, where in conditions.items():
                    if where.has_level(line["level"]) and where.has_text(line["message"]):
                        matches = by_rule[name]
                        matches.counts[line["node"]][slot.since] += 1
                        matches.lines[line["node"], slot.since].append(line["id"])
    return by_rule


def _with_archived(rows: Iterable[DictRow], cold: Iterable[ColdLine]) -> Iterator[DictRow]:
    """A slot's lines from table and archive, oldest first. A line in both counts once, from the table."""
    of_table = list(rows)
    table_ids = {row["id"] for row in of_table}
    archived = (vars(line) for line in cold if line.id not in table_ids)
    yield from sorted([*of_table, *archived], key=lambda line: (line["timestamp"], line["id"]))


def _lines_of(connection: Connection, slot: Window, may_match: Filter) -> Iterator[DictRow]:
    """The lines of a slot that a rule may match, oldest first; there may be others among them."""
    bounds = {"since": slot.since, "until": slot.until, "longest": MAX_JOINED_BYTES}
    messages: set[bytes] = set()
    odd = False
    # Streamed, because the texts of a busy slot may be as large as all its lines.
    for row in connection.cursor().stream(SQL["messages"], bounds):
        messages.update(may_match((row["messages"] or "").encode()))
        odd = odd or row["odd"]
    if messages or odd:
        selected = sorted(map(bytes.decode, messages)) if len(messages) <= MAX_MESSAGES else None
        params = {**bounds, "messages": selected, "odd": odd}
        yield from connection.cursor().stream(SQL["lines_of_messages"], params, size=ROWS_AT_ONCE)


def _filter(conditions: Collection[Where]) -> Filter:
    """A function that finds the joined messages that a rule may match. It misses none; `has_text` decides.

    RE2 searches for all texts at once, as fast as for one. Expressions may be anchored, so they are matched message by
    message.
    """
    every = _expressions(conditions)
    expressions = any(where.matches for where in conditions)
    try:
        patterns = [_compiled(every)]
    except re2.error:  # two expressions have a group of the same name, or they are too large together
        patterns = [_compiled([pattern]) for pattern in every]

    def by_text(joined: bytes) -> Iterator[bytes]:
        for pattern in patterns:
            at = 0
            while at < len(joined) and (match := pattern.search(joined, at)) is not None:
                begin, end = joined.rfind(SEPARATOR, 0, match.start()) + 1, joined.find(SEPARATOR, match.end())
                at = len(joined) if end < 0 else end + 1
                yield joined[begin : at if end < 0 else end]

    def by_message(joined: bytes) -> Iterator[bytes]:
        messages = joined.split(SEPARATOR)
        return (message for message in messages if any(pattern.search(message) is not None for pattern in patterns))

    return by_message if expressions else by_text


def _expressions(conditions: Collection[Where]) -> list[str]:
    """All RE2 expressions: those of the rules, then those made from texts."""
    texts = sorted({_pattern(text.lower()) for where in conditions for text in where.message or ()})
    return [*sorted({f"(?:{expression})" for where in conditions for expression in where.matches or ()}), *texts]


def _one_expression(conditions: Collection[Where]) -> str | None:
    """One expression for DuckDB, which uses RE2's defaults. None if they do not accept it."""
    expression = "|".join(_expressions(conditions))
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(expression, options)
    except re2.error:
        return None
    return expression


def _compiled(patterns: Sequence[str]) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20  # some thousands of texts
    return re2.compile("|".join(patterns).encode(), options)


def _pattern(text: str) -> str:
    """An expression that matches every message whose lower case contains `text`, which is in lower case.

    RE2 folds case by Unicode's simple tables. They lack only one letter whose lower case contains an ASCII letter: İ.
    So i also matches İ. Text that is not ASCII matches anything here; `has_text` then decides.
    """
    runs = re.findall(r"[\x00-\x7f]+|[^\x00-\x7f]+", text)
    parts = (re2.escape(run).replace("i", "[iİ]") if run.isascii() else f"[^\x01]{{0,{len(run)}}}" for run in runs)
    return f"(?i:{''.join(parts)})"

"""Read what rules evaluate: counts by slot, node, pattern and level, with templates, aliases and sample rows.

Here: "LogPatternCount" and "LogPattern", read once for all rules. Searching lines for text: `detection/text_scan.py`.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from psycopg.rows import tuple_row

from fleexmon_pipeline.archive.days import one_snapshot
from fleexmon_pipeline.archive.read import messages_of
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.occurrence import MAX_EVIDENCE, Subject
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.patterns.shared_values import MAX_MESSAGE_CHARS
from fleexmon_pipeline.window import EPOCH, SLOT, Window, slot_start

Alias = tuple[str, datetime | None]  # what a pattern merged into, and from which slot on; None: in all slots
Resolve = Callable[[str, datetime], str]  # stored id and slot to what it stood for


class Count(NamedTuple):
    slot: int  # by `window.slot_number`
    pattern: str  # what the line's own pattern stood for in that slot
    level: str  # debug, info, warn, error or fatal
    lines: int


class Measured(NamedTuple):
    """What the lines of a count measure: durations that they state, or steps."""

    slot: int
    pattern: str
    level: str
    lines: int
    p50: float
    p95: float
    steps: bool


class Varied(NamedTuple):
    """How many different values the fields of the newest lines of a count have."""

    slot: int
    pattern: str
    level: str
    lines: int
    fields: int  # packed as by `measures.different_values`


@dataclass
class Counts:
    """The counts of a window, with levels and aliases resolved."""

    rows: Mapping[str, list[Count]]  # by node
    templates: Mapping[str, str]  # by resolved pattern; redacted, as stored
    members: Mapping[str, list[str]]  # resolved pattern to the stored ids that it stands for
    words: Mapping[str, set[str]]  # level to the words stored for it: other programs write ERR and 50
    resolve: Resolve = field(default=lambda pattern, _: pattern, repr=False)
    durations: Mapping[str, list[Measured]] = field(default_factory=dict)  # by node, of lines that state some
    varieties: Mapping[str, list[Varied]] = field(default_factory=dict)  # by node, of lines that were compared


def read_counts(connection: Connection, window: Window) -> Counts:
    """Read the counts of a window. The cost grows with its patterns, not with its lines or the size of tables."""
    sql = statements("detection")
    with connection.cursor(row_factory=tuple_row) as cursor:
        raw = cursor.execute(sql["counts"], {"since": window.since, "until": window.until}).fetchall()
    templates, resolve = read_patterns(connection, {row[2] for row in raw})
    levels = {word: read_level(word) for word in {row[3] for row in raw}}
    moments = {slot: slot_start(slot) for slot in {row[0] for row in raw}}
    members: defaultdict[str, set[str]] = defaultdict(set)
    words: defaultdict[str, set[str]] = defaultdict(set)
    for word, level in levels.items():
        words[level].add(word)
    rows: defaultdict[str, list[Count]] = defaultdict(list)
    durations: defaultdict[str, list[Measured]] = defaultdict(list)
    varieties: defaultdict[str, list[Varied]] = defaultdict(list)
    for slot, node, pattern, word, count, p50, p95, steps, fields in raw:
        root = resolve(pattern, moments[slot])
        members[root].add(pattern)
        rows[node].append(Count(slot, root, levels[word], count))
        if p50 is not None:
            durations[node].append(Measured(slot, root, levels[word], count, p50, p95, steps))
        if fields is not None:
            varieties[node].append(Varied(slot, root, levels[word], count, fields))
    named = {root: templates.get(root, root) for root in members}
    return Counts(
        rows, named, {root: sorted(own) for root, own in members.items()}, words, resolve, durations, varieties
    )


def read_patterns(connection: Connection, ids: Collection[str]) -> tuple[dict[str, str], Resolve]:
    """Templates of these stored ids and of the patterns they merged into; and a function that resolves ids."""
    templates: dict[str, str] = {}
    alias_of: dict[str, Alias] = {}
    for row in connection.execute(statements("detection")["patterns"], {"ids": list(ids)}):
        templates[row["id"]] = row["template"]
        if row["alias_of"] is not None:
            alias_of[row["id"]] = (row["alias_of"], row["alias_since"])
    return templates, _resolver(alias_of)


def _resolver(alias_of: Mapping[str, Alias]) -> Resolve:
    """Resolve a stored id to the pattern that it stands for in a slot.

    Most aliases are older than the slots asked for; then one lookup is enough.
    """
    chains: dict[
        str, tuple[str, datetime | None]
    ] = {}  # id → end of its chain, and the slot since which all of it holds

    def resolve(pattern: str, slot: datetime) -> str:
        if pattern not in chains:
            chains[pattern] = (_end(pattern, alias_of, None), _since(pattern, alias_of))
        root, since = chains[pattern]
        return root if since is None or since <= slot else _end(pattern, alias_of, slot)

    return resolve


def _end(pattern: str, alias_of: Mapping[str, Alias], slot: datetime | None) -> str:
    """The end of a chain of aliases. In a cycle, which we never create, it is the smallest id of the cycle."""
    seen: dict[str, None] = {}
    while pattern not in seen:
        seen[pattern] = None
        target, since = alias_of.get(pattern, (pattern, None))
        if target == pattern or (slot is not None and since is not None and since > slot):
            return pattern
        pattern = target
    trail = list(seen)
    return min(trail[trail.index(pattern) :])


def _since(pattern: str, alias_of: Mapping[str, Alias]) -> datetime | None:
    """When the latest merge of a chain took effect; None if all hold in every slot."""
    seen: set[str] = set()
    moments: list[datetime] = []
    while pattern in alias_of and pattern not in seen:
        seen.add(pattern)
        pattern, since = alias_of[pattern]
        moments += [since] if since is not None else []
    return max(moments, default=None)


def read_samples(
    connection: Connection,
    counts: Counts,
    window: Window,
    *,
    nodes: Collection[str],
    levels: Iterable[str],
    patterns: Collection[str] | None = None,
) -> Samples:
    """Sample rows of a window, as evidence for what fired. `patterns`: resolved ids; None means all."""
    rows = connection.execute(
        statements("detection")["samples"],
        {
            "since": window.since,
            "until": window.until,
            "nodes": list(nodes),
            "levels": [word for level in levels for word in counts.words.get(level, ())],
            "patterns": None if patterns is None else [own for root in patterns for own in counts.members[root]],
        },
    ).fetchall()
    samples: defaultdict[tuple[str, str | None, datetime], list[uuid.UUID]] = defaultdict(list)
    for row in rows:
        pattern = None if patterns is None else counts.resolve(row["pattern"], row["slot"])
        samples[row["node"], pattern, row["slot"]] += row["samples"]
    foreign = [i for ids in samples.values() for i in ids if _time_of(i) is None]
    times = _times(connection, foreign) if foreign else {}
    for ids in samples.values():
        ids.sort(key=lambda i: (_time_of(i) or times.get(i, window.since), i), reverse=True)
        del ids[MAX_EVIDENCE:]
    return Samples(samples)


def newest_first(ids: Iterable[uuid.UUID]) -> list[uuid.UUID]:
    """Order ids by the time at the start of our own ids; random ids of other programs come last."""
    return sorted(ids, key=lambda i: (_time_of(i) or EPOCH, i), reverse=True)


def read_messages(connection: Connection, ids: Collection[uuid.UUID], window: Window) -> dict[uuid.UUID, str]:
    """The messages of those of these rows that are still stored, cut, not redacted.

    Archived rows are only found in the window.
    """
    if not ids:
        return {}
    params = {"ids": sorted(ids), "longest": MAX_MESSAGE_CHARS}
    with one_snapshot(connection), connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(statements("patterns")["messages"], params).fetchall()
        messages = {uuid.UUID(id_): message for id_, message in rows}
        missing = set(ids) - set(messages)
        cold = messages_of(connection, missing, width=MAX_MESSAGE_CHARS, window=window) if missing else []
    return messages | {line.id: line.message for line in cold}


def _time_of(id_: uuid.UUID) -> datetime | None:
    """The time at the start of one of our ids, to the millisecond; None for random ids of other programs."""
    return EPOCH + timedelta(milliseconds=id_.int >> 80) if id_.version == 8 else None


def _times(connection: Connection, ids: list[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    return {row["id"]: row["timestamp"] for row in connection.execute(statements("detection")["times"], {"ids": ids})}


@dataclass(frozen=True)
class Samples:
    """Row ids by (node, pattern or None, slot), each list newest first."""

    ids: Mapping[tuple[str, str | None, datetime], list[uuid.UUID]]

    def newest(self, subject: Subject, end: datetime, slots: int) -> list[uuid.UUID]:
        """Row ids of the `slots` slots before `end`, newest first, at most MAX_EVIDENCE."""
        starts = (end - SLOT * back for back in range(1, slots + 1))
        ids = (i for start in starts for i in self.ids.get((subject.node or "", subject.pattern, start), ()))
        return list(islice(ids, MAX_EVIDENCE))

"""Read what a judgement needs to know of a window: its patterns, which are new, their worst level, nodes and samples.

Here: "LogPatternCount", "LogPattern" and a few messages. What follows from them: `judgement.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fleexmon_pipeline.archive.days import one_snapshot
from fleexmon_pipeline.archive.read import messages_of
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.prompt import MAX_SAMPLES, Record
from fleexmon_pipeline.genai.surges import Drop, Surge, drops, surges
from fleexmon_pipeline.levels import LEVELS, read_level
from fleexmon_pipeline.window import HOUR, SLOT, Window

SEVEREST_FIRST = LEVELS[::-1]
MAX_READ_CHARACTERS = 4_000  # of a message; a sample shows 300 of them, after redaction
SlotCounts = dict[str, dict[str, list[int]]]  # pattern -> node -> lines in each slot
_SQL = statements("genai")


@dataclass
class WindowPattern:
    """A pattern in a window: aliases resolved, levels read, slots and levels summed."""

    pattern: str
    template: str
    first: datetime  # slots
    last: datetime
    new: bool = True
    surge: Surge | None = None
    drop: Drop | None = None
    rank: int = len(SEVEREST_FIRST) - 1  # of its worst level
    nodes: dict[str, int] = field(default_factory=dict)  # lines per node
    members: list[str] = field(default_factory=list)  # the ids under which its lines are counted

    @property
    def level(self) -> str:
        return SEVEREST_FIRST[self.rank]

    @property
    def lines(self) -> int:
        return sum(self.nodes.values())

    @property
    def busiest_node(self) -> str:
        """The node to name: the one on which the pattern dropped, otherwise the one with most lines."""
        return self.drop.node if self.drop else min(self.nodes, key=lambda node: (-self.nodes[node], node))

    @property
    def failing(self) -> bool:
        return self.level in ("error", "fatal") and self.lines > 0

    @property
    def needs_judgement(self) -> bool:
        """New in this window, far more or less frequent than before, or with errors."""
        return self.has_changed or self.failing

    @property
    def has_changed(self) -> bool:
        """New, surging or dropping in this window, so no answer about an earlier hour can cover it."""
        return self.new or self.surge is not None or self.drop is not None

    def record(self, number: int, samples: Sequence[str], slots: Mapping[str, Sequence[int]]) -> Record:
        return Record(
            id=number, level=self.level, template=self.template, new=self.new, surge=self.surge, drop=self.drop,
            nodes=self.nodes, slots=slots, first=self.first, last=self.last, samples=samples,
        )  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """The patterns of a window, by resolved id."""

    patterns: Mapping[str, WindowPattern]
    roots: Mapping[str, str]

    def root(self, pattern: str) -> str:
        """The pattern that `pattern` has become."""
        return self.roots.get(pattern, pattern)


def read_evidence(connection: Connection, window: Window, also: Collection[str] = ()) -> Evidence:
    """The patterns of `window`, a part of one hour. The ids in `also` are resolved too."""
    counts = connection.execute(_SQL["window_patterns"], {"since": window.since, "until": window.until}).fetchall()
    before = _hour_before(connection, window)
    ids = sorted({row["pattern"] for row in (*counts, *before)}.union(also))
    params = {"patterns": ids, "until": window.until}
    stored = {row["pattern"]: row for row in connection.execute(_SQL["roots"], params)}
    patterns: dict[str, WindowPattern] = {}
    for row in counts:
        root = stored.get(row["pattern"])
        if root is None:
            continue  # counted before its row was written, or after it was deleted; the next rebuild corrects that
        pattern = patterns.get(root["root"])
        if pattern is None:
            pattern = WindowPattern(root["root"], root["template"], row["first"], row["last"])
            patterns[root["root"]] = pattern
        pattern.new = pattern.new and root["first_seen"] >= window.since
        pattern.rank = min(pattern.rank, SEVEREST_FIRST.index(read_level(row["level"])))
        pattern.nodes[row["node"]] = pattern.nodes.get(row["node"], 0) + row["lines"]
        pattern.first, pattern.last = min(pattern.first, row["first"]), max(pattern.last, row["last"])
        if row["pattern"] not in pattern.members:
            pattern.members.append(row["pattern"])
    lines_of_old = {key: pattern.nodes for key, pattern in patterns.items() if not pattern.new}
    for key, surge in surges(connection, window, lines_of_old).items():
        patterns[key].surge = surge
    _add_drops(
        connection, window, patterns, [{**row, **stored[row["pattern"]]} for row in before if row["pattern"] in stored]
    )
    return Evidence(patterns, {pattern: row["root"] for pattern, row in stored.items()})


def _hour_before(connection: Connection, window: Window) -> list[dict[str, Any]]:
    """Counts of the previous hour. None if `window` is only a part of an hour, whose lines may still come."""
    if window.until - window.since < HOUR:
        return []
    return connection.execute(_SQL["hour_before"], {"since": window.since, "until": window.until}).fetchall()


def _add_drops(
    connection: Connection, window: Window, patterns: dict[str, WindowPattern], before: Sequence[Mapping[str, Any]]
) -> None:
    """Add patterns that were frequent in the previous hour and are rare or gone now. Not errors: they may stop."""
    failing = {row["root"] for row in before if read_level(row["level"]) in ("error", "fatal")}
    before = [row for row in before if row["root"] not in failing]
    lines: dict[str, dict[str, int]] = {}
    for row in before:
        nodes = lines.setdefault(row["root"], {})
        nodes[row["node"]] = nodes.get(row["node"], 0) + row["lines"]
    now = {key: pattern.nodes for key, pattern in patterns.items()}
    for key, drop in drops(connection, window, now, lines).items():
        rows = [row for row in before if row["root"] == key]
        if key not in patterns:
            end = window.until - SLOT
            rank = min(SEVEREST_FIRST.index(read_level(row["level"])) for row in rows)
            patterns[key] = WindowPattern(key, rows[0]["template"], end, end, new=False, rank=rank)
        patterns[key].drop = drop
        patterns[key].nodes.setdefault(drop.node, 0)
        patterns[key].members = sorted({*patterns[key].members, *(row["pattern"] for row in rows)})


def sample_ids(connection: Connection, window: Window, patterns: Sequence[WindowPattern]) -> list[uuid.UUID]:
    """Distinct ids of stored sample lines of these patterns, worst level first, then newest first."""
    members = [member for pattern in patterns for member in pattern.members]
    dropped = any(pattern.drop for pattern in patterns)
    since = window.since - HOUR if dropped else window.since  # from when the pattern still came
    params = {"since": since, "until": window.until, "patterns": members, "worst_first": list(SEVEREST_FIRST)}
    rows = connection.execute(_SQL["samples"], params)
    ids = [sample for row in rows for sample in sorted(row["samples"], reverse=True)]
    return list(dict.fromkeys(ids))


def sample_texts(connection: Connection, window: Window, patterns: Sequence[WindowPattern]) -> dict[str, list[str]]:
    """The beginnings of up to MAX_SAMPLES messages per pattern, or one if it is below warnings. Not redacted."""
    chosen = {
        pattern.pattern: sample_ids(connection, window, [pattern])[
            : MAX_SAMPLES if pattern.level in ("fatal", "error", "warn") else 1
        ]
        for pattern in patterns
    }
    ids = [sample for samples in chosen.values() for sample in samples]
    with one_snapshot(connection):
        rows = connection.execute(_SQL["messages"], {"ids": ids, "most": MAX_READ_CHARACTERS}).fetchall()
        messages = {row["id"]: (row["message"], row["cut"]) for row in rows}
        missing = set(ids) - set(messages)
        for line in messages_of(connection, missing, width=MAX_READ_CHARACTERS, window=window) if missing else ():
            messages[line.id] = line.message, line.characters > MAX_READ_CHARACTERS
    texts = {id_: _whole_words(message) if cut else message for id_, (message, cut) in messages.items()}
    return {pattern: [texts[sample] for sample in samples if sample in texts] for pattern, samples in chosen.items()}


def slot_counts(
    connection: Connection, window: Window, patterns: Sequence[WindowPattern]
) -> dict[str, dict[str, list[int]]]:
    """The lines of each pattern, from its first slot to its last."""
    pattern_of = {member: pattern for pattern in patterns for member in pattern.members}
    counts: SlotCounts = {pattern.pattern: {} for pattern in patterns}
    params = {"since": window.since, "until": window.until, "patterns": sorted(pattern_of)}
    for row in connection.execute(_SQL["slot_counts"], params):
        pattern = pattern_of[row["pattern"]]
        slots = counts[pattern.pattern].setdefault(row["node"], [0] * ((pattern.last - pattern.first) // SLOT + 1))
        slots[(row["slot"] - pattern.first) // SLOT] += row["lines"]
    return counts


def _whole_words(message: str) -> str:
    """`message` without its last word, which was cut: redaction would not recognise half a password."""
    return message[: max(message.rfind(" "), message.rfind("\n"), 0)]

"""What a window's patterns are, summed for a judgement: which are new, how bad they are, where, with samples.

Here: reading "LogPatternCount", "LogPattern" and a few messages. What is made of it: `judgement.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.prompt import MOST_SAMPLES, Record
from fleexmon_pipeline.genai.surges import Drop, Surge, drops, surges
from fleexmon_pipeline.levels import LEVELS, read_level
from fleexmon_pipeline.window import HOUR, SLOT, Window

SEVEREST_FIRST = LEVELS[::-1]
MOST_READ = 4_000  # characters of a message; a sample shows 300 of them, after redaction
_SQL = statements("genai")


@dataclass
class Seen:
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
        """The one that it is told of: where it is loudest, or where it no longer comes."""
        return self.drop.node if self.drop else min(self.nodes, key=lambda node: (-self.nodes[node], node))

    @property
    def failing(self) -> bool:
        return self.level in ("error", "fatal") and self.lines > 0

    @property
    def deserving(self) -> bool:
        """Worth a judgement: never seen before the window, far louder or rarer than it was, or with errors in it."""
        return self.fresh or self.failing

    @property
    def fresh(self) -> bool:
        """What an earlier hour's answer cannot have known."""
        return self.new or self.surge is not None or self.drop is not None

    def record(self, number: int, samples: Sequence[str], slots: Mapping[str, Sequence[int]]) -> Record:
        return Record(
            id=number, level=self.level, template=self.template, new=self.new, surge=self.surge, drop=self.drop,
            nodes=self.nodes, slots=slots, first=self.first, last=self.last, samples=samples,
        )  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """The patterns of a window by resolved id."""

    patterns: Mapping[str, Seen]
    roots: Mapping[str, str]

    def root(self, pattern: str) -> str:
        """What `pattern` stands for today."""
        return self.roots.get(pattern, pattern)


def read(connection: Connection, window: Window, also: Collection[str] = ()) -> Evidence:
    """The patterns of `window`, a part of one hour; the ids in `also` are resolved too."""
    counts = connection.execute(_SQL["window_patterns"], {"since": window.since, "until": window.until}).fetchall()
    before = _hour_before(connection, window)
    ids = sorted({row["pattern"] for row in (*counts, *before)}.union(also))
    asked = {"patterns": ids, "until": window.until}
    stored = {row["pattern"]: row for row in connection.execute(_SQL["roots"], asked)}
    patterns: dict[str, Seen] = {}
    for row in counts:
        known = stored.get(row["pattern"])
        if known is None:
            continue  # counted before its row is there, or after it was deleted; the next rebuild settles it
        one = patterns.get(known["root"])
        if one is None:
            one = Seen(known["root"], known["template"], row["first"], row["last"])
            patterns[known["root"]] = one
        one.new = one.new and known["first_seen"] >= window.since
        one.rank = min(one.rank, SEVEREST_FIRST.index(read_level(row["level"])))
        one.nodes[row["node"]] = one.nodes.get(row["node"], 0) + row["lines"]
        one.first, one.last = min(one.first, row["first"]), max(one.last, row["last"])
        if row["pattern"] not in one.members:
            one.members.append(row["pattern"])
    known_ones = {key: one.nodes for key, one in patterns.items() if not one.new}
    for key, surge in surges(connection, window, known_ones).items():
        patterns[key].surge = surge
    _add_drops(
        connection, window, patterns, [{**row, **stored[row["pattern"]]} for row in before if row["pattern"] in stored]
    )
    return Evidence(patterns, {pattern: row["root"] for pattern, row in stored.items()})


def _hour_before(connection: Connection, window: Window) -> list[dict[str, Any]]:
    """Counts of the hour before a whole hour, else none: in a part of one nothing has failed to come yet."""
    if window.until - window.since < HOUR:
        return []
    return connection.execute(_SQL["hour_before"], {"since": window.since, "until": window.until}).fetchall()


def _add_drops(
    connection: Connection, window: Window, patterns: dict[str, Seen], before: Sequence[Mapping[str, Any]]
) -> None:
    """What came in the hour before and hardly does now: it may have no line in the window at all. Errors may stop."""
    failing = {row["root"] for row in before if read_level(row["level"]) in ("error", "fatal")}
    before = [row for row in before if row["root"] not in failing]
    lines: dict[str, dict[str, int]] = {}
    for row in before:
        nodes = lines.setdefault(row["root"], {})
        nodes[row["node"]] = nodes.get(row["node"], 0) + row["lines"]
    now = {key: one.nodes for key, one in patterns.items()}
    for key, drop in drops(connection, window, now, lines).items():
        rows = [row for row in before if row["root"] == key]
        if key not in patterns:
            end = window.until - SLOT
            rank = min(SEVEREST_FIRST.index(read_level(row["level"])) for row in rows)
            patterns[key] = Seen(key, rows[0]["template"], end, end, new=False, rank=rank)
        patterns[key].drop = drop
        patterns[key].nodes.setdefault(drop.node, 0)
        patterns[key].members = sorted({*patterns[key].members, *(row["pattern"] for row in rows)})


def sample_ids(connection: Connection, window: Window, patterns: Sequence[Seen]) -> list[uuid.UUID]:
    """Ids of the kept examples of these patterns, each once: of the worst level first, and of a level the newest."""
    members = [member for one in patterns for member in one.members]
    since = window.since - HOUR if any(one.drop for one in patterns) else window.since  # what it was like when it came
    wanted = {"since": since, "until": window.until, "patterns": members, "worst_first": list(SEVEREST_FIRST)}
    rows = connection.execute(_SQL["samples"], wanted)
    ids = [sample for row in rows for sample in sorted(row["samples"], reverse=True)]
    return list(dict.fromkeys(ids))


def sample_texts(connection: Connection, window: Window, patterns: Sequence[Seen]) -> dict[str, list[str]]:
    """Beginnings of up to MOST_SAMPLES messages a pattern, one where nothing is wrong with it. Not redacted."""
    chosen = {
        one.pattern: sample_ids(connection, window, [one])[
            : MOST_SAMPLES if one.level in ("fatal", "error", "warn") else 1
        ]
        for one in patterns
    }
    ids = [sample for samples in chosen.values() for sample in samples]
    rows = connection.execute(_SQL["messages"], {"ids": ids, "most": MOST_READ})
    texts = {row["id"]: _whole_words(row["message"]) if row["cut"] else row["message"] for row in rows}
    return {pattern: [texts[one] for one in samples if one in texts] for pattern, samples in chosen.items()}


def slot_counts(connection: Connection, window: Window, patterns: Sequence[Seen]) -> dict[str, dict[str, list[int]]]:
    """Pattern -> node -> its lines in each slot from the pattern's first to its last."""
    of = {member: one for one in patterns for member in one.members}
    found: dict[str, dict[str, list[int]]] = {one.pattern: {} for one in patterns}
    wanted = {"since": window.since, "until": window.until, "patterns": sorted(of)}
    for row in connection.execute(_SQL["slot_counts"], wanted):
        one = of[row["pattern"]]
        slots = found[one.pattern].setdefault(row["node"], [0] * ((one.last - one.first) // SLOT + 1))
        slots[(row["slot"] - one.first) // SLOT] += row["lines"]
    return found


def _whole_words(message: str) -> str:
    """Half a password before the cut would not be recognised as one: the last word goes."""
    return message[: max(message.rfind(" "), message.rfind("\n"), 0)]

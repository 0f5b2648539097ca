"""What `fleexmon read` prints: each record as a line would be stored, or why not; or a summary of them.

Here: output and counting. How a file is read: `collection/reading/inputs.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from fleexmon_pipeline.collection.reading.inputs import Result
from fleexmon_pipeline.collection.rejected import kind_of
from fleexmon_pipeline.levels import LEVELS

MAX_RECORD_CHARACTERS = 2_000  # of a rejected record that are shown
MAX_REASONS = 20  # in a summary; the others count together
MAX_KINDS = 1_000  # reasons and fields in memory

Write = Callable[[str], object]


def print_records(write: Write, results: Iterable[Result]) -> int:
    """A JSON line per record. Returns the number of lines that could be read."""
    lines = 0
    for result in results:
        line = result.line
        if line is None:
            text = result.raw.decode("utf-8", "backslashreplace")[:MAX_RECORD_CHARACTERS]
            write(json.dumps({"rejected": result.reason, "record": text}, ensure_ascii=False) + "\n")
            continue
        lines += 1
        fields = {"timestamp": line.iso, "level": line.level, "message": line.message}
        start = json.dumps(fields, ensure_ascii=False)[:-1]
        write(f'{start}, "metadata": {line.metadata or "{}"}}}\n')
    return lines


@dataclass
class _Summary:
    levels: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    origins: tuple[Counter[str], Counter[str], Counter[str]] = field(
        default_factory=lambda: (Counter(), Counter(), Counter())
    )
    first: str = ""
    last: str = ""

    def add(self, result: Result) -> None:
        line = result.line
        if line is None:
            _count(self.reasons, kind_of(result.reason))
            return
        self.levels[line.level] += 1
        self.first = min(self.first or line.iso, line.iso)
        self.last = max(self.last, line.iso)
        for counter, name in zip(self.origins, result.origins or (), strict=False):
            _count(counter, name)


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < MAX_KINDS else "others"] += 1


def print_summary(write: Write, results: Iterable[Result]) -> int:
    """Counts by level, by field and by reason, for people. Returns the number of lines that could be read."""
    summary = _Summary()
    for result in results:
        summary.add(result)
    lines, rejected = summary.levels.total(), summary.reasons.total()
    write(f"{lines + rejected:,} records: {lines:,} lines, {rejected:,} rejected\n")
    if lines:
        levels = [(level, summary.levels[level]) for level in reversed(LEVELS) if summary.levels[level]]
        write(f"\nTime     {summary.first} to {summary.last}\nLevel    {_list(levels)}\n\nTaken from\n")
        for name, counter in zip(("time", "level", "message"), summary.origins, strict=True):
            write(f"  {name:<8} {_list(counter.most_common())}\n")
    if rejected:
        write("\nRejected\n")
        shown = summary.reasons.most_common(MAX_REASONS)
        for reason, count in shown:
            write(f"  {count:>9,}  {reason[:200]}\n")
        if others := rejected - sum(count for _, count in shown):
            write(f"  {others:>9,}  other reasons\n")
    return lines


def _list(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in islice(counts, MAX_REASONS))

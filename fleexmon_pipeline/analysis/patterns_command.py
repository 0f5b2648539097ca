"""What `fleexmon patterns` prints: the pattern of every line of a file, or how many lines each pattern has.

Here: reading lines and writing JSON, with neither the file nor its output in memory. Options and files: `cli.py`.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from fleexmon_pipeline.analysis.masks import LONGEST_READ
from fleexmon_pipeline.analysis.patterns import PatternMiner, presentable

BATCH = 10_000  # lines; the larger, the fewer merges

Redact = Callable[[str], str]


@dataclass(frozen=True)
class PatternSummary:
    pattern: str
    lines: int
    template: str


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """Lines without their end; bytes that are not UTF-8 are replaced. Of a line only so much is read as is looked at: a
    file may be one line of gigabytes."""
    while line := stream.readline(4 * LONGEST_READ):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(4 * LONGEST_READ)
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def stream_patterns(lines: Iterable[str], write: Callable[[str], object], *, redact: Redact) -> None:
    """Write `{"line": 0-based, "pattern", "template"}` for each line, a JSON document a line, when all are read.

    Ids are resolved before they are printed, so that lines of one pattern show one id. Four bytes a line are kept.
    """
    miner = PatternMiner()
    met: dict[str, int] = {}  # own id -> its number
    spool = array("L")
    for batch in _batches(lines):
        spool.extend([met.setdefault(pattern, len(met)) for pattern in miner.identify(batch)])
    ends = []
    for pattern in met:
        resolved = miner.resolve(pattern)
        shown = presentable(miner.template(resolved), redact)
        ends.append(f', "pattern": "{resolved}", "template": {json.dumps(shown)}}}\n')
    for start in range(0, len(spool), BATCH):
        write("".join([f'{{"line": {n}{ends[k]}' for n, k in enumerate(spool[start : start + BATCH], start)]))


def summarise(lines: Iterable[str], *, redact: Redact) -> list[PatternSummary]:
    """Patterns with their lines, most frequent first."""
    miner = PatternMiner()
    counts: Counter[str] = Counter()
    for batch in _batches(lines):
        counts.update(miner.identify(batch))
    resolved: Counter[str] = Counter()
    for pattern, count in counts.items():
        resolved[miner.resolve(pattern)] += count
    return [
        PatternSummary(pattern, count, presentable(miner.template(pattern), redact))
        for pattern, count in sorted(resolved.items(), key=lambda item: (-item[1], item[0]))
    ]


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    """At most BATCH lines, cut to what is looked at: long lines must not add up."""
    rest = iter(lines)
    while batch := [line[:LONGEST_READ] for line in islice(rest, BATCH)]:
        yield batch

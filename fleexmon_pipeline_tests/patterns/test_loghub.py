"""Grouping of lines in eight public sets of 2,000 real lines with labels; the sets are never in this repository."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from fleexmon_pipeline.patterns.miner import PatternMiner


def accuracy(found: Sequence[str], true: Sequence[str]) -> tuple[float, float]:
    """Grouping accuracy (lines in groups that are exactly right / lines) and the F1 score over groups."""
    groups: list[set[tuple[int, ...]]] = []
    for labels in (found, true):
        members: defaultdict[str, list[int]] = defaultdict(list)
        for line, label in enumerate(labels):
            members[label].append(line)
        groups.append(set(map(tuple, members.values())))
    right = groups[0] & groups[1]
    return sum(map(len, right)) / len(true), 2 * len(right) / (len(groups[0]) + len(groups[1]))


@pytest.mark.parametrize("batch", [500, 100])
def test_grouping_accuracy_of_batches_with_aliases_resolved_at_the_end(shared: Path, batch: int) -> None:
    scores = {}
    for file in sorted((shared / "data/loghub").glob("*/*_structured.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        miner = PatternMiner()
        ids = []
        for start in range(0, len(rows), batch):
            ids += miner.identify([row["Content"] for row in rows[start : start + batch]])
        scores[file.parent.name] = accuracy([miner.resolve(i) for i in ids], [row["EventId"] for row in rows])

    grouping, f1 = (sum(column) / len(scores) for column in zip(*scores.values(), strict=True))
    assert (len(scores), grouping >= 0.985, f1 >= 0.98) == (8, True, True), scores

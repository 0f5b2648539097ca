"""How well lines are grouped in formats that no public set has, and how little that depends on batches."""

from __future__ import annotations

import random
from statistics import fmean

from fleexmon_pipeline.analysis.patterns import PatternMiner
from fleexmon_pipeline_tests.analysis import formats
from fleexmon_pipeline_tests.analysis.test_patterns_loghub import accuracy


def grouped(messages: list[str], batch: int) -> list[str]:
    miner = PatternMiner()
    ids: list[str] = []
    for start in range(0, len(messages), batch):
        ids += miner.identify(messages[start : start + batch])
    return [miner.resolve(i) for i in ids]


def test_grouping_accuracy_on_formats_of_all_kinds() -> None:
    scores = {}
    for name in formats.names():
        messages, true = formats.lines(name)
        scores[name] = accuracy(grouped(messages, 500), true)

    grouping, f1 = (fmean(column) for column in zip(*scores.values(), strict=True))
    assert (len(scores), grouping >= 0.98, f1 >= 0.94) == (21, True, True), (grouping, f1, scores)


def test_batches_of_any_size_give_nearly_the_same_groups() -> None:
    for name in ("java_kafka", "nginx", "postgres", "kernel"):
        messages, _ = formats.lines(name)
        together = grouped(messages, len(messages))
        for batch in (50, 500):
            assert accuracy(grouped(messages, batch), together)[0] >= 0.95, (name, batch)


def test_another_order_of_lines_gives_nearly_the_same_groups() -> None:
    for name in ("json", "go_logfmt", "syslog"):
        messages, _ = formats.lines(name)
        order = random.Random(name).sample(range(len(messages)), len(messages))
        shuffled = grouped([messages[i] for i in order], 500)
        groups = grouped(messages, 500)
        assert accuracy(shuffled, [groups[i] for i in order])[0] >= 0.95, name

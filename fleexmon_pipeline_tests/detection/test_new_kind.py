"""A new kind of rule needs a class, a condition, and its line in `CONDITIONS`. Everything else works by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from fleexmon_pipeline.detection.conditions.by_kind import CONDITIONS
from fleexmon_pipeline.detection.evaluate import evaluate
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_files import load_rules, report
from fleexmon_pipeline.detection.rule_model import KINDS, Detector, Levels, OfLines, counted_levels
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.stored_lines import Stored, at, store
from fleexmon_pipeline_tests.stories import HOUR_OF_TEN

RULE = """\
name: too-many-warnings
kind: burst
severity: medium
title: "{count} warnings in five minutes on {node}"
description: The most frequent was {top_pattern}.
where: {level: [warn]}
more_than: 2
samples:
  - {level: warn, message: disk is slow, fires: true}
  - {level: error, message: disk is gone, fires: false}
"""


@pytest.fixture(autouse=True)
def burst(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Burst(Detector, OfLines):
        """Too many matching lines of a node in one slot."""

        figures = frozenset({"node", "count", "top_pattern"})
        kind: Literal["burst"]
        where: Levels
        more_than: int

    def condition(rule: Burst, observation: Observation) -> Iterator[Hit]:
        lines = observation.grid.lines(rule.where.level)
        for slot in np.flatnonzero(lines > rule.more_than):
            yield Hit(int(slot), None, int(lines[slot]), None, rule.width)

    monkeypatch.setitem(CONDITIONS, "burst", condition)
    yield
    del KINDS["burst"]


def load(directory: Path, text: str = RULE) -> Any:
    (directory / "burst.yaml").write_text(text)
    return load_rules(directory)


def test_a_rule_of_a_new_kind_is_read_and_fires_with_figures_and_evidence(database: Database, tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert report(loaded).startswith("ok       too-many-warnings (burst, medium, samples: 2, version ")
    assert counted_levels(loaded.rules) == {"too-many-warnings": ["warn"]}

    with database.connect() as connection:
        store(connection, [Stored(at(minute), "warn", "disk is slow") for minute in (1, 6, 7, 8)])
        occurrences = evaluate(connection, loaded.rules, HOUR_OF_TEN, until=HOUR_OF_TEN.until)

    (occurrence,) = occurrences
    assert (occurrence.slot, occurrence.title) == (at(5), "3 warnings in five minutes on blue")
    assert occurrence.description == "The most frequent was disk is slow."
    assert len(occurrence.evidence) == 3


def test_mistakes_in_a_rule_of_a_new_kind_are_reported_as_in_any_other(tmp_path: Path) -> None:
    wrong = RULE.replace("more_than: 2", "more: 2").replace("{level: [warn]}", "{level: [warn], message: [disk]}")
    assert [str(problem) for problem in load(tmp_path, wrong).problems] == [
        'burst.yaml:1: "more_than" is missing',
        'burst.yaml:6: "where.message" is not a key of this kind of rule',
        'burst.yaml:7: "more" is not a key of this kind of rule',
    ]
    failing = RULE.replace("fires: false", "fires: true")
    assert [str(problem) for problem in load(tmp_path, failing).problems] == [
        "burst.yaml:10: sample 2 must match and does not: error 'disk is gone'"
    ]

"""An issue's recommendation: the rule's own sentence, and the runbook that fits its pattern."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleexmon_pipeline.detection.firing import Firing, occurrence
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.issues.occurrence import Occurrence, Subject

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def told_of(name: str, template: str, *, pattern: str | None = "p1") -> Occurrence:
    rule = next(rule for rule in load_rules().rules if rule.name == name)
    figures = dict.fromkeys(rule.figures, "3")
    shown = figures | {"node": "blue", "count": "3", "within": "30 minutes", "template": template}
    return occurrence(rule, Firing(Subject("blue", pattern), TEN, 3, shown, {}))


@pytest.mark.parametrize(
    ("template", "runbook"),
    [
        ("connect ECONNREFUSED <ip>:<num>", "connection-failure"),
        ("JavaScript heap out of memory", "memory-warning"),
        ("ledger <num> does not balance", "repeated-error"),  # what the rule names, where none fits better
    ],
)
def test_a_new_error_comes_with_the_advice_of_the_runbook_that_fits_it(template: str, runbook: str) -> None:
    found = told_of("new-error", template)

    assert found.metadata["runbook"] == runbook
    assert str(found.recommendation).startswith("Find out what changed on blue")
    assert "Look first:" in str(found.recommendation)


def test_what_is_about_a_whole_node_keeps_its_rules_runbook() -> None:
    found = told_of("high-error-rate", "connect ECONNREFUSED <ip>:<num>", pattern=None)

    assert found.metadata["runbook"] == "high-error-rate"
    assert "Look first:" not in str(found.recommendation)

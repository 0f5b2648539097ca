"""New messages: some are reported for their words, some for their number, and some never."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_kinds import New
from fleexmon_pipeline_tests.detection.conditions.world import AN_HOUR, NOW, SLOTS, hits, node, row, traffic

FAILURES = [
    "could not reach <*>, next try in <num> s",
    "gave up after <num> attempts",
    "lock lost to <*>",
    "Unable to open <path>",
    "backup failed: <*>",
    "upload to <*> timed out",
    "export skipped",
    "queue <*> has too many messages",
    "socket is no longer usable",
]
EVERYDAY = [
    "<num> failed, <num> ok",
    "failover partner is ready",
    "error handler ready",
    "retry policy loaded",
    "unavailability report sent",
    "connected to <*>",
    "denial-of-service filter enabled",
]


def rules_told(template: str, level: str, lines: int, *, known: bool = False) -> set[str]:
    rows = traffic()
    row(rows, template, level)[NOW] = lines
    if known:
        row(rows, template, level)[NOW - 2000] = 1
    seen = NOW - 2000 if known else NOW
    return {rule for rule, _ in hits(node(rows), first_seen={template: seen})}


@pytest.mark.parametrize("level", ["debug", "info"])
@pytest.mark.parametrize("template", FAILURES)
def test_a_new_message_with_words_of_failure_is_told(template: str, level: str) -> None:
    assert rules_told(template, level, 3) == {"new-failure-message"}


@pytest.mark.parametrize("template", EVERYDAY)
def test_everyday_words_are_not(template: str) -> None:
    assert rules_told(template, "info", 3) == set()


def test_it_takes_three_lines() -> None:
    assert rules_told(FAILURES[0], "info", 2) == set()


@pytest.mark.parametrize(
    ("hours", "lines", "told"),
    [(7, (9, 9), True), (5, (9, 9), False), (7, (18,), False), (7, (3, 3), False)],
    ids=["in bulk", "known for five hours", "all at once", "a few"],
)
def test_on_its_first_day_a_node_says_what_is_new_in_bulk(hours: int, lines: tuple[int, ...], told: bool) -> None:
    begin = NOW - hours * AN_HOUR
    rows = {key: np.where(np.arange(SLOTS) < begin, 0, counts) for key, counts in traffic().items()}
    row(rows, FAILURES[0], "info")[NOW : NOW + len(lines)] = lines
    found = hits(node(rows), known_from=begin, first_seen={key: begin for key, _ in rows} | {FAILURES[0]: NOW})
    assert ("new-failure-message" in {rule for rule, _ in found}) is told
    assert "new-error" not in {rule for rule, _ in found}


def test_not_for_a_message_that_some_node_has_had() -> None:
    assert rules_told(FAILURES[0], "info", 3, known=True) == set()


def test_warnings_and_errors_have_rules_of_their_own() -> None:
    assert rules_told(FAILURES[0], "warn", 3) == set()
    assert rules_told(FAILURES[0], "warn", 8) == {"new-warning"}
    assert "new-failure-message" not in rules_told(FAILURES[0], "error", 8)


def test_a_rule_without_expressions_takes_all_texts() -> None:
    for rule in load_rules().rules:
        if isinstance(rule, New):
            assert rule.where.has_text("all is well") is (rule.where.matches is None)

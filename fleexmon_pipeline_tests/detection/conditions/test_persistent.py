"""Errors that increase for hours: rates that capping and the time of day distinguish from bursts."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from fleexmon_pipeline.baselines.expectation import Expectation
from fleexmon_pipeline.baselines.slot_grid import trailing
from fleexmon_pipeline.detection.rule_kinds import Rate
from fleexmon_pipeline.numerics import Ints
from fleexmon_pipeline_tests.detection.conditions.test_rates import A_DAY, DAYS, NOW, fired, lines, part, row, usual

AN_HOUR = 12
ERRORS = ("error", "fatal")


def link_errors(
    counts: dict[tuple[str, str], Ints], *, seed: int, more: float = 0.0, since: int = NOW - 2 * AN_HOUR
) -> None:
    """An error that comes day and night alike, whatever the traffic; every six hours or so a burst of it.
    `more`: lines a slot on top, climbing to twice that over four hours."""
    rnd = np.random.default_rng(seed)
    found = row(counts, "link lost", "error")
    found += rnd.poisson(0.8, len(found))
    bursts = rnd.choice(len(found), len(found) // 72, replace=False)
    found[bursts] += rnd.integers(6, 18, len(bursts))
    climb = np.linspace(0, 2 * more, 4 * AN_HOUR)
    until = min(since + len(climb), len(found))
    found[since:until] += rnd.poisson(climb[: until - since])


@pytest.mark.parametrize("seed", range(11, 15))
def test_errors_that_climb_between_bursts_of_the_same_error_are_found(seed: int) -> None:
    def climbing(counts: dict[tuple[str, str], Ints]) -> None:
        link_errors(counts, seed=seed, more=1.6)

    assert "persistent-errors" in fired(lines(seed, change=climbing), since=NOW - 2 * AN_HOUR)


@pytest.mark.parametrize("seed", range(11, 17))
def test_bursts_of_the_same_error_are_no_lasting_rate(seed: int) -> None:
    def everyday(counts: dict[tuple[str, str], Ints]) -> None:
        link_errors(counts, seed=seed)

    assert "persistent-errors" not in fired(lines(seed, change=everyday), since=NOW - 2 * AN_HOUR)


def test_one_loud_quarter_of_an_hour_counts_no_more_than_chance_for_the_hours_after_it() -> None:
    def storm(counts: dict[tuple[str, str], Ints]) -> None:
        row(counts, "card declined", "error")[NOW : NOW + 3] += 200

    assert "persistent-errors" not in fired(lines(change=storm))


def test_errors_that_do_not_follow_the_traffic_are_expected_by_night_as_by_day() -> None:
    def everyday(counts: dict[tuple[str, str], Ints]) -> None:
        link_errors(counts, seed=3)
        counts["card declined", "error"][:] = 0

    whole = lines(3, change=everyday)
    baseline = usual(whole)
    assert baseline.along["error"] < 0.3
    grid = part(whole, (DAYS - 1) * A_DAY, DAYS * A_DAY)
    of_hour = Expectation(baseline, grid).levels(ERRORS, AN_HOUR)[AN_HOUR - 1 :: AN_HOUR]
    traffic = trailing(grid.lines(("info",)), AN_HOUR)[AN_HOUR - 1 :: AN_HOUR]
    assert traffic.max() > 2 * traffic.min()
    assert of_hour.max() < 1.6 * of_hour.min()


@pytest.mark.parametrize("seed", range(1, 5))
def test_chance_teaches_no_other_time_of_day_than_that_of_the_traffic(seed: int) -> None:
    assert usual(lines(seed)).along == {"error": 1.0, "warn": 1.0}


def test_few_errors_that_come_by_night_as_well_say_nothing_certain() -> None:
    def rare(counts: dict[tuple[str, str], Ints]) -> None:
        counts["card declined", "error"][:] = 0
        row(counts, "link lost", "error")[::97] = 1

    def many(counts: dict[tuple[str, str], Ints]) -> None:
        rare(counts)
        row(counts, "link lost", "error")[::2] += 1

    assert usual(lines(2, change=rare)).along["error"] > 0.8
    assert usual(lines(2, change=many)).along["error"] < 0.3


@pytest.mark.parametrize(
    ("where", "per"), [({"level": ["info"]}, "node"), ({}, "node"), ({"level": ["error"]}, "pattern")]
)
def test_capping_is_for_failures_of_a_node(where: dict[str, list[str]], per: str) -> None:
    parts = {"name": "mine", "severity": "low", "title": "mine", "description": "mine", "grace": "1h"}
    with pytest.raises(ValidationError, match="capped needs"):
        Rate.model_validate(
            parts | {"kind": "rate", "where": where, "rate": {"per": per, "at_least": {"2h": 6}, "capped": True}}
        )

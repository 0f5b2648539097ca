"""Durations in lines: growth beyond the node's past is reported once, and ordinary variation is not."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from fleexmon_pipeline.baselines.baseline import Baseline
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import Sketches, SlotGrid
from fleexmon_pipeline.baselines.values.durations import slower
from fleexmon_pipeline.detection.conditions.durations import value
from fleexmon_pipeline.detection.firing import firing_of
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_kinds import Value
from fleexmon_pipeline.numerics import Floats, Ints
from fleexmon_pipeline_tests.detection.conditions.world import (
    A_DAY,
    AN_HOUR,
    FIRST,
    NOW,
    READ_BACK,
    RULES,
    SERIES,
    SLOTS,
    node,
    traffic,
)

(RULE,) = (rule for rule in RULES if isinstance(rule, Value))


def stated(seed: int = 1, *, median: float = 200.0, lines: float = 30.0) -> dict[str, Floats]:
    """Medians and percentiles of log-normal durations that are a third longer at noon than at night."""
    rnd = np.random.default_rng(seed)
    hour = np.arange(SLOTS) / AN_HOUR % 24
    level = np.log(median) + 0.15 * np.cos(2 * np.pi * (hour - 13) / 24)
    count = np.maximum(rnd.poisson(lines, SLOTS), 1)
    drawn = rnd.lognormal(level[:, None], 0.5, (SLOTS, count.max()))
    drawn[np.arange(count.max()) >= count[:, None]] = np.inf  # a slot has `count` of them, in front when sorted
    drawn.sort(axis=1)
    return {"p50": _quantile(drawn, count, 0.5), "p95": _quantile(drawn, count, 0.95), "lines": count.astype(float)}


def _quantile(drawn: Floats, count: Ints, share: float) -> Floats:
    """Of the first `count` values of each row, which are sorted: `np.quantile` of 3,000 rows takes 2 s."""
    place = share * (count - 1)
    below, rows = np.floor(place).astype(int), np.arange(len(drawn))
    above = np.minimum(below + 1, count - 1)
    return np.asarray(drawn[rows, below] + (place - below) * (drawn[rows, above] - drawn[rows, below]))


def grown(figures: dict[str, Floats], begin: int, end: int, times: float, *names: str) -> dict[str, Floats]:
    changed = {name: row.copy() for name, row in figures.items()}
    for name in names or ("p50", "p95"):
        changed[name][begin:end] *= times
    return changed


def sketched(patterns: dict[str, dict[str, Floats]], *, steps: bool = False) -> dict[tuple[str, str], Sketches]:
    return {
        (name, "rest"): Sketches(figures["p50"], figures["p95"], figures["lines"], steps)
        for name, figures in patterns.items()
    }


def blue(**patterns: dict[str, Floats]) -> SlotGrid:
    return replace(node(traffic()), durations=sketched(patterns))


def hits(whole: SlotGrid) -> list[Hit]:
    """Of the ten hours before NOW and the rest of the day, as detection would see them."""
    places = slice(0, DAY)
    past = _cut(whole, places)
    since = DAY - READ_BACK
    part = _cut(whole, slice(since, SLOTS))
    observation = Observation(part, learn(past, SERIES), FIRST, {}, {})
    return [replace(hit, slot=hit.slot + since) for hit in value(RULE, observation) if hit.slot >= READ_BACK]


DAY = NOW // A_DAY * A_DAY


def _cut(whole: SlotGrid, places: slice) -> SlotGrid:
    durations = {
        key: Sketches(of.p50[places], of.p95[places], of.lines[places], of.steps) for key, of in whole.durations.items()
    }
    return SlotGrid(
        whole.node, whole.first + places.start, whole.known[places], whole.empty[places], whole.keys,
        whole.counts[:, places], durations,
    )  # fmt: skip


def test_what_is_learnt_can_be_stored() -> None:
    learnt = learn(_cut(blue(served=stated()), slice(0, DAY)), SERIES)
    assert learnt is not None
    assert learnt.patterns["served"]["rest"].durations is not None
    assert msgspec.json.decode(msgspec.json.encode(learnt), type=Baseline) == learnt


def test_ordinary_days_are_quiet() -> None:
    assert hits(blue(served=stated(1), opened=stated(2, median=5.0))) == []


@pytest.mark.parametrize("figures", [("p50", "p95"), ("p95",)], ids=["all lines", "the slowest lines"])
def test_growth_is_reported_while_it_lasts(figures: tuple[str, ...]) -> None:
    found = hits(blue(served=grown(stated(), NOW, NOW + 9, 3.0, *figures)))

    assert {hit.slot for hit in found} <= set(range(NOW, NOW + 12))
    assert {NOW + 2, NOW + 5} <= {hit.slot for hit in found}
    measures = [hit.measure for hit in found if hit.measure]
    assert {(measure.pattern, measure.name) for measure in measures} == {
        ("served", "median" if "p50" in figures else "95th percentile")
    } or {measure.pattern for measure in measures} == {"served"}
    assert 2.0 < max(measure.value / measure.expected for measure in measures) < 4.0


def test_steps_that_grow_are_named_so_and_those_below_what_anybody_notices_are_left_alone() -> None:
    slow = {"served": grown(stated(median=40.0), NOW, NOW + 9, 30.0)}
    short = {"served": grown(stated(median=1.0), NOW, NOW + 9, 5.0)}
    slower, unnoticed = (
        hits(replace(node(traffic()), durations=sketched(figures, steps=True))) for figures in (slow, short)
    )
    assert {(hit.measure.name, hit.measure.steps) for hit in slower if hit.measure} == {("average", True)}
    assert {hit.slot for hit in slower} <= set(range(NOW, NOW + 12))
    assert unnoticed == []


def test_a_pattern_that_states_durations_since_today_is_not_compared_with_the_steps_it_had() -> None:
    figures = {"served": grown(stated(), NOW - 12, NOW + 9, 9.0)}
    steps, durations = (replace(node(traffic()), durations=sketched(figures, steps=of)) for of in (True, False))
    both = replace(durations, durations={})
    learnt = learn(_cut(steps, slice(0, DAY)), SERIES)
    assert learnt is not None
    assert slower(learnt, durations, {"rest"}, "p50", 3).patterns == []
    assert slower(learnt, steps, {"rest"}, "p50", 3).patterns == ["served"]
    assert slower(learnt, both, {"rest"}, "p50", 3).patterns == []


def test_what_all_messages_show_a_little_is_reported_for_the_node() -> None:
    names = [f"pattern-{number}" for number in range(8)]
    slow = {name: grown(stated(number, lines=4), NOW, NOW + 12, 1.8) for number, name in enumerate(names)}
    rows = traffic()
    for name in names:
        rows[name, "info"] = rows["opened", "info"]

    assert any(NOW <= hit.slot < NOW + 12 for hit in hits(replace(node(rows), durations=sketched(slow))))


def test_a_pause_of_one_slot_is_no_growth() -> None:
    assert hits(blue(served=grown(stated(), NOW, NOW + 1, 8.0))) == []


def test_what_comes_each_day_at_that_hour_is_normal() -> None:
    figures = stated()
    for day in range(SLOTS // A_DAY + 1):
        figures = grown(figures, day * A_DAY + 10 * AN_HOUR, day * A_DAY + 11 * AN_HOUR, 2.0)

    assert hits(blue(served=figures)) == []


def test_what_has_lasted_two_days_is_normal() -> None:
    assert hits(blue(served=grown(stated(), DAY - 2 * A_DAY, SLOTS, 2.5))) == []


def test_few_lines_are_not_judged() -> None:
    assert hits(blue(served=grown(stated(lines=0.3), NOW, NOW + 3, 5.0))) == []


def test_a_firing_names_the_figure_and_the_pattern() -> None:
    whole = blue(served=grown(stated(), NOW, NOW + 9, 3.0))
    hit = hits(whole)[1]
    firing = firing_of(RULE, Observation(whole, None, FIRST, {"served": "served in <duration>"}, {}), hit)

    assert (firing.subject.node, firing.subject.pattern) == ("blue", None)
    assert firing.source.pattern == "served"  # whose lines are the evidence
    assert firing.shown["template"] == "served in <duration>"
    assert firing.metadata["value"] > 1.5 * firing.metadata["expected"]
    assert RULE.fill_title(firing.shown).startswith("Slower than normal on blue: ")

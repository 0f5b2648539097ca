"""Usual and unusual rates: a node's made-up fortnight, judged on arrays in the same way as by the asset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from fleexmon_pipeline.baselines.baseline import Baseline
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.silence import quietness
from fleexmon_pipeline.baselines.slot_grid import SlotGrid, but_loudest, surprise, trailing
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_model import Detector, all_series
from fleexmon_pipeline.numerics import Ints
from fleexmon_pipeline.window import slot_number, slot_start
from fleexmon_pipeline_tests.stories import TEN

RULES = [rule for rule in load_rules().rules if isinstance(rule, Detector)]
SERIES = all_series(RULES)
A_DAY = 288
DAYS = 10
NIGHT = 26 * 12  # slot of the batch on the second day and on
MESSAGES = [
    ("served", "info", 0.6),
    ("opened", "info", 0.397),
    ("slow", "warn", 0.002),
    ("card declined", "error", 0.008),
]
FIRST = slot_number(TEN) // A_DAY * A_DAY - DAYS * A_DAY
NOW = DAYS * A_DAY + 10 * 12  # ten o'clock of the day that is judged

Change = Callable[[dict[tuple[str, str], Ints]], None]


def lines(seed: int = 1, rate: float = 40.0, change: Change | None = None) -> SlotGrid:
    """Ten days and a half: a daily season, bursts of load with their errors, a nightly batch, an error blip a day."""
    slots = DAYS * A_DAY + 12 * 12
    rnd = np.random.default_rng(seed)
    swing, load = np.zeros(slots), 0.0
    for slot in range(slots):
        load = 0.86 * load + 0.15 * rnd.normal()
        swing[slot] = load
    clock = np.arange(slots) % A_DAY / A_DAY
    mean = rate * (1 + 0.5 * np.sin(2 * np.pi * (clock - 0.4))) * np.exp(swing)
    mean[np.arange(slots) % A_DAY // 3 == 8] *= 2.5
    counts = {}
    for pattern, level, share in MESSAGES:
        more = np.exp(swing) if level == "error" else 1.0
        counts[pattern, level] = rnd.poisson(mean * share * more).astype(np.int64)
    for day in range(DAYS):
        counts["card declined", "error"][day * A_DAY + rnd.integers(A_DAY)] += rnd.integers(3, 9)
    if change:
        change(counts)
    rows = np.stack(list(counts.values()))
    return SlotGrid("blue", FIRST, np.ones(slots, bool), rows.sum(axis=0) == 0, list(counts), rows)


def part(whole: SlotGrid, begin: int, end: int) -> SlotGrid:
    rows = slice(begin, end)
    return SlotGrid("blue", FIRST + begin, whole.known[rows], whole.empty[rows], whole.keys, whole.counts[:, rows])


def usual(whole: SlotGrid) -> Baseline:
    found = learn(part(whole, 0, DAYS * A_DAY), SERIES)
    assert found is not None
    return found


def fired(whole: SlotGrid, *, since: int = NOW - 12, first_seen: dict[str, int] | None = None) -> dict[str, int]:
    """Rules that fire between nine (or `since`) and noon, with the first slot after `since` at which they do."""
    grid = part(whole, since - 60, whole.slots)
    names = {pattern: pattern for pattern, _ in grid.keys}
    observation = Observation(grid, usual(whole), FIRST, names, first_seen or {})
    ends = [slot_start(grid.first + slot + 1) for slot in range(60, grid.slots)]
    found: dict[str, int] = {}
    for rule, hit in evaluate_node(RULES, observation, ends):
        found[rule.name] = min(found.get(rule.name, 10**9), hit.slot - 60)
    return found


def row(counts: dict[tuple[str, str], Ints], pattern: str, level: str) -> Ints:
    return counts.setdefault((pattern, level), np.zeros_like(counts["served", "info"]))


@pytest.mark.parametrize("seed", range(1, 7))
def test_an_ordinary_morning_is_no_issue(seed: int) -> None:
    assert fired(lines(seed)) == {}


@pytest.mark.parametrize(("rate", "slots"), [(15.0, 3), (40.0, 2), (400.0, 2)])
def test_a_burst_of_known_errors_is_found_within_ten_minutes_and_a_small_one_within_fifteen(
    rate: float, slots: int
) -> None:
    def burst(counts: dict[tuple[str, str], Ints]) -> None:
        row(counts, "card declined", "error")[NOW : NOW + 5] += int(rate)

    assert fired(lines(rate=rate, change=burst))["unusual-error-rate"] - 12 < slots


def test_errors_that_climb_over_hours_are_found_while_they_climb() -> None:
    def ramp(counts: dict[tuple[str, str], Ints]) -> None:
        row(counts, "card declined", "error")[NOW - 24 : NOW + 24] += np.arange(48) // 9

    assert 0 <= fired(lines(change=ramp), since=NOW - 24)["unusual-error-rate"] <= 36


def test_a_blip_of_eight_errors_in_one_slot_is_everyday() -> None:
    def blip(counts: dict[tuple[str, str], Ints]) -> None:
        row(counts, "card declined", "error")[NOW] += 8

    assert fired(lines(change=blip)) == {}


def test_errors_that_come_with_load_are_not_unusual() -> None:
    def rush(counts: dict[tuple[str, str], Ints]) -> None:
        for of_pattern in counts.values():
            of_pattern[NOW - 3 : NOW + 6] *= 2

    assert "unusual-error-rate" not in fired(lines(rate=100.0, change=rush))


def test_the_nightly_batch_is_a_habit() -> None:
    assert fired(lines(), since=DAYS * A_DAY + 18) == {}


def test_a_message_in_a_loop_is_found_and_its_volume() -> None:
    def loop(counts: dict[tuple[str, str], Ints]) -> None:
        row(counts, "opened", "info")[NOW : NOW + 6] += 180

    found = fired(lines(change=loop))
    assert found["flooding-pattern"] - 12 <= 2
    assert "unusual-volume" in found


@pytest.mark.parametrize(("level", "nights"), [("info", 2), ("warn", 3)])
def test_what_flooded_on_some_nights_is_no_news_in_any_window(level: str, nights: int) -> None:
    def crawled(nights: int) -> Change:
        def change(counts: dict[tuple[str, str], Ints]) -> None:
            found = row(counts, "not found", level)
            found[::5] = 1
            begins = [NOW - (1 + 3 * night) * A_DAY - 6 for night in range(nights)]
            for begin in (*begins, NOW):
                found[begin : begin + 8] += 25

        return change

    rule = {"info": "flooding-pattern", "warn": "unusual-warning"}[level]
    assert rule in fired(lines(change=crawled(nights - 1)))
    assert rule not in fired(lines(change=crawled(nights)))


@pytest.mark.parametrize(("nights", "is_news"), [((25, 12), False), ((25, 3), True), ((10, 9), True)])
def test_what_comes_on_several_nights_may_come_as_strong_as_the_strongest(
    nights: tuple[int, int], is_news: bool
) -> None:
    def crawled(counts: dict[tuple[str, str], Ints]) -> None:
        found = row(counts, "page read", "info")
        found[::5] = 1
        for back, strength in enumerate(nights):
            begin = NOW - (1 + 3 * back) * A_DAY - 6
            found[begin : begin + 8] += strength
        found[NOW : NOW + 8] += 25

    assert ("flooding-pattern" in fired(lines(change=crawled))) == is_news


def test_a_new_error_is_told_with_its_first_line_a_new_warning_with_its_eighth_a_new_info_never() -> None:
    def new(counts: dict[tuple[str, str], Ints]) -> None:
        row(counts, "disk quota exceeded", "error")[NOW] = 1
        row(counts, "certificate expires", "warn")[NOW : NOW + 4] = 2
        row(counts, "release is up", "info")[NOW : NOW + 6] = 30

    seen = {"disk quota exceeded": FIRST + NOW, "certificate expires": FIRST + NOW, "release is up": FIRST + NOW}
    found = fired(lines(change=new), first_seen=seen)
    assert (found["new-error"], found["new-warning"]) == (12, 15)
    assert set(found) == {"new-error", "new-warning"}


def test_an_error_that_another_node_has_had_is_not_new_and_unusual_only_when_it_goes_on() -> None:
    def once(counts: dict[tuple[str, str], Ints]) -> None:
        row(counts, "disk quota exceeded", "error")[NOW] = 1

    def often(counts: dict[tuple[str, str], Ints]) -> None:
        row(counts, "disk quota exceeded", "error")[NOW : NOW + 3] = 2

    seen = {"disk quota exceeded": FIRST}
    assert fired(lines(change=once), first_seen=seen) == {}
    assert "unusual-pattern" in fired(lines(change=often), first_seen=seen)


def test_a_node_with_a_long_tail_of_rare_errors_is_asked_for_a_second_line() -> None:
    def tail(counts: dict[tuple[str, str], Ints]) -> None:
        for number_ in range(20):
            row(counts, f"rare {number_}", "error")[number_ * A_DAY // 2 + 7] = 1
        row(counts, "rarer", "error")[NOW] = 1
        row(counts, "rarest", "error")[NOW : NOW + 2] = 1

    whole = lines(change=tail)
    assert usual(whole).novelty > 0.5
    assert fired(whole, first_seen={"rarer": FIRST + NOW}) == {}
    assert fired(whole, first_seen={"rarest": FIRST + NOW})["new-error"] == 13


def silent(counts: dict[tuple[str, str], Ints]) -> None:
    for of_pattern in counts.values():
        of_pattern[NOW : NOW + 20] = 0


def test_a_silent_node_is_told_after_ten_minutes_and_has_no_other_issue() -> None:
    whole = lines(change=silent)
    assert fired(whole) == {"silent-node": 13}
    unknown = replace(whole, known=whole.known & (whole.counts.sum(axis=0) > 0), empty=np.zeros(whole.slots, bool))
    assert fired(unknown) == {}, "a pipeline that is down knows nothing of its nodes"


def test_a_restart_is_not_a_silence() -> None:
    def restart(counts: dict[tuple[str, str], Ints]) -> None:
        for of_pattern in counts.values():
            of_pattern[NOW] = 0

    assert fired(lines(change=restart)) == {}


def test_silence_needs_steady_lines_before_it_and_no_history() -> None:
    spoken = np.r_[np.full(36, 12), np.zeros(6)].astype(np.int64)
    steady = SlotGrid("blue", 0, np.ones(42, bool), spoken == 0, [("served", "info")], spoken[None, :])
    assert list(quietness(steady, None)[36:] > 5) == [False, True, True, True, True, True]
    sampled = np.r_[np.full(24, 12), np.full(12, 1), np.zeros(6)].astype(np.int64)
    fallen = SlotGrid("blue", 0, np.ones(42, bool), sampled == 0, [("served", "info")], sampled[None, :])
    assert quietness(fallen, None).max() < 5, "what fell an hour ago is no silence now"
    rare = replace(steady, counts=steady.counts * (np.arange(42) % 4 == 0), empty=np.arange(42) % 4 != 0)
    assert quietness(rare, None).max() == 0


def test_incidents_of_the_past_do_not_become_usual() -> None:
    def bad_past(counts: dict[tuple[str, str], Ints]) -> None:
        for day in (3, 6):
            row(counts, "card declined", "error")[day * A_DAY + 150 : day * A_DAY + 156] += 60
        row(counts, "card declined", "error")[NOW : NOW + 5] += 40

    assert fired(lines(change=bad_past))["unusual-error-rate"] - 12 <= 2


def test_a_baseline_survives_being_kept() -> None:
    found = usual(lines())
    assert msgspec.json.decode(msgspec.json.encode(found), type=Baseline) == found


def test_nothing_is_learnt_from_nothing() -> None:
    empty = part(lines(), 0, A_DAY)
    assert learn(replace(empty, counts=empty.counts * 0), SERIES) is None
    assert learn(replace(empty, known=np.zeros(A_DAY, bool)), SERIES) is None


def test_sums_over_windows_leave_out_the_loudest_part() -> None:
    values = np.array([1, 2, 30, 4, 5, 6], np.int64)
    assert list(trailing(values, 3)) == [1, 3, 33, 36, 39, 15]
    assert list(but_loudest(values, 3)) == [0, 0, 1, 2, 5, 4], "two of three: what lasted ten minutes may be over"
    assert list(but_loudest(values, 1)) == list(values)
    wide = np.random.default_rng(1).integers(0, 50, 200)
    expected = [
        wide[max(end - 36, 0) : end].sum() - max(wide[max(b, 0) : b + 7].sum() for b in range(end - 36, end - 6))
        for end in range(40, 201)
    ]
    assert list(but_loudest(wide, 36)[39:]) == expected


def test_surprise_is_zero_at_the_expected_and_grows_with_the_count_and_shrinks_with_the_spread() -> None:
    seen = np.array([0.0, 5.0, 10.0, 20.0, 200.0])
    found = surprise(seen, np.full(5, 5.0), 0.1)
    assert list(found[:2]) == [0, 0]
    assert (np.diff(found[1:]) > 0).all()
    assert (surprise(seen, np.full(5, 5.0), 1.0)[2:] < found[2:]).all()


@pytest.mark.parametrize("unknown", [slice(0, 9 * A_DAY + 200), slice(3 * A_DAY, 4 * A_DAY), slice(100, 130)])
def test_a_past_with_holes_or_shorter_than_a_day_is_learnt_from(unknown: slice) -> None:
    whole = lines()
    known = whole.known.copy()
    known[unknown] = False
    holed = replace(whole, known=known, counts=whole.counts * known)
    assert usual(holed).days < DAYS
    assert fired(holed) == {}

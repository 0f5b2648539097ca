"""Verdicts on two nodes of a made-up shop: fail, pass and inconclusive."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.comparison.judge import Outcome, compare, corrected_p_values
from fleexmon_pipeline.comparison.measure import FALSE_FAILS, MIN_PAST_WINDOWS, scale_of
from fleexmon_pipeline.comparison.pair import pair_of
from fleexmon_pipeline_tests.comparison.two_nodes import Change, Rates, as_usual, pair


def judged(seed: int, change: Change = as_usual, *, days: float = 5, hours: float = 2) -> Outcome:
    return compare(pair(seed, change, days=days, hours=hours), baseline="blue", candidate="green")


def after(change: dict[tuple[str, str], float], *, node: str = "green", times: float = 1.0) -> Change:
    """These rates in the window on one node, and all of its rates times a factor."""

    def changed(name: str, slot: int, rates: Rates) -> Rates:
        if name != node or slot < 0:
            return rates
        return {key: rate * times for key, rate in (rates | change).items()}

    return changed


def of(outcome: Outcome, pattern: str) -> tuple[str, str]:
    return next((one.status, one.verdict) for one in outcome.patterns if one.pattern == pattern)


def test_the_same_software_seldom_fails() -> None:
    verdicts = [judged(seed, days=3).verdict for seed in range(40)]

    assert verdicts.count("fail") <= 4  # 2 are expected at most; 5 and more have a chance of 5 %
    assert verdicts.count("pass") >= 32


@pytest.mark.parametrize("seed", range(3))
def test_a_new_error_fails(seed: int) -> None:
    outcome = judged(seed, after({("schema", "error"): 0.5}))

    assert outcome.verdict == "fail"
    assert of(outcome, "schema") == ("unknown", "fail")
    assert outcome.patterns[0].pattern == "schema"
    assert outcome.reasons[0].startswith("1 error never seen before (")


@pytest.mark.parametrize("seed", range(3))
def test_more_errors_of_a_known_kind_fail(seed: int) -> None:
    outcome = judged(seed, after({("declined", "error"): 8.0}))

    assert outcome.verdict == "fail"
    assert of(outcome, "declined") == ("unexpected frequency", "fail")
    assert any("errors are " in reason and "of the lines of green" in reason for reason in outcome.reasons)


def test_a_message_that_is_missing_is_marginal_and_many_fail() -> None:
    one = judged(1, after({("stock", "debug"): 0.0}))
    most = judged(1, after({("request", "info"): 0.0}))

    assert (one.verdict, of(one, "stock")) == ("marginal", ("missing", "marginal"))
    assert (most.verdict, of(most, "request")) == ("fail", ("missing", "marginal"))


def test_new_info_lines_come_with_every_deployment() -> None:
    outcome = judged(2, after({("feature flag", "info"): 2.0}))

    assert (outcome.verdict, of(outcome, "feature flag")) == ("pass", ("unknown", "pass"))
    assert outcome.reasons[0].endswith("(1 new pattern without effect on the verdict)")


TEMPLATES = {
    "request": "handled request <num> of <id> in <duration>",
    "reworded": "served request <num> of <id> in <duration>",
    "refused": "could not serve request <num> of <id> in <duration>",
    "other": "cache of <num> entries was emptied",
    "declined": "payment <num> declined by the bank of <*>",
    "declined again": "payment <num> declined by the gateway of <*>",
    "schema": "relation <*> does not exist",
}


def reworded_as(new: str, rate: float, old: tuple[str, str] = ("request", "info"), *, seed: int = 1) -> Outcome:
    change = after({old: 0.0, (new, old[1]): rate})
    return compare(pair(seed, change), baseline="blue", candidate="green", templates=TEMPLATES)


@pytest.mark.parametrize("seed", range(3))
def test_a_frequent_line_in_other_words_is_no_loss(seed: int) -> None:
    outcome = reworded_as("reworded", 40.0, seed=seed)

    assert (outcome.verdict, of(outcome, "reworded")) == ("pass", ("reworded", "pass"))
    assert "1 pattern reworded, each compared with the pattern it replaces" in outcome.reasons
    assert "request" not in {one.pattern for one in outcome.patterns}, "it is counted as what replaces it"


@pytest.mark.parametrize(
    ("new", "rate"), [("other", 40.0), ("reworded", 3.0), ("refused", 40.0)], ids=["unlike", "rare", "a failure"]
)
def test_what_does_not_replace_a_missing_line_leaves_it_missing(new: str, rate: float) -> None:
    outcome = reworded_as(new, rate)

    assert (outcome.verdict, of(outcome, "request")) == ("fail", ("missing", "marginal"))


def test_a_reworded_error_is_known_and_fails_when_it_is_more_frequent() -> None:
    often = ("declined", "error")

    def declines(rate: float) -> Outcome:
        def change(node: str, slot: int, rates: Rates) -> Rates:
            now = node == "green" and slot >= 0
            return rates | ({often: 0.0, ("declined again", "error"): rate} if now else {often: 4.0})

        return compare(pair(2, change), baseline="blue", candidate="green", templates=TEMPLATES)

    assert of(declines(4.0), "declined again") == ("reworded", "pass")
    assert of(declines(11.0), "declined again") == ("unexpected frequency", "fail")


def test_another_error_does_not_pass_for_one_that_is_missing() -> None:
    outcome = reworded_as("schema", 1.0, ("declined", "error"))

    assert (outcome.verdict, of(outcome, "schema")) == ("fail", ("unknown", "fail"))


HEALTH = {("health", "info"): 5.0}


def without_traffic(rates: Rates) -> Rates:
    return {key: rate * 0.002 for key, rate in rates.items()} | HEALTH


def test_an_idle_candidate_that_is_only_asked_for_its_health_is_inconclusive() -> None:
    def idle_green(node: str, _slot: int, rates: Rates) -> Rates:
        return without_traffic(rates) if node == "green" else rates | HEALTH

    def with_error(node: str, slot: int, rates: Rates) -> Rates:
        new = {("schema", "error"): 1.0} if node == "green" and slot >= 0 else {}
        return idle_green(node, slot, rates) | new

    quiet, broken = judged(3, idle_green), judged(3, with_error)

    assert quiet.lines[1] >= 100, "too many lines to be idle by their number"
    assert quiet.verdict == "inconclusive"
    assert quiet.reasons[0] == "green and blue do different work, and did so before the window too"
    assert (broken.verdict, of(broken, "schema")) == ("fail", ("unknown", "fail"))


def test_a_candidate_that_loses_its_lines_with_the_version_fails() -> None:
    def loses(node: str, slot: int, rates: Rates) -> Rates:
        return HEALTH if node == "green" and slot >= 0 else rates | HEALTH

    outcome = judged(3, loses)

    assert outcome.verdict == "fail"
    assert "missing on green" in outcome.reasons[0]


def other_work(node: str, _slot: int, rates: Rates) -> Rates:
    own = {(f"job {pattern}", level): rate for (pattern, level), rate in rates.items()}
    return own if node == "green" else rates


@pytest.mark.parametrize("seed", range(3))
def test_a_node_with_other_work_is_compared_with_itself(seed: int) -> None:
    def broken(node: str, slot: int, rates: Rates) -> Rates:
        more = {("job declined", "error"): 9.0} if node == "green" and slot >= 0 else {}
        return other_work(node, slot, rates) | more

    fine, bad = judged(seed, other_work), judged(seed, broken)

    assert fine.reference == "itself"
    assert fine.verdict in ("pass", "marginal")
    assert "blue does other work, so green is compared with its own lines before the window" in fine.reasons
    assert (bad.verdict, of(bad, "job declined")) == ("fail", ("unexpected frequency", "fail"))
    assert any("of the lines of green and " in reason and "green before the window" in reason for reason in bad.reasons)


def test_one_colour_alone_is_compared_with_itself_where_the_other_was_always_idle() -> None:
    def green_is_live(node: str, slot: int, rates: Rates) -> Rates:
        new = {("schema", "error"): 0.5, ("declined", "error"): 0.8} if slot >= 0 else {}
        return rates | HEALTH | new if node == "green" else without_traffic(rates)

    outcome = judged(2, green_is_live)

    assert (outcome.verdict, outcome.reference, of(outcome, "schema")) == ("fail", "itself", ("unknown", "fail"))
    assert outcome.lines[0] > 1_000, "of green itself"


def test_lines_of_a_start_are_not_unexpected() -> None:
    def starts(node: str, slot: int, rates: Rates) -> Rates:
        once = (node == "green" and slot == 0) or slot == -700
        return rates | ({("bean ready", "info"): 60.0} if once else {})

    def keeps(node: str, slot: int, rates: Rates) -> Rates:
        return rates | ({("bean ready", "info"): 6.0} if (node == "green" and slot >= 0) or slot == -700 else {})

    assert of(judged(4, starts), "bean ready") == ("known", "pass")
    assert of(judged(4, keeps), "bean ready") == ("unexpected frequency", "marginal")


def test_a_retry_storm_of_a_minute_is_one_event() -> None:
    def storm(node: str, slot: int, rates: Rates) -> Rates:
        return rates | {("reset", "error"): 9.0} if (node, slot) == ("green", 3) else rates

    outcome = judged(3, storm)

    assert (outcome.verdict, of(outcome, "reset")) == ("pass", ("unknown", "pass"))


@pytest.mark.parametrize("times", [0.2, 0.5, 3.0])
def test_more_or_less_traffic_is_no_difference(times: float) -> None:
    assert judged(4, after({}, times=times)).verdict == "pass"


def test_what_comes_by_the_clock_is_no_difference_at_less_traffic() -> None:
    def health_checks(node: str, slot: int, rates: Rates) -> Rates:
        share = 0.2 if node == "green" and slot >= 0 else 1.0
        return {key: rate * share for key, rate in rates.items()} | {("health", "info"): 10.0}

    outcome = judged(5, health_checks)

    assert outcome.verdict == "pass", outcome.reasons


def test_a_difference_that_always_was_is_no_news() -> None:
    def nightly(node: str, _slot: int, rates: Rates) -> Rates:
        return rates | ({("export", "info"): 5.0, ("declined", "error"): 6.0} if node == "green" else {})

    outcome = judged(6, nightly)

    assert outcome.verdict == "pass", outcome.reasons
    assert of(outcome, "export") == of(outcome, "declined") == ("known", "pass")


def test_an_idle_candidate_is_inconclusive_unless_it_has_new_errors() -> None:
    quiet = judged(7, after({}, times=0.01))
    broken = judged(7, lambda node, slot, rates: after({}, times=0.01)(node, slot, rates)
                    | ({("crash", "fatal"): 1.0} if node == "green" and slot >= 0 else {}))  # fmt: skip

    assert quiet.verdict == "inconclusive"
    assert quiet.reasons[0].startswith(("green is idle", "too little data: green has"))
    assert (broken.verdict, of(broken, "crash")) == ("fail", ("unknown", "fail"))


def test_after_a_switch_the_old_colour_is_taken_from_before_it() -> None:
    def switched(node: str, slot: int, rates: Rates) -> Rates:
        live = "blue" if slot < 0 else "green"
        return {key: rate * (1.0 if node == live else 0.001) for key, rate in rates.items()}

    def broken(node: str, slot: int, rates: Rates) -> Rates:
        return switched(node, slot, rates) | ({("schema", "error"): 1.0} if node == "green" and slot >= 0 else {})

    fine, bad = judged(8, switched), judged(8, broken)

    assert fine.reference == "before"
    assert fine.verdict in ("pass", "marginal")
    assert "blue was idle in this window, so its lines before the window are compared" in fine.reasons
    assert bad.verdict == "fail"


def test_without_a_past_a_frequency_alone_fails_nothing_but_new_errors_do() -> None:
    more = judged(9, after({("declined", "error"): 12.0}), days=0.1)
    new = judged(9, after({("schema", "error"): 2.0}), days=0.1)

    assert more.verdict == "marginal"
    assert any(reason.startswith("not calibrated: ") for reason in more.reasons)
    assert new.verdict == "fail"


@pytest.mark.parametrize(
    ("hours", "reason"), [(0.5, "the window is too short"), (1.0, "too little data: blue has 0 lines")]
)
def test_too_little_is_inconclusive(hours: float, reason: str) -> None:
    outcome = compare(
        pair_of([("green", "a", "info", 0, 500, 6)], "blue", "green", past=0, buckets=round(hours * 2)),
        baseline="blue",
        candidate="green",
    )

    assert outcome.verdict == "inconclusive"
    assert outcome.reasons[0].startswith(reason)


def test_the_past_compared_with_itself_fails_at_most_as_promised() -> None:
    outcome = judged(10)

    assert outcome.calibration.windows >= MIN_PAST_WINDOWS
    promised = f"{outcome.calibration.windows} quiet past windows, so that at most {FALSE_FAILS:.0%} of them would fail"
    assert outcome.reasons[-1] == f"calibrated on {promised}"


def test_incidents_of_the_past_are_no_measure_of_what_is_usual() -> None:
    def incidents(node: str, slot: int, rates: Rates) -> Rates:
        bad = node == "green" and slot < 0 and slot % 288 < 24
        return rates | ({("declined", "error"): 20.0} if bad else {})

    rows = pair(11, incidents)
    bad = {bucket for bucket in range(240) if (bucket - 240) * 6 % 288 < 24}
    calibration = compare(rows, baseline="blue", candidate="green").calibration

    assert pair(11).disturbed == frozenset()
    assert rows.disturbed == {bucket + beside for bucket in bad for beside in (-1, 0, 1)} - {-1}
    assert calibration.spread[rows.keys.index(("declined", "error"))] < 0.2
    assert calibration.windows == 46, "of 60; each of the five touches three, the first two"


def test_a_known_error_is_found_after_a_week_of_incidents() -> None:
    def storms(node: str, slot: int, rates: Rates) -> Rates:
        if slot >= 0:
            return rates | ({("declined", "error"): 4.0} if node == "green" else {})
        bad = slot % 288 < 18 if node == "blue" else slot % 432 >= 414
        return {key: rate * (10 if bad and key[1] == "error" else 1) for key, rate in rates.items()}

    outcome = judged(11, storms)

    assert (outcome.verdict, of(outcome, "declined")) == ("fail", ("unexpected frequency", "fail"))


@given(st.lists(st.floats(0, 1), max_size=40))
def test_corrected_chances_ascend_with_the_chances_and_are_no_smaller(chances: list[float]) -> None:
    rates = corrected_p_values(np.array(chances))

    assert all(one >= own * (1 - 1e-9) for one, own in zip(rates, chances, strict=True))
    assert all(rates[a] <= rates[b] for a, b in pairwise(np.argsort(chances)))
    assert all(rates <= 1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["blue", "green", "other"]), st.sampled_from("abc"),
            st.sampled_from(["info", "warn", "error", "fatal"]), st.integers(-9, 9), st.integers(1, 10**9),
            st.integers(1, 6),
        ),
        max_size=30,
    ),
    st.integers(0, 8),
    st.integers(1, 6),
)  # fmt: skip
def test_any_counts_have_a_verdict(rows: list[tuple[str, str, str, int, int, int]], past: int, buckets: int) -> None:
    outcome = compare(pair_of(rows, "blue", "green", past=past, buckets=buckets), baseline="blue", candidate="green")

    assert outcome.verdict in ("pass", "marginal", "fail", "inconclusive")
    assert outcome.reasons
    assert all(0 <= one.p_value <= 1 and np.isfinite(one.expected) for one in outcome.patterns)


def test_what_floods_does_not_make_everything_else_rare() -> None:
    usual = np.array([100.0, 200, 300, 400])

    assert scale_of(usual, usual + np.array([0, 0, 0, 9_000])) == pytest.approx(1.0)

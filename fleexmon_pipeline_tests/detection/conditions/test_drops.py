"""Missing lines, and cases that only look like missing lines."""

from __future__ import annotations

import numpy as np
import pytest

from fleexmon_pipeline_tests.detection.conditions.world import (
    A_DAY,
    AN_HOUR,
    DAYS,
    NOW,
    SLOTS,
    Rows,
    added,
    fired,
    hits,
    node,
    row,
    scaled,
    traffic,
)

END = NOW + 8  # forty minutes


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("share", "rules"), [(0.2, {"lines-missing"}), (0.6, set())])
def test_a_node_at_a_fifth_of_its_lines_is_told_at_three_fifths_it_is_not(
    seed: int, share: float, rules: set[str]
) -> None:
    assert fired(node(scaled(traffic(40, seed), share, NOW, END))) == rules


def test_it_is_told_within_half_an_hour_and_no_longer_once_lines_are_back() -> None:
    slots = sorted(slot for _, slot in hits(node(scaled(traffic(), 0.2, NOW, END))))
    assert slots[0] < 6
    assert slots[-1] < END - NOW


def test_a_holiday_is_quiet_from_its_morning_on() -> None:
    assert fired(node(scaled(traffic(), 0.3, DAYS * A_DAY, SLOTS)), since=DAYS * A_DAY + 8 * AN_HOUR) == set()


@pytest.mark.parametrize("hours", [-1, 1])
def test_users_may_come_an_hour_earlier_or_later(hours: int) -> None:
    shifted = {key: np.where(np.arange(SLOTS) < DAYS * A_DAY, lines, np.roll(lines, hours * AN_HOUR))
               for key, lines in traffic().items()}  # fmt: skip
    assert fired(node(shifted), since=DAYS * A_DAY + 4 * AN_HOUR, until=SLOTS - AN_HOUR) == set()


@pytest.mark.parametrize("slots", [6, 12, 24])
def test_the_end_of_a_burst_is_no_loss(slots: int) -> None:
    burst = added(traffic(), scaled(traffic(120, seed=2), 1, 0, 0), NOW - slots, NOW)
    assert "lines-missing" not in fired(node(burst), since=NOW)


@pytest.mark.parametrize("level", ["warn", "error"])
def test_the_end_of_an_attack_is_no_loss(level: str) -> None:
    """Two or three hours of refused logins on a node with little traffic."""
    attacked = traffic(10)
    row(attacked, "401", level)[NOW - 30 : NOW] = 40
    assert "lines-missing" not in fired(node(attacked), since=NOW)


def test_the_end_of_a_silence_is_no_loss() -> None:
    assert "lines-missing" not in fired(node(scaled(traffic(), 0, NOW - 20, NOW)), since=NOW)


def test_steady_health_checks_do_not_hide_a_loss() -> None:
    checked = scaled(traffic(), 0.1, NOW, END)
    row(checked, "healthy", "info")[:] = 30
    assert fired(node(checked)) == {"lines-missing"}


def test_slots_that_are_not_known_are_no_loss() -> None:
    known = np.ones(SLOTS, bool)
    known[NOW:END] = False
    assert fired(node(traffic(), known=known)) == set()
    known[NOW:END] = np.arange(END - NOW) % 3 == 0
    assert fired(node(scaled(traffic(), 0.5, NOW, END), known=known)) == set()


def requests(a_slot: float, lines_each: int, seed: int = 9) -> Rows:
    """Traffic of a node that logs so many lines for each request."""
    return {("served", "info"): np.random.default_rng(seed).poisson(a_slot, SLOTS).astype(np.int64) * lines_each}


@pytest.mark.parametrize("seed", range(5))
def test_few_requests_with_many_lines_each_are_few_events(seed: int) -> None:
    """A service that is asked twice in five minutes and logs 40 lines each time has empty slots, and hours with half of
    the lines. Taken for lines that come alone, that was 28 losses and 10 silences in 10 days of 27 real services."""
    assert fired(node(requests(2, 40, seed)), since=NOW - A_DAY // 2) == set()
    assert fired(node(requests(2, 40, seed)), since=DAYS * A_DAY, known_from=DAYS * A_DAY) == set()


def test_many_requests_with_many_lines_each_are_missed_and_their_silence_too() -> None:
    assert fired(node(scaled(requests(40, 40), 0.2, NOW, END))) == {"lines-missing"}
    assert fired(node(scaled(requests(40, 40), 0, NOW, END))) == {"silent-node"}


def test_few_lines_say_nothing() -> None:
    assert fired(node(scaled(traffic(3), 0.2, NOW, END))) == set()


def test_half_an_hour_without_any_of_twenty_five_lines_says_enough() -> None:
    assert "lines-missing" in fired(node(scaled(traffic(5, seed=4), 0.04, NOW, END)))


@pytest.mark.parametrize(("days", "is_loss"), [(range(DAYS), False), (range(2), True)])
def test_a_pause_at_the_same_time_on_most_days_is_no_loss(days: range, is_loss: bool) -> None:
    paused = traffic()
    for back in days:
        paused = scaled(paused, 0.25, NOW - (back + 1) * A_DAY, NOW - (back + 1) * A_DAY + 6)
    paused = scaled(paused, 0.25, NOW, NOW + 6)
    assert ("lines-missing" in fired(node(paused))) == is_loss


def test_a_pause_of_every_day_that_lasts_for_hours_is_a_loss() -> None:
    paused = traffic()
    for back in range(DAYS):
        paused = scaled(paused, 0.25, NOW - (back + 1) * A_DAY, NOW - (back + 1) * A_DAY + 6)
    assert "lines-missing" in fired(node(scaled(paused, 0.1, NOW, NOW + 18)), until=NOW + 18)


LATER = NOW + 5 * A_DAY  # with fifteen days of history


@pytest.mark.parametrize(
    ("days_before", "share", "is_loss"),
    [
        pytest.param((7, 14), 0.2, False, id="in both weeks"),
        pytest.param((7,), 0.2, True, id="a week ago alone, as an incident would"),
        pytest.param((6, 13), 0.2, True, id="on another weekday"),
        pytest.param((7, 14), 0.8, True, id="a few lines less"),
    ],
)
def test_a_fall_that_came_in_both_weeks_before_is_no_loss(
    days_before: tuple[int, ...], share: float, is_loss: bool
) -> None:
    """A node that is drained every Wednesday, 25 minutes earlier or later."""
    drained = scaled(traffic(slots=LATER + 2 * AN_HOUR), 0.2, LATER, LATER + 18)
    for days in days_before:
        drained = scaled(drained, share, LATER - days * A_DAY - 5, LATER - days * A_DAY + 19)
    assert ("lines-missing" in fired(node(drained), since=LATER, until=LATER + 18)) == is_loss


def test_a_loss_needs_a_day_of_history() -> None:
    falls = node(scaled(traffic(), 0.2, NOW, END))
    assert "lines-missing" not in fired(falls, known_from=NOW - 20 * AN_HOUR)
    assert "lines-missing" in fired(falls, known_from=(DAYS - 1) * A_DAY)


def test_without_lines_at_all_it_is_a_silence() -> None:
    gone: Rows = scaled(traffic(), 0, NOW, END)
    assert fired(node(gone)) == {"silent-node"}


def colours() -> tuple[Rows, Rows]:
    """Two nodes of which one is live, by turns of a day and a half; blue is when the day begins that is evaluated."""
    blue, green = traffic(seed=5), traffic(seed=6)
    for begin in range(DAYS * A_DAY - 18 * AN_HOUR, -36 * AN_HOUR, -36 * AN_HOUR):
        switch, back = max(begin, 0), max(begin - 36 * AN_HOUR, 0)
        blue_is_live = (DAYS * A_DAY - 18 * AN_HOUR - begin) // (36 * AN_HOUR) % 2 == 1
        idle = blue if not blue_is_live else green
        changed = scaled(idle, 0.01, back, switch)
        for key, lines in changed.items():
            idle[key] = lines
    green = scaled(green, 0.01, DAYS * A_DAY - 18 * AN_HOUR, SLOTS)
    return blue, green


def test_a_loss_of_the_live_colour_is_told_though_it_is_live_every_other_day() -> None:
    blue, green = colours()
    others = [node(green, "green")]
    since = NOW - 2 * AN_HOUR

    assert "lines-missing" not in fired(node(blue), others, since=since)
    assert "lines-missing" in fired(node(scaled(blue, 0.15, NOW, NOW + 9)), others, since=since)

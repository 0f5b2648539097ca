"""Hours, slots and days of any window: they cover it without gaps, and never include time that is not over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, ceil, contiguous, floor, read_time

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  timezones=
STEPS = st.sampled_from([SLOT, HOUR, DAY])


@st.composite
def windows(draw: st.DrawFn, longest: timedelta = 3 * DAY) -> Window:
    since = draw(MOMENTS)
    return Window(since, since + draw(st.timedeltas(timedelta(0), longest)))


@given(moment=MOMENTS, step=STEPS)
def test_floor_and_ceil_are_the_multiples_on_either_side(moment: datetime, step: timedelta) -> None:
    below, above = floor(moment, step), ceil(moment, step)

    assert below <= moment <= above
    assert above - below in (timedelta(0), step)
    assert (above == below) == (floor(below, step) == moment)
    assert floor(above, step) == above
    assert (below.second, below.microsecond, below.minute % 5) == (0, 0, 0)


@given(window=windows(longest=DAY), name=st.sampled_from(["slots", "hours", "days"]))
def test_the_steps_of_a_window_cover_it_touch_and_belong_to_it(window: Window, name: str) -> None:
    step = {"slots": SLOT, "hours": HOUR, "days": DAY}[name]
    steps: list[Window] = list(getattr(window, name)())

    assert bool(steps) == bool(window)
    assert all(one.length == step and floor(one.since, step) == one.since for one in steps)
    assert all(one.overlap(window) for one in steps)
    assert contiguous(steps) == ([Window(steps[0].since, steps[-1].until)] if steps else [])
    if steps:
        assert steps[0].since <= window.since
        assert steps[-1].until >= window.until


@given(hour=MOMENTS.map(Window.hour_of))
def test_an_hour_has_twelve_slots_and_lies_in_its_day(hour: Window) -> None:
    assert len(list(hour.slots())) == 12
    assert list(hour.hours()) == [hour]
    assert list(hour.days()) == [Window.day_of(hour.since)]
    assert len(list(Window.day_of(hour.since).hours())) == 24


@given(window=windows(), now=MOMENTS)
def test_what_has_ended_is_a_beginning_of_the_window_and_holds_no_slot_that_runs(window: Window, now: datetime) -> None:
    for moment in (now, window.since + window.length / 2):
        ended = window.ended(moment)

        assert ended.since == window.since
        assert window.since <= ended.until <= window.until
        assert not ended or ended.until <= moment
        assert ended.until == window.until or floor(moment, SLOT) <= max(ended.until, window.since)


def test_the_slot_that_runs_is_left() -> None:
    hour = Window.hour_of(TEN)

    assert hour.ended(TEN + timedelta(minutes=17)) == Window(TEN, TEN + timedelta(minutes=15))
    assert list(hour.ended(TEN + timedelta(minutes=4)).slots()) == []
    assert list(Window(TEN + timedelta(minutes=2), TEN + HOUR).ended(TEN + timedelta(minutes=3)).slots()) == []
    assert hour.ended(TEN + HOUR) == hour
    assert not hour.ended(TEN - DAY)


@given(slots=st.sets(st.integers(0, 60)))
def test_contiguous_joins_what_touches_and_loses_nothing(slots: set[int]) -> None:
    given_slots = [Window(TEN + n * SLOT, TEN + (n + 1) * SLOT) for n in slots]
    runs = contiguous(given_slots[::-1])

    assert [slot for run in runs for slot in run.slots()] == sorted(given_slots)
    assert all(first.until < second.since for first, second in pairwise(runs))


@given(one=windows(), other=windows(), moment=MOMENTS)
def test_an_overlap_holds_what_both_hold(one: Window, other: Window, moment: datetime) -> None:
    shifted = Window(one.since + one.length / 2, one.since + one.length / 2 + other.length)
    for second in (other, shifted):
        both = one.overlap(second)
        for inside in (moment, second.since, one.since, both.since):
            assert (inside in both) == (inside in one and inside in second)


def test_a_window_holds_its_beginning_and_not_its_end() -> None:
    hour = Window.hour_of(TEN)

    assert TEN in hour
    assert TEN + HOUR not in hour
    assert "10:00" not in hour


@pytest.mark.parametrize("moment", [datetime(2026, 11, 20), TEN.astimezone(timezone(timedelta(hours=2)))])  # noqa: DTZ001
def test_a_time_that_is_not_utc_is_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match="is in UTC"):
        Window(moment, moment)


def test_it_is_written_for_people() -> None:
    assert str(Window.hour_of(TEN)) == "2026-11-20 10:00-11:00"
    assert str(Window.day_of(TEN)) == "2026-11-20 00:00-2026-11-21 00:00"


BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 10, 25, 22, 30, tzinfo=UTC)  # 23:30 in Berlin, on the day that summer time ended


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("90s", NOW - timedelta(seconds=90)),
        ("3h ago", NOW - 3 * HOUR),
        ("1 hour ago", NOW - HOUR),
        ("15 min", NOW - timedelta(minutes=15)),
        ("3 days ago", NOW - 3 * DAY),
        ("2 weeks", NOW - 14 * DAY),
        ("today", datetime(2026, 10, 24, 22, tzinfo=UTC)),  # still summer
        ("yesterday", datetime(2026, 10, 23, 22, tzinfo=UTC)),
        ("today 14:05", datetime(2026, 10, 25, 13, 5, tzinfo=UTC)),
        ("yesterday 14:05", datetime(2026, 10, 24, 12, 5, tzinfo=UTC)),
        ("2026-10-20", datetime(2026, 10, 20, tzinfo=UTC)),
        ("2026-10-20T10:00", datetime(2026, 10, 20, 10, tzinfo=UTC)),
        ("2026-10-20 10:00 CEST", datetime(2026, 10, 20, 8, tzinfo=UTC)),
        ("2026-11-20 10:00 CET", datetime(2026, 11, 20, 9, tzinfo=UTC)),
        ("2026-11-20 10:00 UTC", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00+05:30", datetime(2026, 11, 20, 4, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, moment: datetime) -> None:
    read = read_time(text, now=NOW, zone=BERLIN)

    assert read == moment
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "tomorrow", "last week", "3 monkeys", "3", "h", "yesterday 25:00", "yesterday 14", "14:05",
        "2026-11-20 10:00 EST", "2026-11-20 10:00 CEST", "2026-11-20T10:00+01:00 CET", "2026-02-31", "999999w",
        "0001-01-01T00:00+14:00", "٣h",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  each with its own words
        read_time(text, now=NOW, zone=BERLIN)

"""Times in the formats of loggers: every sensible form is that moment, and no time is invented."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fleexmon_pipeline.collection.times.epochs import EPOCH, RejectedError
from fleexmon_pipeline.collection.times.orders import DateOrder, reading_dates
from fleexmon_pipeline.collection.times.value import read_time

MOMENT = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
SECOND = MOMENT.replace(microsecond=0)
EPOCH_MICROSECONDS = 1_795_168_800_123_456
MICROSECOND = timedelta(microseconds=1)

moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _epoch(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


FORMS: dict[str, Callable[[datetime], object]] = {
    "ISO": _iso,
    "Z": lambda at: f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
    "small letters": lambda at: f"{at.astimezone(UTC):%Y-%m-%dt%H:%M:%S.%f}z",
    "no zone": lambda at: f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}",
    "a comma": lambda at: _iso(at).replace(".", ","),
    "nine digits": lambda at: f"{at:%Y-%m-%dT%H:%M:%S.%f}789{at.isoformat()[-6:]}",
    "a space before the offset": lambda at: f"{at:%Y-%m-%d %H:%M:%S.%f %z}",
    "Go": lambda at: f"{at:%Y-%m-%d %H:%M:%S.%f}000 {at:%z} CEST m=+0.01",
    "UTC": lambda at: f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC",
    "slashes": lambda at: f"{at.astimezone(UTC):%Y/%m/%d %H:%M:%S.%f}",
    "basic": lambda at: f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z",
    "a week's day": lambda at: f"{at:%G-W%V-%uT%H:%M:%S.%f}{at.isoformat()[-6:]}",
    "spaces around": lambda at: f" {_iso(at)}\n",
    "float seconds": lambda at: _epoch(at) / 10**6,
    "float milliseconds": lambda at: _epoch(at) / 10**3,
    "seconds as text": lambda at: f"{_epoch(at) // 10**6}.{_epoch(at) % 10**6:06d}",
    "microseconds": _epoch,
    "microseconds as text": lambda at: str(_epoch(at)),
    "nanoseconds": lambda at: _epoch(at) * 1000 + 789,
    "nanoseconds as text": lambda at: f"{_epoch(at)}789",
    "protobuf": lambda at: {"seconds": _epoch(at) // 10**6, "nanos": _epoch(at) % 10**6 * 1000},
    "log4j 2": lambda at: {"epochSecond": _epoch(at) // 10**6, "nanoOfSecond": _epoch(at) % 10**6 * 1000},
    "MongoDB": lambda at: {"$date": _iso(at)},
    "PHP": lambda at: {"date": f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}", "timezone_type": 3, "timezone": "UTC"},
}
IN_SECONDS: dict[str, Callable[[datetime], object]] = {
    "RFC 2822": format_datetime,
    "GMT": lambda at: f"{at.astimezone(UTC):%a, %d %b %Y %H:%M:%S} GMT",
    "asctime": lambda at: f"{at.astimezone(UTC):%a %b %d %H:%M:%S %Y}",
    "date": lambda at: f"{at.astimezone(UTC):%a %b %d %H:%M:%S} UTC {at.astimezone(UTC):%Y}",
    "Apache": lambda at: f"{at:%d/%b/%Y:%H:%M:%S %z}",
    "nginx": lambda at: f"[{at:%d/%b/%Y:%H:%M:%S %z}]",
    "twelve hours": lambda at: f"{at.astimezone(UTC):%b %d, %Y %I:%M:%S %p}",
    "seconds": lambda at: _epoch(at) // 10**6,
    "seconds as text": lambda at: str(_epoch(at) // 10**6),
}


@given(moments, offsets, st.sampled_from(sorted(FORMS)))
def test_every_form_keeps_the_microsecond(moment: datetime, offset: timezone, form: str) -> None:
    # Nanoseconds of a time before September 1973 are as large as microseconds of today: so 1990 and later. Those of
    # 1990 are as large as .NET's ticks of this century.
    assume(moment.year > 1990 or not form.startswith("nanoseconds"))
    assert read_time(FORMS[form](moment.astimezone(offset))) == moment


@given(moments, offsets, st.sampled_from(sorted(IN_SECONDS)))
def test_a_form_without_fractions_keeps_the_second(moment: datetime, offset: timezone, form: str) -> None:
    assert read_time(IN_SECONDS[form](moment.astimezone(offset))) == moment.replace(microsecond=0)


def test_milliseconds_are_taken_as_number_and_text() -> None:
    expected = MOMENT.replace(microsecond=123000)
    assert read_time(EPOCH_MICROSECONDS // 1000) == read_time(str(EPOCH_MICROSECONDS // 1000)) == expected
    assert read_time(f"{EPOCH_MICROSECONDS // 1000}.456") == MOMENT


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (0, EPOCH),
        ("0", EPOCH),
        ("1970-01-01T00:00:00Z", EPOCH),
        (-1, EPOCH - timedelta(seconds=1)),
        (-1.5, EPOCH - timedelta(seconds=1.5)),
        ("-1.5", EPOCH - timedelta(seconds=1.5)),
        ("2099-01-01T00:00:00Z", datetime(2099, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.5+00:00", datetime(2017, 1, 1, microsecond=500_000, tzinfo=UTC)),
        ("Sat, 31 Dec 2016 23:59:60 GMT", datetime(2017, 1, 1, tzinfo=UTC)),
        ({"$date": {"$numberLong": "1795168800123"}}, MOMENT.replace(microsecond=123000)),
    ],
)
def test_edges_of_time_are_taken(value: object, moment: datetime) -> None:
    assert read_time(value) == moment


@pytest.mark.parametrize(
    "value",
    [
        "", "Z", "now", "yesterday", "10:00:00", "Nov 20 10:00:00", "20 Nov 10:00:00", "2026-13-01T00:00:00Z",
        "2026-02-30 10:00:00", "Fri, 20 Nov 2026 10:00:00 XYT", "12/11/2026 10:00:00", "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:60Z", "1e400", "²", "9" * 30, "2026-11-20T10:00:00Z" * 9, 10**30, -(10**30), float("nan"),
        float("inf"), True, None, [], {}, {"seconds": "x"}, {"seconds": [1]}, {"$date": {"$date": "2026-11-20"}},
        {"date": "2026-11-20 10:00:00", "timezone": "Europe/Atlantis"}, {"seconds": float("inf")},
    ],
)  # fmt: skip
def test_what_is_no_time_or_not_sure_to_be_one_is_refused(value: object) -> None:
    with pytest.raises(RejectedError, match=r"not a time: |day and month are in doubt: "):
        read_time(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["seconds", "nanos", "$date", "date", "timezone", "epochSecond"]), inner, max_size=3
    ),
    max_leaves=4,
)  # fmt: skip


@pytest.mark.parametrize("parts", [("sec", "nanosec"), ("sec", "nsec"), ("epochSecond", "nano"), ("seconds", "nanos")])
def test_both_parts_of_a_time_count(parts: tuple[str, str]) -> None:
    assert read_time(dict(zip(parts, (1_795_168_800, 123_456_000), strict=True))) == MOMENT


NOVEMBER = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("26/11/20 10:05:00", "2026-11-20"),  # or 2020-11-26: six years ago
        ("20.11.26 10:05:00", "2026-11-20"),
        ("12/03/2026 10:05:00", "2026-03-12"),  # or December, which is to come
        ("26-11-20 10:05:00", "2026-11-20"),
        ("03/04/2026 10:05:00", None),
        ("11/10/12 10:05:00", None),  # 2011, or 2012 in two ways: all long ago
    ],
)
def test_what_is_to_come_or_long_ago_leaves_less_doubt(value: str, expected: str | None) -> None:
    with reading_dates(DateOrder(now=NOVEMBER)):
        try:
            read = read_time(value)
        except RejectedError:
            assert expected is None
        else:
            assert str(read.date()) == expected


def test_without_a_clock_nothing_is_assumed_of_short_dates() -> None:
    with pytest.raises(RejectedError):
        read_time("26/11/20 10:05:00")


nearly = st.text(alphabet="0123456789-:T .,Z+WamGUTCNovFri/", max_size=40)


@given(json_values | nearly)
def test_anything_else_is_read_or_refused_and_the_same_again(value: object) -> None:
    try:
        moment = read_time(value)
    except RejectedError as reason:
        assert str(reason)
        return
    assert moment.utcoffset() == timedelta(0)
    assert read_time(value) == moment


def test_the_machines_own_zone_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        for zone in ("Asia/Kathmandu", "America/New_York"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert {read_time(form(SECOND)) for form in (*FORMS.values(), *IN_SECONDS.values())} == {SECOND}
    finally:
        monkeypatch.undo()
        time.tzset()

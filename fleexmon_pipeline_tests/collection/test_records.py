"""Wild records: every sensible form of a time, a level and a text, and no form that breaks the reader."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.collection.identity import Identities
from fleexmon_pipeline.collection.records import RejectedError, read, read_level, read_time, storable

MOMENT = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
EPOCH_MICROSECONDS = 1_795_168_800_123_456

moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(["timestamp", "time", "level", "message", "msg", "metadata", "err", "severity", "x"])


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T10:00:00.123456Z",
        "2026-11-20T10:00:00.123456789Z",
        "2026-11-20 10:00:00.123456",
        "2026-11-20T23:30:00.123456+13:30",
        EPOCH_MICROSECONDS,
        str(EPOCH_MICROSECONDS),
        EPOCH_MICROSECONDS * 1000 + 789,
        f"{EPOCH_MICROSECONDS // 10**6}.123456",
        f"{EPOCH_MICROSECONDS // 1000}.456",
    ],
)
def test_a_time_keeps_its_microseconds(value: object) -> None:
    assert read_time(value) == MOMENT


def test_epoch_seconds_are_not_1970_and_milliseconds_may_be_text() -> None:
    assert read_time(EPOCH_MICROSECONDS // 10**6) == MOMENT.replace(microsecond=0)
    assert read_time(str(EPOCH_MICROSECONDS // 1000)) == MOMENT.replace(microsecond=123000)


@given(moments, offsets)
def test_the_offset_does_not_matter(moment: datetime, offset: timezone) -> None:
    assert read_time(moment.astimezone(offset).isoformat()) == moment
    assert read_time(format_datetime(moment.astimezone(offset))) == moment.replace(microsecond=0)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans())
def test_a_time_is_read_or_refused(value: object) -> None:
    try:
        assert read_time(value).utcoffset() == timedelta(0)
    except RejectedError:
        pass  # refused, with a reason: the other of the two


@pytest.mark.parametrize(
    ("word", "level"),
    [("ERROR", "error"), ("Err", "error"), (50, "error"), ("50", "error"), ("critical", "fatal"), ("[WARN]", "warn"),
     ("trace", "debug"), ("notice", "info"), (3, "error"), ("E" * 20_000, "info"), (None, "info"), (True, "info")],
)  # fmt: skip
def test_levels_are_the_five(word: object, level: str) -> None:
    assert read_level(word) == level


def test_an_odd_level_is_kept_in_metadata() -> None:
    line = read(json.dumps({"time": EPOCH_MICROSECONDS // 1000, "level": 50, "msg": "x", "pid": 7}).encode())

    assert (line.level, line.message) == ("error", "x")
    assert json.loads(line.metadata or "") == {"originalLevel": "50", "pid": 7}


def test_a_message_of_ten_megabytes_is_cut_and_says_so() -> None:
    line = read(json.dumps({"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": "x" * 10**7}).encode())

    assert len(line.message) == 10**6
    assert json.loads(line.metadata or "")["messageLength"] == 10**7


@given(st.dictionaries(fields, json_values) | json_values)
def test_any_record_is_read_or_refused_and_fits_the_database(record: object) -> None:
    try:
        line = read(json.dumps(record).encode())
    except RejectedError as reason:
        assert str(reason)
        return
    for text in (line.message, line.metadata or ""):
        assert "\0" not in text
        assert "\\u0000" not in text.replace("\\\\", "")
        text.encode()


@given(st.text())
def test_storable_text_is_what_it_was_where_it_could_be(text: str) -> None:
    assert storable(text) == text.replace("\0", "␀")


def test_ids_do_not_depend_on_the_order_of_metadata() -> None:
    one = read(
        b'{"timestamp":"2026-11-20T10:00:00Z","level":"info","message":"m","metadata":{"a":1,"b":{"c":2,"d":3}}}'
    )
    other = read(
        b'{"metadata":{"b":{"d":3,"c":2},"a":1},"level":"info","timestamp":"2026-11-20T10:00:00+00:00","message":"m"}'
    )

    assert Identities("blue").of(one) == Identities("blue").of(other)
    assert Identities("blue").of(one) != Identities("green").of(one)
    assert UUID(Identities("blue").of(one)).version == 8


def test_ids_are_those_of_every_earlier_release() -> None:
    """Another id for the same line would store it a second time."""
    line = read(b'{"timestamp":"2026-11-20T10:00:00.123456Z","level":"info","message":"m","metadata":{"b":1,"a":2}}')
    blue = Identities("blue")

    assert [blue.of(line), blue.of(line)] == ["01a1f8660d7b8a2c805f0ffa7661ace6", "01a1f8660d7b8d11a26491d85dc345e6"]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.randoms())
def test_ids_of_lines_are_distinct_and_do_not_depend_on_their_order(messages: list[str], random: object) -> None:
    raws = [msgspec.json.encode({"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": m}) for m in messages]
    one, other = Identities("blue"), Identities("blue")
    ids = {one.of(read(raw)) for raw in raws}

    assert len(ids) == len(messages)
    assert {other.of(read(raw)) for raw in reversed(raws)} == ids

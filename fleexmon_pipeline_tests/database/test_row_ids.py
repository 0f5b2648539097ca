"""Ids that sort by time and are computed from the contents of a row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.database.row_ids import uuid8

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moment=MOMENTS, parts=st.lists(st.binary(max_size=20), max_size=4))
def test_an_id_is_a_uuid_version_8_that_begins_with_its_time(moment: datetime, parts: list[bytes]) -> None:
    made = uuid8(moment, *parts)
    assert (made.version, made.variant) == (8, RFC_4122)
    assert made.int >> 80 == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert made == uuid8(moment, *parts)


def test_ids_do_not_change_with_releases() -> None:
    assert str(uuid8(NOON, b"fingerprint", b"slot")) == "01a1f8d3-ea00-8aa3-b715-bc314f539b44"


def test_parts_are_kept_apart() -> None:
    made = {uuid8(NOON, *parts) for parts in ((b"ab", b"c"), (b"a", b"bc"), (b"abc",), (b"abc", b""), ())}
    assert len(made) == 5


def test_times_outside_of_what_48_bits_hold_are_cut() -> None:
    assert uuid8(datetime(1969, 1, 1, tzinfo=UTC)).int >> 80 == 0

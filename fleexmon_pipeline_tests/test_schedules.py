"""The requests of the schedules, tick by tick."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from fleexmon_pipeline.schedules import (
    SCHEDULES,
    digest_daily,
    late_lines_hourly,
    monitoring_every_5_minutes,
    predictions_hourly,
    retention_daily,
)
from fleexmon_pipeline.ticks import TICK
from fleexmon_pipeline.window import DAY, HOUR, SLOT
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, at, requests_of

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

THE_3RD = datetime(2026, 2, 3, tzinfo=UTC)


def asked_for(schedule: dg.ScheduleDefinition, tick: datetime) -> list[tuple[str | None, str]]:
    """Partition and kind."""
    return [(request.partition_key, request.tags[TICK]) for request in requests_of(schedule, tick)]


@pytest.mark.parametrize(
    ("clock", "hour"),
    [
        ("10:05", "2026-02-03-10:00"),
        ("10:55", "2026-02-03-10:00"),
        ("11:00", "2026-02-03-10:00"),  # the slot that just ended is the hour's last
        ("11:05", "2026-02-03-11:00"),
        ("00:00", "2026-02-02-23:00"),
    ],
)
def test_every_5_minutes_the_hour_of_the_slot_that_just_ended(clock: str, hour: str) -> None:
    assert asked_for(monitoring_every_5_minutes, at(THE_3RD, clock)) == [(hour, "slot")]


def test_a_tick_that_comes_late_asks_for_the_slot_it_was_for() -> None:
    assert asked_for(monitoring_every_5_minutes, at(THE_3RD, "11:00") + timedelta(seconds=59)) == [
        ("2026-02-03-10:00", "slot")
    ]


@pytest.mark.parametrize(
    ("schedule", "clock", "expected"),
    [
        (late_lines_hourly, "11:10", [("2026-02-03-10:00", "late"), ("2026-02-03-09:00", "late")]),
        (late_lines_hourly, "00:10", [("2026-02-02-23:00", "late"), ("2026-02-02-22:00", "late")]),
        (predictions_hourly, "11:12", [("2026-02-03-10:00", "hour")]),
        (digest_daily, "08:00", [("2026-02-02", "day")]),
        (retention_daily, "02:00", [("2026-02-03", "day")]),
    ],
)
def test_the_others_ask_for_what_has_ended(
    schedule: dg.ScheduleDefinition, clock: str, expected: list[tuple[str, str]]
) -> None:
    assert asked_for(schedule, at(THE_3RD, clock)) == expected


def test_no_two_requests_share_a_run_key_and_none_is_a_partition_alone() -> None:
    """Dagster makes a run for a key once, ever: an hour that is asked for fourteen times needs fourteen."""
    requests = []
    for tick in range(int(DAY / SLOT)):
        requests += requests_of(monitoring_every_5_minutes, THE_3RD + tick * SLOT)
    for hour in range(24):
        requests += requests_of(late_lines_hourly, THE_3RD + hour * HOUR + timedelta(minutes=10))
        requests += requests_of(predictions_hourly, THE_3RD + hour * HOUR + timedelta(minutes=12))
    requests += requests_of(digest_daily, at(THE_3RD, "08:00")) + requests_of(retention_daily, at(THE_3RD, "02:00"))

    assert len({request.run_key for request in requests}) == len(requests) == 288 + 48 + 24 + 2
    assert all(request.run_key != request.partition_key for request in requests)
    assert set(Counter(request.partition_key for request in requests[:288]).values()) == {1, 11, 12}


def test_slots_go_first_and_a_run_that_hangs_is_ended() -> None:
    (slot,) = requests_of(monitoring_every_5_minutes, at(THE_3RD, "11:10"))
    late, _ = requests_of(late_lines_hourly, at(THE_3RD, "11:10"))

    assert int(slot.tags["dagster/priority"]) > int(late.tags["dagster/priority"])
    assert 0 < int(slot.tags["dagster/max_runtime"]) <= 3600


def test_all_run_by_default_in_utc() -> None:
    assert {(schedule.name, schedule.cron_schedule) for schedule in SCHEDULES} == {
        ("monitoring_every_5_minutes", "*/5 * * * *"),
        ("late_lines_hourly", "10 * * * *"),
        ("predictions_hourly", "12 * * * *"),
        ("digest_daily", "0 8 * * *"),
        ("retention_daily", "0 2 * * *"),
        ("archive_daily", "0 3 * * *"),
    }
    assert {schedule.execution_timezone for schedule in SCHEDULES} == {"UTC"}
    assert {schedule.default_status for schedule in SCHEDULES} == {dg.DefaultScheduleStatus.RUNNING}

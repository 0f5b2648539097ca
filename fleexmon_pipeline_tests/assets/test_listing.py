"""The partitions that the UI lists, and older ones that can still be materialized."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.partitions.snap import PartitionsSnap
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from fleexmon_pipeline.assets import listing
from fleexmon_pipeline.assets.listing import Listed, listed
from fleexmon_pipeline.lookup import materialized as lookup
from fleexmon_pipeline.lookup.materialized import Materialized, materialized
from fleexmon_pipeline.partitions import DAILY, DAILY_WITH_TODAY, HOURLY, key_of_day, key_of_hour
from fleexmon_pipeline.window import DAY, HOUR, floor
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, project
from fleexmon_pipeline_tests.node_server import NodeServer

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

NOW = datetime(2026, 11, 30, 10, 25, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    forget = listing._listed_now.cache_clear
    forget()
    yield
    forget()


@pytest.mark.parametrize(
    ("known", "hours", "digests", "retention"),
    [
        pytest.param({}, "2026-11-29-10:00", "2026-11-29", "2026-11-30", id="nothing yet: the first look's day"),
        pytest.param(
            {"raw_logs": "2026-11-28-07:00", "predictions": "2026-11-28-08:00", "digests": "2026-11-28",
             "data_retention": "2026-11-29"},
            "2026-11-28-07:00", "2026-11-28", "2026-11-29", id="from the first that was materialized",
        ),
        pytest.param(
            {"raw_logs": "2026-03-01-07:00", "digests": "2026-03-01", "data_retention": "2026-03-01"},
            "2026-10-31-00:00", "2026-03-01", "2026-03-01", id="hours as far back as lines are kept, days for ever",
        ),
        pytest.param({"raw_logs": "noon"}, "2026-11-29-10:00", "2026-11-29", "2026-11-30", id="another program's key"),
    ],
)  # fmt: skip
def test_the_list_begins_with_what_there_is(known: dict[str, str], hours: str, digests: str, retention: str) -> None:
    found = listed(Materialized(known), NOW, kept=MONTH)

    assert (key_of_hour(found.hours), key_of_day(found.digests), key_of_day(found.retention)) == (
        hours, digests, retention,
    )  # fmt: skip


def test_the_start_moves_at_midnight_by_a_day_and_waits_for_a_backfill() -> None:
    since = {"raw_logs": "2026-01-05-00:00"}
    evening, morning = NOW.replace(hour=23, minute=59), NOW.replace(hour=0, minute=0) + DAY

    assert listed(Materialized(since), evening, kept=MONTH).hours == datetime(2026, 10, 31, tzinfo=UTC)
    assert listed(Materialized(since), morning, kept=MONTH).hours == datetime(2026, 11, 1, tzinfo=UTC)
    running = Materialized(since, backfill_since=evening)
    assert listed(running, morning, kept=MONTH).hours == datetime(2026, 10, 31, tzinfo=UTC)


def test_without_a_valid_retention_nothing_is_left_out() -> None:
    first = {"raw_logs": "2026-01-05-00:00"}
    assert listed(Materialized(first), NOW, kept=None).hours == datetime(2026, 1, 5, tzinfo=UTC)


def test_without_a_database_the_list_is_the_first_looks_day_and_no_server_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("FLEEXMON_HOME", str(tmp_path / "home"))

    before = floor(datetime.now(UTC), HOUR)
    hours = _listed_hours()

    assert hours[0] in (key_of_hour(before - DAY), key_of_hour(before - DAY + HOUR))  # the hour may end meanwhile
    assert hours[-1] in (key_of_hour(before - HOUR), key_of_hour(before))
    assert not (tmp_path / "home").exists()


def test_a_database_that_never_answers_does_not_hold_the_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "MAX_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/fleexmon")
        began = time.monotonic()
        hours = _listed_hours()

    assert time.monotonic() - began < 3
    assert 23 <= len(hours) <= 25


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blue: NodeServer) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch) as opened:
        opened.watch(blue)
        yield opened


def test_an_hour_from_before_the_list_can_be_materialized_and_is_listed_then(dagster: Project) -> None:
    """The key is valid in this process, as in a shell; the UI's list, which is read anew, begins with it."""
    now = datetime.now(UTC)
    old, older = floor(now, HOUR) - 5 * DAY, floor(now, HOUR) - 6 * DAY
    dagster.it_is(now)
    assert key_of_hour(old) not in _listed_hours()

    dagster.run("monitoring", old)
    listing._listed_now.cache_clear()
    hours = _listed_hours()
    assert hours[0] == key_of_hour(old)

    dagster.run("monitoring", older, older + HOUR)
    known = materialized()
    assert known is not None
    assert known.first["raw_logs"] == key_of_hour(older)
    assert dagster.instance.get_materialized_partitions(dg.AssetKey("raw_logs")) == {
        key_of_hour(old), key_of_hour(older), key_of_hour(older + HOUR),
    }  # fmt: skip


def test_a_backfill_that_has_not_ended_is_known(dagster: Project) -> None:
    at = datetime(2026, 11, 30, 10, tzinfo=UTC)
    backfill = PartitionBackfill(
        "mine", BulkActionStatus.REQUESTED, from_failure=False, tags={}, backfill_timestamp=at.timestamp(),
        partition_names=["2026-11-20-10:00"],
    )  # fmt: skip
    dagster.instance.add_backfill(backfill)
    running = materialized()
    dagster.instance.update_backfill(backfill._replace(status=BulkActionStatus.COMPLETED_SUCCESS))
    ended = materialized()

    assert running is not None
    assert running.backfill_since == at
    assert ended is not None
    assert ended.backfill_since is None


def test_definitions_in_a_process_keep_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for_ever = Listed(NOW, NOW, NOW, NOW)
    monkeypatch.setattr(listing, "_listed_now", lambda _: for_ever)

    assert HOURLY.has_partition_key("2026-01-01-00:00")
    assert DAILY.has_partition_key("2026-01-01")
    assert DAILY_WITH_TODAY.has_partition_key(key_of_day(datetime.now(UTC)))
    assert HOURLY.get_partition_keys(current_time=NOW)[-1] == "2026-11-30-10:00"


def _listed_hours() -> list[str]:
    """As the webserver rebuilds them from the snapshot."""
    return list(PartitionsSnap.from_def(HOURLY).get_partitions_definition().get_partition_keys())

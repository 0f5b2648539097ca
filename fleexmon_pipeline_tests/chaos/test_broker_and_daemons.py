"""The broker dies in the middle of a backfill; two daemons run by mistake. All real, with a worker."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fleexmon_pipeline.partitions import key_of_hour
from fleexmon_pipeline.window import HOUR, floor
from fleexmon_pipeline_tests.chaos.conftest import add_to_report
from fleexmon_pipeline_tests.chaos.world import INVARIANTS
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN
from fleexmon_pipeline_tests.node_server import NodeServer, lines
from fleexmon_pipeline_tests.workers.code import BEHIND
from fleexmon_pipeline_tests.workers.machines import UNFINISHED, Machines, statuses

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.filterwarnings(DAGSTERS_OWN),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server on this machine"),
]

HOURS = 4
FIRST = floor(datetime.now(UTC), HOUR) - 12 * HOUR
END = FIRST + HOURS * HOUR
A_NODE = HOURS * 60 + 150
LOST = """SELECT * FROM "StaleWindow" WHERE asset NOT IN ('detected_issues', 'run')"""


@pytest.fixture
def machines(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    with NodeServer() as blue, NodeServer() as green:
        for node in (blue, green):
            records = lines(HOURS * 60, FIRST, every=timedelta(minutes=1), message="GET /products/{n} 200")
            records += lines(
                150, FIRST + HOUR, every=timedelta(seconds=10), level="error", message="payment {n} failed"
            )
            node.serve(records)
        clock = str((datetime.now(UTC) - END - timedelta(seconds=20)).total_seconds())
        started = Machines(
            tmp_path, DATABASE_URL=database.url, BLUE_HOST=blue.host_port, GREEN_HOST=green.host_port,
            **{BEHIND: clock},
        )  # fmt: skip
        try:
            started.start_redis()
            monkeypatch.setenv("FLEEXMON_BROKER", started.broker)
            monkeypatch.setenv("DATABASE_URL", database.url)
            started.start_worker("one")
            yield started
        finally:
            started.end()


WARNING = "multiple daemon processes running at once"  # Dagster's


def begin_backfill(machines: Machines, instance: dg.DagsterInstance) -> None:
    """Until an hour is done and others are not."""
    machines.backfill("one", key_of_hour(FIRST), key_of_hour(END - HOUR))
    machines.until(lambda: statuses(instance)["SUCCESS"] > 0, 120, "the backfill is under way")


def is_over(database: Database, instance: dg.DagsterInstance) -> bool:
    """Nothing runs, and every line is stored and judged."""
    ended = not instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED))
    stored = database.rows('SELECT count(*) AS n FROM "LogEntry" WHERE analyzed')
    return ended and stored == [{"n": 2 * A_NODE}]


def broken(database: Database) -> dict[str, list[dict[str, object]]]:
    """Without hours that wait: those evaluated before the one ahead of them are evaluated again, minutes later."""
    found = {name: rows[:3] for name, query in INVARIANTS.items() if (rows := database.rows(query))}
    if "nothing waits" in found and not database.rows(LOST):
        del found["nothing waits"]
    return found


def test_a_broker_that_dies_and_comes_back_empty_costs_a_minute_and_no_line(
    machines: Machines, database: Database
) -> None:
    machines.start_daemon("one")
    with dg.DagsterInstance.from_config(str(machines.home("one"))) as instance:
        begin_backfill(machines, instance)
        machines.kill("redis")
        while_down = statuses(instance)
        machines.start_redis()
        took = machines.until(lambda: is_over(database, instance), 150, "every hour is done")
        print(f"{while_down} when the broker died; over {took:.0f} s later: {statuses(instance)}")
        assert while_down["SUCCESS"] < HOURS

    add_to_report("The broker of two machines' runs dies and comes back empty", broken(database), took)
    assert broken(database) == {}


def test_two_daemons_on_one_database_double_nothing_and_say_so(machines: Machines, database: Database) -> None:
    machines.start_daemon("one")
    with dg.DagsterInstance.from_config(str(machines.home("one"))) as instance:
        machines.start_daemon("two", "second daemon")
        begin_backfill(machines, instance)
        took = machines.until(lambda: is_over(database, instance), 150, "every hour is done")
        print(f"over after {took:.0f} s: {statuses(instance)}")
        # A daemon notices the other when it reports that it lives, every 30 s. The hours may be done before that.
        machines.until(
            lambda: any(WARNING in machines.said(name) for name in ("daemon", "second daemon")), 90, "one notices"
        )

    add_to_report("Two daemons on one database", broken(database), took)
    assert broken(database) == {}

"""Whatever was down, and however late a node told its lines: when it is over every line is there, once.

The product's schedules and its catch-up decide what is asked for at each tick; time is simulated, the rest is real.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import stamina

from fleexmon_pipeline.catch_up import MAX_ATTEMPTS, RUN_FAILED, Due, due, no_longer_waiting, note_waiting
from fleexmon_pipeline.collection.collect import Slots, collect
from fleexmon_pipeline.database.connection import Connection, Pool, connect, open_pool
from fleexmon_pipeline.sensors import MAX_HOURS_AT_ONCE
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.node_server import NodeServer, Record, lines
from fleexmon_pipeline_tests.soak.simulate import STARTUP, caught_up, hour_of, scheduled, wanted_by

SIX = datetime(2026, 2, 3, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOWHERE = "postgresql://nobody@127.0.0.1:1/fleexmon"


def at(clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return SIX.replace(hour=hour, minute=minute)


class Monitor:
    """A daemon of five-minute steps; a stretch in which it is down makes none."""

    def __init__(self, database: Database, pool: Pool, **servers: NodeServer) -> None:
        self.database = database
        self._pool = pool  # as the product has one: a third of the time went into making connections
        self.nodes = [Node(name, server.url, "127.0.0.1") for name, server in servers.items()]
        self.servers = servers
        self.database_is_up = True
        self.dies = False  # every run ends before it has stored anything
        self._failed: set[datetime] = set()

    def connections(self) -> AbstractContextManager[Connection]:
        return self._pool.connection() if self.database_is_up else connect(NOWHERE)

    def work(self, since: str, until: str, before: Callable[[datetime], None] = lambda _: None) -> None:
        """The ticks after `since` up to `until`. `before` is told of each."""
        tick = at(since)
        while tick < at(until):
            tick += SLOT
            before(tick)
            now = tick + STARTUP
            for request in scheduled(tick):
                self.run(hour_of(request), now, wanted_by(request))
            if self.database_is_up:
                for request in map(caught_up, self.due(now)):
                    self.run(hour_of(request), now, wanted_by(request))

    def due(self, now: datetime) -> list[Due]:
        with self.connections() as connection:
            for hour in self._failed:
                note_waiting(connection, RUN_FAILED, hour, "run failed", now=now)
            self._failed.clear()
            return due(
                connection, [node.name for node in self.nodes], since=at("00:00"), now=now, limit=MAX_HOURS_AT_ONCE
            )

    def run(self, hour: Window, now: datetime, slots: Slots) -> None:
        if self.dies:
            self._failed.add(hour.since)
            return
        try:
            collect(hour, self.nodes, self.connections, now=now, run_id="test", slots=slots)
        except psycopg.OperationalError:
            self._failed.add(hour.since)
            return
        with self.connections() as connection:
            no_longer_waiting(connection, RUN_FAILED, hour)

    def assert_has(self, records: dict[str, Sequence[Record]], until: str) -> None:
        """Every record before `until`, once, and each slot whole."""
        rows = self.database.rows('SELECT source, timestamp, message FROM "LogEntry"')
        stored = Counter(f"{row['timestamp']} {row['source']} {row['message']}" for row in rows)
        had = Counter(
            f"{moment} {node} {record['message']}"
            for node, found in records.items()
            for record in found
            if (moment := datetime.fromisoformat(record["timestamp"])) < at(until)
        )
        assert stored - had == Counter()
        assert had - stored == Counter()
        statuses = {row["status"] for row in self.database.rows('SELECT status FROM "LogCoverage"')}
        assert statuses <= {"complete", "empty"}


DAY = lines(8 * 60, SIX, every=MINUTE)


@pytest.fixture
def monitor(database: Database, blue: NodeServer, green: NodeServer) -> Iterator[Monitor]:
    blue.serve(DAY)
    green.serve(DAY)
    with stamina.set_testing(True), open_pool(database.url) as pool:  # one try of a node that is down, without pauses
        yield Monitor(database, pool, blue=blue, green=green)


def test_the_daemon_is_down_for_six_hours(monitor: Monitor) -> None:
    monitor.work("06:00", "06:20")
    monitor.work("12:20", "13:00")

    monitor.assert_has({"blue": DAY, "green": DAY}, "13:00")


@pytest.mark.parametrize("down", [["blue"], ["blue", "green"]], ids=["one", "both"])
def test_nodes_are_down_for_three_hours(monitor: Monitor, down: list[str]) -> None:
    monitor.work("06:00", "06:20")
    for name in down:
        monitor.servers[name].stop()
    monitor.work("06:20", "09:20")
    for name in down:
        monitor.servers[name].start()
    monitor.work("09:20", "10:00")

    monitor.assert_has({"blue": DAY, "green": DAY}, "10:00")


def test_the_database_is_down_for_ten_minutes(monitor: Monitor) -> None:
    monitor.work("06:00", "08:05")
    monitor.database_is_up = False
    monitor.work("08:05", "08:15")  # the run for late lines among them
    monitor.database_is_up = True
    monitor.work("08:15", "09:00")

    monitor.assert_has({"blue": DAY, "green": DAY}, "09:00")


def late(monitor: Monitor, moment: str, seen: str) -> Callable[[datetime], None]:
    """Blue tells the lines of that quarter of an hour, but for each third one, only from `seen` on."""
    held = Window(at(moment), at(moment) + 15 * MINUTE)

    def before(tick: datetime) -> None:
        hidden = [n % 3 == 0 and SIX + n * MINUTE in held and tick < at(seen) for n in range(len(DAY))]
        monitor.servers["blue"].serve([record for record, is_hidden in zip(DAY, hidden, strict=True) if not is_hidden])

    return before


@pytest.mark.parametrize("seen", ["07:05", "07:40", "08:10"])
def test_lines_that_come_up_to_70_minutes_after_their_hour(monitor: Monitor, seen: str) -> None:
    monitor.work("06:00", "08:15", late(monitor, "06:40", seen))

    monitor.assert_has({"blue": DAY, "green": DAY}, "08:15")


@pytest.mark.parametrize("trouble", ["daemon down", "node down", "run killed", "answer cut", "database down"])
def test_late_lines_are_asked_for_again_when_the_run_that_should_have_got_them_did_not(
    monitor: Monitor, trouble: str
) -> None:
    blue, tell = monitor.servers["blue"], late(monitor, "06:40", "07:40")
    monitor.work("06:00", "08:05", tell)
    match trouble:
        case "node down":
            blue.stop()
        case "run killed":
            monitor.dies = True
        case "database down":
            monitor.database_is_up = False
    if trouble == "answer cut":
        blue.answer(truncate_at=300)
        monitor.work("08:05", "08:15")
    elif trouble != "daemon down":
        monitor.work("08:05", "08:15")
    if trouble == "node down":
        blue.start()
    monitor.dies, monitor.database_is_up = False, True
    blue.serve(DAY)
    monitor.work("08:15", "09:00")

    monitor.assert_has({"blue": DAY, "green": DAY}, "09:00")


def test_what_was_confirmed_is_not_asked_for_again(monitor: Monitor) -> None:
    monitor.work("06:00", "08:30")
    with monitor.connections() as connection:
        connection.execute('DELETE FROM "LogEntry" WHERE source = %s', ["green"])  # by whoever: it is not asked for
    before = len(monitor.servers["blue"].requests)
    fingerprint = monitor.database.fingerprint('"LogCoverage"')

    assert monitor.due(at("08:30")) == []
    monitor.run(Window.hour_of(SIX), at("08:30"), "incomplete")

    assert len(monitor.servers["blue"].requests) == before
    assert monitor.database.fingerprint('"LogCoverage"') == fingerprint


def test_late_lines_are_not_given_up_while_the_node_is_down_for_days(monitor: Monitor) -> None:
    blue, hour = monitor.servers["blue"], Window.hour_of(SIX)
    monitor.work("06:00", "08:05", late(monitor, "06:40", "07:40"))
    blue.stop()
    for n in range(4, 24):
        monitor.run(hour, SIX + n * 6 * HOUR, "incomplete")
    assert hour.since in [one.hour for one in monitor.due(SIX + 24 * 6 * HOUR)]
    blue.start()
    blue.serve(DAY)
    monitor.run(hour, SIX + 24 * 6 * HOUR, "incomplete")

    assert hour.since not in [one.hour for one in monitor.due(SIX + 25 * 6 * HOUR)]
    [row] = monitor.database.rows(
        'SELECT count(*) AS lines FROM "LogEntry" WHERE timestamp < %(until)s', until=hour.until
    )
    assert row["lines"] == 2 * 60


def test_an_hour_in_which_every_answer_breaks_off_is_not_given_up_by_its_ticks(monitor: Monitor) -> None:
    blue = monitor.servers["blue"]
    monitor.work("06:00", "06:10")
    blue.answer(truncate_at=150)
    monitor.work("06:10", "07:40")
    attempts = monitor.database.rows('SELECT max(attempts) AS most FROM "LogCoverage"')
    blue.serve(DAY)
    monitor.work("07:40", "08:20")

    assert int(str(attempts[0]["most"])) < MAX_ATTEMPTS // 2
    monitor.assert_has({"blue": DAY, "green": DAY}, "08:20")

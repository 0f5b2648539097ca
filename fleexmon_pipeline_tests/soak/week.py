"""A week of the demo shop in half an hour: what the product holds at the end of each day, and whether it grows.

Here: hours compressed, not skipped. Each simulated hour has one tick of its slots, one for late lines, the
predictions, what the sensor asks for, and at their times retention, archive and digest. All run in this one process,
so that its memory shows what a run leaves behind; in the product each run is a process of its own. Lines of three
days are kept, so that a week is long enough to see deletion keep up; Dagster's events and runs are made a day older
with each day. Not simulated: the daemon and the webserver, the eleven other ticks of an hour, and the second for late
lines.
"""

from __future__ import annotations

import logging
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from statistics import median
from threading import Event, Thread

import dagster as dg
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from fleexmon_pipeline.database.server import dagster_conninfo
from fleexmon_pipeline.partitions import key_of_day, key_of_hour
from fleexmon_pipeline.retention.run_history import prune_run_history
from fleexmon_pipeline.ticks import TICK, Tick
from fleexmon_pipeline.window import DAY, Window, floor
from fleexmon_pipeline_tests.bench.backfill import shop
from fleexmon_pipeline_tests.bench.place import place, watch
from fleexmon_pipeline_tests.bench.table import Row, Table
from fleexmon_pipeline_tests.dagster_project import CLOCK, DEFINITIONS, REPOSITORY, RESOURCES

KEPT_DAYS, HOT_DAYS, EVENT_DAYS = 3, 1, 3
LOOK_SECONDS = 0.2
MAX_REASON_CHARACTERS = 2_000  # of a failed run
_MB = 1_000_000
_SIZES = """
SELECT (SELECT count(*) FROM "LogEntry") AS lines, (SELECT count(*) FROM "LogPatternCount") AS counts,
  (SELECT sum(lines) FROM "ArchivedDay" WHERE state = 'archived') AS archived,
  (SELECT count(*) FROM "LogIssue") AS issues, (SELECT count(*) FROM "LogIssue" WHERE status = 'open') AS open,
  (SELECT count(*) FROM "LogPattern") AS patterns, (SELECT count(*) FROM "StaleWindow") AS waiting,
  (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname ~ '^LogEntry') AS line_bytes,
  pg_database_size(current_database()) AS bytes
"""
_HISTORY = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM event_logs), pg_database_size(current_database())"
_OLDER = (
    "UPDATE event_logs SET timestamp = timestamp - interval '1 day'",
    "UPDATE runs SET end_time = end_time - 86400, update_timestamp = update_timestamp - interval '1 day'",
)
_CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""


def simulate(days: int, *, told: Callable[[str], None] = lambda _: None) -> Table:
    """The `days` days before today."""
    since = floor(datetime.now(UTC), DAY) - days * DAY
    rows: list[Row] = []
    with place() as url, shop(seed=7) as nodes, dg.DagsterInstance.get() as instance:
        watch(nodes)
        home = Path(os.environ["FLEEXMON_HOME"])
        archive = home / "archive"
        archive.mkdir()
        os.environ.update(
            LOG_RETENTION_DAYS=str(KEPT_DAYS), FLEEXMON_HOT_DAYS=str(HOT_DAYS), FLEEXMON_ARCHIVE=str(archive)
        )
        week = _Week(instance, url, told)
        for day in range(days):
            for hour in Window.day_of(since + day * DAY).hours():
                week.hour(hour)
            rows.append(week.end_of_day(since + day * DAY, archive))
            told(str(rows[-1]))
    how = (
        f"the demo shop, an hour at a time in one process; lines are kept {KEPT_DAYS} days, archived after {HOT_DAYS}, "
        f"Dagster's events and runs {EVENT_DAYS} days"
    )
    return Table(f"{days} simulated days", how, rows)


@dataclass
class _Week:
    instance: dg.DagsterInstance
    url: str
    told: Callable[[str], None]
    connections: int = 0
    runs: list[float] = field(default_factory=list)
    failed: int = 0

    def hour(self, hour: Window) -> None:
        """What happens in the hour after it."""
        after = hour.until
        if after.hour == 2:
            self._run("retain", key_of_day(floor(after, DAY)), Tick.DAY, after)
        if after.hour == 3:
            CLOCK.time = after
            for request in self._scheduled("archive_daily", after):
                self._run("archive", str(request.partition_key), Tick.DAY, after)
        if after.hour == 8:
            self._run("digest", key_of_day(floor(after, DAY) - DAY), Tick.DAY, after)
        self._run("monitoring", key_of_hour(hour.since), Tick.SLOT, after + timedelta(seconds=5))
        self._run("monitoring", key_of_hour(hour.since), Tick.LATE, after + timedelta(minutes=10))
        self._run("predict", key_of_hour(hour.since), Tick.HOUR, after + timedelta(minutes=12))
        CLOCK.time = after + timedelta(minutes=15)
        sensor = REPOSITORY.get_sensor_def("catch_up")
        with dg.build_sensor_context(instance=self.instance, repository_def=REPOSITORY, resources=RESOURCES) as context:
            requests = list(sensor.evaluate_tick(context).run_requests or ())
        for request in requests:
            self._run("backfill_hours", str(request.partition_key), Tick.CATCH_UP, after + timedelta(minutes=15))

    def end_of_day(self, day: datetime, archive: Path) -> Row:
        conninfo = make_conninfo(**dagster_conninfo())
        with psycopg.connect(conninfo, autocommit=True) as history:
            for older in _OLDER:
                history.execute(older)
            now = datetime.now(UTC)  # Dagster's times are those of now, its partitions those of the week
            kept = now - (day + DAY - KEPT_DAYS * DAY)
            prune_run_history(now=now, kept=kept, max_age=timedelta(days=EVENT_DAYS))
            history.execute("VACUUM (ANALYZE)")
            ran, events, history_bytes = history.execute(_HISTORY).fetchone() or (0, 0, 0)
        with psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            connection.execute("VACUUM (ANALYZE)")
            held = connection.execute(_SIZES).fetchone() or {}
        files = [path.stat().st_size for path in archive.rglob("*") if path.is_file()]
        row: Row = {
            "day": f"{day:%m-%d}", "lines": held["lines"], "line_mb": round(float(held["line_bytes"]) / _MB, 1),
            "archived": int(held["archived"] or 0), "archive_mb": round(sum(files) / _MB, 1),
            "counts": held["counts"], "patterns": held["patterns"], "issues": held["issues"], "open": held["open"],
            "waiting": held["waiting"], "db_mb": round(held["bytes"] / _MB, 1), "runs": ran, "events": events,
            "history_mb": round(history_bytes / _MB, 1), "connections": self.connections,
            "process_mb": _resident() // 1024, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "run_ms": round(median(self.runs) * 1000), "failed": self.failed,
        }  # fmt: skip
        self.connections, self.runs, self.failed = 0, [], 0
        return row

    @contextmanager
    def _connections_seen(self) -> Iterator[None]:
        """The most at once, its own left out, looked at several times a second."""
        over = Event()

        def look() -> None:
            with psycopg.connect(self.url, autocommit=True) as connection:
                while not over.wait(LOOK_SECONDS):
                    (seen,) = connection.execute(_CONNECTIONS).fetchone() or (0,)
                    self.connections = max(self.connections, seen)

        looking = Thread(target=look)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()

    def _scheduled(self, name: str, at: datetime) -> list[dg.RunRequest]:
        schedule = REPOSITORY.get_schedule_def(name)
        with dg.build_schedule_context(
            scheduled_execution_time=at, repository_def=REPOSITORY, resources=RESOURCES, instance=self.instance
        ) as context:
            return list(schedule.evaluate_tick(context).run_requests or ())

    def _run(self, job: str, key: str, tick: Tick, now: datetime) -> None:
        CLOCK.time = now
        begun = time.perf_counter()
        with self._connections_seen(), redirect_stderr(StringIO()):  # where Dagster tells every event
            result = DEFINITIONS.resolve_job_def(job).execute_in_process(
                partition_key=key, tags={TICK: tick.value}, instance=self.instance, raise_on_error=False
            )
        self.runs.append(time.perf_counter() - begun)
        if not result.success:
            self.failed += 1
            reasons = [str(event.event_specific_data) for event in result.all_events if event.is_failure]
            self.told(f"{now:%m-%d %H:%M} {job} {key}: {'; '.join(reasons)[:MAX_REASON_CHARACTERS]}")


def _resident() -> int:
    """kB of this process."""
    status = Path("/proc/self/status").read_text("utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def main(days: int) -> None:
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    print(simulate(days, told=lambda text: print(f"  {text}", flush=True)))

"""A world to break: two nodes, its own PostgreSQL, Dagster's history; and the daemon's work after the fault.

Here: the world, time going on in it, and its invariants. The faults: the tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline.sensors import catch_up, remember_failures
from fleexmon_pipeline.window import HOUR, SLOT
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import RESOURCES, Project
from fleexmon_pipeline_tests.node_server import NodeServer, lines

TEN = datetime(2026, 2, 3, 10, tzinfo=UTC)
HOURS, A_NODE = 1, 1_200 + 150  # one hour: each hour more is another ten seconds of every test
MINUTE = timedelta(minutes=1)
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]  # fmt: skip
MAX_ROUNDS = 24

INVARIANTS = {
    "received = stored + duplicate + rejected": """
        SELECT node, slot FROM "LogCoverage" WHERE received <> stored + duplicate + rejected""",
    "coverage says what is stored": """
        SELECT c.node, c.slot FROM "LogCoverage" c WHERE c.stored <> (SELECT count(*) FROM "LogEntry" l
          WHERE l.source = c.node AND l.timestamp >= c.slot AND l.timestamp < c.slot + interval '5 minutes')""",
    "counts sum to lines": """
        SELECT node, slot FROM (
          SELECT source AS node, date_bin('5 minutes', timestamp, '2026-01-01') AS slot, count(*) AS n
          FROM "LogEntry" GROUP BY 1, 2) AS l
        FULL JOIN (SELECT node, slot, sum(count) AS n FROM "LogPatternCount" GROUP BY 1, 2) AS p USING (node, slot)
        WHERE l.n IS DISTINCT FROM p.n""",
    "every line was judged": """SELECT id FROM "LogEntry" WHERE NOT analyzed""",
    "no line is there twice": """
        SELECT source, timestamp, message FROM "LogEntry" GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "one open row for each fingerprint": """
        SELECT metadata ->> 'fingerprint' FROM "LogIssue" WHERE status = 'open' GROUP BY 1 HAVING count(*) > 1""",
    "evidence exists": """
        SELECT i.id FROM "LogIssue" i, unnest(i."affectedLogs") AS log
        WHERE NOT EXISTS (SELECT FROM "LogEntry" l WHERE l.id = log)""",
    "nothing waits": """SELECT asset, hour, reason FROM "StaleWindow" """,
    "every slot is known": """
        SELECT node, slot, status, error FROM "LogCoverage" WHERE slot_is_known(status) IS NOT TRUE""",
}


@dataclass
class World:
    project: Project
    server: EmbeddedServer
    home: Path
    blue: NodeServer
    green: NodeServer

    @property
    def database(self) -> Database:
        return self.project.database

    def serve(self) -> None:
        """What the nodes have to say, whatever they answered before."""
        for node in (self.blue, self.green):
            records = lines(HOURS * 1_200, TEN, every=timedelta(seconds=3), message="GET /products/{n} 200")
            records += lines(150, TEN + 20 * MINUTE, level="error", message="payment {n} failed: card declined")
            node.serve(records)

    def begin(self) -> None:
        """The slot before: from then on the nodes are watched, and every later slot that is missing is a gap."""
        self.project.it_is(TEN)
        self.project.run("monitoring", TEN - HOUR)
        self.project.it_is(TEN + HOURS * HOUR + MINUTE)

    def start_run(self) -> subprocess.Popen[str]:
        """Of all hours, in a process of its own, as a shell starts it."""
        return self.project.materialize(TEN, TEN + (HOURS - 1) * HOUR)

    def run(self) -> bool:
        """Each hour, in this process; whether all succeeded."""
        results = []
        for n in range(HOURS):
            try:
                results.append(self.project.run("backfill_hours", TEN + n * HOUR).success)
            except AssertionError:  # it failed, as it may
                results.append(False)
        return all(results)

    def kill_postgres(self) -> None:
        os.kill(int((self.home / "postgres" / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)

    def start_postgres(self) -> None:
        """As the operator's service manager would."""
        self.server.acquire()

    def until(self, done: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end
            time.sleep(0.01)

    def stored(self) -> int:
        (row,) = self.database.rows('SELECT count(*) AS n FROM "LogEntry"')
        return int(str(row["n"]))

    def nobody_helps(self) -> None:
        """What the daemon does from now on, for up to 4 hours: fails runs that died, requests what is due."""
        instance, now = self.project.instance, TEN + HOURS * HOUR + 15 * MINUTE
        for _ in range(MAX_ROUNDS):
            self.project.it_is(now)
            self._end_dead_runs(instance)
            requests = self.project.ask(catch_up)
            for request in requests:
                self.project.run_requested("backfill_hours", request)
            if not requests and not self.open():
                break
            now += 10 * MINUTE

    def _end_dead_runs(self, instance: dg.DagsterInstance) -> None:
        """As run monitoring does within 30 seconds, whose sensor for failures then notes their hours."""
        for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
            event = instance.report_run_failed(run)
            failed = instance.get_run_by_id(run.run_id)
            assert failed is not None
            with dg.build_run_status_sensor_context(
                "remember_failures", event, instance, failed, resources=RESOURCES
            ) as context:
                remember_failures(context.for_run_failure())

    def open(self) -> list[str]:
        """Hours and slots that are not done."""
        names = ("nothing waits", "every slot is known", "every line was judged")
        return [name for name in names if self.database.rows(INVARIANTS[name])]

    def violations(self) -> dict[str, object]:
        found: dict[str, object] = {
            name: rows[:3] for name, query in INVARIANTS.items() if (rows := self.database.rows(query))
        }
        if self.stored() != 2 * A_NODE:
            found["every line is stored"] = f"{self.stored()} of {2 * A_NODE}"
        issues = self.database.rows("""SELECT metadata -> 'nodes' AS nodes FROM "LogIssue" WHERE severity = 'high'""")
        if {"blue", "green"} - {str(node) for row in issues for node in row["nodes"] or []}:  # type: ignore[attr-defined]
            found["what is wrong is found"] = issues
        if stuck := self.project.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)):
            found["no run is stuck"] = stuck
        if missing := self._missing():
            found["every slot was asked for"] = missing
        return found

    def _missing(self) -> list[dict[str, object]]:
        return self.database.rows(
            """SELECT node, slot FROM unnest(ARRAY['blue', 'green']) AS node,
                 generate_series(%(since)s::timestamp, %(last)s::timestamp, interval '5 minutes') AS slot
               WHERE NOT EXISTS (SELECT FROM "LogCoverage" c WHERE c.node = node.node AND c.slot = slot.slot)""",
            since=TEN, last=TEN + HOURS * HOUR - SLOT,
        )  # fmt: skip

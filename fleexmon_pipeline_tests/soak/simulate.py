"""Hours of faults in minutes: the stage's function, driven as schedules and sensor drive it, through simulated time.

Here: the script. It asks the product's own schedules and `catch_up.due` what to do next, and does each run in a process
of its own, so that it can be killed. What a run leaves out of a real one: the stages behind raw_logs, and the pauses
between the tries of a request.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import dagster as dg
import psycopg
import stamina
from psycopg_pool import PoolTimeout

from fleexmon_pipeline.assets.raw_logs import slots_of
from fleexmon_pipeline.catch_up import RUN_FAILED, Due, due, no_longer_waiting, note_waiting
from fleexmon_pipeline.collection.collect import Slots, collect
from fleexmon_pipeline.database.connection import connect, open_pool
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline.partitions import HOUR_KEY_FORMAT, key_of_hour, moment_of
from fleexmon_pipeline.schedules import late_lines_hourly, monitoring_every_5_minutes
from fleexmon_pipeline.sensors import MAX_HOURS_AT_ONCE
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.ticks import Tick, tick_of, tick_tags
from fleexmon_pipeline.window import DAY, SLOT, Window
from fleexmon_pipeline_tests.bench.place import SPAWN
from fleexmon_pipeline_tests.soak.compare import Found, compare
from fleexmon_pipeline_tests.soak.faults import Plan
from fleexmon_pipeline_tests.soak.log import Log
from fleexmon_pipeline_tests.soak.nodes import FORKED, SoakNode

STARTUP = timedelta(seconds=5)  # from a tick to its run's first step
MAX_RECOVERY = 2 * DAY  # until everything should have been made good: the catch-up's pauses reach 6 hours


@dataclass
class Outcome:
    """What a soak came to. `events`: how often what happened, in the nodes and to the processes."""

    found: list[Found]
    window: Window
    events: Counter[str]
    seconds: float
    of_them_comparing: float = 0.0
    unfinished: list[str] = field(default_factory=list)  # what is still asked for

    @property
    def is_sound(self) -> bool:
        return not self.unfinished and all(found.is_sound for found in self.found)


def simulate(plan: Plan, logs: Sequence[Log], *, told: Callable[[str], None] = lambda _: None) -> Outcome:
    """Run the plan to its end, and on without faults until nothing is asked for any more; then compare."""
    begun = time.monotonic()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleexmon-soak-")))
        script = Script(plan, logs, home)
        stack.callback(script.end)
        script.begin()
        tick = plan.window.since
        while not script.is_done(tick):
            tick += SLOT
            script.step(tick)
            if tick.minute == 0:
                told(f"{tick:%Y-%m-%d %H:%M} {script.events['runs']:,} runs, {time.monotonic() - begun:,.0f} s")
        told("comparing …")
        compared = time.monotonic()
        with connect(script.url) as connection:
            found = compare(connection, logs, plan.window)
        for node in script.nodes.values():
            script.events.update({**node.counts(), "nodes down for a while": node.downs})
        script.events["monitor down for a while"] = sum(spell.who == "monitor" for spell in plan.spells)
        now = time.monotonic()
        return Outcome(found, plan.window, script.events, now - begun, now - compared, script.unfinished(tick))


class Script:
    """The monitor, the database and the nodes of one simulation; `step` is five minutes."""

    def __init__(self, plan: Plan, logs: Sequence[Log], home: Path) -> None:
        self.plan = plan
        self.events: Counter[str] = Counter()
        self._clock = SPAWN.Value("d", 0.0)
        self.nodes = {log.node: SoakNode(log, plan, self._clock) for log in logs}
        self._server = EmbeddedServer(home)
        self._log = home / "runs.log"
        self._dice = random.Random(plan.seed)
        self._failed: list[datetime] = []  # hours of runs that failed, which the sensor has not noted yet
        self._took = 0.1  # seconds of the last whole run: where the middle of one is
        self.url = ""

    def begin(self) -> None:
        self._clock.value = self.plan.window.since.timestamp()
        self.url = self._server.acquire()
        with connect(self.url) as connection:
            migrate(connection)
        for node in self.nodes.values():
            node.start()

    def end(self) -> None:
        for node in self.nodes.values():
            node.kill()
        self._server.release()

    def step(self, tick: datetime) -> None:
        """What happens at this tick: who goes down or comes back, what the schedules and the sensor ask for."""
        now = tick + STARTUP
        self._clock.value = now.timestamp()
        for name, node in self.nodes.items():
            node.kill() if self.plan.spell(name, tick) == "down" else node.start()
        if self.plan.spell("database", tick) == "down":
            if self._server.is_running():
                self._kill_database()
                self.events["database down for a while"] += 1
        elif not self._server.is_running():
            self._server.acquire()
        if self.plan.spell("monitor", tick):
            return
        # The daemon would replay five of the ticks that were missed; here all of them are left to the sensor.
        for request in scheduled(tick):
            self._run(request, now, database_dies=tick in self.plan.database_kills)
        with suppress(psycopg.OperationalError):
            for request in self._asked_by_sensors(now):
                self._run(request, now)

    def _asked_by_sensors(self, now: datetime) -> list[dg.RunRequest]:
        """As `remember_failures` and `catch_up` of sensors.py."""
        with connect(self.url) as connection:
            while self._failed:
                note_waiting(connection, RUN_FAILED, self._failed[-1], "run failed", now=now)
                self._failed.pop()
            found = due(connection, list(self.nodes), since=self.plan.window.since, now=now, limit=MAX_HOURS_AT_ONCE)
        return [caught_up(one) for one in found]

    def _run(self, request: dg.RunRequest, now: datetime, *, database_dies: bool = False) -> None:
        hour = hour_of(request)
        wanted = [wanted_by(request)]
        if self._dice.random() < self.plan.run_doubled:
            self.events["hours materialised twice at once"] += 1
            wanted.append("all")
        runs = [self._start(hour, now, slots) for slots in wanted]
        begun = time.monotonic()
        if database_dies:
            runs[0].join(self._dice.uniform(0.1, 0.9) * self._took)
            self._kill_database()
            self._server.acquire()
        elif now < self.plan.window.until and self._dice.random() < self.plan.run_killed:
            runs[0].join(self._dice.uniform(0.1, 0.9) * self._took)
            if runs[0].is_alive():
                runs[0].kill()
                self.events["runs killed -9"] += 1
        for run in runs:
            run.join()
        failed = [run for run in runs if run.exitcode]
        self.events.update({"runs": len(runs), "runs failed": len(failed)})
        if failed:
            self._failed.append(hour.since)
            return
        self._took = time.monotonic() - begun
        with suppress(psycopg.OperationalError), connect(self.url) as connection:
            no_longer_waiting(connection, RUN_FAILED, hour)  # as detected_issues at the end of the chain

    def _start(self, hour: Window, now: datetime, slots: Slots) -> Any:
        nodes = [node.node for node in self.nodes.values()]
        run = FORKED.Process(target=_collect, args=(self.url, hour, nodes, now, slots, self._log), daemon=True)
        run.start()
        return run

    def _kill_database(self) -> None:
        number = int((self._server.data / "postmaster.pid").read_text().split("\n")[0])
        os.kill(number, signal.SIGKILL)
        while self._server.is_running():
            time.sleep(0.01)
        self.events["database killed -9"] += 1

    def is_done(self, tick: datetime) -> bool:
        """Whether nothing is asked for any more, long enough after the last line; or whether that takes too long."""
        since_the_end = tick - self.plan.window.until
        if since_the_end < timedelta(minutes=145):
            return False
        return not self.unfinished(tick) or since_the_end > MAX_RECOVERY

    def unfinished(self, tick: datetime) -> list[str]:
        with connect(self.url) as connection:
            found = due(connection, list(self.nodes), since=self.plan.window.since, now=tick + DAY, limit=1000)
            return [f"{one.hour:%F %H:%M}: {one.reason}" for one in found if one.hour < self.plan.window.until]


def scheduled(tick: datetime) -> Iterator[dg.RunRequest]:
    """What the product's schedules ask for at this tick."""
    context = dg.build_schedule_context(scheduled_execution_time=tick)
    yield from cast(Iterator[dg.RunRequest], monitoring_every_5_minutes(context))
    if tick.minute == 10:
        yield from cast(Iterator[dg.RunRequest], late_lines_hourly(context))


def caught_up(one: Due) -> dg.RunRequest:
    """What the product's sensor asks for, but for the key."""
    return dg.RunRequest(partition_key=key_of_hour(one.hour), tags=tick_tags(Tick.CATCH_UP))


def hour_of(request: dg.RunRequest) -> Window:
    return Window.hour_of(moment_of(str(request.partition_key), HOUR_KEY_FORMAT))


def wanted_by(request: dg.RunRequest) -> Slots:
    """The slots that the stage polls in a run with these tags."""
    return slots_of(tick_of(request.tags))


def _collect(url: str, hour: Window, nodes: list[Node], now: datetime, slots: Slots, log: Path) -> None:
    """The process of a run: raw_logs without Dagster around it."""
    stamina.set_testing(True, attempts=3, cap=True)  # as many tries, without pauses, which are not simulated
    try:
        with connect(url):  # a database that is down is told by the first connection, not by the pool's patience
            pass
        with open_pool(url) as pool:
            collect(hour, nodes, pool.connection, now=now, run_id=f"soak-{os.getpid()}", slots=slots)
    except (psycopg.Error, PoolTimeout) as error:
        with log.open("a") as file:
            file.write(f"{hour} {type(error).__name__}: {error}\n")
        raise SystemExit(1) from None

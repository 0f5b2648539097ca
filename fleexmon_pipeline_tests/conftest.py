"""Fixtures of all tests: a real PostgreSQL, a migrated database for each test, and a clean environment."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import psycopg
import pytest

from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.line_days import take_over
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline_tests.node_server import NodeServer

# No deadline, and drawing may be slow: the machine may be busy. In CI the same examples every time: what fails there
# fails here as well.
BUSY = hypothesis.HealthCheck.too_slow
hypothesis.settings.register_profile(
    "fleexmon", deadline=None, suppress_health_check=[BUSY], derandomize=bool(os.environ.get("CI")), database=None
)
hypothesis.settings.load_profile("fleexmon")

TEMPLATE = "template_of_tests"  # a migrated database; beside it, once one is needed, Dagster's tables
IN_MEMORY, MIN_FREE = Path("/dev/shm"), 2_000_000_000  # noqa: S108  its directory is made by mkdtemp
_PRODUCT_VARIABLES = (
    "DATABASE_URL",
    "LOG_SOURCES",
    "ALERTS_REPO",
    "GH_TOKEN",
    "GITHUB_API_URL",
    "LOG_RETENTION_DAYS",
    "LIVE_NODE",
)
_PRODUCT_PREFIXES = ("BLUE_", "GREEN_", "GENAI_", "FLEEXMON_", "DAGSTER_HOME")


def pytest_configure() -> None:
    """A shell starts jobs in the background with Ctrl-C ignored, and what tests start would inherit that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """What was imported stays: without this, each full collection of garbage looks at a million objects of modules."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell has set must not reach a test."""
    for variable in list(os.environ):
        if variable in _PRODUCT_VARIABLES or variable.startswith(_PRODUCT_PREFIXES):
            monkeypatch.delenv(variable)


@dataclass(frozen=True)
class Database:
    url: str

    def connect(self) -> AbstractContextManager[Connection]:
        return connect(self.url)

    def rows(self, query: str, **parameters: object) -> list[dict[str, object]]:
        with self.connect() as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def fingerprint(self, *tables: str) -> str:
        """A hash of every row, `xmin` included: a row that was rewritten with the same values is a change too."""
        hashes = [
            self.rows(f"SELECT md5(string_agg(t::text || t.xmin::text, '|' ORDER BY t::text)) AS hash FROM {table} t")
            for table in tables
        ]
        return str(hashes)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One server for the session (one for each worker of xdist), its disk writes not waited for.

    In memory where there is enough: a database is 480 files, and making one for each test took 0.01 s there, and 0.015
    to 0.4 s on disk, as busy as that was: up to half of the suite's time.
    """
    with ExitStack() as stack:
        if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > MIN_FREE:
            _forget_dead_sessions()
            prefix = f"fleexmon tests {os.getpid()} "
            made = stack.enter_context(TemporaryDirectory(prefix=prefix, dir=IN_MEMORY))
            Path(made).chmod(0o711)  # a pooler of another user reaches the socket in it
        else:
            made = str(tmp_path_factory.mktemp("postgres home"))
        yield stack.enter_context(_server(Path(made)))


def _forget_dead_sessions() -> None:
    """A session that was killed leaves its server's files in memory."""
    for made in IN_MEMORY.glob("fleexmon tests *"):
        if not Path(f"/proc/{made.name.split()[2]}").exists():
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _server(home: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(home)
    server.acquire()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        connection.execute("ALTER SYSTEM SET max_wal_size = '256MB'")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE DATABASE {TEMPLATE}".encode())
    url = server.url(TEMPLATE)
    with connect(url) as connection:
        migrate(connection)
        take_over(connection, now=datetime.now(UTC))
    yield server
    server.release()


_numbers = itertools.count()


@contextmanager
def _created(server: EmbeddedServer, template: str) -> Iterator[Database]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
        yield Database(server.url(name))
        for made in (name, f"{name}_dagster"):
            connection.execute(f"DROP DATABASE IF EXISTS {made} WITH (FORCE)".encode())


@pytest.fixture
def empty_database(postgres: EmbeddedServer) -> Iterator[Database]:
    """A database with nothing in it."""
    with _created(postgres, "template1") as database:
        yield database


@pytest.fixture
def database(postgres: EmbeddedServer) -> Iterator[Database]:
    """A migrated database; cloned from a template in 30 ms."""
    with _created(postgres, TEMPLATE) as database:
        yield database


@pytest.fixture
def blue() -> Iterator[NodeServer]:
    with NodeServer() as node:
        yield node


@pytest.fixture
def green() -> Iterator[NodeServer]:
    with NodeServer() as node:
        yield node


@pytest.fixture
def shared() -> Path:
    """The folder of outside material, where it is present."""
    for up in Path(__file__).resolve().parents:
        if (up / "shared").is_dir():
            return up / "shared"
    pytest.skip("the outside material (contracts, real logs) is not here")

"""The world of each test, and the report of all: build/chaos.md."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import stamina

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline_tests.chaos.world import INVARIANTS, World
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import project
from fleexmon_pipeline_tests.node_server import NodeServer

REPORT = Path(__file__).parent.parent.parent / "build" / "chaos.md"
_rows: list[tuple[float, str]] = []


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the server is. A test may put a small disk there."""
    return tmp_path / "postgres"


@pytest.fixture
def world(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    server = EmbeddedServer(place)
    server.acquire()
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # no test cuts the power
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE chaos")
        database = Database(server.url("chaos"))
        with connect(database.url) as connection:
            migrate(connection)
        with (
            NodeServer() as blue,
            NodeServer() as green,
            project(database, tmp_path, monkeypatch) as opened,
            stamina.set_testing(True, attempts=2, cap=True),
        ):
            opened.watch(blue, green)
            made = World(opened, server, place, blue, green)
            made.serve()
            made.begin()
            yield made
    finally:
        server.release()


@pytest.fixture
def ends_well(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    """After the fault: nobody helps, and then everything holds. A row of the report says how long it took."""
    began = time.monotonic()
    yield
    minutes = world.nobody_helps()
    violations = world.violations()
    outcome = "holds" if not violations else f"**broken**: {', '.join(violations)}"
    fault = (request.node.obj.__doc__ or request.node.name).strip().split("\n")[0].rstrip(".")
    if "fault" in getattr(request.node, "callspec", request).__dict__.get("params", {}):
        fault += f": {request.node.callspec.params['fault']}"
    _rows.append((minutes, f"| {fault} | {outcome} | {minutes} min | {time.monotonic() - began:.0f} s |"))
    assert violations == {}


def pytest_sessionfinish() -> None:
    if not _rows:
        return
    REPORT.parent.mkdir(exist_ok=True)
    rows = "\n".join(text for _, text in sorted(_rows, key=lambda row: ("broken" not in row[1], -row[0])))
    text = (
        "| fault | invariants | nothing open after, in the world's time | the test took |\n|---|---|--:|--:|\n"
        f"{rows}\n\nInvariants: {'; '.join(INVARIANTS)}; every line is stored; what is wrong is found; no run is "
        "stuck; every slot was asked for.\n"
    )
    REPORT.write_text(text)

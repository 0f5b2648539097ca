"""The world of each test, and the report of all: build/chaos.md."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator
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
ROWS = REPORT.with_suffix(".rows")  # what each process of xdist has seen


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
    """After the fault, without human help, all invariants hold. Adds a row to the report."""
    began = time.monotonic()
    yield
    world.nobody_helps()
    violations = world.violations()
    fault = (request.node.obj.__doc__ or request.node.name).strip().split("\n")[0].rstrip(".")
    if "fault" in getattr(request.node, "callspec", request).__dict__.get("params", {}):
        fault += f": {request.node.callspec.params['fault']}"
    add_to_report(fault, violations, time.monotonic() - began)
    assert violations == {}


def add_to_report(fault: str, violations: Collection[str], seconds: float) -> None:
    """`violations`: the names of what does not hold."""
    outcome = "holds" if not violations else f"**broken**: {', '.join(violations)}"
    ROWS.parent.mkdir(exist_ok=True)
    with ROWS.open("a") as file:
        file.write(json.dumps([fault, outcome, round(seconds)]) + "\n")


def pytest_sessionstart(session: pytest.Session) -> None:
    if _is_whole(session):
        ROWS.unlink(missing_ok=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report: broken invariants first, then the longest tests."""
    if not _is_whole(session) or not ROWS.exists():
        return
    rows = sorted(map(json.loads, ROWS.read_text().splitlines()), key=lambda row: (row[1] == "holds", -row[2]))
    table = "\n".join(f"| {fault} | {held} | {took} s |" for fault, held, took in rows)
    REPORT.write_text(
        "| fault | invariants | the test took |\n|---|---|--:|\n"
        f"{table}\n\nInvariants: {'; '.join(INVARIANTS)}; every line is stored; faults are detected; no run is "
        "stuck; every slot was polled.\n"
    )


def _is_whole(session: pytest.Session) -> bool:
    """`make chaos`, and its main process: `make test` runs one fault, which is no report."""
    return session.config.option.markexpr != "not chaos" and "PYTEST_XDIST_WORKER" not in os.environ

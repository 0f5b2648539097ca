"""Where a measurement runs: a server and a home of its own, and a fresh process for whatever is timed.

Here: what all measurements need to be left alone, by the shell's settings, by each other and by what ran before.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import ParamSpec, TypeVar
from unittest.mock import patch

from psycopg import sql

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.line_days import take_over
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline.settings import Node

P = ParamSpec("P")
T = TypeVar("T")

SPAWN = multiprocessing.get_context("spawn")  # nothing of this process, neither memory nor connections, goes along
# What the shell has set must neither be measured nor be reached.
_NOT_SEEN = ("DATABASE_URL", "BLUE_HOST", "GREEN_HOST", "LOG_SOURCES", "GENAI_AGENT_URL", "ALERTS_REPO", "GH_TOKEN")


@contextmanager
def place() -> Iterator[str]:
    """The URL of an empty database on a server of its own; FLEEXMON_HOME and DAGSTER_HOME lead there while inside."""
    with tempfile.TemporaryDirectory(prefix="fleexmon-bench-") as made, patch.dict(os.environ):
        for variable in _NOT_SEEN:
            os.environ.pop(variable, None)
        dagster_home = Path(made) / "dagster"
        os.environ.update(FLEEXMON_HOME=made, DAGSTER_HOME=str(dagster_home))
        dagster_home.mkdir()
        with as_file(files("fleexmon_pipeline") / "dagster.yaml") as ours:
            shutil.copyfile(ours, dagster_home / "dagster.yaml")
        server = EmbeddedServer(Path(made))
        url = server.acquire()
        try:
            with connect(url) as connection:
                migrate(connection)
                take_over(connection, now=datetime.now(UTC))
            yield url
        finally:
            server.release()


def watch(nodes: list[Node]) -> None:
    """Have runs and commands of this place ask these: blue and green."""
    for node in nodes:
        os.environ[f"{node.name.upper()}_HOST"] = node.url


def empty(url: str) -> None:
    """No rows in any table, and no earlier writes that the next measurement would wait for."""
    with connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'FleexmonVersion'"
        ).fetchall()
        names = sql.SQL(", ").join(sql.Identifier(table["tablename"]) for table in tables)
        connection.execute(sql.SQL("TRUNCATE {}").format(names))
        connection.execute("CHECKPOINT")


def count(url: str, query: str) -> int:
    with connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return next(iter(row.values())) if row else 0


def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, int]:
    """What the function returns in a fresh process, and the most memory (MB) that it, or a command it ran, has held."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as process:
        return process.submit(_with_peak, function, args, kwargs).result()


def _with_peak(function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[T, int]:
    result = function(*args, **kwargs)
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return result, max(peaks) // 1024


def materialize(*options: str) -> float:
    """Seconds of the real `dagster asset materialize`, from its start to its end. Raises with its last words."""
    dagster = str(Path(sys.executable).parent / "dagster")
    begun = time.perf_counter()
    # From the place's home: a .env of the working directory would be read.
    done = subprocess.run(
        [dagster, "asset", "materialize", "-m", "fleexmon_pipeline.definitions", *options],
        cwd=os.environ["FLEEXMON_HOME"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"dagster asset materialize {' '.join(options)}:\n{(done.stdout + done.stderr)[-3000:]}")
    return time.perf_counter() - begun

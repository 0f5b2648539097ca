"""Fixture for tests of the `fleexmon` command: call it on the test's own database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fleexmon_pipeline.cli import app
from fleexmon_pipeline_tests.conftest import Database

FLEEXMON = str(Path(sys.executable).with_name("fleexmon"))


@dataclass(frozen=True)
class Said:
    """Exit status, stdout, stderr."""

    status: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def fleexmon(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Called in this process: starting another costs half a second. What it raises and did not mean to is raised."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("FLEEXMON_HOME", str(tmp_path / "home"))

    def call(*arguments: str, stdin: bytes = b"") -> Said:
        result = CliRunner().invoke(app, arguments, input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return call


def execute(*arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] = {}) -> Said:
    """The executable itself, in a process of its own."""
    done = subprocess.run(
        [FLEEXMON, *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def refused(said: Said) -> str:
    """The sentence on stderr; nothing is on stdout, and no stack trace anywhere."""
    assert said.status == 2
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err

"""`fleexmon archive`, and the archive in doctor, status, logs and issues."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer import Exit
from typer.testing import CliRunner, Result

from fleexmon_pipeline.commands.archive import app as archive_app
from fleexmon_pipeline.commands.doctor.archive import archive as examined
from fleexmon_pipeline.commands.issues.command import app as issues_app
from fleexmon_pipeline.commands.logs import app as logs_app
from fleexmon_pipeline.commands.status.command import app as status_app
from fleexmon_pipeline.commands.terminal import explained_errors
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.window import DAY, floor
from fleexmon_pipeline_tests.archive.conftest import put
from fleexmon_pipeline_tests.conftest import Database

NOW = datetime.now(UTC)
COLD = floor(NOW, DAY) - 10 * DAY  # commands have the clock of the machine
NAME = f"{COLD:%Y-%m-%d}"


@pytest.fixture
def place(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten lines of a cold day, three of which are evidence of a resolved issue."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("FLEEXMON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FLEEXMON_ARCHIVE", str(tmp_path / "archive"))
    with database.connect() as connection:
        ids = [put(connection, COLD + timedelta(hours=place), f"line {place}") for place in range(10)]
        connection.execute(
            'INSERT INTO "LogIssue" (id, type, severity, title, description, source, status, "detectedAt", '
            '"updatedAt", "resolvedAt", "affectedLogs") '
            "VALUES (%s, 't', 'low', 'old', '', 'ops', 'resolved', %s, %s, %s, %s)",
            [uuid8(COLD, b"issue"), COLD, COLD, COLD, ids[:3]],
        )
    return tmp_path / "archive"


APPS = {"archive": archive_app, "logs": logs_app, "issues": issues_app, "status": status_app}


def run(*words: str) -> Result:
    with explained_errors():
        return CliRunner().invoke(APPS[words[0]], list(words[1:]), catch_exceptions=False)


def fails(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What stderr says."""
    with pytest.raises(Exit):
        run(*words)
    return capsys.readouterr().err


def test_a_day_is_written_listed_verified_and_restored(place: Path, database: Database) -> None:
    assert run("archive", "list").stdout == f"{place}: 0 days, 0 lines, 0 bytes; 1 cold day to archive\n"
    assert run("archive", "write", NAME, "--dry-run").stdout == (
        f"{NAME}: would have removed 10 lines from the table\n"
    )
    assert not place.exists()

    written = run("archive", "write", NAME).stdout

    assert written.startswith(f"{NAME}: archived 10 lines in ")
    listed = json.loads(run("archive", "list", "--json").stdout)
    assert [(day["day"], day["state"], day["lines"]) for day in listed["days"]] == [(NAME, "archived", 10)]
    assert (listed["waiting"], listed["unnamed"], listed["problems"]) == ([], [], [])
    [day] = listed["days"]
    held = {path.suffix: path.stat().st_size for path in place.rglob("*") if path.is_file()}
    assert held == {".parquet": day["bytes"], ".texts": day["filterBytes"]}
    both = sum(held.values())
    assert (
        f"{NAME}  archived            10 lines  {both:>14,} bytes  {both / 10:>6.1f} a line"
        in run("archive", "list").stdout
    )
    assert run("archive", "verify", NAME).stdout.startswith(f"{NAME}  ok: 10 lines, ")
    assert run("archive", "restore", NAME, "--dry-run").stdout == f"Would restore 10 lines of {NAME}.\n"
    assert run("archive", "restore", NAME).stdout == f"Restored 10 lines of {NAME}.\n"
    assert database.rows('SELECT count(*) AS n FROM "LogEntry"') == [{"n": 10}]
    assert run("archive", "list").stdout.endswith(": 0 days, 0 lines, 0 bytes; 1 day restored\n")
    assert run("archive", "write", NAME).stdout.startswith(
        f"{NAME}: nothing new to archive; the archive holds 10 lines"
    )


def test_readers_are_not_told(place: Path) -> None:
    since = f"{COLD - DAY:%Y-%m-%dT%H:%M}"
    before = [
        run("logs", "--since", since, "--json").stdout,
        run("logs", "--since", since, "--grep", "line [34]", "-C", "1").stdout,
    ]
    issue = json.loads(run("issues", "show", str(uuid8(COLD, b"issue")), "--json").stdout)
    run("archive", "write", NAME)

    after = [
        run("logs", "--since", since, "--json").stdout,
        run("logs", "--since", since, "--grep", "line [34]", "-C", "1").stdout,
    ]

    assert after == before
    assert json.loads(run("issues", "show", str(uuid8(COLD, b"issue")), "--json").stdout) == issue
    assert [line["message"] for line in issue["evidence"]] == ["line 2", "line 1", "line 0"]


def test_a_file_that_is_gone_is_said_by_all(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("archive", "write", NAME)
    (file,) = place.glob("**/*.parquet")
    away = file.rename(place / "elsewhere.parquet")
    told = f"the lines of {NAME} are archived, and their file {file.relative_to(place)} is not in {place}."

    assert told in fails(capsys, "logs", "--since", f"{COLD - DAY:%Y-%m-%dT%H:%M}")
    assert f"Some evidence cannot be read: {told}" in run("issues", "show", str(uuid8(COLD, b"issue"))).stdout
    assert told in run("archive", "verify").stdout
    assert run("archive", "verify").exit_code == 1
    assert told in fails(capsys, "archive", "restore", NAME)
    assert [(one.state, told in one.told) for one in examined(os.environ, NOW)] == [("wrong", True)]
    away.rename(file)
    assert run("archive", "verify").exit_code == 0
    assert [(one.state, "1 day, 10 lines" in one.told) for one in examined(os.environ, NOW)] == [("ok", True)]


def test_status_names_the_archive_only_where_there_is_one(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("archive", "write", NAME)
    assert f"Archive  {place}: 1 day, 10 lines, " in run("status").stdout
    assert json.loads(run("status", "--json").stdout)["archive"]["lines"] == 10
    monkeypatch.delenv("FLEEXMON_ARCHIVE")
    assert "Archive  FLEEXMON_ARCHIVE is not set: 1 day, 10 lines, " in run("status").stdout
    (finding,) = examined(os.environ, NOW)
    assert finding.told == "lines of 1 day are archived, and FLEEXMON_ARCHIVE is not set: they cannot be read"
    assert "FLEEXMON_ARCHIVE is not set. Set it to where the archive is." in fails(capsys, "archive", "restore", NAME)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("write", "yesterday"), '"yesterday" is not a day such as 2026-11-20.'),
        (("write", f"{NOW:%Y-%m-%d}"), "is not cold: FLEEXMON_HOT_DAYS is 7."),
        (("restore", NAME), f"{NAME} is not archived. `fleexmon archive list` lists the days that are."),
    ],
)
def test_what_cannot_be_done_is_said(
    place: Path, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in fails(capsys, "archive", *words)


def test_without_duckdb_it_is_said_what_to_install(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert "an archive needs the package duckdb: pip install 'fleexmon-pipeline[archive]'." in fails(
        capsys, "archive", "write", NAME
    )

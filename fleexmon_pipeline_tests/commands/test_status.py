"""`fleexmon status`: the same facts as the first page, in 80 columns or as a document."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from fleexmon_pipeline.commands.home import only_up, up_of
from fleexmon_pipeline.lookup.schedules import Up, is_running, starting_since
from fleexmon_pipeline.window import DAY, HOUR, SLOT, floor
from fleexmon_pipeline_tests.commands.a_terminal import shown
from fleexmon_pipeline_tests.commands.conftest import Call
from fleexmon_pipeline_tests.conftest import Database


def cover(database: Database, node: str, *, until: datetime, missing: int = 0) -> None:
    """The last 24 hours of a node; the first slots of them missing."""
    with database.connect() as connection:
        for place in range(DAY // SLOT):
            connection.execute(
                'INSERT INTO "LogCoverage" (node, slot, status, received, stored, "updatedAt") '
                "VALUES (%s, %s, %s, 5, 5, %s)",
                [node, until - (place + 1) * SLOT, "missing" if place >= DAY // SLOT - missing else "complete", until],
            )


@pytest.fixture
def watched(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("BLUE_HOST", "127.0.0.1:9")
    now = floor(datetime.now(UTC), SLOT)
    cover(database, "blue", until=now, missing=12)
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogIssue" (type, severity, title, description, source, status, "detectedAt", "updatedAt") '
            "VALUES ('error', 'high', 'Disk full on blue', 'x', 'detector', 'open', %s, %s)",
            [now - HOUR, now],
        )
        connection.execute(
            'INSERT INTO "Deployment" (node, version, at, by, source) VALUES (%s, %s, %s, %s, %s)',
            ["blue", "1.4.2", now - HOUR, "ann", "person"],
        )
    return database


@pytest.mark.usefixtures("watched")
def test_the_document_has_all_of_it(fleexmon: Call) -> None:
    document = json.loads(fleexmon("status", "--json").out)

    (blue,) = document["nodes"]
    assert (blue["node"], blue["version"], len(blue["halfHours"])) == ("blue", "1.4.2", 48)
    assert set(blue["halfHours"]) >= {"complete", "missing"}
    assert document["openIssues"] == {"high": 1}
    assert document["health"] == "incomplete"  # nothing was analyzed
    assert document["versions"]["fleexmon"] == "0.3.0"
    assert document["lastTick"].endswith("Z")
    assert (document["waiting"], document["messages"]) == ([], 0)
    assert {stage["asset"] for stage in document["stages"]} == {
        "raw_logs",
        "analyzed_logs",
        "detected_issues",
        "digests",
    }


@pytest.mark.usefixtures("watched")
def test_it_fits_a_terminal_of_80_columns_and_shows_gaps() -> None:
    seen = shown("status", columns=80)

    assert seen.process.returncode == 0
    assert max(cell_len(line) for line in seen.text.splitlines()) <= 80
    strip = next(line for line in seen.text.splitlines() if line.startswith("blue"))
    assert re.search(r"blue  ×+█+", strip)
    assert "1.4.2" in seen.text
    for word in ("Incomplete data", "Last tick", "Pending", "Schedules", "fleexmon 0.3.0"):
        assert word in seen.text


def test_nothing_at_all_is_said_plainly(fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("BLUE_HOST", "GREEN_HOST", "LOG_SOURCES"):
        monkeypatch.delenv(variable, raising=False)
    said = fleexmon("status")

    assert said.status == 0
    assert said.out.startswith("No data. No node has been polled yet.")
    assert "set BLUE_HOST" in said.out.replace("Set", "set")
    assert "not running: the daemon has never run" in said.out


@pytest.mark.usefixtures("watched")
def test_a_window_ago_counts_from_now(fleexmon: Call) -> None:
    said = json.loads(fleexmon("status", "--json").out)

    day = said["day"]
    length = datetime.fromisoformat(day["until"]) - datetime.fromisoformat(day["since"])
    assert length == timedelta(hours=24)


def test_while_up_starts_its_daemon_nobody_is_told_to_start_it(
    fleexmon: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_HOME", str(tmp_path))
    with only_up(tmp_path) as locked:
        said = fleexmon("status")
        document = json.loads(fleexmon("status", "--json").out)

    assert locked
    assert "starting: `fleexmon up` was started " in said.out
    assert "never run" not in said.out
    assert document["schedules"]["startingSince"] is not None
    assert document["schedules"]["running"] is False


def test_an_up_is_known_by_its_lock_and_only_one_gets_it(tmp_path: Path) -> None:
    assert up_of(tmp_path) is None
    before = datetime.now(UTC)
    with only_up(tmp_path) as first:
        running = up_of(tmp_path)
        with only_up(tmp_path) as second:
            assert (first, second) == (True, False)
        assert up_of(tmp_path) == running  # the second did not change it
    stopped = up_of(tmp_path)

    assert running is not None
    assert stopped is not None
    assert (running.running, stopped.running) == (True, False)
    assert before - timedelta(seconds=1) < running.at < stopped.at


@pytest.mark.parametrize(
    ("seen", "up", "running", "starting"),
    [
        (None, None, False, False),
        (5, None, True, False),
        (None, True, False, True),
        (-5, True, False, True),
        (5, True, True, False),
        (-5, False, False, False),
        (5, False, True, False),  # somebody runs a daemon by hand
        (-300, None, False, False),
    ],
)
def test_a_heartbeat_from_before_up_started_or_stopped_is_of_another_daemon(
    seen: int | None, up: bool | None, running: bool, starting: bool
) -> None:
    zero = datetime(2026, 11, 20, tzinfo=UTC)
    heartbeat = None if seen is None else zero + timedelta(seconds=seen)
    here = None if up is None else Up(up, zero)

    assert is_running(heartbeat, here, zero + timedelta(seconds=10)) is running
    assert (starting_since(heartbeat, here) == zero) is starting

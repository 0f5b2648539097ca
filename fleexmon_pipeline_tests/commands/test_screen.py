"""Output for a person in a terminal, and none of its formatting in a pipe."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from fleexmon_pipeline_tests.commands.a_terminal import COLOUR, FLEEXMON, shown, terminal
from fleexmon_pipeline_tests.commands.conftest import Call, execute
from fleexmon_pipeline_tests.conftest import Database

TITLE = "Repeated error on blue: Payment for order <num> failed after <num> attempts… (1,234 in 15 minutes)"
SEEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def put(database: Database, title: str = TITLE, **changed: object) -> None:
    row = {
        "severity": "high", "status": "open", "detected": SEEN - timedelta(hours=2), "updated": SEEN, "lines": 1,
        **changed,
    }  # fmt: skip
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogIssue" (type, severity, title, description, source, status, "detectedAt", "updatedAt", '
            "metadata) VALUES ('error', %(severity)s, %(title)s, 'x', 'detector', %(status)s, %(detected)s, "
            "%(updated)s, "
            "jsonb_build_object('nodes', '[\"blue\"]'::jsonb, 'affectedCount', %(lines)s::int))",
            {**row, "title": title},
        )


@pytest.fixture
def issues(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("DATABASE_URL", database.url)
    put(database)
    put(database, "Disk full", severity="critical", updated=SEEN - timedelta(hours=1), lines=7)
    put(database, "Slow", severity="low", updated=SEEN - timedelta(minutes=5), detected=SEEN, lines=900)
    return database


@pytest.mark.usefixtures("issues")
def test_a_terminal_has_headings_colours_and_titles_that_fit() -> None:
    seen = shown("issues", "list", columns=80)

    assert seen.process.returncode == 0
    assert re.search(r"^severity +state +last seen +nodes +id$", seen.text, re.MULTILINE)
    assert "\x1b[31mhigh" in seen.raw
    assert max(cell_len(line) for line in seen.text.splitlines()) <= 80
    assert TITLE in " ".join(seen.text.split())


@pytest.mark.usefixtures("issues")
def test_where_there_is_room_a_title_stands_beside() -> None:
    seen = shown("issues", "list", columns=200)

    assert [line for line in seen.text.splitlines() if TITLE in line and "high" in line]


@pytest.mark.usefixtures("issues")
def test_no_color_is_heeded() -> None:
    seen = shown("issues", "list", environment={"NO_COLOR": "1"})

    assert not [code for code in COLOUR.findall(seen.raw) if re.search(r"\b3\d\b", code)]
    assert "high" in seen.text


@pytest.mark.usefixtures("issues")
def test_a_pipe_gets_one_row_a_line_in_utc_as_before() -> None:
    said = execute("issues", "list", environment={"TZ": "Asia/Kolkata", "COLUMNS": "40"})

    lines = said.out.splitlines()
    row = f"  high      open      11-20 08:00 – 11-20 10:00  blue          {TITLE}"
    assert re.fullmatch(f"[0-9a-f-]{{18}}{re.escape(row)}", lines[0])
    assert lines[-1] == "3 open issues"
    assert "\x1b" not in said.out


@pytest.mark.usefixtures("issues")
@pytest.mark.parametrize(
    ("zone", "minute", "name"),
    [
        ("UTC", "11-20 10:00", "UTC"),
        ("Asia/Kolkata", "11-20 15:30", "IST"),
        ("Asia/Tashkent", "11-20 15:00", "UTC+05:00"),
    ],
)
def test_times_are_in_the_readers_zone_which_is_named(zone: str, minute: str, name: str) -> None:
    seen = shown("issues", "list", environment={"TZ": zone})

    assert minute in seen.text
    assert f"(times in {name})" in seen.text


@pytest.mark.usefixtures("issues")
@pytest.mark.parametrize(
    ("sort", "first"), [("updated", TITLE), ("severity", "Disk full"), ("detected", "Slow"), ("lines", "Slow")]
)
def test_a_list_is_sorted_as_wanted(sort: str, first: str, fleexmon: Call) -> None:
    said = fleexmon("issues", "list", "--sort", sort, "--json")

    assert json.loads(said.out)[0]["title"] == first


def test_a_list_is_drawn_again_while_it_is_watched(issues: Database) -> None:
    with terminal(FLEEXMON, "issues", "list", "--watch") as opened:
        opened.read(until="3 open issues")
        put(issues, "Just now")
        opened.read(until="4 open issues", seconds=30)
        opened.type("\x03")
        opened.read()
        assert opened.process.wait(10) == 0


@pytest.mark.parametrize("options", [["--watch"], ["--watch", "--json"]], ids=" ".join)
def test_watching_needs_a_person(options: list[str], fleexmon: Call) -> None:
    said = fleexmon("issues", "list", *options)

    assert (said.status, said.out) == (2, "")
    assert "--watch: needs a terminal" in said.err


def test_what_is_more_than_the_screen_holds_goes_through_the_pager(issues: Database, tmp_path: Path) -> None:
    pager = tmp_path / "a pager"
    pager.write_text('#!/bin/sh\necho "paged with $LESS"; cat\n')
    pager.chmod(0o755)
    few = shown("issues", "list", rows=60, environment={"PAGER": f"'{pager}'"})
    for number in range(60):
        put(issues, f"Issue {number}")
    many = shown("issues", "list", rows=60, environment={"PAGER": f"'{pager}'"})
    none = shown("issues", "list", rows=60, environment={"PAGER": "no-such-pager"})

    assert "paged" not in few.text
    assert "paged with FRX" in many.text
    assert "Issue 59" in many.text
    assert "Issue 59" in none.text


def test_who_waits_for_more_than_two_seconds_is_told_what_for(issues: Database) -> None:
    """A lock keeps the command from reading, for three seconds."""
    with issues.connect() as connection, connection.transaction():
        connection.execute('LOCK TABLE "LogIssue" IN ACCESS EXCLUSIVE MODE')
        with terminal(FLEEXMON, "issues", "list") as opened:
            opened.read(until="reading issues", seconds=30)
            connection.execute("COMMIT")
            assert "3 open issues" in opened.read()
    assert re.search(r"reading issues … [23] s", opened.text)


@pytest.mark.usefixtures("issues")
def test_a_fast_command_tells_nothing_of_waiting() -> None:
    began = time.monotonic()
    seen = shown("issues", "list")

    if time.monotonic() - began < 2:
        assert "…" not in seen.text.replace(TITLE, "").replace("attempts…", "")


def test_a_refused_time_is_shown_in_the_readers_zone() -> None:
    times = ("--from", "2026-11-20T12:00", "--to", "2026-11-20T11:00")
    seen = shown("compare", *times, columns=200, environment={"TZ": "Asia/Kolkata"})

    assert "2026-11-20 16:30 IST is not after --from, 2026-11-20 17:30 IST" in " ".join(seen.text.split())

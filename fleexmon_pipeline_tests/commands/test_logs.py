"""Stored lines, as queried by a person or a script."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from fleexmon_pipeline_tests.commands.conftest import FLEEXMON, Call
from fleexmon_pipeline_tests.conftest import Database

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
LINES = [
    (0, "blue", "info", "GET /cart 200"),
    (1, "green", "warn", "cart is slow: 812 ms"),
    (2, "blue", "error", "connect ECONNREFUSED 10.0.0.5:5432"),
    (3, "blue", "fatal", "bell \x07 and colour \x1b[31m here\ntwo lines"),
    (3600, "green", "error", "connect ECONNREFUSED 10.0.0.9:5432"),
]


def store(database: Database, at: datetime, node: str, level: str, message: str) -> None:
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogEntry" (timestamp, source, hostname, level, message, metadata) '
            "VALUES (%s, %s, %s, %s, %s, '{\"a\": 1}')",
            [at, node, f"{node}-host", level, message],
        )


@pytest.fixture
def stored(database: Database) -> Database:
    for second, node, level, message in LINES:
        store(database, TEN + timedelta(seconds=second), node, level, message)
    return database


ALL = ("logs", "--since", "2026-11-20", "--until", "2026-11-21")


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ([], [0, 1, 2, 3, 3600]),
        (["--node", "blue"], [0, 2, 3]),
        (["--node", "red"], []),
        (["--level", "warn"], [1, 2, 3, 3600]),
        (["--level", "debug"], [0, 1, 2, 3, 3600]),
        (["--grep", r"ECONN\w+ 10\.0\.0\.[0-5]:"], [2]),
        (["--since", "2026-11-20T11:00"], [3600]),
        (["--since", "2026-11-20T12:00+02:00", "--until", "2026-11-20T10:00:02Z"], [0, 1]),
        (["--limit", "2"], [3, 3600]),
        (["--limit", "1", "--node", "blue", "--level", "error"], [3]),
    ],
)
def test_lines_are_chosen_and_come_oldest_first(options: list[str], seconds: list[int], fleexmon: Call) -> None:
    said = fleexmon(*ALL, *options, "--json")

    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [(datetime.fromisoformat(row["timestamp"]) - TEN).total_seconds() for row in rows] == seconds
    assert said.status == 0
    assert ("no line matches" in said.err) == (not seconds)  # nothing on stdout is told from a mistake on stderr


def test_a_trace_has_its_lines_of_all_nodes(
    database: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleexmon_pipeline.lookup.traces.CARRIERS_AT_ONCE", 2)
    for second in range(9):
        store(database, TEN + timedelta(seconds=second), "blue" if second % 2 else "green", "info", f"step {second}")
    with database.connect() as connection:
        connection.execute(
            "UPDATE \"LogEntry\" SET metadata = jsonb_build_object('trace_id', "
            "CASE WHEN extract(second FROM timestamp) IN (1, 2, 4, 7, 8) THEN 'abc-1' ELSE 'other' END)"
        )

    def shown(*options: str) -> list[str]:
        said = fleexmon(*ALL, "--trace", "abc-1", "--json", *options)
        return [json.loads(line)["message"] for line in said.out.splitlines()]

    assert shown() == ["step 1", "step 2", "step 4", "step 7", "step 8"]
    assert shown("--since", "2026-11-20T10:00:02") == ["step 2", "step 4", "step 7", "step 8"]
    assert shown("--node", "green", "--grep", "[48]", "--limit", "1") == ["step 8"]
    assert fleexmon("logs", "--follow", "--trace", "abc-1").status == 2


@pytest.mark.usefixtures("stored")
def test_a_json_document_holds_the_whole_line(fleexmon: Call) -> None:
    (line,) = fleexmon(*ALL, "--json", "--grep", "bell").out.splitlines()

    row = json.loads(line)
    assert re.fullmatch(r"[0-9a-f-]{36}", row.pop("id"))
    assert row == {
        "timestamp": "2026-11-20T10:00:03Z", "node": "blue", "hostname": "blue-host", "level": "fatal",
        "message": LINES[3][3], "metadata": {"a": 1},
    }  # fmt: skip


@pytest.mark.usefixtures("stored")
def test_a_line_cannot_ring_or_colour_the_terminal(fleexmon: Call) -> None:
    said = fleexmon(*ALL, "--grep", "bell")

    assert said.out == "2026-11-20 10:00:03.000000 blue     fatal bell \ufffd and colour \ufffd[31m here\ntwo lines\n"


@pytest.mark.usefixtures("stored")
def test_the_pattern_that_patterns_prints_finds_its_lines(fleexmon: Call) -> None:
    pattern = json.loads(fleexmon("patterns", "-", stdin=LINES[2][3].encode()).out)["pattern"]

    found = fleexmon(*ALL, "--pattern", pattern, "--json").out.splitlines()

    assert [json.loads(line)["message"] for line in found] == [LINES[2][3], LINES[4][3]]
    assert fleexmon(*ALL, "--pattern", "0000").out == ""


def test_the_default_is_the_last_quarter_of_an_hour(database: Database, fleexmon: Call) -> None:
    now = datetime.now(UTC)
    store(database, now - timedelta(minutes=16), "blue", "info", "old")
    store(database, now - timedelta(minutes=14), "blue", "info", "new")

    assert [line[-3:] for line in fleexmon("logs").out.splitlines()] == ["new"]
    assert [line[-3:] for line in fleexmon("logs", "--since", "1h").out.splitlines()] == ["old", "new"]


def test_follow_goes_on_with_what_is_collected_later_until_it_is_interrupted(database: Database) -> None:
    now = datetime.now(UTC)
    store(database, now - timedelta(minutes=2), "blue", "info", "before")
    with subprocess.Popen(
        [FLEEXMON, "logs", "-f", "--json"], env=os.environ | {"DATABASE_URL": database.url}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["message"] == "before"
        store(database, now - timedelta(minutes=1), "blue", "info", "after")
        assert json.loads(process.stdout.readline())["message"] == "after"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


@pytest.mark.usefixtures("stored")
def test_a_typo_is_no_empty_answer(fleexmon: Call) -> None:
    later = fleexmon("logs", "--since", "2h", "--until", "3h")
    both = fleexmon("logs", "--follow", "--until", "1h")
    pattern = fleexmon(*ALL, "--pattern", "zzz")
    node = fleexmon(*ALL, "--node", "purple")
    stored_node_without_lines_then = fleexmon("logs", "--node", "blue", "--since", "1m")

    assert (later.status, both.status, pattern.status, node.status) == (2, 2, 0, 0)
    assert "--until: " in later.err
    assert "is not after --since" in later.err
    assert "--until: cannot be combined with --follow" in both.err
    assert '"zzz" is not a pattern' in pattern.err
    assert 'no node "purple" was ever polled' in node.err
    assert "no line matches since " in stored_node_without_lines_then.err

"""Rejected records for a person: the record and its reason, and how many become lines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fleexmon_pipeline.collection import rows
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.collection.records import Line, RejectedError
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, Window, floor
from fleexmon_pipeline_tests.commands.conftest import Call
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.node_server import NodeServer, lines

START = floor(datetime.now(UTC), HOUR) - 30 * HOUR  # the command's own clock decides what is older than lines are kept


@pytest.fixture
def rejected(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Three records of a form that the reader of that day did not know, and two that nobody can read."""

    def read(raw: bytes) -> Line:
        raise RejectedError("not a form of ours: odd")

    bad: list[Any] = [{"message": "no time \x1b[31m"}, {"timestamp": "soon", "message": "when?"}]
    with NodeServer() as node, monkeypatch.context() as patch:
        node.serve(bad, filtered=False)
        window = Window(START, START + HOUR)
        collect(window, [Node("blue", node.url, "h")], database.connect, now=START + 2 * HOUR, run_id="t")
        patch.setattr(rows, "read", read)
        node.serve([{**line, "logger": "net"} for line in lines(3, START + HOUR)])
        window = Window(START + HOUR, START + 2 * HOUR)
        collect(window, [Node("green", node.url, "h")], database.connect, now=START + 2 * HOUR, run_id="t")
    return database


@pytest.mark.usefixtures("rejected")
def test_a_list_shows_what_was_sent_and_counts_by_reason(fleexmon: Call) -> None:
    said = fleexmon("rejected", "list")

    assert said.status == 0
    told = said.out.splitlines()
    assert told[0].startswith(f"{START + HOUR:%Y-%m-%d %H:%M}")
    assert "green     not a form of ours: odd" in told[0]
    assert told[-1].startswith("5 rejected records: 3 not a form of ours; 1 ")
    assert "\x1b" not in said.out
    assert "the newest 2 are shown" in fleexmon("rejected", "list", "--limit", "2").out.splitlines()[-1]


@pytest.mark.usefixtures("rejected")
@pytest.mark.parametrize(
    ("options", "records"),
    [
        ([], 5), (["--node", "blue"], 2), (["--node", "red"], 0), (["--reason", "Not a time"], 1),
        (["--since", "1m"], 0), (["--until", "1w"], 0), (["--since", "1w", "--limit", "4"], 4),
    ],
)  # fmt: skip
def test_json_is_one_document_of_the_chosen_records(options: list[str], records: int, fleexmon: Call) -> None:
    rows = json.loads(fleexmon("rejected", "list", "--json", *options).out)

    assert len(rows) == records
    for row in rows:
        assert set(row) == {"id", "node", "hostname", "reason", "payload", "windowStart", "windowEnd", "run"}
        assert isinstance(json.loads(row["payload"]), dict)


def test_retry_says_what_became_of_them_after_a_dry_run_that_said_the_same(rejected: Database, fleexmon: Call) -> None:
    would = fleexmon("rejected", "retry", "--dry-run").out
    assert would == (
        "3 of 5 rejected records would become lines of 1 hour. 2 would remain: 1 no time; 1 not a time. "
        "Nothing was changed (--dry-run).\n"
    )
    assert rejected.rows('SELECT id FROM "LogEntry"') == []

    did = fleexmon("rejected", "retry").out
    assert did == (
        "3 of 5 rejected records became lines of 1 hour; the catch-up sensor will analyze them in a few minutes. "
        "2 remain: 1 no time; 1 not a time.\n"
    )
    assert len(rejected.rows('SELECT id FROM "LogEntry"')) == 3
    assert fleexmon("rejected", "retry", "--node", "green").out == "no rejected record matches\n"


def test_a_line_older_than_lines_are_kept_stays(
    rejected: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_RETENTION_DAYS", "1")

    told = fleexmon("rejected", "retry", "--node", "green").out

    assert told == "0 of 3 rejected records became lines. 3 remain: 3 older than lines are kept.\n"
    assert rejected.rows('SELECT id FROM "LogEntry"') == []

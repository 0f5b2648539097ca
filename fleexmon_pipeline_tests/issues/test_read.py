"""Texts about an issue for people, and the same as JSON."""

from __future__ import annotations

import json
import uuid

import msgspec
import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.issues.occurrence import Severity, Subject
from fleexmon_pipeline.issues.read import IssueFilter, UnknownIssueError, list_issues, show_issue
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import NODE, PATTERN, at, cover, fire, firing


def _foreign(connection: Connection, key: uuid.UUID, metadata: str | None = None) -> None:
    connection.execute(
        'INSERT INTO "LogIssue" (id, type, severity, title, description, source, "detectedAt", "updatedAt", metadata)'
        " VALUES (%s, 't', 'low', 'Theirs', '', 'ops', %s, %s, %s::jsonb)",
        [key, at(0), at(0), metadata],
    )


def _story(connection: Connection) -> None:
    cover(connection, range(40))
    cover(connection, range(40), node="green")
    fire(
        connection,
        firing(0, subject=NODE),
        firing(1, subject=NODE),
        firing(38, subject=NODE, severity=Severity.HIGH),
        firing(39, subject=Subject("green"), rule="memory-warning"),
    )


def test_the_list_says_what_a_person_asks_first(database: Database) -> None:
    with database.connect() as connection:
        _story(connection)
        newest, second = list_issues(connection)
    assert json.loads(msgspec.json.encode(second)) == {
        "id": str(second.id), "severity": "high", "status": "open", "type": "repeated-error", "source": "detector",
        "title": "repeated-error in 38", "nodes": ["blue"], "detectedAt": "2026-11-20T13:15:00Z",
        "updatedAt": "2026-11-20T13:15:00Z", "resolvedAt": None, "occurrences": 1, "affectedCount": 39,
        "regressionOf": None,
    }  # fmt: skip
    assert newest.nodes == ["green"]


def test_the_list_can_be_narrowed(database: Database) -> None:
    with database.connect() as connection:
        _story(connection)
        assert [row.status for row in list_issues(connection, IssueFilter(status="all"))] == [
            "open",
            "open",
            "resolved",
        ]
        assert [row.resolved_at for row in list_issues(connection, IssueFilter(status="resolved"))] == [at(14)]
        assert [row.severity for row in list_issues(connection, IssueFilter(severity="high"))] == ["high"]
        assert [row.nodes for row in list_issues(connection, IssueFilter(node="green", status="all"))] == [["green"]]
        assert len(list_issues(connection, IssueFilter(since=at(40), status="all"))) == 1
        assert len(list_issues(connection, limit=1)) == 1


@pytest.mark.parametrize("metadata", [None, "[1]", '"text"', '{"nodes": 5}', '{"nodes": {"blue": 1}}'])
def test_rows_of_other_programs_are_listed_and_shown(database: Database, metadata: str | None) -> None:
    key = uuid.uuid4()
    with database.connect() as connection:
        _foreign(connection, key, metadata)
        (row,) = list_issues(connection)
        detail = show_issue(connection, str(key))
    assert (row.title, row.nodes, row.occurrences) == ("Theirs", [], None)
    assert (detail.occurrences, detail.evidence) == ([], [])


def test_an_issue_is_shown_with_its_firings_and_its_evidence(database: Database) -> None:
    rows = [uuid.UUID(int=number) for number in range(30)]
    with database.connect() as connection:
        cover(connection, range(3))
        for number, row in enumerate(rows):
            connection.execute(
                'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname) VALUES (%s,%s,%s,%s,%s,%s)',
                [row, at(number), "error", "m" * 490 + "é" * number, "blue", "10.0.0.5"],
            )
        fire(connection, firing(0), firing(2, evidence=[*reversed(rows), uuid.uuid4()]), firing(2, subject=Subject()))
        (name,) = [str(row.id) for row in list_issues(connection) if row.nodes == [PATTERN.node]]
        detail = show_issue(connection, name)

    assert str(detail.issue.id) == name
    assert [fired.slot for fired in detail.occurrences] == [at(2), at(0)]
    assert [line.id for line in detail.evidence] == rows[:9:-1]
    assert detail.evidence[0].message == "m" * 490 + "é" * 9 + "…"
    assert json.loads(msgspec.json.encode(detail.evidence[-1])) == {
        "id": str(rows[10]), "timestamp": "2026-11-20T10:50:00Z", "node": "blue", "level": "error",
        "message": "m" * 490 + "é" * 10,
    }  # fmt: skip


def test_the_beginning_of_an_id_is_enough_while_it_is_the_only_one(database: Database) -> None:
    first, second = uuid.UUID("abcd1234" + "0" * 24), uuid.UUID("abcd1299" + "f" * 24)
    with database.connect() as connection:
        _foreign(connection, first)
        _foreign(connection, second)
        assert show_issue(connection, "abcd1234-").issue.id == first
        assert show_issue(connection, " ABCD1299ffff ").issue.id == second
        with pytest.raises(
            UnknownIssueError, match=r"issue abcd: 2 ids start with it \(abcd1234.*, abcd1299.*\)\. Give more"
        ):
            show_issue(connection, "abcd")
        for _ in range(3):
            _foreign(connection, uuid.UUID("abcd" + uuid.uuid4().hex[4:]))
        with pytest.raises(UnknownIssueError, match=r"5 ids start with it .*, …"):
            show_issue(connection, "abcd")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("0123", "not found"),
        (str(uuid.UUID(int=7)), "not found"),
        ("abc", "not an id"),
        ("", "not an id"),
        ("%%%%", "not an id"),
        ("0" * 33, "not an id"),
    ],
)
def test_an_invalid_id_is_refused_with_a_remedy(database: Database, name: str, reason: str) -> None:
    with database.connect() as connection, pytest.raises(UnknownIssueError, match=reason) as failure:
        show_issue(connection, name)
    assert "fleexmon issues list --status all" in str(failure.value)

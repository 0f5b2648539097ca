"""GitHub follows high and critical issues from first sight to their end, and back."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.reporting.alerts import Alerts, refresh_alerts
from fleexmon_pipeline.reporting.github import GitHubClient
from fleexmon_pipeline.reporting.outbox import deliver
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.github_server import FakeGitHub
from fleexmon_pipeline_tests.reporting.rows import at, issue
from fleexmon_pipeline_tests.reporting.test_escape import rendered

KEY = "issue:rule:node:blue"


def refresh(connection: Connection, client: GitHubClient, now: datetime) -> Alerts:
    account = refresh_alerts(connection, now=now)
    deliver(connection, client, now=now, sleep=lambda _: None)
    return account


def change(connection: Connection, name: str, **values: object) -> None:
    for column, value in values.items():
        connection.execute(f"""UPDATE "LogIssue" SET "{column}" = %s WHERE id = %s""".encode(), (value, name))


def comments(github: FakeGitHub) -> list[str]:
    return [comment["body"].partition("\n")[2] for comment in github.comments[1]]


def test_from_first_sight_to_the_end_and_back(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    with database.connect() as connection:
        first = issue(connection, "High error rate: 9.1%", at(9), affectedCount=40, occurrences=3)
        assert refresh(connection, client, at(9, 6)).opened == [KEY]
        assert refresh(connection, client, at(9, 7)) == Alerts()
        assert [label["name"] for label in github.issues[0]["labels"]] == ["monitoring", "alert", "high"]

        change(connection, first, severity="critical", updatedAt=at(9, 10))
        assert refresh(connection, client, at(9, 11)).commented == [KEY]
        assert comments(github)[0].startswith("Severity rose from high to critical (2026-11-20 09:10 UTC)")
        assert github.issues[0]["title"] == r"[critical] High error rate: 9.1%"
        assert [label["name"] for label in github.issues[0]["labels"]] == ["alert", "critical", "monitoring"]

        change(connection, first, status="resolved", resolvedAt=at(10, 10), updatedAt=at(10, 10))
        assert refresh(connection, client, at(10, 11)).closed == [KEY]
        assert refresh(connection, client, at(10, 16)) == Alerts()
        assert github.issues[0]["state"] == "closed"
        assert comments(github)[1] == "Resolved at 2026-11-20 10:10 UTC."

        issue(connection, "High error rate: 12%", at(15), regressionOf=first)
        assert refresh(connection, client, at(15, 1)).opened == [KEY]

    assert github.issues[0]["state"] == "open"
    assert comments(github)[2].startswith("Regression")
    assert first in github.issues[0]["body"]
    assert (len(github.issues), len(github.comments[1])) == (1, 3)


def test_an_issue_that_is_opened_again_is_told_with_the_time_at_which_it_came_back(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        name = issue(connection, "New error: disk full", at(9))
        refresh(connection, client, at(9, 1))
        change(connection, name, status="resolved", resolvedAt=at(10, 5))
        refresh(connection, client, at(10, 6))
        change(connection, name, status="open", resolvedAt=None, updatedAt=at(15))
        assert refresh(connection, client, at(15, 1)).opened == [KEY]

    assert github.issues[0]["state"] == "open"
    assert comments(github)[1].startswith(
        "It is back: it was resolved and fired again (2026-11-20 15:00 UTC), severity"
    )
    assert (len(github.issues), len(github.comments[1])) == (1, 2)


def test_a_lasting_issue_is_refreshed_hourly_and_silently(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        name = issue(connection, "Repeated error (6x)", at(9))
        refresh(connection, client, at(9, 1))
        for minute in range(5, 125, 5):
            change(connection, name, title=f"Repeated error ({minute}x)", updatedAt=at(9) + timedelta(minutes=minute))
            refresh(connection, client, at(9) + timedelta(minutes=minute + 1))

    assert [request.method for request in github.writes()] == ["POST", "PATCH", "PATCH"]
    assert github.comments[1] == []


def test_what_is_old_low_or_over_is_not_told(database: Database) -> None:
    with database.connect() as connection:
        issue(connection, "old", at(9, day=-3), fingerprint="a")
        issue(connection, "medium", at(9), fingerprint="b", severity="medium")
        issue(connection, "over before anyone was told", at(9), fingerprint="c", resolved=at(10))
        issue(connection, "of another program", at(9), fingerprint=None)

        assert len(refresh_alerts(connection, now=at(12)).opened) == 1


def test_resolved_before_github_could_be_told(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    with database.connect() as connection:
        name = issue(connection, "short", at(9))
        github.fail("*", status=503, times=99)
        refresh(connection, client, at(9, 1))
        github.faults.clear()
        change(connection, name, status="resolved", resolvedAt=at(10), updatedAt=at(10))
        refresh(connection, client, at(10, 1))

        assert github.issues == []
        assert refresh(connection, client, at(10, 5)) == Alerts()


def test_what_a_log_line_says_stays_text(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    attack = (
        "@everyone <script>x</script> [a](https://evil.example) ![i](http://evil.example) fixes #1 token=abcdef123456"
    )
    with database.connect() as connection:
        issue(connection, attack, at(9), description=attack, nodes=[attack], resolvedReason=attack)
        refresh(connection, client, at(9, 1))

    posted = github.issues[0]
    body = rendered(posted["body"])
    assert "@everyone" not in posted["title"] + body.outside
    assert "abcdef123456" not in posted["title"] + posted["body"]
    assert set(body.tags) == {"comment", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "h2"}


def test_metadata_of_another_program_does_no_harm(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    with database.connect() as connection:
        for metadata in ("[1, 2]", '"text"', '{"nodes": 5, "fingerprint": {"a": 1}}', "null"):
            name = issue(connection, "x", at(9), fingerprint=None)
            connection.execute("""UPDATE "LogIssue" SET metadata = %s::jsonb WHERE id = %s""", (metadata, name))
        refresh(connection, client, at(9, 1))

    assert len(github.issues) == 4

"""People's actions on alerts on GitHub are recorded once; comments of strangers have no effect."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.people import handle
from fleexmon_pipeline.incidents.read import Incident, show_incident
from fleexmon_pipeline.issues.people import scopes_of, unmute
from fleexmon_pipeline.reporting.alerts import refresh_alerts
from fleexmon_pipeline.reporting.feedback import Feedback, feedback_is_due, read_feedback
from fleexmon_pipeline.reporting.github import GitHubClient, GitHubError
from fleexmon_pipeline.reporting.outbox import deliver, marker
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.github_server import FakeGitHub
from fleexmon_pipeline_tests.reporting.rows import at, issue


def run(connection: Connection, client: GitHubClient, now: datetime) -> Feedback:
    """As the asset does."""
    done = read_feedback(connection, client, now=now)
    refresh_alerts(connection, now=now)
    deliver(connection, client, now=now, sleep=lambda _: None)
    return done


def incident(connection: Connection, name: str) -> Incident:
    return show_incident(connection, name, now=at(12)).incident


def told(connection: Connection, client: GitHubClient) -> tuple[str, str]:
    """An incident of two issues that GitHub shows; the ids of both."""
    names = [issue(connection, name, at(9), fingerprint=f"{name}:node:blue") for name in ("a", "b")]
    run(connection, client, at(9, 1))
    return names[0], names[1]


def test_closed_as_completed_resolves_all_its_issues_by_that_person(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        first, _ = told(connection, client)
        github.close(1, by="ann")
        assert len(run(connection, client, at(9, 10)).resolved) == 1
        found = incident(connection, first)
        rows = connection.execute("""SELECT metadata ->> 'resolvedBy' AS by FROM "LogIssue" ORDER BY id""").fetchall()
        again = run(connection, client, at(9, 20))

    assert (found.status, again) == ("resolved", Feedback())
    assert [row["by"] for row in rows] == ["ann on GitHub"] * 2
    assert github.issues[0]["state"] == "closed"
    assert "Resolved by ann on GitHub: GitHub issue \\#" in github.comments[1][0]["body"]


def test_closed_as_not_planned_mutes_and_does_not_resolve(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        first, _ = told(connection, client)
        github.close(1, by="ann", reason="not_planned")
        assert len(run(connection, client, at(9, 10)).muted) == 1
        found = incident(connection, first)
        assert run(connection, client, at(10, 20)) == Feedback()
        mutes = connection.execute('SELECT fingerprint, "by" FROM "IssueMute" ORDER BY 1').fetchall()

    assert (found.status, found.muted) == ("open", True)
    assert [(row["fingerprint"], row["by"]) for row in mutes] == [
        ("a:node:blue", "ann on GitHub"), ("b:node:blue", "ann on GitHub"),
    ]  # fmt: skip
    assert github.issues[0]["state"] == "closed"  # an hourly update of the text does not open it again


def test_what_somebody_unmuted_is_not_muted_again_by_the_same_closing(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        first, second = told(connection, client)
        github.now = at(9, 9)
        github.close(1, by="ann", reason="not_planned")
        run(connection, client, at(9, 10))
        for scope in scopes_of(connection, [first, second]):
            unmute(connection, scope, by="bob", now=at(9, 12))
        assert run(connection, client, at(9, 15)) == Feedback()
        assert not incident(connection, first).muted

        github.now = at(10, 30)
        github.close(1, by="ann", reason="not_planned")
        assert len(run(connection, client, at(10, 31)).muted) == 1


def test_not_planned_resolves_what_cannot_be_muted(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    """An issue of another program, alone and beside one of ours."""
    with database.connect() as connection:
        alone = issue(connection, "foreign", at(9), fingerprint=None, nodes=["green"])
        beside = issue(connection, "foreign", at(9), fingerprint=None)
        ours = issue(connection, "ours", at(9))
        run(connection, client, at(9, 1))
        for number in (1, 2):
            github.close(number, by="ann", reason="not_planned")
        assert len(run(connection, client, at(9, 10)).muted) == 2
        assert run(connection, client, at(9, 15)) == Feedback()
        rows = connection.execute("""SELECT id::text, status FROM "LogIssue" """).fetchall()
        muted = incident(connection, ours).muted

    assert {row["id"]: row["status"] for row in rows} == {alone: "resolved", beside: "resolved", ours: "open"}
    assert muted


def test_an_assignee_and_the_label_noise_come_back(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        first, _ = told(connection, client)
        github.issues[0]["assignees"] = [{"login": "bob", "type": "User"}]
        github.issues[0]["labels"].append({"name": "noise"})
        done = run(connection, client, at(9, 10))
        found = incident(connection, first)
        again = run(connection, client, at(9, 20))
        verdicts = connection.execute('SELECT verdict, why FROM "IssueVerdict"').fetchall()

    assert (len(done.assigned), len(done.noise), again) == (1, 1, Feedback())
    assert found.assignee == "bob"
    assert [(row["verdict"], row["why"]) for row in verdicts] == [("noise", "label noise on GitHub issue #1")] * 2
    assert "Assigned to `bob`." in github.issues[0]["body"]
    assert "noise" in {label["name"] for label in github.issues[0]["labels"]}


def test_the_latest_assignment_holds_wherever_it_was_made(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        first, second = told(connection, client)
        assignees = []
        for minute, login in ((10, "bob"), (15, "bob"), (20, "carl"), (25, None), (30, None)):
            github.issues[0]["assignees"] = [{"login": login, "type": "User"}] if login else []
            run(connection, client, at(9, minute))
            assignees.append(incident(connection, first).assignee)
            if minute in (10, 25):
                keys = [UUID(first), UUID(second)]
                handle(connection, keys, "assign", by="ann", why="", now=at(9, minute + 1), assignee="ann")

    assert assignees == ["bob", "ann", "carl", None, "ann"]


def test_an_issue_that_was_just_deleted_hinders_no_closing(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        first, second = told(connection, client)
        connection.execute('DELETE FROM "LogIssue" WHERE id = %s', [first])
        github.close(1, by="ann")
        assert len(run(connection, client, at(9, 10)).resolved) == 1
        assert incident(connection, second).status == "resolved"


def test_what_we_closed_ourselves_is_nobodys_doing(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        first, second = told(connection, client)
        connection.execute("""UPDATE "LogIssue" SET status = 'resolved', "resolvedAt" = %s""", [at(10)])
        github.fail("PATCH", status=502, times=9)  # the closing is not known to have reached GitHub
        run(connection, client, at(10, 1))
        github.faults.clear()
        github.close(1, by="fleexmon-bot")
        connection.execute("""UPDATE "LogIssue" SET status = 'open', "resolvedAt" = NULL""")
        done = run(connection, client, at(10, 20))

        assert done == Feedback()
        assert {incident(connection, name).status for name in (first, second)} == {"open"}


def test_a_marker_that_somebody_copied_means_nothing(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        name = issue(connection, "a", at(9))
        copied: dict[str, Any] = github.add(
            "mine", f"{marker(f'incident:{name}')}\nhello", labels=("monitoring", "alert")
        )
        run(connection, client, at(9, 1))
        github.close(copied["number"], by="mallory")
        done = run(connection, client, at(9, 10))

        assert done == Feedback()
        assert incident(connection, name).is_open
    assert [posted["user"]["login"] for posted in github.issues] == ["somebody", "fleexmon-bot"]


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_look_that_failed_is_made_good_by_the_next(
    database: Database, github: FakeGitHub, client: GitHubClient, status: int
) -> None:
    with database.connect() as connection:
        first, _ = told(connection, client)
        assert not feedback_is_due(connection, now=at(9, 2), repository=client.name)
        assert feedback_is_due(connection, now=at(9, 7), repository=client.name)
        github.close(1, by="ann")
        github.fail("GET", "/issues", status=status, times=9)
        with pytest.raises(GitHubError):
            read_feedback(connection, client, now=at(9, 10))
        github.faults.clear()
        github.now = github.now.replace(day=22)
        assert len(run(connection, client, at(15)).resolved) == 1
        assert incident(connection, first).status == "resolved"

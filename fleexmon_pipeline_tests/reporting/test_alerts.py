"""GitHub follows high and critical issues from their start to their end, and if they return."""

from __future__ import annotations

from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.issues.people import mute, scopes_of, unmute
from fleexmon_pipeline.reporting.alerts import Alerts, refresh_alerts
from fleexmon_pipeline.reporting.github import GitHubClient
from fleexmon_pipeline.reporting.outbox import DesiredIssue, deliver, enqueue
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.github_server import FakeGitHub
from fleexmon_pipeline_tests.patterns.stored_lines import Stored, store
from fleexmon_pipeline_tests.reporting.rows import at, issue
from fleexmon_pipeline_tests.reporting.test_escape import rendered


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
        key = f"incident:{first}"
        assert refresh(connection, client, at(9, 6)).opened == [key]
        assert refresh(connection, client, at(9, 7)) == Alerts()
        assert [label["name"] for label in github.issues[0]["labels"]] == ["monitoring", "alert", "high"]

        change(connection, first, severity="critical", updatedAt=at(9, 10))
        assert refresh(connection, client, at(9, 11)).commented == [key]
        assert comments(github)[0].startswith("Severity rose from high to critical. Seen at 2026-11-20 09:10 UTC: ")
        assert github.issues[0]["title"] == "[critical] High error rate: 9.1% on blue (40 lines in 15 min)"
        assert [label["name"] for label in github.issues[0]["labels"]] == ["alert", "critical", "monitoring"]

        change(connection, first, status="resolved", resolvedAt=at(10, 10), updatedAt=at(10, 10))
        assert refresh(connection, client, at(10, 11)).closed == [key]
        assert refresh(connection, client, at(10, 16)) == Alerts()
        assert github.issues[0]["state"] == "closed"
        assert comments(github)[1] == (
            "Ended after 1 h 15 min, last seen at 2026-11-20 10:10 UTC. 0 errors in 0 lines."
        )

        second = issue(connection, "High error rate: 12%", at(15), regressionOf=first)
        assert refresh(connection, client, at(15, 1)).opened == [key]

    assert github.issues[0]["state"] == "open"
    assert comments(github)[2].startswith(
        "This incident is back. Severity high, seen at 2026-11-20 15:00 UTC: High error rate: 12%"
    )
    assert f"`fleexmon incidents show {second}`" in github.issues[0]["body"]
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
        assert refresh(connection, client, at(15, 1)).opened == [f"incident:{name}"]

    assert github.issues[0]["state"] == "open"
    assert comments(github)[1].startswith("This incident is back. Severity")
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
    assert set(body.tags) == {"comment", "p", "strong", "ul", "li", "code", "h2"}


def test_metadata_of_another_program_does_no_harm(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    with database.connect() as connection:
        for metadata in ("[1, 2]", '"text"', '{"nodes": 5, "fingerprint": {"a": 1}}', "null"):
            name = issue(connection, "x", at(9), fingerprint=None)
            connection.execute("""UPDATE "LogIssue" SET metadata = %s::jsonb WHERE id = %s""", (metadata, name))
        refresh(connection, client, at(9, 1))

    assert len(github.issues) == 4


def test_what_joins_ends_and_returns_is_told_once_in_one_place(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        first = issue(connection, "New error", at(9), fingerprint="new-error:pattern:aaaa@blue")
        refresh(connection, client, at(9, 1))
        issue(connection, "Rate", at(9, 10), fingerprint="high-error-rate:node:blue")
        refresh(connection, client, at(9, 11))
        assert comments(github) == []  # another issue of the node is no news
        second = issue(connection, "New", at(9, 15), fingerprint="new-error:pattern:aaaa@green", nodes=["green"])
        assert refresh(connection, client, at(9, 16)).commented == [f"incident:{first}"]
        assert comments(github) == ["Now also on `green`. Seen at 2026-11-20 09:15 UTC."]
        assert "on blue, green" in github.issues[0]["title"]
        change(connection, second, status="resolved", resolvedAt=at(10))
        refresh(connection, client, at(10, 1))
        assert github.issues[0]["state"] == "open"

    assert (len(github.issues), len(github.comments[1])) == (1, 1)


def test_two_alerts_that_turn_out_to_be_one_go_on_under_the_older(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        first = issue(connection, "A", at(9), fingerprint="a:node:blue")
        refresh(connection, client, at(9, 1))
        second = issue(connection, "B", at(10), fingerprint="b:node:blue")
        assert refresh(connection, client, at(10, 1)).opened == [f"incident:{second}"]
        issue(connection, "C", at(9, 30), fingerprint="c:node:blue", severity="low")  # late lines
        assert refresh(connection, client, at(10, 6)).closed == [f"incident:{second}"]
        assert refresh(connection, client, at(10, 11)) == Alerts()
        earlier = issue(connection, "Z", at(8, 45), fingerprint="z:node:blue", severity="low")
        assert refresh(connection, client, at(10, 16)).updated == [f"incident:{first}"]

    assert [posted["state"] for posted in github.issues] == ["open", "closed"]
    assert "Merged into another incident with the same cause" in github.comments[2][0]["body"]
    assert f"`fleexmon incidents show {earlier}`" in github.issues[0]["body"]


def test_an_alert_of_an_earlier_version_is_carried_on_and_closed_in_order(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        names = [issue(connection, name, at(9), fingerprint=f"{name}:node:blue") for name in ("a", "b")]
        for name, row in zip(("a", "b"), names, strict=True):
            about = {
                "id": row,
                "severity": "high",
                "cause": "",
                "updated": at(9).isoformat(),
                "as_of": at(9).isoformat(),
            }
            enqueue(
                connection, f"issue:{name}:node:blue", DesiredIssue("old", "old", ["alert"], about=about), now=at(9)
            )
        deliver(connection, client, now=at(9, 1), sleep=lambda _: None)
        done = refresh(connection, client, at(9, 5))
        assert (done.opened, done.closed) == ([], ["issue:b:node:blue"])
        for row in names:
            change(connection, row, status="resolved", resolvedAt=at(10), updatedAt=at(10))
        assert refresh(connection, client, at(10, 1)).closed == ["issue:a:node:blue"]

    assert [posted["state"] for posted in github.issues] == ["closed", "closed"]


def test_an_alert_tells_all_that_somebody_without_a_shell_needs(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        lines = [
            Stored(at(9) + timedelta(seconds=n), message=f"payment {n} failed: token=abcdef123456 refused")
            for n in range(7)
        ]
        ids = store(connection, lines)
        name = issue(connection, "New error", at(9, 5), fingerprint="new-error:pattern:aaaa@blue", what="New error",
                     which="payment <num> failed")  # fmt: skip
        change(connection, name, affectedLogs=ids, rootCause="The gateway is down.")
        connection.execute("INSERT INTO \"Deployment\" VALUES ('blue', '1.4.2', %s, 'ann', 'person')", (at(8, 50),))
        account = refresh_alerts(connection, now=at(9, 6), ui_url="https://watch.example.com")
        deliver(connection, client, now=at(9, 6), sleep=lambda _: None)

    assert len(account.opened) == 1
    body = github.issues[0]["body"]
    assert github.issues[0]["title"].startswith("[high] New error on blue: payment <num> failed (")
    for text in (
        "**High** on `blue`. Open since 2026-11-20 09:00 UTC (5 min).",
        "- 09:00:00 `blue` `error` `payment 0 failed: token=",
        "- 08:50 deployment on `blue`: `1.4.2`",
        "## First steps\n\nDo this.",
        "## GenAI hypothesis (unverified)\n\nThe gateway is down.",
        f"`fleexmon incidents show {name}`, or https://watch.example.com/fleexmon/incidents/{name}",
    ):
        assert text in body
    assert body.count("payment") == 5  # lines
    assert "abcdef123456" not in body


def test_what_got_worse_while_muted_is_told_when_it_is_not_muted_any_more(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        name = issue(connection, "A", at(9))
        refresh(connection, client, at(9, 1))
        (scope,) = scopes_of(connection, [name])
        mute(connection, scope, by="ann", why="", now=at(9, 2), until=None)
        change(
            connection,
            name,
            severity="critical",
            metadata=Jsonb({"fingerprint": "rule:node:blue", "nodes": ["blue", "green"]}),
        )
        assert refresh(connection, client, at(9, 3)).commented == []
        assert github.issues[0]["title"].startswith("[critical] A on blue, green")
        unmute(connection, scope, by="ann", now=at(9, 4))
        assert len(refresh(connection, client, at(9, 5)).commented) == 1
        assert refresh(connection, client, at(9, 6)) == Alerts()

    assert comments(github)[0].startswith("Severity rose from high to critical")


def test_a_severity_that_falls_and_rises_is_told_once(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        name = issue(connection, "A", at(9))
        refresh(connection, client, at(9, 1))
        for minute, severity in enumerate(("critical", "low", "critical", "high", "critical"), 2):
            change(connection, name, severity=severity)
            refresh(connection, client, at(9, minute))
            assert github.issues[0]["title"].startswith(f"[{severity}]")
            assert severity in {label["name"] for label in github.issues[0]["labels"]}

    assert len(comments(github)) == 1

"""GitHub gets the desired state, each step once, whatever GitHub does meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.reporting.github import GitHubClient
from fleexmon_pipeline.reporting.outbox import Delivery, DesiredIssue, deliver, enqueue, marker
from fleexmon_pipeline.settings import GitHubSettings
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.github_server import REPO, TOKEN, FakeGitHub
from fleexmon_pipeline_tests.reporting.rows import NEXT_MORNING as NOW

DESIRED = DesiredIssue("A title", "A body\n", ("monitoring", "digest"))


def run(connection: Connection, client: GitHubClient, *, minutes: float = 0) -> Delivery:
    return deliver(connection, client, now=NOW + timedelta(minutes=minutes), sleep=lambda _: None)


def test_an_issue_is_created_once_and_then_left_alone(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        assert enqueue(connection, "digest:2026-11-20", DESIRED, now=NOW)
        first = run(connection, client)
        assert not enqueue(connection, "digest:2026-11-20", DESIRED, now=NOW)
        asked = len(github.requests)
        second = run(connection, client)
        row = connection.execute("""SELECT number, url, attempts, "lastError" FROM "Outbox" """).fetchone()

    assert (first.sent, second.sent, second.unchanged) == (["digest:2026-11-20"], [], 1)
    assert len(github.requests) == asked
    assert [issue["title"] for issue in github.issues] == ["A title"]
    assert github.issues[0]["body"] == "<!-- fleexmon:digest:2026-11-20 -->\nA body\n"
    assert row == {"number": 1, "url": f"https://github.com/{REPO}/issues/1", "attempts": 0, "lastError": None}
    assert {request.user_agent for request in github.requests} == {"fleexmon-pipeline"}


def test_a_changed_wish_edits_the_issue_and_keeps_what_people_did(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        enqueue(connection, "k", DESIRED, now=NOW)
        run(connection, client)
        github.issues[0]["labels"].append({"name": "ours"})
        github.issues[0]["state"] = "closed"  # by a person
        enqueue(connection, "k", DesiredIssue("A title", "Better", ("monitoring", "new"), comment="Look."), now=NOW)
        run(connection, client)

    assert [label["name"] for label in github.issues[0]["labels"]] == ["monitoring", "new", "ours"]
    assert github.issues[0]["state"] == "closed"
    assert github.issues[0]["body"].endswith("\nBetter")
    assert [comment["body"].partition("\n")[2] for comment in github.comments[1]] == ["Look."]


def test_github_down_is_written_down_and_made_good_later(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        enqueue(connection, "k", DESIRED, now=NOW)
        github.fail("*", status=500, times=99)
        down = run(connection, client)
        asked = len(github.requests)
        too_early = run(connection, client, minutes=0.5)
        assert len(github.requests) == asked
        github.faults.clear()
        up = run(connection, client, minutes=2)

    assert list(down.failed) == ["k"]
    assert "GitHub responded with 500" in down.failed["k"]
    assert (too_early.sent, too_early.waiting) == ([], 1)
    assert (up.sent, up.waiting, len(github.issues)) == (["k"], 0, 1)


def test_a_host_that_is_not_there(database: Database) -> None:
    nobody = GitHubClient(GitHubSettings(REPO, TOKEN, "http://127.0.0.1:9"), timeout=2)
    with database.connect() as connection:
        enqueue(connection, "k", DESIRED, now=NOW)
        enqueue(connection, "k2", DESIRED, now=NOW)
        account = run(connection, nobody)
        row = connection.execute("""SELECT "lastError" AS error FROM "Outbox" WHERE key = 'k'""").fetchone()

    assert row is not None
    assert "no response from GitHub" in row["error"]
    assert TOKEN not in row["error"]
    assert (list(account.failed), account.waiting) == (["k"], 2)  # the second would fail alike: not tried


def test_an_answer_lost_after_create_makes_no_second_issue(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    for number in range(7):
        github.add(f"older {number}", labels=("monitoring", "digest"))
    github.page = 3  # ours is on the third page
    github.fail("POST", "/issues", after=True)
    with database.connect() as connection:
        enqueue(connection, "k", DESIRED, now=NOW)
        lost = run(connection, client)
        found = run(connection, client, minutes=5)

    assert list(lost.failed) == ["k"]
    assert found.sent == ["k"]
    assert [issue["title"] for issue in github.issues].count("A title") == 1
    assert sum(request.method == "POST" for request in github.requests) == 1


def test_an_answer_lost_after_a_comment_makes_no_second_comment(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    with database.connect() as connection:
        enqueue(connection, "k", DESIRED, now=NOW)
        run(connection, client)
        github.fail("POST", "/comments", after=True)
        enqueue(connection, "k", DesiredIssue("A title", "A body\n", DESIRED.labels, "closed", "It is over."), now=NOW)
        run(connection, client)
        assert github.issues[0]["state"] == "open"
        run(connection, client, minutes=5)

    assert len(github.comments[1]) == 1
    assert github.issues[0]["state"] == "closed"


def test_two_deliverers_at_once_post_once(database: Database, github: FakeGitHub) -> None:
    both = threading.Barrier(2)
    github.before_create = lambda: threading.Event().wait(0.3)  # type: ignore[assignment]
    with database.connect() as connection:
        for key in ("a", "b"):
            enqueue(connection, key, DesiredIssue(key, "", DESIRED.labels), now=NOW)

    def one(_: int) -> list[str]:
        with database.connect() as connection:
            both.wait()
            client = GitHubClient(GitHubSettings(REPO, TOKEN, github.url), timeout=5)
            return run(connection, client).sent

    with ThreadPoolExecutor(2) as pool:
        sent = sorted(key for keys in pool.map(one, range(2)) for key in keys)

    assert sent == ["a", "b"]
    assert sorted(issue["title"] for issue in github.issues) == ["a", "b"]


@pytest.mark.parametrize("status", [403, 429])
def test_a_rate_limit_holds_every_key_as_long_as_github_asked(
    database: Database, github: FakeGitHub, client: GitHubClient, status: int
) -> None:
    github.fail("POST", status=status, headers={"Retry-After": "600"}, message="You exceeded a secondary rate limit")
    with database.connect() as connection:
        for key in ("a", "b"):
            enqueue(connection, key, DesiredIssue(key, "", DESIRED.labels), now=NOW)
        limited = run(connection, client)
        asked = len(github.requests)
        run(connection, client, minutes=9.9)
        assert len(github.requests) == asked
        later = run(connection, client, minutes=10.1)

    assert list(limited.failed) == ["a"]
    assert later.sent == ["a", "b"]


def test_a_rate_limit_that_has_passed_is_not_waited_for_again(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    """After an outage of hours the next delay of ours would be an hour; GitHub asks for a minute."""
    with database.connect() as connection:
        enqueue(connection, "k", DESIRED, now=NOW)
        connection.execute("""UPDATE "Outbox" SET attempts = 9""")
        github.fail("POST", status=403, headers={"Retry-After": "60"}, message="You exceeded a secondary rate limit")
        limited = run(connection, client)
        later = run(connection, client, minutes=1.1)

    assert list(limited.failed) == ["k"]
    assert later.sent == ["k"]


def test_a_person_waits_for_github_alone(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    def by_hand(minutes: float) -> Delivery:
        return deliver(connection, client, now=NOW + timedelta(minutes=minutes), sleep=lambda _: None, by_hand=True)

    with database.connect() as connection:
        for key in ("a", "b"):
            enqueue(connection, key, DesiredIssue(key, "", DESIRED.labels), now=NOW)
        github.fail("*", status=401, message="Bad credentials")
        assert list(run(connection, client).failed) == ["a"]
        connection.execute("""UPDATE "Outbox" SET "nextAttemptAt" = %s""", [NOW + timedelta(hours=1)])
        github.fail("POST", status=403, headers={"Retry-After": "600"}, message="You exceeded a secondary rate limit")
        assert list(by_hand(1).failed) == ["a"]  # the token is mended; now there is another reason
        asked = len(github.requests)
        assert (by_hand(10).sent, by_hand(10).failed, len(github.requests)) == ([], {}, asked)

        assert by_hand(11.1).sent == ["a", "b"]


def test_one_that_github_refuses_does_not_stop_the_others(
    database: Database, github: FakeGitHub, client: GitHubClient
) -> None:
    github.fail("POST", status=422, message="Validation Failed")
    with database.connect() as connection:
        for key in ("a", "b"):
            enqueue(connection, key, DesiredIssue(key, "", DESIRED.labels), now=NOW)
        account = run(connection, client)

    assert (list(account.failed), account.sent) == (["a"], ["b"])


def test_waits_double_up_to_an_hour(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    github.fail("*", status=401, times=99, message="Bad credentials")
    waits = []
    with database.connect() as connection:
        enqueue(connection, "k", DESIRED, now=NOW)
        now = NOW
        for _ in range(9):
            deliver(connection, client, now=now, sleep=lambda _: None)
            row = connection.execute("""SELECT "nextAttemptAt" AS next FROM "Outbox" """).fetchone()
            assert row is not None
            waits.append((row["next"] - now) / timedelta(minutes=1))
            now = row["next"]

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_answer_that_is_not_githubs(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    github.fail("GET", status=200, text="<html>Please log in</html>", times=9)
    with database.connect() as connection:
        enqueue(connection, "k", DESIRED, now=NOW)
        account = run(connection, client)

    assert list(account.failed) == ["k"]
    assert github.issues == []


def test_a_deleted_issue_is_not_posted_again(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    with database.connect() as connection:
        enqueue(connection, "k", DESIRED, now=NOW)
        run(connection, client)
        github.issues[0]["state"] = "deleted"
        enqueue(connection, "k", DesiredIssue("Other", "Other", DESIRED.labels), now=NOW)
        account = run(connection, client)
        again = run(connection, client)

    assert (account.sent, account.failed, again.sent, len(github.issues)) == (["k"], {}, [], 1)


def test_limits_of_github_are_kept(database: Database, github: FakeGitHub, client: GitHubClient) -> None:
    with database.connect() as connection:
        enqueue(connection, "k", DesiredIssue("t" * 999, "b" * 99_999, ("monitoring", "l" * 99)), now=NOW)
        assert run(connection, client).sent == ["k"]

    assert len(github.issues[0]["body"]) == 65_536


def test_writes_are_a_second_apart(database: Database, client: GitHubClient) -> None:
    pauses: list[float] = []
    with database.connect() as connection:
        for key in ("a", "b"):
            enqueue(connection, key, DesiredIssue(key, "", DESIRED.labels), now=NOW)
        deliver(connection, client, now=NOW, sleep=pauses.append)

    assert pauses == [1.0, 1.0]


def test_a_marker_stays_a_comment_whatever_the_key() -> None:
    for key in ("issue:a-->b<script>", "issue:--", "issue:" + "x" * 999, "issue:pattern:1f2e@blue"):
        inside = marker(key).removeprefix("<!-- ").removesuffix(" -->")
        assert "--" not in inside
        assert not set(inside) & set("<> \n")
    assert marker("issue:a") != marker("issue:b")

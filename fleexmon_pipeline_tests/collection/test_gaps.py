"""An hour that was given up is one issue with all its hours, until it is collected or its grace period ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fleexmon_pipeline.catch_up import MAX_ATTEMPTS, backoff
from fleexmon_pipeline.collection.gaps import GRACE, RULE, given_up, note_gaps, rules_but_gaps
from fleexmon_pipeline.issues.lifecycle import reconcile, write_occurrences
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity, Subject
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window
from fleexmon_pipeline_tests import stories
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN

SINCE = TEN - 10 * DAY
ISSUES = """SELECT type, severity, source, status, title, description, "detectedAt", "resolvedAt", "affectedLogs",
  metadata ->> 'fingerprint' AS fingerprint FROM "LogIssue" ORDER BY "detectedAt", title"""


def cover(
    database: Database, since: datetime, until: datetime, *, node: str = "blue", status: str = "missing",
    attempts: int = MAX_ATTEMPTS, error: str | None = "HTTP 404",
) -> None:  # fmt: skip
    with database.connect() as connection:
        given = error if status in ("missing", "partial") else None
        stories.cover(connection, Window(since, until), node, status, attempts=attempts, error=given, updated=TEN)


def note(database: Database, *, now: datetime = TEN + 4 * HOUR) -> frozenset[str]:
    with database.connect() as connection:
        subjects = note_gaps(connection, since=SINCE)
        reconcile(connection, subjects, now=now)
        return subjects


def test_an_hour_given_up_is_one_issue_that_says_what_is_missing(database: Database) -> None:
    cover(database, TEN - HOUR, TEN, status="complete")
    cover(database, TEN, TEN + 2 * HOUR)
    cover(database, TEN + 2 * HOUR, TEN + 3 * HOUR, status="complete")
    cover(database, TEN + 3 * HOUR, TEN + 3 * HOUR + SLOT, status="partial", error="broke off")

    assert note(database) == {"node:blue"}

    [issue] = database.rows(ISSUES)
    assert issue == {
        "type": RULE, "severity": "medium", "source": "detector", "status": "open", "affectedLogs": [],
        "title": "Collection failed on blue: the lines of 3 hours are missing", "detectedAt": TEN + SLOT,
        "resolvedAt": None,
        "fingerprint": "collection-gap:node:blue", "description": issue["description"],
    }  # fmt: skip
    told = str(issue["description"])
    assert "- 2026-11-20 10:00-12:00 UTC\n- 2026-11-20 13:00-14:00 UTC" in told
    assert told.endswith("Last error: broke off")


def test_said_once_and_not_written_again(database: Database) -> None:
    cover(database, TEN, TEN + HOUR)
    note(database)
    tables = ('"IssueOccurrence"', '"LogIssue"', '"IssueEpisode"')
    before = database.fingerprint(*tables)

    assert note(database) == frozenset()
    assert database.fingerprint(*tables) == before


@pytest.mark.parametrize("attempts", [1, MAX_ATTEMPTS - 1])
def test_an_hour_that_is_still_asked_for_is_none(attempts: int, database: Database) -> None:
    cover(database, TEN, TEN + HOUR)
    cover(database, TEN + HOUR - SLOT, TEN + HOUR, attempts=attempts)

    assert note(database) == frozenset()
    assert database.rows(ISSUES) == []


def test_nodes_have_issues_of_their_own_and_days_apart_are_two(database: Database) -> None:
    cover(database, TEN, TEN + HOUR)
    cover(database, TEN, TEN + HOUR, node="green")
    cover(database, TEN - 7 * DAY, TEN - 7 * DAY + 2 * HOUR)
    cover(database, TEN - 7 * DAY + 2 * HOUR, TEN, status="empty")

    note(database)

    assert [(row["title"], row["status"]) for row in database.rows(ISSUES)] == [
        ("Collection failed on blue: the lines of 2 hours are missing", "resolved"),
        ("Collection failed on blue: the lines of 1 hour are missing", "open"),
        ("Collection failed on green: the lines of 1 hour are missing", "open"),
    ]


def test_what_is_made_good_is_no_issue_and_the_others_say_so(database: Database) -> None:
    cover(database, TEN, TEN + 3 * HOUR)
    note(database)

    cover(database, TEN, TEN + HOUR, status="complete")
    note(database)
    [issue] = database.rows(ISSUES)
    assert issue["title"] == "Collection failed on blue: the lines of 2 hours are missing"
    assert issue["detectedAt"] == TEN + HOUR + SLOT

    cover(database, TEN + HOUR, TEN + 3 * HOUR, status="empty")
    note(database)
    assert database.rows(ISSUES) == []


def test_it_ends_by_grace_over_lines_that_are_known_and_only_then(database: Database) -> None:
    cover(database, TEN, TEN + HOUR)
    note(database)
    cover(database, TEN + HOUR, TEN + HOUR + GRACE, status="complete")
    with database.connect() as connection:
        reconcile(connection, {"node:blue"}, now=TEN + GRACE)
        assert database.rows(ISSUES)[0]["status"] == "open"
        reconcile(connection, {"node:blue"}, now=TEN + HOUR + GRACE)

    assert database.rows(ISSUES)[0]["status"] == "resolved"


def test_it_is_open_for_a_day_at_least_after_the_last_try() -> None:
    given_up_after = sum((backoff(attempt) for attempt in range(MAX_ATTEMPTS)), timedelta())

    assert given_up_after + DAY < GRACE


def test_a_secret_in_an_answer_goes_no_further(database: Database) -> None:
    cover(database, TEN, TEN + HOUR, error="HTTP 403: password=hunter2hunter2 is wrong")
    note(database)

    assert "hunter2" not in str(database.rows(ISSUES))


def firing(slot: datetime, rule: str) -> Occurrence:
    return Occurrence(
        rule=rule, rule_version="1", source="detector", type=rule, subject=Subject("blue"), slot=slot,
        severity=Severity.LOW, title=rule, description=rule, nodes=["blue"], grace=HOUR, affected=1,
    )  # fmt: skip


def test_detectors_and_gaps_never_erase_each_other(database: Database) -> None:
    window = Window(TEN, TEN + HOUR)
    names = 'SELECT rule FROM "IssueOccurrence" ORDER BY rule'
    with database.connect() as connection:
        for rules in (["loud", "gone"], ["loud"]):  # a rule of which the file was deleted meanwhile
            cover(database, TEN, TEN + HOUR)
            write_occurrences(
                connection, [firing(TEN, rule) for rule in rules], source="detector", window=window,
                rules=rules_but_gaps(connection, rules, window),
            )  # fmt: skip
            note(database)
            assert [row["rule"] for row in database.rows(names)] == sorted([RULE, *rules])
        assert [each.hour for each in given_up(connection, since=SINCE)] == [TEN]

"""The same message within a day is the same issue; a node's rate or silence is not."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from fleexmon_pipeline.issues.lifecycle import reconcile
from fleexmon_pipeline.issues.occurrence import Subject
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import HOUR, NODE, PATTERN, at, cover, fire, firing, issues, settle

AN_HOUR, A_DAY = 12, 288  # slots
TABLES = '"LogIssue"', '"IssueEpisode"', '"IssueOccurrence"'


def test_an_issue_that_returns_after_five_hours_is_opened_again(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(2 * AN_HOUR))
        fire(connection, firing(0))
        (resolved,) = issues(connection)
        cover(connection, range(2 * AN_HOUR, 5 * AN_HOUR + 1))
        done = fire(connection, firing(5 * AN_HOUR))
        (again,) = issues(connection)
        cover(connection, range(5 * AN_HOUR + 1, 7 * AN_HOUR))
        settle(connection)
        (over,) = issues(connection)

    assert (resolved["status"], resolved["resolvedAt"]) == ("resolved", at(1) + HOUR)
    assert (again["id"], again["status"], again["resolvedAt"]) == (resolved["id"], "open", None)
    assert (again["detectedAt"], again["updatedAt"]) == (at(1), at(5 * AN_HOUR + 1))
    assert (again["metadata"]["occurrences"], "autoResolved" in again["metadata"]) == (2, False)
    assert (done.opened, done.updated) == (0, 1)
    assert (over["status"], over["resolvedAt"]) == ("resolved", at(5 * AN_HOUR + 1) + HOUR)


@pytest.mark.parametrize(("apart", "rows"), [(A_DAY, 1), (A_DAY + 1, 2), (2 * A_DAY, 2)])
def test_after_a_day_it_is_a_new_one(database: Database, apart: int, rows: int) -> None:
    with database.connect() as connection:
        cover(connection, range(apart + 1))
        fire(connection, firing(0), firing(apart))
        found = issues(connection)
    assert len(found) == rows
    assert [issue["metadata"].get("regressionOf") for issue in found] == [None] * rows


def test_a_day_is_counted_from_the_last_time(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(2 * A_DAY))
        fire(connection, *[firing(slot) for slot in (0, 250, 500)])
        assert len(issues(connection)) == 1


def test_a_day_is_of_what_is_known(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, [0, *range(A_DAY, A_DAY + 20)])
        fire(connection, firing(0), firing(A_DAY + 10))
        assert len(issues(connection)) == 1
        cover(connection, range(1, A_DAY))
        settle(connection, [str(PATTERN)])
        assert len(issues(connection)) == 2


@pytest.mark.parametrize("subject", [NODE, Subject()])
def test_of_a_node_or_the_fleet_the_grace_holds(database: Database, subject: Subject) -> None:
    with database.connect() as connection:
        cover(connection, range(6 * AN_HOUR))
        fire(connection, *[firing(slot, subject=subject) for slot in (0, 5 * AN_HOUR)])
        assert len(issues(connection)) == 2


def test_messages_of_other_nodes_and_other_messages_are_other_issues(database: Database) -> None:
    with database.connect() as connection:
        for node in ("blue", "green"):
            cover(connection, range(6 * AN_HOUR), node=node)
        fire(connection, firing(0), firing(5 * AN_HOUR, subject=Subject("green", "1f2e")),
             firing(5 * AN_HOUR, subject=Subject("blue", "3c4d")))  # fmt: skip
        assert len(issues(connection)) == 3


def test_what_a_person_resolved_is_not_opened_again(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(6 * AN_HOUR))
        fire(connection, firing(0))
        connection.execute(
            """UPDATE "LogIssue" SET status = 'resolved', "resolvedAt" = %s, metadata = metadata - 'autoResolved'""",
            [at(3)],
        )
        assert fire(connection, firing(5 * AN_HOUR)).regressed == 1
        old, new = issues(connection)
    assert (old["status"], new["status"], new["metadata"]["regressionOf"]) == ("resolved", "open", str(old["id"]))


def test_a_late_run_with_an_older_now_changes_nothing(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(7 * AN_HOUR))
        fire(connection, firing(0), firing(5 * AN_HOUR))
        before = database.fingerprint(*TABLES)
        reconcile(connection, [str(PATTERN)], now=at(3 * AN_HOUR))
        assert database.fingerprint(*TABLES) == before


def test_any_order_of_windows_gives_the_same_rows(database: Database) -> None:
    """Twenty hours, a quiet day, five hours: three times two issues, in all orders of their windows."""
    slots = (0, 7 * AN_HOUR, 20 * AN_HOUR, 46 * AN_HOUR, 51 * AN_HOUR)
    rnd = random.Random(3)
    with database.connect() as connection:
        found = []
        for order in [tuple(range(5)), *rnd.sample(list(permutations(range(5))), 12)]:
            connection.execute('TRUNCATE "LogIssue", "IssueEpisode", "IssueOccurrence", "LogCoverage"')
            cover(connection, range(60 * AN_HOUR))
            for place in (*order, order[0]):
                window = Window(at(slots[place]), at(slots[place] + AN_HOUR))
                said = [firing(slots[place], subject=subject) for subject in (PATTERN, NODE)]
                fire(connection, *said, window=window)
            found.append(issues(connection))
        assert len(found[0]) == 2 + 5
        assert all(rows == found[0] for rows in found)

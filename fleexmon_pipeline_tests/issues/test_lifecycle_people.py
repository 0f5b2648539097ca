"""Changes of people and other programs to issues are kept: resolved, deleted, or made by the original."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.issues.lifecycle import resolve_foreign_issues, write_occurrences
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import HOUR, at, cover, fire, firing, issues, settle
from fleexmon_pipeline_tests.stories import TEN

A_DAY = 288  # slots
TABLES = '"LogIssue"', '"IssueEpisode"', '"IssueOccurrence"'


def _resolve(connection: Connection, slot: int | None) -> None:
    """As a person does in another program."""
    when = at(slot) if slot is not None else None
    connection.execute("""UPDATE "LogIssue" SET status = 'resolved', "resolvedAt" = %s WHERE status = 'open'""", [when])


@pytest.mark.parametrize("when", [2, None])
def test_what_a_person_resolved_stays_and_firing_later_is_a_regression(database: Database, when: int | None) -> None:
    with database.connect() as connection:
        cover(connection, range(6))
        fire(connection, firing(0), firing(1))
        _resolve(connection, when)
        (resolved,) = issues(connection)
        assert settle(connection, ["pattern:1f2e@blue"]).sentence() == "issues: no change (0 unchanged)"
        done = fire(connection, *[firing(slot) for slot in range(5)])
        old, new = issues(connection)

        assert old == resolved
        assert (done.regressed, new["status"], new["detectedAt"]) == (1, "open", at(3))
        assert new["metadata"]["regressionOf"] == str(old["id"])

        before = database.fingerprint(*TABLES)
        fire(connection, *[firing(slot) for slot in range(5)])
        assert database.fingerprint(*TABLES) == before


def test_a_resolved_row_is_kept_when_its_firings_are_said_no_longer(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(6))
        fire(connection, firing(0))
        _resolve(connection, 1)
        before = issues(connection)
        fire(connection, window=Window(at(0), at(1)))
        assert issues(connection) == before


def test_a_person_who_resolves_during_a_reconcile_is_not_overwritten(database: Database) -> None:
    with database.connect() as connection, database.connect() as person:
        cover(connection, range(6))
        fire(connection, firing(0))
        write_occurrences(connection, [firing(1)], source="detector", window=Window(at(1), at(2)))
        with person.transaction():
            _resolve(person, 2)
            thread = threading.Thread(target=settle, args=(connection,))
            thread.start()
            thread.join(0.2)
            assert thread.is_alive()  # it waits for the person
        thread.join()
        assert [issue["status"] for issue in issues(person)] == ["resolved"]


def test_a_row_that_another_program_deleted_is_not_made_again(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(320))
        fire(connection, firing(2))
        connection.execute('DELETE FROM "LogIssue"')
        for slots in ([2], [2, 3], [1, 2, 3, 9]):  # longer, at both ends, and still the same
            fire(connection, *[firing(slot) for slot in slots])
            assert issues(connection) == []
        fire(connection, firing(10 + A_DAY))  # a day after the last
        assert [issue["detectedAt"] for issue in issues(connection)] == [at(11 + A_DAY)]


def test_open_rows_of_the_original_end_by_the_grace_of_their_source(database: Database) -> None:
    with database.connect() as connection:
        for source, status, metadata in [
            ("detector", "open", None), ("detector", "open", "[1]"), ("predictor", "open", '{"occurrences": 3}'),
            ("genai", "open", "{}"), ("detector", "open", '{"fingerprint": "x:fleet"}'), ("ops", "open", None),
        ]:  # fmt: skip
            connection.execute(
                'INSERT INTO "LogIssue" (type, severity, title, description, source, status, "detectedAt", "updatedAt",'
                " metadata) VALUES ('t', 'low', '', '', %s, %s, %s, %s, %s::jsonb)",
                [source, status, at(-9), at(0), metadata],
            )
        counts = [
            resolve_foreign_issues(connection, now=TEN + timedelta(minutes=minutes))
            for minutes in (59, 60, 359, 360, 1440, 1440)
        ]
        found = connection.execute("""SELECT * FROM "LogIssue" WHERE status = 'resolved' ORDER BY source""").fetchall()
    assert counts == [0, 2, 0, 1, 1, 0]
    assert [row["resolvedAt"] - TEN for row in found] == [HOUR, HOUR, 24 * HOUR, 6 * HOUR]
    assert found[3]["metadata"] == {
        "occurrences": 3, "autoResolved": True, "resolvedReason": "Not detected again for 6 hours",
    }  # fmt: skip

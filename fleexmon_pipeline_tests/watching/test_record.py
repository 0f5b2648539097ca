"""Problems of the pipeline are issues of a node: they open, last, resolve, and a rerun changes no row."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from fleexmon_pipeline.catch_up import note_waiting
from fleexmon_pipeline.channels.outbox import deliver_messages, enqueue_messages
from fleexmon_pipeline.collection.gaps import rules_but_gaps
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.issues.lifecycle import newest_covered, open_subjects, reconcile, write_occurrences
from fleexmon_pipeline.watching.conditions import Facts, JobRuns, Problem, problems
from fleexmon_pipeline.watching.record import complete, record
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.channels.conftest import opened
from fleexmon_pipeline_tests.channels.receivers import Receiver, message
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN as NOW
from fleexmon_pipeline_tests.stories import cover

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TABLES = ('"LogIssue"', '"IssueOccurrence"', '"IssueEpisode"')


def failing(now: datetime) -> list[Problem]:
    return problems(Facts(jobs=[JobRuns("monitoring", [(now - MINUTE, False), (now - 2 * MINUTE, False)])]), now=now)


def issues(connection: Connection) -> list[tuple[str, str, str]]:
    rows = connection.execute('SELECT type, status, "detectedAt"::text AS at FROM "LogIssue" ORDER BY at')
    return [(row["type"], row["status"], row["at"]) for row in rows]


def test_a_problem_is_one_issue_that_ends_with_it(database: Database) -> None:
    with database.connect() as connection:
        for minutes in range(0, 60, 2):
            record(connection, failing(NOW + minutes * MINUTE), now=NOW + minutes * MINUTE)
        lasting = issues(connection)
        for minutes in range(60, 90, 2):
            record(connection, [], now=NOW + minutes * MINUTE)
        over = issues(connection)
        (row,) = connection.execute('SELECT title, source, severity, metadata FROM "LogIssue"').fetchall()

    assert lasting == [("pipeline-runs-fail", "open", "2026-11-20 10:00:00")]
    assert over == [("pipeline-runs-fail", "resolved", "2026-11-20 10:00:00")]
    assert (row["title"], row["source"], row["severity"]) == (
        "Runs fail on fleexmon: monitoring (2x)", "detector", "high"
    )  # fmt: skip
    assert (row["metadata"]["nodes"], row["metadata"]["rule"]) == (["fleexmon"], "pipeline-runs-fail")


def test_recording_the_same_again_changes_no_row(database: Database) -> None:
    with database.connect() as connection:
        record(connection, failing(NOW), now=NOW)
        before = database.fingerprint(*TABLES)
        record(connection, failing(NOW), now=NOW + MINUTE)

    assert database.fingerprint(*TABLES) == before


def test_what_detection_does_with_nodes_does_not_touch_it(database: Database) -> None:
    """Its `now` is the newest covered slot and may lag hours behind; the monitor has no lines that could be missing."""
    with database.connect() as connection:
        cover(connection, Window(NOW - 3 * HOUR, NOW - 2 * HOUR))
        record(connection, failing(NOW), now=NOW)
        for minutes in range(2, 40, 2):
            record(connection, [], now=NOW + minutes * MINUTE)
        resolved = issues(connection)
        covered = newest_covered(connection)
        assert covered is not None
        reconcile(connection, {"node:fleexmon", *open_subjects(connection)}, now=covered)

        assert issues(connection) == resolved
        assert [status for _, status, _ in resolved] == ["resolved"]


def test_a_rerun_of_detection_takes_nothing_away(database: Database) -> None:
    """It replaces the occurrences of its rules, also of those that no longer exist."""
    with database.connect() as connection:
        record(connection, failing(NOW), now=NOW)
        slots = Window(NOW - HOUR, NOW)
        replaced = rules_but_gaps(connection, ["new-error"], slots)
        write_occurrences(connection, [], source="detector", window=slots, rules=replaced)
        reconcile(connection, open_subjects(connection), now=NOW)

        assert [status for _, status, _ in issues(connection)] == ["open"]


def test_facts_of_the_tables_are_added(database: Database, tmp_path: Path) -> None:
    with database.connect() as connection, Receiver() as receiver:
        for hours in range(30):
            note_waiting(connection, "analyzed_logs", NOW - (hours + 2) * HOUR, "down", now=NOW)
        channel = opened(f"json://{receiver.host_port}/x")
        receiver.fail(500)
        enqueue_messages(connection, [message()], [channel], now=NOW)
        deliver_messages(connection, [channel], now=NOW)

        facts = complete(connection, Facts(), channels=["ops"], home=tmp_path / "none", now=NOW + HOUR)
        without = complete(connection, Facts(), channels=[], home=tmp_path, now=NOW + HOUR)

    assert len(facts.waiting_for_analysis) == facts.backlog == 30
    assert [(one.name, one.since, one.waiting) for one in facts.channels] == [("ops", NOW, 1)]
    assert without.channels == [], "a channel that is no longer configured is nobody's problem"
    assert facts.disk is not None
    assert facts.disk.total > facts.disk.free > 0
    assert [problem.name for problem in problems(facts, now=NOW + HOUR)][:3] == [
        "pipeline-analysis-waits", "pipeline-backlog", "pipeline-channel-fails"
    ]  # fmt: skip


def test_the_disk_is_sampled_once_an_hour(database: Database, tmp_path: Path) -> None:
    with database.connect() as connection:
        for minutes in range(0, 24 * 60, 10):
            complete(connection, Facts(), channels=[], home=tmp_path, now=NOW + minutes * MINUTE)
        rows = connection.execute('SELECT count(*) AS n FROM "DiskSample"').fetchone()
        assert rows == {"n": 24}
        complete(connection, Facts(), channels=[], home=tmp_path, now=NOW + timedelta(days=40))
        rows = connection.execute('SELECT count(*) AS n FROM "DiskSample"').fetchone()

    assert rows == {"n": 1}
    assert SLOT == 5 * MINUTE

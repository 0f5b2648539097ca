"""A cold day is moved to its file and restored equal; no failure in between loses a line."""

from __future__ import annotations

import stat
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fleexmon_pipeline.archive.days import archived_days, one_day
from fleexmon_pipeline.archive.files import DayFile, problem_of
from fleexmon_pipeline.archive.storage import ArchiveError, Directory, beside
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.line_days import make_days
from fleexmon_pipeline.retention import cold_days
from fleexmon_pipeline.retention.cold_days import (
    archive_day,
    delete_stale_files,
    expire_days,
    restore_day,
    waiting_days,
)
from fleexmon_pipeline.retention.days import days_of_lines
from fleexmon_pipeline.window import DAY, Window
from fleexmon_pipeline_tests.archive.conftest import COLD, NOW, archive, content, number, put
from fleexmon_pipeline_tests.conftest import Database

ISSUE = b"""
    INSERT INTO "LogIssue" (type, severity, title, description, source, "detectedAt", "updatedAt", "affectedLogs")
    SELECT 't', 'low', '', '', 'ops', now(), now(), array_agg(id) FROM "LogEntry" WHERE message LIKE 'Order 1_ %'
"""


def test_a_day_comes_back_equal_whatever_other_programs_stored(
    full: Database, storage: Directory, tmp_path: Path
) -> None:
    before = content(full)

    told = archive(full, storage)

    assert "archived 209 lines in 2026/11/2026-11-10." in told
    assert told.endswith("removed 209 lines from the table")
    assert number(full) == 2
    with full.connect() as connection:
        (day,) = archived_days(connection, None, None)
        assert problem_of(storage, day) is None
        assert (tmp_path / "archive" / day.file).stat().st_size == day.bytes
        assert stat.S_IMODE((tmp_path / "archive" / day.file).stat().st_mode) == 0o600
        tried = restore_day(connection, storage, day, dry_run=True)
        assert number(full) == 2
        restored = restore_day(connection, storage, day)
        assert archived_days(connection, None, None) == []
    assert (restored.lines, restored.added, restored.differing) == (209, 209, 0)
    assert vars(tried) == vars(restored)
    assert content(full) == before


def test_what_is_not_analyzed_or_evidence_of_an_open_issue_stays(full: Database, storage: Directory) -> None:
    with full.connect() as connection:
        put(connection, COLD.since + timedelta(hours=5, seconds=1), "waits", analyzed=False)
        connection.execute(ISSUE)

    told = archive(full, storage)

    assert told.endswith("still there: 1 line not analyzed yet, 10 lines evidence of open issues")
    assert number(full) == 13
    assert "nothing new to archive" in archive(full, storage)  # evidence alone does not write a file again
    with full.connect() as connection:
        assert waiting_days(connection, now=NOW, hot_days=5, days=30, limit=9) == [COLD.since - DAY, COLD.until]
        connection.execute("UPDATE \"LogIssue\" SET status = 'resolved'")
        assert waiting_days(connection, now=NOW, hot_days=5, days=30, limit=9) == [
            COLD.since - DAY, COLD.since, COLD.until,
        ]  # fmt: skip
    assert archive(full, storage).endswith("removed 10 lines from the table; still there: 1 line not analyzed yet")


def test_late_lines_are_merged_by_the_next_run_and_what_the_table_says_wins(full: Database, storage: Directory) -> None:
    archive(full, storage)
    with full.connect() as connection:
        (first,) = archived_days(connection, None, None)
        restore_day(connection, storage, first)
        connection.execute("DELETE FROM \"LogEntry\" WHERE message LIKE 'Order 1%%' AND timestamp < %s", [COLD.until])
        connection.execute("UPDATE \"LogEntry\" SET message = 'corrected' WHERE message = 'Order 2 shipped'")
        put(connection, COLD.since + timedelta(hours=5, seconds=1), "late")

    told = archive(full, storage)

    assert "archived 2 lines in" in told
    assert "the archive holds 210 lines" in told
    with full.connect() as connection:
        (second,) = archived_days(connection, None, None)
        assert second.stale == [first.file]
        assert storage.size(first.file) == first.bytes  # somebody may be reading it
        assert delete_stale_files(connection, storage, [second]) == 1
        assert (storage.size(first.file), storage.size(second.file)) == (None, second.bytes)
        assert storage.size(beside(first.file)) is None
        assert storage.size(beside(second.file))
        restore_day(connection, storage, second)
        texts = {row["message"] for row in connection.execute('SELECT message FROM "LogEntry"')}
    assert {"late", "corrected", "Order 1 shipped", "Order 199 shipped"} <= texts
    assert "Order 2 shipped" not in texts
    assert number(full) == 212


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["write_day", "_record", "open_day", "remove_day"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_dies_at_any_step_loses_nothing_and_the_next_one_ends_it(
    full: Database, storage: Directory, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    real = getattr(cold_days, step)

    def dies(*given: object, **named: object) -> object:
        if when == "after":
            real(*given, **named)
        raise Killed

    before = content(full)
    monkeypatch.setattr(cold_days, step, dies)
    with pytest.raises(Killed):
        archive(full, storage)
    monkeypatch.setattr(cold_days, step, real)

    assert number(full) in (2, 211)
    told = archive(full, storage)

    assert "209 lines" in told
    assert number(full) == 2
    with full.connect() as connection:
        (day,) = archived_days(connection, None, None)
        restore_day(connection, storage, day)
    assert content(full) == before


def test_a_run_that_dies_between_two_hours_has_moved_whole_hours(
    full: Database, storage: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(text: str) -> None:
        if text.startswith("5") and text.endswith("removed from the table"):
            raise Killed

    with pytest.raises(Killed), full.connect() as connection:
        archive_day(connection, storage, COLD, now=NOW, progress=dies)

    assert 2 < number(full) < 211
    left = number(full) - 2
    assert archive(full, storage).endswith(f"removed {left} lines from the table")


def test_lines_that_change_after_the_file_was_written_stay(
    full: Database, storage: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cold_days.remove_day

    def changes(connection, file, progress):  # type: ignore[no-untyped-def]
        with full.connect() as other:
            other.execute("UPDATE \"LogEntry\" SET message = 'changed' WHERE message = 'Order 5 shipped'")
            put(other, COLD.since + timedelta(hours=5, seconds=1), "came now")
        return real(connection, file, progress)

    monkeypatch.setattr(cold_days, "remove_day", changes)
    told = archive(full, storage)

    assert told.endswith("removed 208 lines from the table; still there: 2 lines new or locked")
    monkeypatch.setattr(cold_days, "remove_day", real)
    assert "archived 2 lines" in archive(full, storage)
    assert number(full) == 2


def test_of_two_runs_at_once_one_moves_the_day(
    full: Database, storage: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    real = cold_days.remove_day

    def another(connection: Connection, file: DayFile, progress: cold_days.Progress) -> cold_days.Removed:
        with full.connect() as other:
            for attempt in (
                lambda: archive_day(other, storage, COLD, now=NOW),
                lambda: restore_day(other, storage, file.day),
            ):
                with pytest.raises(ArchiveError) as error:
                    attempt()
                refused.append(str(error.value))
            problems = expire_days(other, lambda: storage, before=COLD.until)[1]
            refused.extend(problem.partition(": ")[2] for problem in problems)
        return real(connection, file, progress)

    monkeypatch.setattr(cold_days, "remove_day", another)
    archive(full, storage)

    assert refused == ["2026-11-10 is being moved by another run. Wait until it is done."] * 3
    assert number(full) == 2
    with full.connect() as connection:
        day = one_day(connection, COLD.since)
        assert day
        assert restore_day(connection, storage, day).added == 209


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_file_that_is_not_what_was_written_is_said_and_gives_nothing(
    full: Database, storage: Directory, tmp_path: Path, damage: str
) -> None:
    archive(full, storage)
    with full.connect() as connection:
        (day,) = archived_days(connection, None, None)
        path = tmp_path / "archive" / day.file
        data = path.read_bytes()
        match damage:
            case "missing":
                path.unlink()
            case "cut":
                path.write_bytes(data[:-100])
            case "changed":
                path.write_bytes(data[:2_000] + bytes([data[2_000] ^ 1]) + data[2_001:])
        assert problem_of(storage, day) is not None
        with pytest.raises(ArchiveError, match=r"2026-11-10|differ from those that were written"):
            restore_day(connection, storage, day)
        left = one_day(connection, COLD.since)
        assert left is not None
        assert left.state == "archived"


def test_at_the_end_of_its_retention_a_day_goes_and_evidence_of_open_issues_comes_back(
    full: Database, storage: Directory
) -> None:
    archive(full, storage)
    with full.connect() as connection:
        (day,) = archived_days(connection, None, None)
        restore_day(connection, storage, day)
        connection.execute(ISSUE)
        connection.execute("UPDATE \"LogIssue\" SET status = 'resolved'")
        archive_day(connection, storage, COLD, now=NOW)
        connection.execute("UPDATE \"LogIssue\" SET status = 'open'")  # reopened after its lines were archived

        assert expire_days(connection, lambda: storage, before=COLD.until - timedelta(seconds=1)) == (0, [])
        assert expire_days(connection, lambda: storage, before=COLD.until) == (209, [])

        assert one_day(connection, COLD.since) is None
        assert storage.names() == []
    assert number(full) == 12


def test_a_store_that_is_away_keeps_a_day_that_is_past_its_retention(
    full: Database, storage: Directory, tmp_path: Path
) -> None:
    archive(full, storage)
    (tmp_path / "archive").rename(tmp_path / "unmounted")
    with full.connect() as connection:
        deleted, (problem,) = expire_days(connection, lambda: storage, before=NOW)
        assert deleted == 0
        assert problem.startswith("2026-11-10 is past its retention and still archived: ")
        (tmp_path / "unmounted").rename(tmp_path / "archive")
        assert expire_days(connection, lambda: storage, before=NOW) == (209, [])


def test_a_day_with_a_part_of_its_own_gives_its_space_back(full: Database, storage: Directory) -> None:
    before = content(full)
    with full.connect() as connection:
        connection.execute('DELETE FROM "LogEntry" WHERE timestamp < %s', [COLD.since])
        before = content(full)
        make_days(connection, Window(COLD.since, NOW), now=NOW, kept_since=COLD.since)
        put(connection, COLD.since + timedelta(hours=5, seconds=1), "waits", analyzed=False)
        connection.execute(ISSUE)
        parts = [day.since for day in days_of_lines(connection)]

    archive(full, storage)

    with full.connect() as connection:
        assert parts[0] == COLD.since
        assert [day.since for day in days_of_lines(connection)] == parts[1:]
        left = {row["message"] for row in connection.execute('SELECT message FROM "LogEntry"')}
        assert left == {"waits", "of the next day", *(f"Order {place} shipped" for place in range(10, 20))}
        (day,) = archived_days(connection, None, None)
        restore_day(connection, storage, day)
        connection.execute("DELETE FROM \"LogEntry\" WHERE message = 'waits'")
    assert content(full) == before


def by_day(database: Database) -> None:
    """The cold day is the first part, and the lines before it are gone."""
    with database.connect() as connection:
        make_days(connection, Window(COLD.since, NOW), now=NOW, kept_since=COLD.since)
        connection.execute('DELETE FROM "LogEntry" WHERE timestamp < %s', [COLD.since])


@pytest.mark.parametrize("step", ["_drop_equal_part", "_drop_part"])
def test_a_part_with_lines_that_came_meanwhile_is_not_dropped(
    full: Database, storage: Directory, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    by_day(full)
    real = getattr(cold_days, step)

    def late(connection: Connection, of: Any) -> Any:
        with full.connect() as other:
            put(other, COLD.since + timedelta(hours=5, seconds=1), "came now")
        return real(connection, of)

    monkeypatch.setattr(cold_days, "_drop_equal_part", lambda *_: 0)
    monkeypatch.setattr(cold_days, step, late)
    archive(full, storage)

    with full.connect() as connection:
        assert days_of_lines(connection)[0].since == COLD.since
        assert {row["message"] for row in connection.execute('SELECT message FROM "LogEntry"')} == {
            "came now", "of the next day",
        }  # fmt: skip


def test_a_day_that_is_in_its_file_as_it_is_goes_without_a_look_at_each_line(
    full: Database, storage: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_day(full)
    with full.connect() as connection:
        connection.execute(ISSUE)
        put(connection, COLD.since + timedelta(hours=5, seconds=1), "waits", analyzed=False)
        kept = connection.execute(
            "SELECT count(*) FROM \"LogEntry\" WHERE message LIKE 'Order 1_ %%' OR NOT analyzed"
        ).fetchone()
        # Random ids: most are in "LogEntry_rest", one in a hundred looks like an id of ours of another year.
        theirs = connection.execute("SELECT count(*) FROM \"LogEntry\" WHERE source LIKE 'node %%'").fetchone()
    asked: list[int] = []
    real = DayFile.hashes

    def hashes(file: DayFile, hour: Window, ids: list[uuid.UUID]) -> Any:
        asked.append(len(ids))
        return real(file, hour, ids)

    monkeypatch.setattr(DayFile, "hashes", hashes)

    told = archive(full, storage)

    assert kept
    assert theirs
    assert kept["count"] > 5
    assert sum(asked) == kept["count"] + theirs["count"], "only lines that stayed, or have no part of their day"
    assert "1 line not analyzed yet" in told
    assert "evidence of open issues" in told
    with full.connect() as connection:
        assert days_of_lines(connection)[0].since == COLD.until
        assert number(full) == 1 + kept["count"]


def test_a_part_with_lines_of_an_earlier_day_is_not_dropped(full: Database, storage: Directory) -> None:
    by_day(full)
    with full.connect() as connection:
        odd = put(connection, COLD.since + timedelta(hours=3), "of another time")
        connection.execute('UPDATE "LogEntry" SET timestamp = %s WHERE id = %s', [COLD.since - DAY, odd])
    archive(full, storage)
    with full.connect() as connection:
        assert days_of_lines(connection)[0].since == COLD.since
        assert number(full) == 2

"""Incidents are the same for any order of windows, repeats, two runs at once, and a killed run."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents import refresh
from fleexmon_pipeline.incidents.refresh import is_due, mark_window, refresh_incidents
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.issues.people import resolve_issues
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.conftest import BUSY, Database
from fleexmon_pipeline_tests.incidents.story import NODES, about, firings, incidents, tell
from fleexmon_pipeline_tests.issues.story import at, cover, fire
from fleexmon_pipeline_tests.reporting import rows

SLOTS_A_WINDOW = 9
GRACE = timedelta(minutes=20)
TABLES = '"Incident"', '"IncidentMark"'
PARTS = st.lists(
    st.tuples(
        st.sampled_from([*NODES]),
        st.sampled_from([None, "aaaa", "bbbb"]),
        st.sampled_from(["repeated-error", "high-error-rate"]),
        st.integers(0, 5 * SLOTS_A_WINDOW - 4),
        st.integers(1, 12),
    ),
    min_size=2,
    max_size=9,
)


def _windows(parts: list[tuple[str, str | None, str, int, int]]) -> list[list[Occurrence]]:
    """The firings of each window; an issue may reach over several."""
    windows: list[list[Occurrence]] = [[] for _ in range(7)]
    seen = set()
    for node, pattern, rule, first, length in parts:
        for fired in firings(about(node, pattern), range(first, first + length), rule=rule, grace=GRACE):
            if (fired.fingerprint, fired.slot) not in seen:
                seen.add((fired.fingerprint, fired.slot))
                windows[(fired.slot - at(0)) // (at(SLOTS_A_WINDOW) - at(0))].append(fired)
    return windows


def _run(connection: Connection, windows: list[list[Occurrence]], index: int) -> None:
    begin = index * SLOTS_A_WINDOW
    for node in NODES:
        cover(connection, range(begin, begin + SLOTS_A_WINDOW), node=node)
    window = Window(at(begin), at(begin + SLOTS_A_WINDOW))
    fire(connection, *windows[index], window=window)
    mark_window(connection, window)


def _clean(connection: Connection) -> None:
    connection.execute(
        'TRUNCATE "LogIssue", "IssueEpisode", "IssueOccurrence", "LogCoverage", "Incident", "IncidentMark"'
    )


@given(parts=PARTS, seed=st.integers(0, 1 << 30))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, BUSY])
def test_any_order_with_repeats_gives_the_same_incidents(
    database: Database, parts: list[tuple[str, str | None, str, int, int]], seed: int
) -> None:
    windows, rnd = _windows(parts), random.Random(seed)
    with database.connect() as connection:
        _clean(connection)
        for index in range(len(windows)):
            _run(connection, windows, index)
            refresh_incidents(connection)
        in_order = incidents(connection)
        assert in_order

        _clean(connection)
        order = [*range(len(windows)), *rnd.choices(range(len(windows)), k=3)]
        rnd.shuffle(order)
        for index in order:
            _run(connection, windows, index)
            if rnd.random() < 0.5:
                refresh_incidents(connection)
        refresh_incidents(connection)

        assert incidents(connection) == in_order
        assert not is_due(connection)


def test_a_rerun_writes_nothing(database: Database) -> None:
    parts = firings(about("blue", "aaaa"), range(4)), firings(about("green", "aaaa"), range(2, 9))
    with database.connect() as connection:
        tell(connection, *parts)
        before = database.fingerprint(*TABLES)
        again = [incident.id for incident in tell(connection, *parts)]

    assert len(again) == 1
    assert database.fingerprint(*TABLES) == before


def test_late_lines_join_two_incidents_and_the_older_one_stays(database: Database) -> None:
    first, second = firings(about("blue", "aaaa"), range(2)), firings(about("blue", "bbbb"), range(14, 16))
    with database.connect() as connection:
        older, younger = tell(connection, first, second)
        (joined,) = tell(connection, first, firings(about("blue", "cccc"), range(5, 12)), second)

    assert joined.id == older.id
    assert set(joined.issues) > {older.id, younger.id}


def test_an_incident_that_lost_its_middle_falls_apart(database: Database) -> None:
    first, second = firings(about("blue", "aaaa"), range(2)), firings(about("blue", "bbbb"), range(14, 16))
    with database.connect() as connection:
        assert len(tell(connection, first, firings(about("blue", "cccc"), range(5, 12)), second)) == 1
        assert len(tell(connection, first, second)) == 2


def test_two_runs_at_once_agree(database: Database) -> None:
    parts = [firings(about(node, f"{node} {number}"), range(4)) for node in NODES for number in range(2)]
    with database.connect() as connection:
        alone = tell(connection, *parts)
        connection.execute('DELETE FROM "Incident"')
        connection.execute('INSERT INTO "IncidentMark" (issue) SELECT id FROM "LogIssue"')

    def run() -> None:
        with database.connect() as own:
            refresh_incidents(own)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.connect() as connection:
        assert incidents(connection) == alone
        assert [len(incident.issues) for incident in alone] == [2, 2, 2]
        assert not is_due(connection)


def test_a_run_that_died_is_made_good_by_the_next(database: Database) -> None:
    part = firings(about("blue", "aaaa"), range(3))
    with database.connect() as connection:
        for node in NODES:
            cover(connection, range(-1, 5), node=node)
        fire(connection, *part, window=Window(at(0), at(3)))
        with connection.transaction(force_rollback=True):  # as after kill -9
            refresh_incidents(connection)
            assert len(incidents(connection)) == 1
        assert incidents(connection) == []
        assert is_due(connection)
        refresh_incidents(connection)
        assert len(incidents(connection)) == 1


@pytest.mark.parametrize("removal", ['DELETE FROM "LogIssue"', 'TRUNCATE "LogIssue"'])
def test_what_a_person_or_another_program_does_to_an_issue_reaches_its_incident(
    database: Database, removal: str
) -> None:
    with database.connect() as connection:
        (incident,) = tell(connection, firings(about("blue", "aaaa"), range(3)))
        resolve_issues(connection, [str(incident.id)], by="ann", why="", verdict=None, now=at(4))
        refresh_incidents(connection)
        (over,) = incidents(connection)
        assert (over.status, over.ended_at) == ("resolved", at(4))

        connection.execute(removal.encode())
        refresh_incidents(connection)
        assert incidents(connection) == []


def test_marks_are_taken_in_parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [firings(about(node, f"{node} {number}"), range(4)) for node in NODES for number in range(2)]
    with database.connect() as connection:
        at_once = tell(connection, *parts)
        connection.execute('DELETE FROM "Incident"')
        connection.execute('INSERT INTO "IncidentMark" (issue) SELECT id FROM "LogIssue"')
        monkeypatch.setattr(refresh, "MAX_MARKS", 1)
        refresh_incidents(connection)
        assert incidents(connection) == at_once
        assert not is_due(connection)


def test_an_hour_before_is_no_measure_of_what_a_longer_incident_would_usually_have(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(-3, 0))
        rows.pattern(connection, "cccc", "cannot connect", at(-3))
        rows.count(connection, at(-2), "blue", "cccc", "error", 30)
        short = tell(connection, firings(about("blue", "aaaa"), range(3)))
        long = tell(connection, firings(about("blue", "aaaa"), range(40)))

    assert [incident.figures.usual_errors for incident in (*short, *long)] == [30, None]


def test_lines_of_the_day_before_that_are_counted_later_are_in_its_figures(database: Database) -> None:
    """As in a backfill, whose hours run in any order."""
    with database.connect() as connection:
        cover(connection, range(-288, 0))
        (incident,) = tell(connection, firings(about("blue", "aaaa"), range(3)))
        rows.pattern(connection, "cccc", "cannot connect", at(-300))
        rows.pattern(connection, "dddd", "service restarted", at(-300))
        rows.count(connection, at(-100), "blue", "cccc", "error", 960)
        rows.count(connection, at(-20), "blue", "dddd", "info", 1)
        rows.count(connection, at(-40), "blue", "dddd", "info", 1)
        for hour in (at(-108), at(-48)):
            mark_window(connection, Window.hour_of(hour))
        refresh_incidents(connection)
        (again,) = incidents(connection)
        assert (incident.figures.usual_errors, again.figures.usual_errors) == (0, 10)
        assert again.changes == []

        connection.execute('DELETE FROM "LogPatternCount" WHERE slot = %s', [at(-40)])
        mark_window(connection, Window(at(-48), at(-36)))
        refresh_incidents(connection)
        (found,) = incidents(connection)
        assert [change.text for change in found.changes] == ["service restarted"]

"""Issues are a function of occurrences and coverage: when they begin, join and end, and their texts."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from fleexmon_pipeline.issues.lifecycle import (
    newest_covered,
    open_subjects,
    reconcile,
    subjects_near,
    write_occurrences,
)
from fleexmon_pipeline.issues.occurrence import Severity, Source, Subject, peak
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import HOUR, NODE, at, cover, fire, firing, issues, settle

TABLES = '"LogIssue"', '"IssueEpisode"', '"IssueOccurrence"'


def test_a_firing_is_an_issue_dated_by_its_slot(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(3))
        done = fire(connection, firing(0, severity=Severity.LOW), firing(2, severity=Severity.HIGH))
        (issue,) = issues(connection)

    assert done.sentence() == "issues: 1 opened (0 unchanged)"
    assert (issue["detectedAt"], issue["updatedAt"], issue["resolvedAt"]) == (at(1), at(3), None)
    assert (issue["status"], issue["severity"], issue["title"]) == ("open", "high", "repeated-error in 2")
    assert issue["id"].version == 8
    assert issue["affectedLogs"] == [uuid.UUID(int=2), uuid.UUID(int=0)]
    assert issue["metadata"] == {
        "fingerprint": "repeated-error:pattern:1f2e@blue",
        "rule": "repeated-error",
        "ruleVersion": "1",
        "nodes": ["blue"],
        "occurrences": 2,
        "firstSeen": "2026-11-20T10:00:00Z",
        "lastSeen": "2026-11-20T10:15:00Z",
        "affectedCount": 3,
        "windows": ["2026-11-20-10:00"],
        "rate": 2 / 7,
    }


def test_a_rerun_rewrites_no_row(database: Database) -> None:
    said = [firing(slot, subject=NODE) for slot in (0, 20, 29)]
    with database.connect() as connection:
        cover(connection, range(30))
        fire(connection, *said)
        before = database.fingerprint(*TABLES)
        again = fire(connection, *said)

    assert again.sentence() == "issues: no change (2 unchanged)"
    assert database.fingerprint(*TABLES) == before


def test_an_issue_names_its_windows_and_the_run_that_changed_it_last(database: Database) -> None:
    def told() -> tuple[str, list[str]]:
        metadata = issues(connection)[0]["metadata"]
        return metadata["run"], metadata["windows"]

    with database.connect() as connection:
        cover(connection, range(20))
        fire(connection, firing(0), run="first")
        fire(connection, firing(0), run="second")
        assert told() == ("first", ["2026-11-20-10:00"])  # it found all as it is
        fire(connection, firing(11), firing(12), run="third")
        before = database.fingerprint(*TABLES)
        settle(connection, ["pattern:1f2e@blue"], run="fourth")
        assert told() == ("third", ["2026-11-20-10:00", "2026-11-20-11:00"])
        assert database.fingerprint(*TABLES) == before
        connection.execute("""UPDATE "LogIssue" SET metadata = '7'""")  # another program may
        settle(connection, ["pattern:1f2e@blue"], run="fifth")
        assert told() == ("fifth", ["2026-11-20-10:00", "2026-11-20-11:00"])


def test_what_is_said_no_longer_is_no_issue(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(3))
        fire(connection, firing(0), firing(1))
        shorter = fire(connection, firing(0), window=Window(at(0), at(2)))
        assert (shorter.updated, issues(connection)[0]["metadata"]["occurrences"]) == (1, 1)
        assert fire(connection, window=Window(at(0), at(2))).removed == 1
        assert issues(connection) == []
        assert connection.execute('SELECT * FROM "IssueEpisode"').fetchall() == []


def test_only_what_the_rules_said_is_replaced(database: Database) -> None:
    window = Window(at(0), at(12))
    with database.connect() as connection:
        cover(connection, range(3))
        fire(connection, firing(0), firing(0, rule="memory-warning"))
        touched = write_occurrences(connection, [], source="detector", window=window, rules=["memory-warning"])
        settle(connection, touched)
        assert [issue["type"] for issue in issues(connection)] == ["repeated-error"]


@pytest.mark.parametrize(
    ("slot", "changes", "reason"),
    [
        (13, {}, "not a slot of"),
        (0, {"source": "genai"}, "which is not to be replaced"),
        (0, {"rule": "other"}, "which is not to be replaced"),
        (0, {"rule": "a:b"}, "which is not to be replaced"),
    ],
)
def test_an_occurrence_outside_of_what_is_replaced_is_refused(
    database: Database, slot: int, changes: dict[str, Any], reason: str
) -> None:
    wrong, window = firing(slot, **changes), Window(at(0), at(12))
    with database.connect() as connection, pytest.raises(ValueError, match=reason):
        write_occurrences(connection, [wrong], source="detector", window=window, rules=["repeated-error"])


def test_of_two_with_one_fingerprint_the_more_severe_stays(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, [0])
        low, high = firing(0, severity=Severity.LOW), firing(0, severity=Severity.HIGH)
        for order in ([low, high], [high, low]):
            fire(connection, *order)
            assert [issue["severity"] for issue in issues(connection)] == ["high"]


def test_a_rules_issue_shows_its_peak_and_does_not_shrink_as_it_fades(database: Database) -> None:
    def shown(slots: int) -> tuple[str, str, int]:
        fire(connection, *peaks[:slots])
        (issue,) = issues(connection)
        return issue["title"], issue["severity"], issue["metadata"]["affectedCount"]

    lines = [(5, "medium"), (30, "medium"), (12, "high"), (9, "high"), (40, "medium"), (12, "high"), (1, "low")]
    peaks = [firing(slot, affected=n, severity=Severity(severity)) for slot, (n, severity) in enumerate(lines)]
    with database.connect() as connection:
        cover(connection, range(9))
        assert [shown(slots) for slots in range(1, len(peaks) + 1)] == [
            ("repeated-error in 0", "medium", 5),
            ("repeated-error in 1", "medium", 30),
            ("repeated-error in 2", "high", 12),
            ("repeated-error in 2", "high", 12),
            ("repeated-error in 2", "high", 12),  # more lines, and less severe
            ("repeated-error in 5", "high", 12),  # of equal ones the latest
            ("repeated-error in 5", "high", 12),
        ]


@pytest.mark.parametrize(
    "figures",
    [
        [(20, {"expected": 50.0}), (3, {"expected": 50.0}), (18, {"expected": 50.0})],
        [
            (90, {"expected": 0.5, "value": 3.0}),
            (3, {"expected": 0.5, "value": 8.0}),
            (9, {"expected": 9, "value": 16}),
        ],
    ],
    ids=["missing lines", "durations"],
)
def test_the_peak_is_furthest_from_what_was_expected(database: Database, figures: list[tuple[int, Any]]) -> None:
    drops = [
        firing(slot, rule="lines-missing", affected=lines, metadata=metadata)
        for slot, (lines, metadata) in enumerate(figures)
    ]
    assert peak(drops).slot == at(1)
    with database.connect() as connection:
        cover(connection, range(4))
        fire(connection, *drops)
        (issue,) = issues(connection)
    assert (issue["title"], issue["metadata"]["affectedCount"]) == ("lines-missing in 1", 3)


@pytest.mark.parametrize("source", ["genai", "predictor"])
def test_genai_and_forecasts_show_the_latest(database: Database, source: Source) -> None:
    rule = "genai" if source == "genai" else "forecast-high-error-rate"
    severe = Severity.CRITICAL, Severity.LOW, Severity.MEDIUM
    said = [
        firing(slot, rule=rule, source=source, affected=9 - slot, severity=severity)
        for slot, severity in enumerate(severe)
    ]
    window = Window(at(0), at(3))
    with database.connect() as connection:
        cover(connection, range(4))
        settle(connection, write_occurrences(connection, said, source=source, window=window), window)
        (issue,) = issues(connection)
    assert (issue["title"], issue["severity"], issue["metadata"]["affectedCount"]) == (f"{rule} in 2", "medium", 7)


# -- grace --------------------------------------------------------------------------------------------------------


def test_flapping_within_the_grace_is_one_issue(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(48))
        fire(connection, *[firing(slot) for slot in range(0, 48, 12)])  # 11 quiet slots between: 55 minutes
        (issue,) = issues(connection)
    assert (issue["status"], issue["metadata"]["occurrences"]) == ("open", 4)


def test_an_issue_ends_when_its_grace_has_run_out(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(12))
        fire(connection, firing(0, subject=NODE))
        assert issues(connection)[0]["status"] == "open"  # 55 minutes
        cover(connection, [12])
        assert settle(connection).resolved == 1
        (issue,) = issues(connection)
        assert (issue["status"], issue["resolvedAt"], issue["updatedAt"]) == ("resolved", at(13), at(1))
        assert issue["metadata"]["autoResolved"] is True
        assert issue["metadata"]["resolvedReason"] == "Not detected again for 1 hour"

        cover(connection, [13])
        assert fire(connection, firing(13, subject=NODE)).opened == 1  # and it is no regression: nobody had resolved it
        assert [issue["status"] for issue in issues(connection)] == ["resolved", "open"]


@pytest.mark.parametrize("status", ["missing", "partial", None])
def test_a_hole_in_the_coverage_ends_nothing(database: Database, status: str | None) -> None:
    with database.connect() as connection:
        cover(connection, [0])
        cover(connection, range(100), node="green")
        if status:
            cover(connection, range(1, 100), status=status)
        fire(connection, firing(0))
        assert issues(connection)[0]["status"] == "open"
        cover(connection, range(100, 112))
        settle(connection)
        assert issues(connection)[0]["resolvedAt"] == at(13)  # event time: the slot's end and the grace


def test_the_fleet_is_covered_by_any_node_and_two_nodes_by_both(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, [0])
        cover(connection, range(20), node="green")
        both = firing(0, subject=Subject(pattern="1f2e"), nodes=["blue", "green"])
        fire(connection, both, firing(0, subject=Subject(), nodes=["blue", "green"]))
        found = {issue["metadata"]["fingerprint"]: issue["status"] for issue in issues(connection)}
    assert found == {"repeated-error:pattern:1f2e@*": "open", "repeated-error:fleet": "resolved"}


def test_a_run_with_an_older_now_reopens_nothing(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(20))
        fire(connection, firing(0))
        before = database.fingerprint(*TABLES)
        reconcile(connection, ["pattern:1f2e@blue"], now=at(5))
    assert database.fingerprint(*TABLES) == before


def test_late_windows_join_episodes_and_the_older_row_stays(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(31))
        fire(connection, firing(0, subject=NODE))
        fire(connection, firing(20, subject=NODE), firing(30, subject=NODE))
        older, _ = issues(connection)
        done = fire(connection, firing(10, subject=NODE))
        (issue,) = issues(connection)
        episodes = connection.execute('SELECT id FROM "IssueEpisode"').fetchall()
    assert (issue["id"], done.removed, issue["status"]) == (older["id"], 1, "open")
    assert (issue["metadata"]["occurrences"], issue["detectedAt"]) == (4, at(1))
    assert [row["id"] for row in episodes] == [older["id"]]


def test_a_hole_that_is_filled_later_splits_what_looked_like_one(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, [0, *range(40, 60)])
        fire(connection, firing(0, subject=NODE), firing(40, subject=NODE))
        assert len(issues(connection)) == 1
        cover(connection, range(1, 40))
        settle(connection, window=Window(at(12), at(24)))
        assert [issue["resolvedAt"] for issue in issues(connection)] == [at(13), at(53)]


# -- GenAI --------------------------------------------------------------------------------------------------------


def test_genai_fills_the_issue_of_a_rule_instead_of_making_one(database: Database) -> None:
    answer = firing(3, rule="genai", grace=24 * HOUR, root_cause="The disk is full.")
    with database.connect() as connection:
        cover(connection, range(6))
        fire(connection, answer, firing(20, rule="genai", subject=Subject("green", "1f2e")))
        assert len(issues(connection)) == 2
        rule = [firing(slot, recommendation="Look.") for slot in (2, 4)]
        fire(connection, answer, *rule, firing(20, rule="genai", subject=Subject("green", "1f2e")))
        ours, other = issues(connection)
    assert (ours["source"], ours["rootCause"], ours["recommendation"]) == ("detector", "The disk is full.", "Look.")
    assert other["source"] == "genai"


def test_genai_far_from_the_rules_issue_speaks_for_itself(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(60))
        fire(connection, firing(0), firing(50, rule="genai", root_cause="Another matter."))
        assert [(issue["source"], issue["rootCause"]) for issue in issues(connection)] == [
            ("detector", None), ("genai", "Another matter."),
        ]  # fmt: skip


# -- evidence -----------------------------------------------------------------------------------------------------


def test_evidence_is_that_of_all_slots_newest_first_and_has_an_end(database: Database) -> None:
    rows = [uuid.UUID(int=number) for number in range(2000)]
    with database.connect() as connection:
        cover(connection, range(6))
        fire(connection, firing(0, evidence=rows[:3]), firing(1, evidence=[rows[9], *rows[1:3]]))
        assert issues(connection)[0]["affectedLogs"] == [rows[9], rows[1], rows[2], rows[0]]
        fire(connection, firing(2, evidence=rows[10:1005]))
        assert issues(connection)[0]["affectedLogs"] == [*rows[10:1005], rows[9], rows[1], rows[2], rows[0]]
        fire(connection, firing(3, evidence=rows[1005:2000]))
        assert issues(connection)[0]["affectedLogs"] == [*rows[1005:2000], *rows[10:15]]


# -- what to reconcile -------------------------------------------------------------------------------------------------


def test_what_to_reconcile_is_what_is_open_and_what_the_window_touches(database: Database) -> None:
    with database.connect() as connection:
        assert newest_covered(connection) is None
        cover(connection, range(100))
        fire(connection, firing(0), firing(99, subject=Subject("blue")))
        assert newest_covered(connection) == at(100)
        assert open_subjects(connection) == {"node:blue"}
        assert subjects_near(connection, Window(at(0), at(12))) == {"pattern:1f2e@blue"}
        assert subjects_near(connection, Window(at(-9), at(0))) == set()


def test_since_spares_what_was_over_and_changes_nothing_else(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(120))
        fire(connection, *[firing(slot, subject=NODE) for slot in range(0, 120, 20)])
        window = Window(at(100), at(120))
        touched = write_occurrences(
            connection, [firing(100, subject=NODE), firing(110, subject=NODE)], source="detector", window=window
        )
        done = reconcile(connection, touched, now=at(120), since=window.since)
        found = issues(connection)
        full = reconcile(connection, touched, now=at(120))
        assert issues(connection) == found
    assert (done.updated, done.unchanged, full.unchanged) == (1, 5, 6)
    assert found[-1]["metadata"]["occurrences"] == 2
    assert all(issue["detectedAt"] - issue["updatedAt"] <= SLOT for issue in found)

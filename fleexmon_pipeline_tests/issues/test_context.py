"""The context of an issue: its pattern, its last day, similar ones, windows and runs."""

from __future__ import annotations

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_model import counted_levels
from fleexmon_pipeline.issues.context import IssueContext, issue_context
from fleexmon_pipeline.issues.occurrence import Subject
from fleexmon_pipeline.issues.people import resolve_issues
from fleexmon_pipeline.issues.read import show_issue
from fleexmon_pipeline.window import DAY
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import at, cover, fire, firing, issues

RULES = load_rules().rules


def around(connection: Connection, number: int = -1) -> IssueContext:
    issue = show_issue(connection, str(issues(connection)[number]["id"])).issue
    return issue_context(connection, issue, counted_levels(RULES))


def count(
    connection: Connection, slot: int, pattern: str, lines: int, *, node: str = "blue", level: str = "error"
) -> None:
    connection.execute(
        'INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, %s, %s)', (at(slot), node, pattern, level, lines, [])
    )


def pattern(connection: Connection, name: str, alias_of: str | None = None) -> None:
    connection.execute(
        'INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion", "aliasOf")'
        " VALUES (%s, %s, 'error', %s, %s, 1, %s)",
        (name, f"disk {name} full", at(0), at(0), alias_of),
    )


def test_the_last_day_counts_the_pattern_and_what_merged_into_it(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, [*range(-250, -100), *range(-90, 6)])
        pattern(connection, "1f2e")
        pattern(connection, "0a0a", alias_of="1f2e")
        for slot, name, lines in ((-200, "1f2e", 3), (4, "1f2e", 2), (5, "0a0a", 5), (5, "other", 90)):
            count(connection, slot, name, lines)
        count(connection, 5, "1f2e", 70, node="green")
        fire(connection, firing(5, metadata={"pattern": "1f2e"}))
        found = around(connection)
    day = found.last_day
    assert day.until == at(6)
    assert day.until - day.since == DAY
    assert day.of == "lines of this pattern on blue"
    assert len(day.lines) == 48
    assert day.lines[-1] == 7
    assert sum(lines or 0 for lines in day.lines) == 10
    assert [half for half, lines in enumerate(day.lines) if lines is None] == [0, 1, 2, 3, 4, 31]  # not asked
    assert found.pattern is not None
    assert (found.pattern.id, found.pattern.template) == ("1f2e", "disk 1f2e full")


def test_of_a_rule_about_a_node_its_levels_are_counted(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(6))
        for level, lines in (("error", 4), ("fatal", 1), ("info", 50)):
            count(connection, 3, f"of {level}", lines, level=level)
        rules = ("high-error-rate", "no-rule-any-more")
        fire(connection, *[firing(5, rule=rule, subject=Subject("blue"), metadata={}) for rule in rules])
        counted = {around(connection, number).last_day.lines[-1] for number in (0, 1)}
        words = {around(connection, number).last_day.of for number in (0, 1)}
    assert counted == {5, 55}
    assert words == {"lines of level error, fatal on blue", "lines of all levels on blue"}


def test_similar_ones_are_earlier_and_the_same_comes_first(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(400))
        cover(connection, range(400), node="green")
        told = {"pattern": "1f2e"}
        fire(connection, firing(0, metadata=told))
        fire(connection, firing(30, rule="new-error", metadata=told))
        fire(connection, firing(40, subject=Subject("green", "1f2e"), metadata=told))
        fire(connection, firing(50, subject=Subject("green", "3c4d"), metadata={"pattern": "3c4d"}))
        fire(connection, firing(348, metadata=told))  # more than a day later: within a day it is the same issue
        first = issues(connection)[0]["id"]
        resolve_issues(connection, [str(first)], by="ann", why="a test", verdict="noise", now=at(390))
        found = around(connection)
        none = around(connection, 0)
    assert [(issue.same, issue.nodes, issue.verdict) for issue in found.similar] == [
        (True, ["blue"], "noise"), (False, ["green"], None), (False, ["blue"], None),
    ]  # fmt: skip
    assert none.similar == []
    assert none.verdict is not None
    assert (none.verdict.verdict, none.verdict.by, none.verdict.why) == ("noise", "ann", "a test")


def test_windows_and_runs_lead_to_where_it_came_from(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(20))
        for run, slots in (("run-a", (0, 12)), ("run-b", (12, 14)), ("run-c", (14, 20))):
            connection.execute(
                'UPDATE "LogCoverage" SET run = %s WHERE slot >= %s AND slot < %s', (run, at(slots[0]), at(slots[1]))
            )
        fire(connection, firing(10), firing(13))
        found = around(connection)
    assert found.windows == ["2026-11-20-10:00", "2026-11-20-11:00"]
    assert found.runs == ["run-b", "run-a"]


def test_rows_of_other_programs_have_nothing_around_them(database: Database) -> None:
    with database.connect() as connection:
        for metadata in (None, "[1]", '{"nodes": {"a": 1}, "pattern": 5, "rule": [], "fingerprint": {}}'):
            connection.execute(
                'INSERT INTO "LogIssue" (type, severity, title, description, source, "detectedAt", "updatedAt",'
                " metadata) VALUES ('t', 'low', 'Theirs', '', 'ops', %s, %s, %s::jsonb)",
                [at(0), at(0), metadata],
            )
        for number in range(3):
            found = around(connection, number)
            assert (found.pattern, found.similar, found.windows, found.runs, found.verdict) == (None, [], [], [], None)
            assert found.last_day.lines == [None] * 48

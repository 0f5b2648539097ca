"""Comparisons of stored data: aliases, coverage, evidence, earlier errors, refusals."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from fleexmon_pipeline.comparison.deployments import Deployment, record_deployment
from fleexmon_pipeline.comparison.read import NothingToCompareError, busiest, compare_nodes, known_nodes, live_node
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.comparison.two_nodes import NOON, WINDOW, Rates, at, lines, store
from fleexmon_pipeline_tests.conftest import Database


def new_error(node: str, slot: int, rates: Rates) -> Rates:
    return rates | ({("schema", "error"): 0.7} if node == "green" and slot >= 0 else {})


def test_a_new_error_fails_with_the_rows_behind_it(database: Database) -> None:
    row = uuid.uuid4()
    with database.connect() as connection:
        store(connection, lines(1, new_error, days=3))
        connection.execute('UPDATE "LogPatternCount" SET samples = %s WHERE pattern = %s', [[row], "schema"])

        comparison = compare_nodes(connection, WINDOW, "blue", "green")

    assert comparison.outcome.verdict == "fail"
    assert comparison.templates["schema"] == "the schema of <num>"
    assert comparison.evidence["schema", "error"][0] == row
    assert comparison.outcome.calibration.calibrated


def test_the_same_twice_and_of_a_part_of_the_past(database: Database) -> None:
    with database.connect() as connection:
        store(connection, lines(2, days=2))

        first = compare_nodes(connection, WINDOW, "blue", "green").outcome
        again = compare_nodes(connection, WINDOW, "blue", "green").outcome

    assert first.verdict == again.verdict == "pass"
    assert first.patterns == again.patterns


def test_a_pattern_that_merged_counts_as_what_it_became(database: Database) -> None:
    def renamed(node: str, slot: int, rates: Rates) -> Rates:
        if node == "blue" or slot < 0:
            return rates
        return {("order" if p == "declined" else p, level): rate for (p, level), rate in rates.items()}

    with database.connect() as connection:
        store(connection, lines(3, renamed, days=3))
        before = {
            one.pattern: one.status for one in compare_nodes(connection, WINDOW, "blue", "green").outcome.patterns
        }
        connection.execute("""UPDATE "LogPattern" SET "aliasOf" = 'declined' WHERE id = 'order'""")
        after = {one.pattern: one.status for one in compare_nodes(connection, WINDOW, "blue", "green").outcome.patterns}

    assert before["order"] == "unknown"
    assert "order" not in after
    assert after["declined"] == "known"


def test_what_any_node_had_long_before_is_not_unknown(database: Database) -> None:
    with database.connect() as connection:
        store(connection, lines(1, new_error, days=2))
        connection.execute(
            'INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, 1, %s)',
            [at(-288 * 20), "worker", "schema", "error", []],
        )

        statuses = {
            one.pattern: one.status for one in compare_nodes(connection, WINDOW, "blue", "green").outcome.patterns
        }

    assert statuses["schema"] != "unknown"


def test_what_a_version_says_since_it_came_is_not_what_is_usual(database: Database) -> None:
    def since_yesterday(node: str, slot: int, rates: Rates) -> Rates:
        return rates | ({("schema", "error"): 0.7} if node == "green" and slot >= -200 else {})

    with database.connect() as connection:
        store(connection, lines(4, since_yesterday, days=4))
        without = compare_nodes(connection, WINDOW, "blue", "green").outcome
        record_deployment(connection, Deployment("green", "1.4.2", at(-200), "ann", "person"))
        marked = compare_nodes(connection, WINDOW, "blue", "green").outcome

    assert [one.status for one in without.patterns if one.pattern == "schema"] != ["unknown"]
    assert [(one.status, one.verdict) for one in marked.patterns if one.pattern == "schema"] == [("unknown", "fail")]


def test_slots_that_were_not_collected_are_said_and_conclude_nothing(database: Database) -> None:
    with database.connect() as connection:
        store(connection, lines(2, days=2))
        connection.execute(
            """UPDATE "LogCoverage" SET status = 'missing' WHERE node = 'green' AND slot >= %s AND slot < %s""",
            [at(4), at(20)],
        )
        some = compare_nodes(connection, WINDOW, "blue", "green").outcome

    assert some.verdict == "inconclusive"
    assert some.reasons[0] == "green: only 8 of 24 slots are collected"


def test_a_window_without_counts_says_where_counts_are(database: Database) -> None:
    later = Window(NOON + timedelta(days=3), NOON + timedelta(days=3, hours=2))
    with database.connect() as connection:
        with pytest.raises(NothingToCompareError, match="None of their lines are counted yet"):
            compare_nodes(connection, WINDOW, "blue", "green")
        store(connection, lines(1, days=0.2))
        with pytest.raises(
            NothingToCompareError, match=r"no counted lines of blue or green\. Their lines are from 2026-11-20 07:10"
        ):
            compare_nodes(connection, later, "blue", "green")


def test_live_is_what_is_said_else_who_has_the_traffic(database: Database) -> None:
    def green_has_it(node: str, _slot: int, rates: Rates) -> Rates:
        return {key: rate * (1.0 if node == "green" else 0.1) for key, rate in rates.items()}

    with database.connect() as connection:
        assert known_nodes(connection) == []
        assert busiest(connection, WINDOW, ["blue", "green"]) is None
        store(connection, lines(1, green_has_it, days=0.1))

        assert known_nodes(connection) == ["blue", "green"]
        assert live_node(connection, WINDOW, ["blue", "green"], None) == "green"
        assert live_node(connection, WINDOW, ["blue", "green"], "blue") == "blue"

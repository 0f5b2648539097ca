"""Forecasts in the database: which are stored, scored, trusted, and reported as issues."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_kinds import Forecast, Ratio
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.detection.rule_parameters import ForecastParameters
from fleexmon_pipeline.forecasting.announce import announce, hours_to_announce_again
from fleexmon_pipeline.forecasting.forecasts import HORIZONS, make_forecasts
from fleexmon_pipeline.forecasting.record import Record, problems, read_records, table, totals, why_not_trusted
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.window import DAY, HOUR, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN

RULES = load_rules().rules
END = TEN + HOUR
LONG_AFTER = END + 10 * DAY
CLIMB = (0.01, 0.02, 0.03)
Lines = tuple[int, int]  # of an hour: all, errors


def store(connection: Connection, node: str, last: datetime, hours: int, of: Callable[[datetime], Lines]) -> None:
    """Counts as analysis leaves them, and coverage, for the `hours` hours up to that of `last`. An hour's lines are
    spread over its slots."""
    counts: list[tuple[object, ...]] = []
    slots = []
    for hour in (last - HOUR * back for back in range(hours)):
        lines, errors = of(hour)
        for number, slot in enumerate(Window(hour, hour + HOUR).slots()):
            slots.append((node, slot.since, slot.until))
            for pattern, level, all_of_it in (("ok", "info", lines - errors), ("bad", "ERROR", errors)):
                if share := all_of_it * (number + 1) // 12 - all_of_it * number // 12:
                    counts.append((slot.since, node, pattern, level, share, []))
    with connection.cursor() as cursor:
        with cursor.copy('COPY "LogPatternCount" (slot, node, pattern, level, count, samples) FROM STDIN') as copy:
            for row in counts:
                copy.write_row(row)
        cursor.executemany(
            'INSERT INTO "LogCoverage" (node, slot, status, "updatedAt") VALUES (%s, %s, \'complete\', %s)', slots
        )


def ordinary(hour: datetime) -> Lines:
    """1,000 to 3,000 lines by time of day, 1 % of errors; more or less."""
    chance = np.random.default_rng(int(hour.timestamp()))
    lines = round((2_000 - 1_000 * np.cos(hour.hour / 24 * 2 * np.pi)) * np.exp(0.1 * chance.standard_normal()))
    return lines, int(chance.poisson(0.01 * lines))


def climbing(hour: datetime) -> Lines:
    """The same, with a rate that has climbed for three hours by END and keeps climbing."""
    lines, errors = ordinary(hour)
    step = int((hour - (END - 3 * HOUR)) / HOUR)
    return (lines, round(lines * (0.01 + 0.01 * step))) if 0 <= step < 8 else (lines, errors)


def rows(connection: Connection, where: str = "true") -> list[dict[str, Any]]:
    query = f'SELECT * FROM "LogForecast" WHERE {where} ORDER BY "madeAt", node, subject, horizon'
    return connection.execute(query.encode()).fetchall()


def one_hour(connection: Connection, end: datetime = END, now: datetime = LONG_AFTER) -> None:
    make_forecasts(connection, RULES, Window(end - HOUR, end), now=now)


def test_a_node_has_forecasts_of_lines_levels_rate_and_top_patterns(database: Database) -> None:
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 8, ordinary)
        one_hour(connection)
        forecasts = rows(connection)
    assert {row["subject"] for row in forecasts} == {
        "lines", "level:info", "level:error", "error-rate", "pattern:ok", "pattern:bad",
    }  # fmt: skip
    assert {row["horizon"] for row in forecasts} == set(HORIZONS)
    for row in forecasts:
        assert (row["madeAt"], row["hour"]) == (END, END + HOUR * (row["horizon"] - 1))
        assert row["low"] <= row["value"] <= row["high"]
        assert (row["actual"], row["hit"]) == (None, None)
    by_subject = {row["subject"]: row for row in forecasts if row["horizon"] == 3}
    assert by_subject["lines"]["value"] == pytest.approx(2_000 - 1_000 * np.cos(13 / 24 * 2 * np.pi), rel=0.1)
    assert by_subject["lines"]["lastHour"] == ordinary(TEN)[0]
    assert by_subject["lines"]["dayBefore"] == ordinary(END + 2 * HOUR - DAY)[0]
    assert by_subject["error-rate"]["value"] == pytest.approx(0.01, rel=0.3)


def test_what_is_due_is_scored_and_nothing_else(database: Database) -> None:
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 5, ordinary)
        one_hour(connection)
        store(connection, "blue", END, 1, ordinary)  # the hour of horizon 1
        store(connection, "blue", END + 2 * HOUR, 1, ordinary)  # and that of 3, but not all of it
        connection.execute('UPDATE "LogCoverage" SET status = %s WHERE slot = %s', ("missing", END + 2 * HOUR))
        one_hour(connection)
        scored = rows(connection, "hit IS NOT NULL")
        lines, errors = ordinary(END)
        assert {row["horizon"] for row in scored} == {1}
        actual = {row["subject"]: row["actual"] for row in scored}
        assert actual == {
            "lines": lines, "level:info": lines - errors, "level:error": errors, "error-rate": errors / lines,
            "pattern:ok": lines - errors, "pattern:bad": errors,
        }  # fmt: skip
        assert all(row["hit"] == (row["low"] <= row["actual"] <= row["high"]) for row in scored)
        connection.execute('UPDATE "LogCoverage" SET status = %s WHERE slot = %s', ("complete", END + 2 * HOUR))
        one_hour(connection)
        assert {row["horizon"] for row in rows(connection, "hit IS NOT NULL")} == {1, 3}


def test_a_node_whose_last_hour_is_not_known_is_passed_over(database: Database) -> None:
    with database.connect() as connection:
        for node in ("blue", "green"):
            store(connection, node, TEN, 24 * 4, ordinary)
        connection.execute(
            "UPDATE \"LogCoverage\" SET status = 'missing' WHERE node = 'green' AND slot = %s", (TEN + HOUR / 2,)
        )
        one_hour(connection)
        assert {row["node"] for row in rows(connection)} == {"blue"}


def test_an_hour_that_is_not_over_is_not_forecast_from(database: Database) -> None:
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 4, ordinary)
        one_hour(connection, now=END - timedelta(seconds=1))
        assert rows(connection) == []


def test_a_rerun_changes_nothing_and_the_order_of_hours_does_not_matter(database: Database) -> None:
    hours = [Window(END + HOUR * back, END + HOUR * (back + 1)) for back in range(-9, 0)]
    with database.connect() as connection:
        store(connection, "blue", END + 2 * HOUR, 24 * 6, climbing)
        make_forecasts(connection, RULES, Window(hours[0].since, hours[-1].until), now=LONG_AFTER)
        as_range = rows(connection)
        before = database.fingerprint('"LogForecast"')
        for hour in random.Random(4).sample(hours, len(hours)):
            make_forecasts(connection, RULES, hour, now=LONG_AFTER)
        assert database.fingerprint('"LogForecast"') == before
        connection.execute('DELETE FROM "LogForecast"')
        for hour in random.Random(5).sample(hours, len(hours)):
            make_forecasts(connection, RULES, hour, now=LONG_AFTER)
        assert rows(connection) == as_range
        assert {row["hit"] for row in as_range} == {True, False, None}


def test_a_merged_pattern_is_forecast_with_what_merged_into_it(database: Database) -> None:
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 4, ordinary)
        for name in ("ok", "bad"):
            connection.execute(
                'INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")'
                " VALUES (%s, %s, 'info', %s, %s, 1)",
                (name, name, TEN, TEN),
            )
        connection.execute(
            'UPDATE "LogPattern" SET "aliasOf" = \'ok\', "aliasSince" = %s WHERE id = \'bad\'', (TEN - 2 * DAY,)
        )
        one_hour(connection)
        by_subject = {row["subject"]: row for row in rows(connection, "horizon = 1")}
        assert "pattern:bad" not in by_subject
        assert by_subject["pattern:ok"]["lastHour"] == by_subject["lines"]["lastHour"]
        store(connection, "blue", END, 1, ordinary)
        one_hour(connection)
        (scored,) = rows(connection, "subject = 'pattern:ok' AND hit IS NOT NULL")
        assert scored["actual"] == ordinary(END)[0]


# -- thresholds -------------------------------------------------------------------------------------------------------


def test_a_threshold_that_will_be_crossed_is_said_with_its_time(database: Database) -> None:
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 8, climbing)
        store(connection, "green", TEN, 24 * 8, ordinary)
        one_hour(connection)
        (row,) = rows(connection, "figures IS NOT NULL")
        (occurrence,) = announce(connection, RULES, Window(TEN, END))
    assert (row["subject"], row["node"]) == ("crossing:high-error-rate", "blue")
    assert (row["value"], row["low"], row["high"]) == (3, 1, 6)
    assert row["hour"] == END + 5 * HOUR
    assert occurrence.title == "Error rate will cross 5% on blue in about 3 h (80% likely: 1-6 h)"
    assert (occurrence.fingerprint, occurrence.source) == ("forecast-high-error-rate:node:blue", "predictor")
    assert (occurrence.slot, occurrence.grace) == (END - timedelta(minutes=5), timedelta(hours=6))
    assert occurrence.metadata["hours"] == 3
    assert "3.0%" in occurrence.description


@pytest.mark.parametrize(
    ("went", "actual", "hit"),
    [
        ([0.04, 0.045, 0.051, 0.06], 3, True),
        ([0.06, 0.06, 0.06, 0.06], 1, True),
        ([0.02, 0.01, 0.01, 0.01, 0.01, 0.01], None, False),
        ([0.04, 0.045, 0.049], None, None),  # the last hour of the interval is still to come
    ],
)
def test_a_crossing_is_scored_by_the_first_hour_above(
    database: Database, went: list[float], actual: float | None, hit: bool | None
) -> None:
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 8, climbing)
        one_hour(connection)
        for ahead, rate in enumerate(went):
            store(connection, "blue", END + ahead * HOUR, 1, steadily(rate))
        one_hour(connection)
        (row,) = rows(connection, "figures IS NOT NULL")
    assert (row["actual"], row["hit"]) == (actual, hit)


def test_a_crossing_sooner_than_its_interval_is_no_hit(database: Database) -> None:
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 8, climbing)
        one_hour(connection)
        connection.execute('UPDATE "LogForecast" SET low = 2 WHERE figures IS NOT NULL')
        store(connection, "blue", END, 1, steadily(0.06))
        one_hour(connection, END + HOUR)
        (row,) = rows(connection, "figures IS NOT NULL")
    assert (row["actual"], row["hit"]) == (1, False)


def steadily(rate: float) -> Callable[[datetime], Lines]:
    return lambda _: (2_000, round(2_000 * rate))


def put(connection: Connection, subject: str, *, number: int, since: datetime, **values: object) -> None:
    """Scored forecasts of blue, an hour apart."""
    figures: Mapping[str, object] = {
        "value": 0.01, "low": 0.0, "high": 0.02, "lastHour": 0.03, "dayBefore": 0.03, "actual": 0.01, "hit": True,
        **values,
    }  # fmt: skip
    names = ", ".join(f'"{name}"' for name in figures)
    query = (
        f'INSERT INTO "LogForecast" ("madeAt", node, subject, horizon, hour, {names}) SELECT at, %s, %s, 1, at, '
        f"{', '.join(['%s'] * len(figures))} FROM generate_series(%s::timestamp, %s, '1 hour') AS at"
    )
    last = since + HOUR * (number - 1)
    connection.execute(query.encode(), ["blue", subject, *figures.values(), since, last])


@pytest.mark.parametrize(
    ("subject", "number", "values", "reason"),
    [
        ("error-rate", 240, {}, None),
        ("error-rate", 240, {"actual": 0.025, "hit": False}, "is 3.00 times that of"),
        ("error-rate", 150, {"actual": 0.025, "hit": False}, None),  # too few to decide
        ("error-rate", 240, {"hit": False}, "only 0% of error rates"),
        ("lines", 240, {"actual": 0.025, "hit": False}, None),  # no issue depends on it
        ("crossing:high-error-rate", 5, {"actual": None, "hit": False}, "only 0 of 5 announced"),
        ("crossing:high-error-rate", 4, {"actual": None, "hit": False}, None),
    ],
)
def test_forecasts_with_a_bad_record_make_no_issue_and_say_so(
    database: Database, subject: str, number: int, values: dict[str, object], reason: str | None
) -> None:
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 8, climbing)
        one_hour(connection)
        put(connection, subject, number=number, since=END - 11 * DAY, **values)
        occurrences = announce(connection, RULES, Window(TEN, END))
        texts = problems(read_records(connection, END), ["high-error-rate"])
    assert bool(occurrences) is (reason is None)
    if reason is not None:
        assert reason in texts[0][1]
    elif subject != "lines":
        assert texts == []


def test_only_what_was_over_by_then_and_not_too_old_is_judged(database: Database) -> None:
    with database.connect() as connection:
        put(connection, "error-rate", number=300, since=END, hit=False)
        put(connection, "error-rate", number=300, since=END - 50 * DAY, hit=False)
        assert read_records(connection, END) == []
        assert sum(record.scored for record in read_records(connection, END + 2 * HOUR)) == 2


def test_crossings_after_a_window_are_announced_again(database: Database) -> None:
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 8, climbing)
        one_hour(connection)
        assert hours_to_announce_again(connection, END - 2 * DAY) == [Window(TEN, END)]
        assert hours_to_announce_again(connection, END) == []
        assert hours_to_announce_again(connection, END - 31 * DAY) == []


@pytest.mark.parametrize("name", ["high-error-rate", "forecast-high-error-rate"])
def test_a_rule_that_is_switched_off_makes_no_issue(database: Database, name: str) -> None:
    off = [rule.model_copy(update={"enabled": rule.enabled and rule.name != name}) for rule in RULES]
    with database.connect() as connection:
        store(connection, "blue", TEN, 24 * 8, climbing)
        one_hour(connection)
        assert announce(connection, off, Window(TEN, END)) == []
        make_forecasts(connection, off, Window(TEN, END), now=LONG_AFTER)
        assert rows(connection, "figures IS NOT NULL") == []


def test_the_table_has_a_line_for_each_kind() -> None:
    records = [
        Record("blue", "level:info", 100, 80, 1.0, 2.0, 100),
        Record("blue", "level:error", 100, 90, 0.0, 0.0, 100),
        Record("blue", "crossing:high-error-rate", 4, 1, None, None, 3),
    ]
    crossings, levels = totals(records)
    assert (crossings.precision, crossings.coverage, crossings.against_naive) == (0.75, 0.25, None)
    assert (levels.scored, levels.coverage, levels.against_naive, levels.precision) == (200, 0.85, 0.5, None)
    assert "| level | 200 | 85% | 0.50 |  |" in table(records)
    assert why_not_trusted(records, "high-error-rate") is None


def test_a_forecast_rule_is_about_its_nodes_and_any_ratio(database: Database) -> None:
    """Two rules announce one threshold, each for one node; the threshold of another ratio is crossed later."""
    (ratio,) = (rule for rule in RULES if rule.name == "high-error-rate" and isinstance(rule, Ratio))
    (rule,) = (rule for rule in RULES if isinstance(rule, Forecast))
    stricter = ratio.model_copy(update={"name": "much", "ratio": ratio.ratio.model_copy(update={"more_than": 0.06})})
    rules: list[Rule] = [
        ratio,
        stricter,
        rule.model_copy(update={"name": "of-blue", "nodes": ("blue",)}),
        rule.model_copy(update={"name": "of-green", "nodes": ("green",), "severity": Severity.HIGH}),
        rule.model_copy(update={"name": "of-much", "forecast": ForecastParameters(rule="much")}),
    ]
    with database.connect() as connection:
        for node in ("blue", "green"):
            store(connection, node, TEN, 24 * 8, climbing)
        make_forecasts(connection, rules, Window(TEN, END), now=LONG_AFTER)
        occurrences = announce(connection, rules, Window(TEN, END))
    announced = {(one.rule, one.nodes[0], str(one.severity), one.metadata["threshold"]) for one in occurrences}
    assert announced == {
        ("of-blue", "blue", "medium", 0.05), ("of-green", "green", "high", 0.05), ("of-much", "blue", "medium", 0.06),
        ("of-much", "green", "medium", 0.06),
    }  # fmt: skip


def test_an_empty_database_has_nothing_to_forecast(database: Database) -> None:
    with database.connect() as connection:
        made = make_forecasts(connection, RULES, Window(END - DAY, END), now=LONG_AFTER)
        assert (made.forecasts, made.crossings, made.scored) == (0, 0, 0)
        assert problems(read_records(connection, END), ["high-error-rate"]) == []

"""When predictors fire for an hour, and when they do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.forecasting.predictors import predict
from fleexmon_pipeline.forecasting.series import hourly_series
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.stored_lines import at
from fleexmon_pipeline_tests.stories import HOUR_OF_TEN, TEN, cover

RULES = load_rules().rules


def log(connection: Connection, hour: datetime, *, lines: int, errors: int = 0, node: str = "blue") -> None:
    """Counts as analysis leaves them, all in the hour's first slot, and twelve collected slots."""
    for level, count in (("info", lines - errors), ("ERROR", errors)):
        if count:
            connection.execute(
                "INSERT INTO \"LogPatternCount\" VALUES (%s, %s, 'p', %s, %s, %s)",
                (hour, node, level, count, [uuid8(hour, level.encode(), node.encode())]),
            )
    cover(connection, Window(hour, hour + HOUR), node)


def hours(connection: Connection, *of_each: tuple[int, int], node: str = "blue", last: datetime = TEN) -> None:
    """(lines, errors) of consecutive hours, the last of which is that of ten."""
    for back, (lines, errors) in enumerate(reversed(of_each)):
        log(connection, last - HOUR * back, lines=lines, errors=errors, node=node)


def predicted(connection: Connection, rule: str, now_end: datetime = HOUR_OF_TEN.until) -> list[Occurrence]:
    return [one for one in predict(connection, RULES, HOUR_OF_TEN, now_end=now_end) if one.rule == rule]


TREND = "error-rate-trending-up"
RISING = [(100, 2)] * 3 + [(100, 4)] * 3


@pytest.mark.parametrize(
    ("of_each", "fires"),
    [
        (RISING, True),
        ([(100, 2)] * 3 + [(100, 3)] * 3, False),  # exactly 1.5 times
        ([(100, 2)] * 3 + [(100, 3), (100, 3), (100, 4)], True),
        ([(100, 1)] * 3 + [(100, 2)] * 3, False),  # exactly 2 %
        ([(100, 0)] * 3 + [(100, 3)] * 3, True),
        ([(0, 0)] * 3 + [(100, 50)] * 3, False),  # idle before: no rate to compare with
        ([(100, 50)] * 3 + [(0, 0)] * 3, False),
    ],
)
def test_a_trend_is_more_than_half_as_much_again_and_more_than_two_percent(
    database: Database, of_each: list[tuple[int, int]], fires: bool
) -> None:
    with database.connect() as connection:
        hours(connection, *of_each)
        assert bool(predicted(connection, TREND)) is fires


def test_a_trend_tells_rates_node_and_evidence(database: Database) -> None:
    with database.connect() as connection:
        hours(connection, *RISING)
        hours(connection, *[(100, 2)] * 6, node="green")
        (trend,) = predicted(connection, TREND)
    assert trend.title == "Error rate is rising on blue: 2.0% to 4.0% in 3 hours"
    assert (trend.fingerprint, trend.nodes, trend.affected) == (f"{TREND}:node:blue", ["blue"], 12)
    assert (trend.slot, trend.source, trend.grace) == (at(55), "predictor", timedelta(hours=6))
    assert list(trend.evidence) == [uuid8(TEN - HOUR * back, b"ERROR", b"blue") for back in range(3)]
    assert trend.metadata["rateBefore"] == 0.02


SPIKE = "log-volume-spike"


@pytest.mark.parametrize(
    ("of_each", "fires"),
    [
        ([100] * 5 + [200], False),
        ([100] * 5 + [201], True),
        ([100, 0, 100, 0, 100, 120], False),
        ([100, 0, 100, 0, 100, 121], True),
        ([10] * 5 + [100], False),
        ([10] * 5 + [101], True),
        ([0] * 5 + [5000], False),  # nothing to compare with: the node takes over the traffic
    ],
)
def test_a_spike_is_more_than_twice_the_mean_and_more_than_a_hundred(
    database: Database, of_each: list[int], fires: bool
) -> None:
    with database.connect() as connection:
        hours(connection, *((lines, 0) for lines in of_each))
        occurrences = predicted(connection, SPIKE)
    assert bool(occurrences) is fires


def test_a_spike_tells_how_much_more(database: Database) -> None:
    with database.connect() as connection:
        hours(connection, *[(1_000, 0)] * 5, (3_210, 0))
        (spike,) = predicted(connection, SPIKE)
    assert spike.title == "Log volume spike on blue: 3,210 lines in an hour, 3.2x the mean before"
    assert spike.description == "blue logged 3,210 lines in an hour; the mean of the 5 hours before is 1,000."
    assert (spike.severity, len(spike.evidence)) == ("low", 1)


@pytest.mark.parametrize("status", ["missing", "partial"])
@pytest.mark.parametrize("back", [0, 1, 5])
def test_one_slot_that_was_not_collected_keeps_predictors_silent(database: Database, status: str, back: int) -> None:
    slot = TEN - HOUR * back + SLOT * 3
    with database.connect() as connection:
        hours(connection, *[(100, 2)] * 3, *[(500, 40)] * 3)
        hours(connection, *[(100, 0)] * 5, (300, 30), node="green")
        assert {one.subject.node for one in predict(connection, RULES, HOUR_OF_TEN, now_end=HOUR_OF_TEN.until)} == {
            "blue",
            "green",
        }
        cover(connection, Window(slot, slot + SLOT), status=status)
        occurrences = predict(connection, RULES, HOUR_OF_TEN, now_end=HOUR_OF_TEN.until)
    assert {one.subject.node for one in occurrences} == {"green"}


def test_hours_that_nobody_asked_for_are_no_hours_without_lines(database: Database) -> None:
    with database.connect() as connection:
        hours(connection, (100, 0), (100, 0), (500, 40))
        assert predict(connection, RULES, HOUR_OF_TEN, now_end=HOUR_OF_TEN.until) == []


def test_empty_slots_count_as_hours_without_lines(database: Database) -> None:
    with database.connect() as connection:
        hours(connection, (600, 0), (300, 0))
        cover(connection, Window(TEN - HOUR * 5, TEN - HOUR), status="empty")
        assert len(predicted(connection, SPIKE)) == 1


def test_a_running_hour_can_be_a_spike_already_but_not_a_trend(database: Database) -> None:
    with database.connect() as connection:
        hours(connection, *[(100, 1)] * 5, last=TEN - HOUR)
        cover(connection, Window(TEN, at(10)))
        connection.execute(
            "INSERT INTO \"LogPatternCount\" VALUES (%s, 'blue', 'p', 'error', 250, %s)", (at(5), [uuid8(at(5))])
        )
        assert predict(connection, RULES, HOUR_OF_TEN, now_end=at(5)) == []
        occurrences = predict(connection, RULES, HOUR_OF_TEN, now_end=at(10))
    assert [(one.rule, one.slot, one.affected) for one in occurrences] == [(SPIKE, at(5), 250)]


def test_an_hour_that_has_not_begun_says_nothing(database: Database) -> None:
    with database.connect() as connection:
        issues(connection, 11)
        assert predict(connection, RULES, HOUR_OF_TEN, now_end=TEN) == []
        assert predict(connection, RULES, HOUR_OF_TEN, now_end=TEN - HOUR) == []


def test_lines_after_the_hour_change_nothing(database: Database) -> None:
    with database.connect() as connection:
        hours(connection, *RISING)
        before = predict(connection, RULES, HOUR_OF_TEN, now_end=HOUR_OF_TEN.until)
        log(connection, TEN + HOUR, lines=9_000, errors=8_000)
        assert predict(connection, RULES, HOUR_OF_TEN, now_end=HOUR_OF_TEN.until + HOUR) == before
        assert before


def test_more_than_an_hour_at_once_is_refused(database: Database) -> None:
    with database.connect() as connection, pytest.raises(ValueError, match="one hour"):
        predict(connection, RULES, Window(TEN, TEN + 2 * HOUR), now_end=TEN + 2 * HOUR)


BACKLOG = "issue-backlog"


def issues(
    connection: Connection,
    number: int,
    *,
    detected: datetime = TEN - 2 * HOUR,
    resolved: datetime | None = None,
    source: str = "detector",
    status: str = "open",
) -> None:
    for _ in range(number):
        connection.execute(
            'INSERT INTO "LogIssue" (type, severity, title, description, source, status, "detectedAt", "updatedAt",'
            " \"resolvedAt\") VALUES ('t', 'high', 't', 'd', %s, %s, %s, %s, %s)",
            (source, status, detected, detected, resolved),
        )


def test_a_backlog_is_more_than_ten_open_issues(database: Database) -> None:
    with database.connect() as connection:
        issues(connection, 10)
        assert predicted(connection, BACKLOG) == []
        issues(connection, 1)
        (backlog,) = predicted(connection, BACKLOG)
    assert backlog.title == "Issue backlog: 11 issues open for hours"
    assert (backlog.fingerprint, backlog.nodes, backlog.evidence) == ("issue-backlog:fleet", [], ())
    assert (backlog.metadata["bySeverity"], len(backlog.metadata["issues"])) == ({"high": 11}, 11)


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        ({"detected": HOUR_OF_TEN.until}, False),
        ({"detected": at(1) - 2 * HOUR}, False),  # not for three hours yet: most are over by then
        ({"resolved": HOUR_OF_TEN.until, "status": "resolved"}, True),  # open then, though not now
        ({"resolved": at(59), "status": "resolved"}, False),
        ({"status": "resolved"}, False),  # by a program that leaves resolvedAt empty
        ({"source": "predictor"}, False),
        ({"source": "genai"}, True),
    ],
)
def test_a_backlog_is_what_was_open_at_the_end_of_the_hour(
    database: Database, one: dict[str, Any], counts: bool
) -> None:
    with database.connect() as connection:
        issues(connection, 10)
        issues(connection, 1, **one)
        assert bool(predicted(connection, BACKLOG)) is counts


@pytest.mark.parametrize(
    ("since", "until", "counts"),
    [(-90, None, False), (-90, 61, False), (-90, 60, True), (60, None, False), (61, None, True)],
)
def test_what_was_muted_at_the_end_of_the_hour_is_no_backlog(
    database: Database, since: int, until: int | None, counts: bool
) -> None:
    with database.connect() as connection:
        issues(connection, 11)
        connection.execute("""UPDATE "LogIssue" SET metadata = '{"nodes": ["blue"]}' """)
        ends = None if until is None else at(until)
        connection.execute(
            'INSERT INTO "IssueMute" (id, node, "by", why, since, until)'
            " VALUES (gen_random_uuid(), %s, %s, %s, %s, %s)",
            ("blue", "ann", "known", at(since), ends),
        )
        assert bool(predicted(connection, BACKLOG)) is counts


def test_the_series_has_every_hour_of_every_node(database: Database) -> None:
    with database.connect() as connection:
        log(connection, TEN, lines=10, errors=3)
        cover(connection, Window(TEN - HOUR, TEN - SLOT), "green")
        series = hourly_series(connection, Window(TEN - HOUR, at(60)))
        nothing = hourly_series(connection, Window(TEN - HOUR * 9, TEN - HOUR * 8))

    def row(node: str, hour: datetime) -> Sequence[object]:
        return [series.loc[(node, hour), column] for column in ("info", "error", "lines", "covered")]

    assert row("blue", TEN) == [7, 3, 10, True]
    assert row("blue", TEN - HOUR) == [0, 0, 0, False]
    assert row("green", TEN - HOUR) == [0, 0, 0, False]
    assert len(series) == 4
    assert nothing.empty

"""A hand-made day, checked number by number; and days with little data."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.reporting import figure_texts
from fleexmon_pipeline.reporting.day import figures
from fleexmon_pipeline.reporting.figures import Coverage, Figures, GenAIUse, Volume
from fleexmon_pipeline.window import DAY, HOUR, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.reporting.rows import NEXT_MORNING, THE_DAY, at, count, genai_call, issue, pattern
from fleexmon_pipeline_tests.stories import cover


def a_small_day(connection: Connection) -> None:
    """blue: 90 info, 6 error, 4 fatal; green: 45 info, 5 warn. The day before: 200 lines of blue, 2 errors."""
    pattern(connection, "info", "GET <path> <num>", at(0, day=-9), level="info")
    pattern(connection, "refused", "connect ECONNREFUSED <ip>", at(0, day=-9))
    pattern(connection, "refused-old", "connect ECONNREFUSED <num>", at(0, day=-9), alias_of="refused")
    pattern(connection, "oom", "out of memory <num>", at(9), level="fatal")
    pattern(connection, "merged", "GET <path> <hex>", at(10), level="info", alias_of="info")
    pattern(connection, "slow", "slow query <num> ms", at(11), level="warn")
    for day, number in ((-3, 398), (-1, 198)):
        count(connection, at(12, day=day), "blue", "info", "info", number)
        count(connection, at(12, day=day), "blue", "refused", "error", 2)
    count(connection, at(9), "blue", "info", "info", 80)
    count(connection, at(9, 5), "blue", "merged", "info", 10)
    count(connection, at(9, 5), "blue", "refused", "error", 2)
    count(connection, at(10), "blue", "refused-old", "error", 4)
    count(connection, at(10, 55), "blue", "oom", "fatal", 4)
    count(connection, at(23, 55), "green", "info", "info", 45)
    count(connection, at(11), "green", "slow", "warn", 5)
    count(connection, at(0, day=1), "green", "info", "info", 1_000)  # not of this day

    cover(connection, Window(at(0, day=-3), at(0, day=-2)), "blue")
    cover(connection, Window(at(0, day=-1), at(0)), "blue")
    cover(connection, Window(at(0), at(12)), "blue", stored=100)
    cover(connection, Window(at(12), at(12, 10)), "blue", status="partial", rejected=3)
    cover(connection, Window(at(12, 10), at(12, 30)), "blue", status="missing")
    cover(connection, Window(at(13), at(0, day=1)), "blue", status="empty")  # nothing of 12:30-13:00: missing too
    cover(connection, Window(at(6), at(0, day=1)), "green", stored=50)  # first asked at 6

    issue(connection, "critical and open", at(9), severity="critical", fingerprint="a")
    issue(connection, "resolved the next day", at(8), fingerprint="b", resolved=at(2, day=1))
    issue(connection, "old", at(1, day=-5), severity="medium", fingerprint="c")
    issue(connection, "resolved today", at(2, day=-1), fingerprint="d", resolved=at(14))
    issue(connection, "long gone", at(2, day=-4), fingerprint="e", resolved=at(2, day=-3))
    issue(connection, "of tomorrow", at(1, day=1), fingerprint="f")
    genai_call(connection, at(9, 10), "ok", (900, 100))
    genai_call(connection, at(9, 20), "timeout", None)
    genai_call(connection, at(9, day=1), "ok", (5, 5))


def test_a_small_day_number_by_number(database: Database) -> None:
    with database.connect() as connection:
        a_small_day(connection)
        refresh_incidents(connection)
        found = figures(connection, THE_DAY, now=NEXT_MORNING)

    assert (found.day, found.as_of) == (date(2026, 11, 20), None)
    assert found.total == Volume(150, 10, 5, 10 / 150)
    assert (found.before, found.before_covered) == (Volume(200, 2, 0, 0.01), 0.5)  # green was not asked yet
    assert (found.week, found.week_days) == (Volume(300, 2, 0, 4 / 600), 2)
    assert found.uncounted == 0

    blue, green = found.nodes
    assert (blue.node, blue.volume, blue.before) == ("blue", Volume(100, 10, 0, 0.1), Volume(200, 2, 0, 0.01))
    assert (blue.before_covered, found.nodes[1].before_covered) == (1.0, 0.0)
    assert blue.coverage == Coverage(
        complete=144, empty=132, partial=2, missing=4 + 6, pending=0, stored=100, rejected=3
    )
    assert blue.hours == ("complete",) * 12 + ("missing",) + ("empty",) * 11
    assert (green.node, green.volume.lines, green.coverage.complete, green.coverage.missing) == ("green", 50, 216, 0)
    assert green.hours == ("unknown",) * 6 + ("complete",) * 18
    assert (found.coverage.known, found.coverage.due) == (144 + 132 + 216, 288 + 216)

    hours = {hour.hour.hour: (hour.lines, hour.errors, hour.warnings) for hour in found.hours if hour.lines}
    assert hours == {9: (92, 2, 0), 10: (8, 8, 0), 11: (5, 0, 5), 23: (45, 0, 0)}
    assert len(found.hours) == 24

    assert [(p.pattern, p.level, p.count, p.before, p.nodes) for p in found.top_errors] == [
        ("refused", "error", 6, 2, ("blue",)),
        ("oom", "fatal", 4, 0, ("blue",)),
    ]
    assert (found.new_patterns, found.new_error_patterns) == (2, 1)
    assert [(p.pattern, p.count) for p in found.new_listed] == [("oom", 4), ("slow", 5)]

    issues = found.issues
    assert (issues.open, issues.open_by_severity) == (3, {"critical": 1, "high": 1, "medium": 1})
    assert [i.title for i in issues.urgent_listed] == ["critical and open", "resolved the next day"]
    assert (issues.new, [i.title for i in issues.resolved_listed]) == (2, ["resolved today"])
    assert found.genai == GenAIUse(calls=2, failures=1, tokens_in=900, tokens_out=100)

    assert found.verdict.state == "attention"
    assert found.verdict.things == (
        "1 open high or critical incident", "1 new error pattern", "error rate 6.7% (10.0x the week before)",
        "GenAI failed in 1 of 2 calls", "10 missing and 2 partial of 504 slots (blue)", "3 records rejected",
    )  # fmt: skip


def of(database: Database, *, now: object = NEXT_MORNING) -> Figures:
    with database.connect() as connection:
        return figures(connection, THE_DAY, now=now)  # type: ignore[arg-type]


def test_an_empty_database_is_not_healthy(database: Database) -> None:
    verdict = of(database).verdict

    assert verdict.state == "no-data"
    assert verdict.sentence == "No data: no node was polled. No data does not mean healthy."


def test_silent_and_unreachable_nodes_are_told_apart(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, THE_DAY, "blue", status="missing")
    assert of(database).verdict.sentence.startswith("No data: no node responded (blue: 288 of 288 slots missing).")
    with database.connect() as connection:
        cover(connection, THE_DAY, "green", status="empty")
    assert "had no lines in 288 of 576 slots" in of(database).verdict.sentence


def test_a_day_that_is_known_and_quiet_is_healthy(database: Database) -> None:
    with database.connect() as connection:
        pattern(connection, "info", "GET <path>", at(0, day=-9), level="info")
        count(connection, at(9), "blue", "info", "info", 1_234)
        cover(connection, THE_DAY, "blue", stored=1_234)

    assert of(database).verdict.sentence == (
        "Healthy: all 288 slots collected, 1,234 lines, error rate 0.0%, no open high or critical incident."
    )


def test_lines_that_analysis_has_not_seen_make_it_incomplete(database: Database) -> None:
    with database.connect() as connection:
        count(connection, at(9), "blue", "info", "info", 10)
        cover(connection, THE_DAY, "blue", stored=25)

    found = of(database)

    assert (found.uncounted, found.verdict.state) == (15, "incomplete")
    assert "15 lines collected but not analyzed yet" in found.verdict.sentence


def test_a_running_day_is_judged_up_to_now(database: Database) -> None:
    with database.connect() as connection:
        count(connection, at(9), "blue", "info", "info", 10)
        cover(connection, Window(at(0), at(9, 50)), "blue", stored=10)  # 09:50 to 10:00: its tick may be under way

    found = of(database, now=at(10, 2))

    assert (found.coverage.missing, found.coverage.pending) == (0, 288 - 118)
    assert found.verdict.sentence.startswith("Healthy up to 10:00 UTC: all 118 slots collected")


def test_a_running_day_is_compared_with_as_much_of_the_days_before(database: Database) -> None:
    with database.connect() as connection:
        for days_ago, lines in ((0, 30), (1, 20), (2, 10)):
            begin = at(0) - days_ago * DAY
            count(connection, begin, "blue", "bad", "error", lines)
            cover(connection, Window(begin, begin + HOUR), "blue", stored=lines)
            if days_ago:
                count(connection, begin + 12 * HOUR, "blue", "bad", "error", 700)

    early, over = of(database, now=at(1)), of(database, now=NEXT_MORNING)

    assert (early.before.lines, early.week.lines, early.before_covered, early.top_errors[0].before) == (20, 15, 1, 20)
    assert figure_texts.before_label(early) == "Day before by 01:00"
    assert (over.before.lines, over.week_days, over.top_errors[0].before) == (720, 0, 720)
    assert figure_texts.before_label(over) == "Day before (4% covered: no comparison)"


def test_a_day_that_is_hardly_covered_is_not_compared_with(database: Database) -> None:
    """As after an outage of ours: a few lines of the days before would make a normal day 300 times as loud."""
    with database.connect() as connection:
        for days_ago, lines, hours in ((0, 7000, 24), (1, 20, 1), (2, 6900, 20), (3, 10, 1)):
            begin = at(0) - days_ago * DAY
            count(connection, begin, "blue", "bad", "error", lines)
            cover(connection, Window(begin, begin + hours * HOUR), "blue", stored=lines)
        cover(connection, THE_DAY, "green")  # new: it takes no day away from blue

    found = of(database, now=NEXT_MORNING)

    assert (found.week.lines, found.week_days) == (6900, 1)
    assert [row[3] for row in figure_texts.volume_rows(found)] == ["–"] * 4
    assert figure_texts.lines_change(found.nodes[0]) == "– (4% covered: no comparison)"
    assert figure_texts.trend(found.top_errors[0], found) == "–"


@pytest.mark.parametrize("until", ["pattern-1", "pattern-0"])
def test_aliases_that_go_round_in_a_circle_end(database: Database, until: str) -> None:
    with database.connect() as connection:
        pattern(connection, "pattern-0", "a", at(1))
        pattern(connection, "pattern-1", "b", at(1), alias_of="pattern-0")
        connection.execute("""UPDATE "LogPattern" SET "aliasOf" = %s WHERE id = 'pattern-0'""", (until,))
        count(connection, at(9), "blue", "pattern-0", "error", 7)

    assert sum(p.count for p in of(database).top_errors) == 7


def test_what_genai_cost_is_the_sum_of_all_that_was_asked(database: Database) -> None:
    with database.connect() as connection:
        genai_call(connection, at(9), "ok", (900, 100), cost="0.0012")
        genai_call(connection, at(10), "ok", (800, 50), cost="0.0030", replay=True)
        genai_call(connection, at(11), "invalid_answer", (800, 50), replay=True)
        found = figures(connection, THE_DAY, now=NEXT_MORNING)

    assert found.genai == GenAIUse(calls=3, failures=0, tokens_in=2500, tokens_out=200, cost=0.0042)
    assert figure_texts.genai(found) == (
        "3 calls, 0 of them failed; 2,500 tokens in, 200 tokens out; cost 0.0042 at the configured prices."
    )
    one_call = replace(found, genai=replace(found.genai, calls=1))
    assert figure_texts.genai(one_call).startswith("1 call, 0 of them failed;")

"""What is read of a pattern's days is what its counts say, whether those are summed, changed since, or not yet."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.lookup.patterns import lines_by_day
from fleexmon_pipeline.patterns.day_sums import KEPT_DAYS, sum_days
from fleexmon_pipeline.window import DAY, EPOCH, Window, floor
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.counted_lines import HOUR, TEN, insert, rebuild

AN_HOUR = timedelta(hours=1)

TABLES = '"LogPatternDay"', '"SummedDay"'
FIRST, SECOND = date(2026, 11, 20), date(2026, 11, 21)


def test_days_are_summed_once_and_counted_where_they_have_changed(database: Database) -> None:
    days = Window(floor(TEN, DAY) - DAY, floor(TEN, DAY) + 2 * DAY)
    night = floor(TEN, DAY) + DAY + timedelta(hours=2)
    with database.connect() as connection:

        def read() -> dict[date, dict[str, int]]:
            patterns = [row["id"] for row in connection.execute('SELECT id FROM "LogPattern"')]
            return lines_by_day(connection, patterns, days)

        insert(connection, ["took 5 ms", "took 7 ms"])
        insert(connection, ["took 9 ms"], node="green", level="error")
        insert(connection, ["took 8 ms"], at=TEN + DAY)
        rebuild(connection)
        rebuild(connection, Window.hour_of(TEN + DAY))
        counted = read()
        assert counted == {FIRST: {"blue": 2, "green": 1}, SECOND: {"blue": 1}}

        assert sum_days(connection, now=night) == KEPT_DAYS
        assert connection.execute('SELECT sum(count)::int AS n FROM "LogPatternDay"').fetchone() == {"n": 3}
        assert read() == counted
        summed = database.fingerprint(*TABLES)
        rebuild(connection)  # with the same result
        assert sum_days(connection, now=night) == 0
        assert database.fingerprint(*TABLES) == summed

        insert(connection, ["took 11 ms"], at=TEN + timedelta(minutes=20))  # late
        rebuild(connection, HOUR)
        late = {FIRST: {"blue": 3, "green": 1}, SECOND: {"blue": 1}}
        assert read() == late
        assert sum_days(connection, now=night) == 1
        assert read() == late

        assert sum_days(connection, now=night + (KEPT_DAYS + 1) * DAY) == KEPT_DAYS
        left = connection.execute('SELECT DISTINCT day FROM "LogPatternDay"').fetchall()
        assert left == [], "a month later only their counts are kept"
        assert read() == late


def by_hour(connection: Connection, window: Window, nodes: list[str]) -> dict[tuple[str, datetime], int]:
    """As forecasts read the only pattern."""
    (pattern,) = connection.execute('SELECT DISTINCT pattern FROM "LogPatternCount"').fetchall()
    where = {"nodes": nodes, "patterns": [pattern["pattern"]] * len(nodes), "merged": window.until}
    hours: Counter[tuple[str, datetime]] = Counter()
    where |= {"since": window.since, "until": window.until}
    for row in connection.execute(statements("forecasting")["pattern_counts"], where):
        for step, lines in zip(row["steps"].split(), row["counts"].split(), strict=True):
            hours[row["node"], EPOCH + int(step) * AN_HOUR] += int(lines)
    return dict(hours)


def test_hours_of_a_pattern_are_what_its_counts_say_also_after_late_lines_and_retention(database: Database) -> None:
    midnight = floor(TEN, DAY)
    night = midnight + 2 * DAY + timedelta(hours=2)
    # From within a summed day into one that is not over.
    part = Window(midnight + timedelta(hours=10, minutes=15), midnight + 2 * DAY + timedelta(minutes=10))
    late = TEN + DAY + timedelta(minutes=40)
    with database.connect() as connection:
        hours = [TEN, TEN + 13 * AN_HOUR, TEN + DAY, TEN + DAY + 9 * AN_HOUR, midnight + 2 * DAY]
        for at in (TEN + timedelta(minutes=20), *hours):
            insert(connection, ["took 5 ms", "took 7 ms"], at=at)
            rebuild(connection, Window.hour_of(at))
        insert(connection, ["took 5 ms"], at=TEN + DAY, node="green")
        rebuild(connection, Window.hour_of(TEN + DAY))
        counted = {**{("blue", hour): 2 for hour in hours}, ("green", TEN + DAY): 1}
        assert by_hour(connection, part, ["blue", "green"]) == counted

        sum_days(connection, now=night)
        assert by_hour(connection, part, ["blue", "green"]) == counted
        assert set(by_hour(connection, part, ["green"])) == {("green", TEN + DAY)}
        with connection.transaction(force_rollback=True):
            connection.execute("UPDATE \"LogPatternDay\" SET lines = '{70,70}' WHERE node = 'blue'")
            tampered = by_hour(connection, part, ["blue"])
            assert {hour for hour, lines in tampered.items() if lines == 70} == {
                ("blue", TEN + DAY), ("blue", TEN + DAY + 9 * AN_HOUR),
            }, "the day that is whole in the window is read from its sums"  # fmt: skip

        insert(connection, ["took 6 ms"], at=late)
        rebuild(connection, Window.hour_of(late))
        counted["blue", TEN + DAY] = 3
        assert by_hour(connection, part, ["blue", "green"]) == counted
        sum_days(connection, now=night)
        assert by_hour(connection, part, ["blue", "green"]) == counted

        sum_days(connection, now=night + (KEPT_DAYS + 2) * DAY)
        assert by_hour(connection, part, ["blue", "green"]) == counted, "long after, counts are added up"

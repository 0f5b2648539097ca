"""What is read of a pattern's days is what its counts say, whether those are summed, changed since, or not yet."""

from __future__ import annotations

from datetime import date, timedelta

from fleexmon_pipeline.lookup.patterns import lines_by_day
from fleexmon_pipeline.patterns.day_sums import KEPT_DAYS, sum_days
from fleexmon_pipeline.window import DAY, Window, floor
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.counted_lines import HOUR, TEN, insert, rebuild

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

"""The chart of an hour: it has every slot, the most lines give the longest bar, and bad slots are named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fleexmon_pipeline.collection.chart import BAR_WIDTH, chart_of
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.conftest import Database

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_slots_levels_and_bars(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogEntry" (timestamp, level, message, source, hostname) '
            "SELECT %(ten)s + n * interval '1 s', CASE n WHEN 0 THEN 'error' WHEN 1 THEN '`**odd**`' ELSE 'info' END, "
            "'m', CASE n %% 2 WHEN 0 THEN 'blue' ELSE 'green' END, 'h' FROM generate_series(0, 299) AS n",
            {"ten": TEN},
        )
        connection.execute(
            'INSERT INTO "LogEntry" (timestamp, level, message, source, hostname) VALUES (%s, %s, %s, %s, %s)',
            [TEN + 2 * SLOT, "warn", "m", "blue", "h"],
        )
        found = chart_of(connection, Window(TEN, TEN + 3 * SLOT))
        nothing = chart_of(connection, Window(TEN, TEN))
        silent = chart_of(connection, Window(TEN + timedelta(hours=1), TEN + timedelta(hours=1) + SLOT))

    assert found.splitlines() == [
        "```",
        f"10:00  {'█' * BAR_WIDTH}  300  1 error  298 info  1 other",
        f"10:05  {' ' * BAR_WIDTH}    0",
        f"10:10  {'█':<{BAR_WIDTH}}    1  1 warn",
        "```",
    ]
    assert (nothing, silent.splitlines()[1].split()) == ("", ["11:00", "0"])

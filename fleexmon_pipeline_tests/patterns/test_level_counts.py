"""Lines by half hour, node and level are the sums of the counts of patterns, after any kind of change."""

from __future__ import annotations

import random
from datetime import timedelta
from threading import Thread
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import SLOT
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.counted_lines import TEN

SLOTS = [TEN + number * SLOT for number in range(30)]
_ADD = """
INSERT INTO "LogPatternCount" (slot, node, pattern, level, count, samples) VALUES (%s, %s, %s, %s, %s, '{}')
ON CONFLICT (slot, node, pattern, level) DO UPDATE SET count = "LogPatternCount".count + excluded.count"""
_MOVE = """
UPDATE "LogPatternCount" SET count = count + 3, level = level || %s::text
WHERE slot BETWEEN %s AND %s AND pattern = %s AND level IN ('info', 'error') AND node = 'blue'"""
_SUMS = "SELECT node, level, sum(count) AS lines FROM {} GROUP BY 1, 2 ORDER BY 1, 2"
_DIFFERENT = """
SELECT * FROM (
  SELECT date_bin('30 minutes', slot, TIMESTAMP '1970-01-01') AS half, node, level, sum(count) AS lines
  FROM "LogPatternCount" GROUP BY 1, 2, 3
) AS counts FULL JOIN "LogLevelCount" AS kept USING (half, node, level)
WHERE kept.count IS DISTINCT FROM counts.lines"""


def change(connection: Connection, rnd: random.Random, patterns: str, times: int) -> None:
    """Insert, change and delete counts of these patterns. Of the transactions, each of one statement, some fail."""
    for number in range(times):
        slot, node, pattern = rnd.choice(SLOTS), rnd.choice(("blue", "green")), rnd.choice(patterns)
        with connection.transaction(force_rollback=rnd.random() < 0.2):
            what = rnd.random()
            if what < 0.5:
                values = [slot, node, pattern, rnd.choice(("info", "error")), rnd.randrange(1, 9)]
                connection.execute(_ADD.encode(), values)
            elif what < 0.7:
                connection.execute(_MOVE.encode(), [number, slot, slot + 3 * SLOT, pattern])
            else:
                connection.execute(b'DELETE FROM "LogPatternCount" WHERE slot = %s AND pattern = %s', [slot, pattern])


def rows(connection: Connection, query: str, *params: Any) -> list[Any]:
    return connection.execute(query.encode(), params).fetchall()


def test_they_are_the_sums_of_counts_that_two_sessions_change(database: Database) -> None:
    rnd = random.Random(61)
    with database.connect() as first, database.connect() as second:
        other = Thread(target=change, args=(second, random.Random(62), "cd", 80))
        other.start()
        change(first, rnd, "ab", 80)
        other.join()

        assert len(rows(first, 'SELECT * FROM "LogLevelCount"')) > 10
        assert rows(first, _DIFFERENT) == []
        windows = [sorted(rnd.choices(SLOTS, k=2)) for _ in range(20)]
        windows += [[TEN + timedelta(minutes=7), TEN + timedelta(minutes=91, seconds=1)], [TEN, TEN + 5 * SLOT]]
        for since, until in windows:
            counted = rows(first, _SUMS.format('"LogPatternCount" WHERE slot >= %s AND slot < %s'), since, until)
            assert rows(first, _SUMS.format("level_counts(%s, %s)"), since, until) == counted, f"{since} to {until}"

        first.execute('TRUNCATE "LogPatternCount"')

        assert rows(first, 'SELECT * FROM "LogLevelCount"') == []

"""More than a week of windows, so that baselines are learnt: in any order, twice, two at once, killed, the same rows.

Counts and coverage are made in bulk beforehand and arrive with their window, as collection and analysis would bring
them. What holds: docs/decisions/0018.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from threading import Timer

import psycopg

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.issues.lifecycle import (
    newest_covered,
    open_subjects,
    reconcile,
)
from fleexmon_pipeline.window import DAY, HOUR, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN

SHADOWS = {"unusual-volume", "repeated-error"}  # their rows must not depend on the order either
RULES = [rule.model_copy(update={"mode": "shadow"}) if rule.name in SHADOWS else rule for rule in load_rules().rules]
SINCE = TEN - 10 * HOUR
DAYS = 9
LAST = SINCE + (DAYS - 1) * DAY
# Detection's functions take windows of any length: shorter ones where things happen.
CUTS = [SINCE + n * DAY for n in range(DAYS - 2)] + [LAST - DAY + n * 4 * HOUR for n in range(13)]
WINDOWS = [Window(*cut) for cut in pairwise(CUTS)]
TABLES = '"LogIssue"', '"IssueEpisode"', '"IssueOccurrence"', '"ShadowOccurrence"', '"NodeBaseline"', '"DetectedHour"'

FIRED = {"unusual-error-rate", "unusual-pattern", "persistent-errors", "high-error-rate", "new-error", "silent-node"}
FIRED |= {"lines-missing"}
RULES_THAT_FIRED = """SELECT DISTINCT metadata ->> 'rule' AS rule FROM "LogIssue" """
OF_THE_PAIR = """SELECT title FROM "LogIssue" WHERE metadata -> 'nodes' ?| ARRAY['live', 'idle']"""

# Two nodes with ordinary days. In hours from the last day's beginning: bursts, a ramp, an error that is new, one that
# merges into another, a silence, an hour in which a node was away, and one in which most of its lines are missing. And
# two nodes that change places: one is silent from then on, much longer than detection reads back, and the other had
# never logged a line.
STORY = """
CREATE TABLE place AS
SELECT slot, node, extract(epoch FROM slot - %(last)s::timestamp) / 3600 AS hour,
  abs(hashtext(slot::text || node)) AS chance, 'complete' AS status
FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '5 minutes', '5 minutes') AS slot,
  unnest(ARRAY['blue', 'green', 'live', 'idle']) AS node;

UPDATE place SET status = CASE node WHEN 'blue' THEN 'empty' ELSE 'missing' END
WHERE node = 'blue' AND hour BETWEEN 15.8 AND 21.4 OR node = 'green' AND hour BETWEEN -9 AND -8;

UPDATE place SET status = 'empty' WHERE node = 'live' AND hour >= 1.4 OR node = 'idle' AND hour < 1.4;

CREATE TABLE told AS
SELECT slot, node, pattern, level, count
FROM place, LATERAL (VALUES
  ('served', 'info', (30 + chance %% 20) / CASE WHEN node = 'green' AND hour BETWEEN 10.5 AND 11.7 THEN 7 ELSE 1 END),
  ('slow', 'warn', (chance %% 5 = 0)::int),
  ('declined', 'error', (chance %% 3 = 0)::int + CASE
    WHEN node = 'blue' AND hour BETWEEN -20.5 AND -20 OR node = 'green' AND hour BETWEEN 4 AND 4.7 THEN 14
    WHEN node = 'blue' AND hour BETWEEN 8 AND 13 THEN (hour - 7)::int
    ELSE 0 END),
  ('corrupt', 'error', (node = 'green' AND hour >= 17 AND chance %% 4 = 0)::int),
  ('refused', 'error', (node = 'green' AND hour BETWEEN 6 AND 9 AND chance %% 3 = 0)::int),
  ('refused by', 'error', (node = 'green' AND hour BETWEEN 7 AND 9 AND chance %% 3 = 1)::int)
) AS lines (pattern, level, count)
WHERE status = 'complete' AND count > 0;

INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")
SELECT pattern, pattern, min(level), min(slot), max(slot), 1 FROM told GROUP BY pattern;

UPDATE "LogPattern" SET "aliasOf" = 'refused by', "aliasSince" = %(last)s::timestamp + interval '7 hours'
WHERE id = 'refused'
"""
ARRIVE = """
INSERT INTO "LogPatternCount" SELECT *, ARRAY[]::uuid[] FROM told WHERE slot >= %(since)s AND slot < %(until)s
ON CONFLICT DO NOTHING;

INSERT INTO "LogCoverage" (node, slot, status, received, stored, "updatedAt")
SELECT node, slot, status, COALESCE(lines, 0), COALESCE(lines, 0), slot
FROM place LEFT JOIN (SELECT slot, node, sum(count) AS lines FROM told GROUP BY slot, node) AS sums USING (slot, node)
WHERE slot >= %(since)s AND slot < %(until)s
ON CONFLICT DO NOTHING
"""


def _execute(connection: Connection, statements: str, **parameters: datetime) -> None:
    for statement in statements.split(";\n"):
        connection.execute(statement.encode(), parameters)


def _run(connection: Connection, window: Window) -> None:
    """As the assets do with an hour."""
    _execute(connection, ARRIVE, since=window.since, until=window.until)
    now = newest_covered(connection)
    assert now
    detect_hour(connection, window, RULES, now=window.until, known_until=now)
    reconcile(connection, open_subjects(connection), now=now)


def _rows(connection: Connection) -> dict[str, list[str]]:
    query = "SELECT t::text AS row FROM {} AS t ORDER BY 1"
    return {table: [each["row"] for each in connection.execute(query.format(table).encode())] for table in TABLES}


def _work(database: Database, windows: Iterable[Window], kills: random.Random | None = None) -> int:
    """One run after the other, each with a connection of its own, and again where it was killed, as the catch-up does.

    Returns how many were killed.
    """
    waiting, killed = deque(windows), 0
    while waiting:
        window = waiting.popleft()
        try:
            with database.connect() as connection:
                if kills and kills.random() < 0.2:
                    Timer(kills.uniform(0, 0.06), _kill, (database, connection.info.backend_pid)).start()
                _run(connection, window)
        except psycopg.OperationalError:
            waiting.append(window)
            killed += 1
    return killed


def _kill(database: Database, pid: int) -> None:
    with database.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [pid])


def test_after_a_second_pass_in_any_order_all_rows_are_those_of_a_pass_in_order(database: Database) -> None:
    rnd = random.Random(2)
    with database.connect() as connection, ThreadPoolExecutor(2) as pool:
        _execute(connection, STORY, since=SINCE, until=WINDOWS[-1].until, last=LAST)
        _work(database, WINDOWS)
        in_order = _rows(connection)
        assert {row["rule"] for row in connection.execute(RULES_THAT_FIRED)} == FIRED
        assert connection.execute(OF_THE_PAIR).fetchall() == []
        connection.execute(f'TRUNCATE {", ".join(TABLES)}, "LogPatternCount", "LogCoverage"'.encode())

        orders = [rnd.sample(WINDOWS, len(WINDOWS)) for _ in range(2)]  # two at once, so that each is done twice
        killed = pool.map(lambda order: _work(database, order, random.Random(rnd.random())), orders)
        assert sum(killed) > 0

        again = rnd.sample(WINDOWS, len(WINDOWS))
        list(pool.map(lambda part: _work(database, part), (again[::2], again[1::2])))
        assert _rows(connection) == in_order

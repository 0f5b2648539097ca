"""Evaluating an hour reads the lines of its own time and a few by their ids, however many are stored; a digest reads no
counts of patterns of the week before, and forecasts few of four weeks.

Counted by PostgreSQL rather than timed: a plan that reads the whole table is a few milliseconds here, and half a minute
over 50 million lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from fleexmon_pipeline.comparison import deployments
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.line_days import make_days
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.forecasting.forecasts import make_forecasts
from fleexmon_pipeline.issues.read import list_issues
from fleexmon_pipeline.lookup.nodes import node_states
from fleexmon_pipeline.patterns.masks import MASK_VERSION
from fleexmon_pipeline.reporting.digests import write_digest
from fleexmon_pipeline.window import DAY, HOUR, Window, floor
from fleexmon_pipeline_tests.bench import stored_month
from fleexmon_pipeline_tests.bench.place import empty
from fleexmon_pipeline_tests.conftest import Database

pytestmark = pytest.mark.long

UNTIL = datetime(2026, 11, 20, 10, tzinfo=UTC)
OWN, MORE = 4_000, 60_000  # lines of the nodes that are evaluated, and of all
MAX_RATIO = 1.4
# Rows for the retired nodes of the large month: their last slots, their part in incidents, and for forecasts the counts
# of that part of a day with which the four weeks begin. The rest of it is thousands.
MORE_NODES = {"listing nodes": 200, "a digest": 200, "forecasts": 1_500}
READ = """SELECT COALESCE(sum(seq_tup_read + COALESCE(idx_tup_fetch, 0)), 0)::bigint AS n FROM pg_stat_user_tables
  WHERE relname ~ '{}' """
BY_ARRAY = b"""
SELECT c.slot, c.node, e.timestamp, e.metadata FROM "LogPatternCount" AS c JOIN "LogEntry" AS e ON e.id = ANY(c.samples)
WHERE c.slot >= %(since)s AND c.slot < %(until)s AND e.metadata ?| %(keys)s::text[]
"""


@pytest.fixture(autouse=True)
def few_issues(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open is looked at again whatever is stored."""
    monkeypatch.setattr(stored_month, "ISSUES", 50)


def stored(database: Database, lines: int) -> None:
    empty(database.url)
    with database.connect() as connection:
        make_days(connection, Window(UNTIL - 31 * DAY, UNTIL), now=UNTIL, kept_since=UNTIL - 31 * DAY)
    stored_month.fill(database.url, lines, UNTIL, MASK_VERSION, own=OWN)


def rows_read(database: Database) -> Mapping[str, int]:
    """By what was done; each for the second time, as the first learns baselines. Of a digest and forecasts: counts of
    patterns."""
    hour, rules = Window(UNTIL - HOUR, UNTIL), load_rules().rules
    today = Window.day_of(floor(UNTIL, DAY))
    works: dict[str, tuple[str, Callable[[Connection], object]]] = {
        "evaluating an hour": ("^LogEntry", lambda c: detect_hour(c, hour, rules, now=UNTIL, known_until=UNTIL)),
        "listing issues": ("^LogEntry", list_issues),
        "listing nodes": ("^LogEntry", lambda c: node_states(c, [], demo=False, now=UNTIL)),
        "forecasts": ("^LogPatternCount$", lambda c: make_forecasts(c, rules, hour, now=UNTIL)),
        "a digest": ("^LogPatternCount$", lambda c: write_digest(c, today, now=UNTIL, github=False)),
    }
    read = {}
    for name, (tables, work) in works.items():
        with database.connect() as connection:
            work(connection)
        before = _read(database, tables)
        with database.connect() as connection:
            work(connection)
        read[name] = _read(database, tables) - before
    return read


def _read(database: Database, tables: str) -> int:
    """Sessions that have ended have told theirs."""
    return int(str(database.rows(READ.format(tables))[0]["n"]))


def test_fifteen_times_as_many_lines_are_no_more_to_read(database: Database) -> None:
    stored(database, OWN)
    few = rows_read(database)
    stored(database, MORE)
    many = rows_read(database)

    assert few["evaluating an hour"] > 0
    assert few["a digest"] > 0
    for work, read in few.items():
        assert many[work] <= read * MAX_RATIO + MORE_NODES.get(work, 0), (few, many)


def test_a_statement_that_reads_the_whole_table_is_seen(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(database, MORE)
    read = rows_read(database)["evaluating an hour"]
    monkeypatch.setattr(deployments, "SQL", {**deployments.SQL, "metadata_versions": BY_ARRAY})

    assert rows_read(database)["evaluating an hour"] > max(10 * read, MORE)

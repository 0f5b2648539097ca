"""What detection costs: an hour in a small and a large table, with ten and a hundred rules, of a million lines; a week.

Here: lines and counts as an hour's collection and analysis leave them, made by the server since making them is not
measured. How good detection is: `replay.py`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import BUILT_IN, all_rules, load_rules
from fleexmon_pipeline.detection.rule_kinds import Threshold
from fleexmon_pipeline.detection.rule_model import Detector, Rule
from fleexmon_pipeline.replays.rules import backtest
from fleexmon_pipeline.window import DAY, HOUR, Window
from fleexmon_pipeline_tests.bench.place import apart, empty, place
from fleexmon_pipeline_tests.bench.table import Row, Table

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOUR_OF_TEN = Window.hour_of(TEN)
NODES = 6
PATTERNS = 60
# Each hundredth line an error, of every pattern in turn; one node has a minute with ten times its errors.
_LINES = """
INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, analyzed)
SELECT gen_random_uuid(), at, CASE WHEN n %% 100 = 0 OR bad THEN 'error' ELSE 'info' END,
  'order ' || n || ' of pattern ' || n %% %(patterns)s || ' was served in ' || n %% 977 || ' ms by the shop', node, node, true
FROM generate_series(1, %(lines)s::bigint) AS n,
  LATERAL (SELECT %(since)s::timestamp + n * %(step)s AS at, 'node-' || n * 7919 %% %(nodes)s AS node) AS of_line,
  LATERAL (SELECT node = 'node-1' AND extract(minute FROM at) = 30 AND n %% 10 = 1 AS bad) AS minute
"""  # noqa: E501  a measurement's own text
_COUNTS = """
INSERT INTO "LogPatternCount" (slot, node, pattern, level, count, samples)
SELECT date_bin('5 minutes', timestamp, '2000-01-01'), source, level || split_part(message, ' ', 5), level, count(*),
  (array_agg(id))[1:5]
FROM "LogEntry" WHERE timestamp >= %(since)s AND timestamp < %(until)s GROUP BY 1, 2, 3, 4
ON CONFLICT DO NOTHING
"""
_PATTERNS = """
INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")
SELECT pattern, 'order <num> of ' || pattern || ' was served in <num> ms', min(level), min(slot), max(slot), 1
FROM "LogPatternCount" GROUP BY pattern
ON CONFLICT DO NOTHING
"""
_COVERAGE = """
INSERT INTO "LogCoverage" (node, slot, status, received, stored, "updatedAt")
SELECT node, slot, 'complete', lines, lines, slot
FROM (
  SELECT 'node-' || n AS node, slot, COALESCE(sum(count), 0) AS lines
  FROM generate_series(0, %(nodes)s - 1) AS n,
    generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '5 minutes', '5 minutes') AS slot
    LEFT JOIN "LogPatternCount" USING (slot)
  GROUP BY 1, 2
) AS sums
ON CONFLICT DO NOTHING
"""


def measure(tables: Sequence[int], hour: int, week: int, rounds: int) -> Table:
    """`tables`: rows of "LogEntry"; `hour`: lines of the busiest hour; `week`: lines of the week that is replayed."""
    with place() as url:
        empty(url)
        rows = apart(_hours, url, tables, hour, rounds)[0]
        empty(url)
        rows += apart(_week, url, week)[0]
    return Table(
        f"detection: seconds of an hour of {NODES} nodes, judged, written and reconciled; and of a week replayed",
        f"best of {rounds} rounds, and its ratio to the first of its kind; baselines are learnt before",
        rows,
    )


def _hours(url: str, tables: Sequence[int], hour: int, rounds: int) -> list[Row]:
    rules = load_rules().rules
    rows: list[Row] = []
    with connect(url) as connection:
        _fill(connection, 10_000, HOUR_OF_TEN)
        _fill(connection, tables[0] - 10_000, Window(TEN - 14 * DAY, TEN))
        before, older = tables[0], TEN - 14 * DAY
        for size in tables:
            if size > before:  # as months do: what is older than any past that is looked at
                longer = Window(older - 30 * DAY, older)
                _fill(connection, size - before, longer)
                before, older = size, longer.since
            seconds = _best(lambda: _judge(connection, rules, HOUR_OF_TEN), rounds)
            rows.append(_row(f"an hour of 10,000 lines, {size:,} rows in the table", seconds, rows[:1]))
        busy = Window(TEN + HOUR, TEN + 2 * HOUR)
        _fill(connection, hour, busy)
        rows.append(_row(f"an hour of {hour:,} lines", _best(lambda: _judge(connection, rules, busy), rounds), []))
        few: list[Row] = []
        for count in (10, 100):
            some = _many(rules, count)
            seconds = _best(lambda some=some: _judge(connection, some, busy), rounds)  # type: ignore[misc]
            few.append(_row(f"the same with {count} rules, half or more of them of texts", seconds, few[:1]))
    return rows + few


def _week(url: str, lines: int) -> list[Row]:
    rules = load_rules().rules
    week = Window(TEN - 7 * DAY, TEN)
    with connect(url) as connection:
        _fill(connection, 3 * lines, Window(TEN - 21 * DAY, TEN))
        learnt = _best(lambda: backtest(connection, rules, rules, week), 1)
        changed = _best(lambda: backtest(connection, rules, _other(), week), 1)
    first = _row(f"a week of {lines:,} lines replayed, all baselines learnt", learnt, [])
    return [first, _row("the same, one rule changed", changed, [first])]


def _other() -> Sequence[Rule]:
    """The built-in rules, one of them changed as a person would."""
    with tempfile.TemporaryDirectory(prefix="fleexmon-rules-") as made:
        text = (BUILT_IN / "repeated-error.yaml").read_text("utf-8")
        (Path(made) / "repeated-error.yaml").write_text(text.replace("more_than: 5", "more_than: 9"), "utf-8")
        return all_rules(Path(made)).rules


def _fill(connection: Connection, lines: int, window: Window) -> None:
    """Lines spread over the window, their counts, patterns and coverage; and the server at rest."""
    where = {"since": window.since, "until": window.until, "lines": lines, "step": window.length / (lines + 1),
             "patterns": PATTERNS, "nodes": NODES}  # fmt: skip
    for statement in (_LINES, _COUNTS, _PATTERNS, _COVERAGE):
        connection.execute(statement.encode(), where)
    connection.execute("VACUUM (ANALYZE)")
    connection.execute("CHECKPOINT")


def _judge(connection: Connection, rules: Sequence[Rule], window: Window) -> None:
    detect_hour(connection, window, rules, now=window.until, known_until=window.until)


def _many(rules: Sequence[Rule], count: int) -> list[Rule]:
    """Built-in ones, and beside them rules that look for texts of their own: each finds a line or two, and fires."""
    built_in = [rule for rule in rules if isinstance(rule, Detector)][: count // 2]
    (of_text,) = (rule for rule in rules if isinstance(rule, Threshold) and rule.name == "connection-failure")
    found: list[Rule] = [*built_in]
    for n in range(count - len(built_in)):
        where = of_text.where.model_copy(update={"message": (f"order {n + 1}000 of",)})
        found.append(of_text.model_copy(update={"name": f"text-{n}", "where": where}))
    return found


def _best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest; where there are several, the first learns what is usual and does not count."""
    taken = []
    for _ in range(rounds + (rounds > 1)):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken[-rounds:])


def _row(what: str, seconds: float, first: Sequence[Row]) -> Row:
    return {"what": what, "seconds": f"{seconds:.3f}", "ratio": seconds / float(first[0]["seconds"]) if first else 1.0}

"""Whether a line costs more where many are stored: one hour's collection, first with few rows in the table, then many.

The rows already there lie in the weeks before, spread over each day as those of a node are, with ids like ours. The
server makes them, since collecting 10 million would take longer than all other measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.window import DAY, HOUR, Window
from fleexmon_pipeline_tests.bench.collection import SINCE, collect_all
from fleexmon_pipeline_tests.bench.nodes import serving
from fleexmon_pipeline_tests.bench.place import apart, empty, place
from fleexmon_pipeline_tests.bench.table import Row, Table

LINES = 50_000  # of the hour that is collected
_FILL = """
INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname, metadata, analyzed)
SELECT
  (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '8' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
  at, CASE WHEN n %% 50 = 0 THEN 'error' ELSE 'info' END, 'order ' || n || ' of ' || hash || ' shipped in ' || n %% 977 || ' ms',
  CASE WHEN n %% 2 = 0 THEN 'blue' ELSE 'green' END, '127.0.0.1', jsonb_build_object('service', 'shop', 'requestId', hash), true
FROM generate_series(1, %(rows)s) AS n,
  LATERAL (SELECT %(since)s::timestamp + n * %(step)s AS at, md5(n::text) AS hash) AS made
"""  # noqa: E501 - a measurement's own text


def measure(tables: Sequence[int], rounds: int) -> Table:
    return Table(
        f"growth: an hour of {LINES:,} lines collected into a table that holds many already",
        f"best of {rounds} rounds, and its ratio to the first table; each round another hour, and the same once more",
        _measure(tables, rounds),
    )


def _measure(tables: Sequence[int], rounds: int) -> list[Row]:
    rows: list[Row] = []
    for size in tables:
        hours = [Window(SINCE + n * HOUR, SINCE + (n + 1) * HOUR) for n in range(rounds)]
        collected, replayed = [], []
        with place() as url:
            empty(url)
            _fill(url, size)
            for hour in hours:
                with serving(LINES, hour) as nodes:
                    collected.append(apart(collect_all, url, nodes, hour, stored=LINES)[0][0])
                    replayed.append(apart(collect_all, url, nodes, hour, known=LINES)[0][0])
        first, again = LINES / min(collected), LINES / min(replayed)
        row: Row = {"rows_in_table": size, "collect_per_s": first, "replay_per_s": again}
        base = rows[0] if rows else row
        row["times_as_slow"] = float(base["collect_per_s"]) / first
        row["replay_times_as_slow"] = float(base["replay_per_s"]) / again
        rows.append(row)
    return rows


def _fill(url: str, size: int) -> None:
    """`size` rows in the 30 days before SINCE, and the server at rest."""
    with connect(url) as connection:
        params = {"rows": size, "since": SINCE - 30 * DAY, "step": timedelta(days=30) / (size + 1)}
        connection.execute(_FILL, params)
        connection.execute('VACUUM (ANALYZE) "LogEntry"')
        connection.execute("CHECKPOINT")

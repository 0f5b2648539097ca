"""Counts sum exactly to the log, however often and by however many runs they are rebuilt."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import psycopg
import pytest
from psycopg.types.json import Json

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.patterns import count_lines
from fleexmon_pipeline.patterns import miner as miner_module
from fleexmon_pipeline.patterns.count_lines import rebuild_counts, stale_slots
from fleexmon_pipeline.patterns.measures import Steps
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.counted_lines import HOUR, SUMS, TEN, insert, rebuild


def random_log(connection: Connection, *, lines: int, seed: int) -> None:
    rnd = random.Random(seed)
    for level in ("info", "error"):
        for node in ("blue", "green"):
            texts = [
                f"job {rnd.choice('abcdef') * 3} took {rnd.randrange(999)} ms on the queue of today"
                for _ in range(lines)
            ]
            insert(
                connection,
                texts,
                at=TEN + timedelta(seconds=rnd.random()),
                step=timedelta(seconds=29),
                level=level,
                node=node,
            )


def test_counts_of_slot_node_pattern_and_level(database: Database) -> None:
    with database.connect() as connection:
        blue = insert(connection, ["took 5 ms", "took 7 ms"], at=TEN + SLOT)
        insert(connection, ["took 9 ms"], at=TEN + SLOT, level="ERROR", node="green")

        account = rebuild(connection)

        rows = connection.execute('SELECT * FROM "LogPatternCount" ORDER BY node').fetchall()
        patterns = connection.execute('SELECT * FROM "LogPattern"').fetchall()
    assert [(row["slot"], row["node"], row["level"], row["count"]) for row in rows] == [
        (TEN + SLOT, "blue", "info", 2),
        (TEN + SLOT, "green", "error", 1),
    ]
    assert rows[0]["samples"] == [blue[1], blue[0]]
    (pattern,) = patterns
    assert (pattern["id"], pattern["template"], pattern["level"]) == (rows[0]["pattern"], "took <duration>", "error")
    assert (pattern["firstSeen"], pattern["lastSeen"]) == (TEN + SLOT, TEN + SLOT + timedelta(seconds=1))
    assert (account.rows, account.patterns, account.new, account.slots) == (3, 1, [pattern["id"]], 12)


def test_counts_sum_to_the_log_and_a_rerun_writes_nothing(database: Database) -> None:
    with database.connect() as connection:
        random_log(connection, lines=120, seed=1)
        first = rebuild(connection)
        before = database.fingerprint('"LogPatternCount"', '"LogPattern"')

        second = rebuild(connection)

        assert connection.execute(SUMS.encode()).fetchall() == []
    assert first.rows == second.rows == 480
    assert second.changed == 0
    assert database.fingerprint('"LogPatternCount"', '"LogPattern"') == before


def test_counts_have_the_median_and_the_95th_percentile_of_what_their_lines_state(database: Database) -> None:
    with database.connect() as connection:
        insert(connection, [f"order {number} was served in {number} ms" for number in range(1, 201)])
        insert(connection, [f"user {number} is unknown" for number in range(1, 201)], level="warn")
        rebuild(connection)
        again = rebuild(connection)

        rows = connection.execute('SELECT level, count, p50, p95 FROM "LogPatternCount" ORDER BY level').fetchall()
    served, unknown = rows
    assert (served["count"], unknown["count"]) == (200, 200)
    assert served["p50"] == pytest.approx(100, abs=5)  # of 50 lines, spread over the slot
    assert served["p95"] == pytest.approx(190, abs=5)
    assert (unknown["p50"], unknown["p95"]) == (None, None)
    assert again.changed == 0


def test_lines_without_durations_have_the_steps_of_their_requests(database: Database) -> None:
    """Requests of two nodes: 17 are named by the lines, 17 by the records. A worker's id is none."""
    entries = []
    for number in range(34):
        began, shown = TEN + timedelta(seconds=8 * number), number % 2
        text, record = (f" trace_id={number:016x}", None) if shown else ("", {"trace_id": f"t-{number:08}"})
        for node, after, message in (
            ("blue", 0.0, f"order {number} is accepted{text}"),
            ("green", 0.2, f"payment of order {number} is asked for{text}"),
            ("green", 1.2, f"payment of order {number} is done in 950 ms{text}"),
            ("blue", 1.2, f"order {number} is stored{text}"),
        ):
            entries.append((began + timedelta(seconds=after), message, node, Json(record) if record else None))
    entries += [(TEN + timedelta(seconds=5 * n), "alive", "blue", Json({"trace_id": "worker-1"})) for n in range(50)]
    with database.connect() as connection:
        connection.cursor().executemany(
            'INSERT INTO "LogEntry" (timestamp, level, message, source, hostname, metadata)'
            " VALUES (%s, 'info', %s, %s, '10.0.0.5', %s)",
            entries,
        )
        rebuild(connection)
        again = rebuild(connection)
        rows = connection.execute(
            """SELECT template, sum(p50 * count) / sum(count) AS typical, bool_and(steps) AS steps,
              string_agg(DISTINCT "stepsAfter", ' ') AS after
            FROM "LogPatternCount" JOIN "LogPattern" ON id = pattern GROUP BY template ORDER BY min(slot), template"""
        ).fetchall()
    found = {row["template"].split(" trace_id")[0]: (row["typical"], row["steps"], row["after"]) for row in rows}
    assert found["order <num> is accepted"] == (None, False, None)
    assert found["payment of order <num> is asked for"] == (pytest.approx(200, abs=1), True, "blue")
    assert found["payment of order <num> is done in <duration>"] == (pytest.approx(950), False, None)
    assert found["order <num> is stored"] == (
        pytest.approx(1_000),
        True,
        "green",
    )  # a line before has its moment
    assert found["alive"] == (None, False, None)
    assert again.changed == 0


def test_an_average_of_steps_shows_that_a_third_of_them_takes_longer() -> None:
    ordinary, partly = Steps(), Steps()
    for number in range(60):
        ordinary.add(str(number), 5.0 if number else 4_000.0, "green" if number else "blue")
        partly.add(str(number), 5.0 if number % 3 else 2_000.0, "green")
    assert ordinary.sketch() == pytest.approx((9, 5), rel=0.1)
    assert partly.sketch() == pytest.approx((129, 2_000), rel=0.1)
    assert (ordinary.after, partly.after) == ("blue", "green")
    assert Steps().sketch() is None


def test_counts_have_how_many_values_the_fields_of_their_newest_lines_have(database: Database) -> None:
    with database.connect() as connection:
        insert(connection, [f"parcel {number} weighs 4.213 kg" for number in range(20)])
        insert(connection, ["no such parcel"] * 20, level="warn")
        rebuild(connection)
        again = rebuild(connection)

        rows = connection.execute('SELECT level, variety FROM "LogPatternCount" ORDER BY level').fetchall()
    assert rows == [{"level": "info", "variety": 8 | 1 << 4}, {"level": "warn", "variety": None}]
    assert again.changed == 0


def test_bare_durations_of_an_access_log_are_stored_and_its_sizes_are_not(database: Database) -> None:
    with database.connect() as connection:
        insert(connection, [f'"GET /a HTTP/1.1" 200 - - "-" 0 90{n} {n} {n - 1} "-" "curl"' for n in range(100, 300)])
        rebuild(connection)

        rows = connection.execute('SELECT sum(count) AS lines, min(p50) AS p50 FROM "LogPatternCount"').fetchall()
    assert (rows[0]["lines"], rows[0]["p50"]) == (200, pytest.approx(200, abs=5))


def test_slots_one_by_one_in_any_order_count_as_the_whole_hour_does(database: Database) -> None:
    with database.connect() as connection:
        random_log(connection, lines=120, seed=2)
        rebuild(connection)
        whole = database.rows('SELECT * FROM "LogPatternCount" ORDER BY slot, node, pattern, level')
        connection.execute('TRUNCATE "LogPatternCount", "LogPattern"')

        for slot in random.Random(3).sample(list(HOUR.slots()), 12):
            rebuild(connection, slot)

    assert database.rows('SELECT * FROM "LogPatternCount" ORDER BY slot, node, pattern, level') == whole


def test_only_slots_that_changed_are_stale(database: Database) -> None:
    with database.connect() as connection:
        insert(connection, ["a"] * 3, step=SLOT)
        assert [slot.since for slot in stale_slots(connection, HOUR)] == [TEN, TEN + SLOT, TEN + 2 * SLOT]
        rebuild(connection)
        assert stale_slots(connection, HOUR) == []

        insert(connection, ["late"], at=TEN + SLOT, node="green")
        connection.execute('DELETE FROM "LogEntry" WHERE timestamp = %s', (TEN,))

        assert stale_slots(connection, HOUR) == [Window(TEN, TEN + SLOT), Window(TEN + SLOT, TEN + 2 * SLOT)]
        rebuild(connection)
        assert stale_slots(connection, HOUR) == []
        assert connection.execute(SUMS.encode()).fetchall() == []


def test_samples_are_the_newest_all_of_errors_and_three_of_the_rest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count_lines, "MAX_SAMPLES", 20)
    monkeypatch.setattr(count_lines, "CHUNK", 7)
    with database.connect() as connection:
        made = {level: insert(connection, ["x"] * 30, level=level) for level in ("info", "warn", "error", "fatal")}
        rebuild(connection)
        samples = {row["level"]: row["samples"] for row in connection.execute('SELECT * FROM "LogPatternCount"')}

    for level, ids in made.items():
        assert samples[level] == ids[::-1][: 3 if level == "info" else 20]


def test_levels_that_other_programs_wrote(database: Database) -> None:
    with database.connect() as connection:
        for level in ("ERROR", " Err", "50", "critical", "WARNING", "Sev1", "é" * 40, ""):
            insert(connection, ["x"], level=level)
        rebuild(connection)
        rows = connection.execute('SELECT level, count FROM "LogPatternCount"').fetchall()

    assert {row["level"]: row["count"] for row in rows} == {
        "error": 3, "fatal": 1, "warn": 1, "sev1": 1, "é" * 32: 1, "": 1,
    }  # fmt: skip


PATTERNS = """
SELECT id, template, level, "firstSeen", "lastSeen", "aliasOf", CASE WHEN "aliasOf" IS NOT NULL THEN "aliasSince" END
FROM "LogPattern" ORDER BY id
"""


def test_a_long_run_forgets_patterns_and_counts_the_same(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    three = Window(TEN, TEN + timedelta(hours=3))
    words = "alpha bravo carol delta erin frank grace heidi".split()  # noqa: SIM905
    with database.connect() as connection:
        for hour in range(3):
            at = TEN + timedelta(hours=hour)
            insert(connection, [f"{word} of {word[::-1]} begins" for word in words], at=at)
            insert(connection, [f"job {word} took 5 ms on the queue of today" for word in words[hour:]], at=at + SLOT)
        remembered = rebuild_counts(connection, three, PatternMiner(), redact=redact)
        columns = 'SELECT slot, node, pattern, level, count, samples FROM "LogPatternCount" ORDER BY 1, 2, 3, 4'
        rows = database.rows(columns)
        stored = database.rows(PATTERNS)
        connection.execute('TRUNCATE "LogPatternCount", "LogPattern"')
        monkeypatch.setattr(miner_module, "MAX_PATTERNS", 2)
        miner = PatternMiner()
        forgotten = rebuild_counts(connection, three, miner, redact=redact)

    assert len(miner._templates) <= 2
    assert (forgotten.rows, forgotten.patterns, forgotten.new) == (remembered.rows, remembered.patterns, remembered.new)
    assert database.rows(columns) == rows
    assert database.rows(PATTERNS) == stored
    assert {row["aliasOf"] for row in stored} > {None}
    assert database.rows(SUMS) == []


def test_secrets_are_not_in_stored_templates(database: Database) -> None:
    with database.connect() as connection:
        insert(connection, ["login with password=hunterhunter refused", "x" * 9_000])
        rebuild(connection)
        rebuild(connection)
        templates = [row["template"] for row in connection.execute('SELECT template FROM "LogPattern"')]

    assert len(templates) == 2
    assert "hunterhunter" not in str(templates)
    assert max(map(len, templates)) <= 2_000


def test_two_processes_at_once_agree(database: Database) -> None:
    with database.connect() as connection:
        random_log(connection, lines=120, seed=4)
        random_log(connection, lines=60, seed=5)
    failures: list[Exception] = []
    windows = [HOUR, Window(TEN - timedelta(hours=1), TEN + timedelta(minutes=30)), HOUR, Window(TEN, TEN + SLOT)]

    def work(window: Window) -> None:
        try:
            with database.connect() as own:
                rebuild_counts(own, window, PatternMiner(), redact=redact)
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(window,)) for window in windows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert database.rows(SUMS) == []
    with database.connect() as connection:
        assert rebuild(connection).changed == 0


def test_an_interrupted_rebuild_leaves_the_hour_as_it_was(database: Database) -> None:
    def broken(text: str) -> str:
        raise RuntimeError("stopped")

    with database.connect() as connection:
        insert(connection, ["a 1", "b 2"])
        rebuild(connection)
        before = database.fingerprint('"LogPatternCount"', '"LogPattern"')
        insert(connection, ["c 3"])
        with pytest.raises(RuntimeError, match="stopped"):
            rebuild_counts(connection, HOUR, load_miner(connection), redact=broken)

        assert database.fingerprint('"LogPatternCount"', '"LogPattern"') == before
        assert rebuild(connection).rows == 3

"""Which node began an incident: the ranking of made-up signs, and the same from tables."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from fleexmon_pipeline.comparison.origin import Key, PastCount, PastSteps, SlotCount, Suspect, Volume, log_step, rank
from fleexmon_pipeline.comparison.read_origin import find_origin
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.comparison.two_nodes import NOON, Row, at, lines, store
from fleexmon_pipeline_tests.conftest import Database

NODES = ("edge", "web", "worker", "batch")
WEEK = 7 * 288
USUAL: dict[Key, PastCount] = {(node, "502", "error"): PastCount(400, 900) for node in NODES}


def busy(*, lines_: int = 40, was_silent: bool = False) -> Volume:
    return Volume(range(9), [lines_] * 9, [40.0] * 9, WEEK, was_silent)


def seen(node: str, pattern: str, slot: int, count: int, level: str = "error", *, second: float = 0.0) -> SlotCount:
    return SlotCount(node, pattern, level, slot, count, slot * 300 + second)


def ranked(*lines_: SlotCount, **volumes: Volume) -> list[Suspect]:
    return rank(lines_, USUAL, {node: volumes.get(node, busy()) for node in NODES}, slot_seconds=300)


def test_what_no_node_ever_had_comes_before_more_of_a_known_error() -> None:
    edge, web = seen("edge", "502", 3, 30), seen("web", "type error", 3, 12)

    suspects = ranked(edge, web)

    assert [suspect.node for suspect in suspects] == ["web", "edge"]
    assert (suspects[0].signs[0].kind, suspects[0].signs[0].pattern) == ("new", "type error")
    assert suspects[1].signs[0].kind == "more"
    assert sum(suspect.share for suspect in suspects) == pytest.approx(1)


def test_of_the_same_new_error_the_node_that_had_it_first_leads() -> None:
    late = [seen(node, "refused", 5, 20, second=40) for node in ("edge", "web")]
    first = seen("worker", "refused", 3, 20, second=12)

    suspects = ranked(*late, first)

    assert suspects[0].node == "worker"
    assert suspects[0].signs[0].began == 3 * 300 + 12
    assert suspects[0].signs[0].nodes == 3


def test_what_many_nodes_share_weighs_less_than_what_one_has() -> None:
    shared = [seen(node, "refused", 3, 25) for node in ("edge", "worker", "batch")]

    assert ranked(*shared, seen("web", "disk is full", 3, 20))[0].node == "web"


def test_a_node_that_falls_silent_comes_before_those_that_complain_of_it() -> None:
    hung = Volume(range(9), [40, 38, 41, 0, 0, 0, 0, 0, 0], [40.0] * 9, WEEK, was_silent=False)

    suspects = ranked(seen("edge", "502", 3, 80), web=hung)

    assert suspects[0].node == "web"
    assert (suspects[0].signs[0].kind, suspects[0].signs[0].began) == ("silent", 3 * 300)


def test_a_node_with_fewer_lines_is_named() -> None:
    fewer = Volume(range(9), [40, 38, 41, *[6] * 6], [40.0] * 9, WEEK, was_silent=False)

    assert [(one.node, one.signs[0].kind) for one in ranked(web=fewer)] == [("web", "fewer")]


def test_a_node_that_requests_reach_late_is_named_before_one_with_weak_signs() -> None:
    normal = [log_step(step) for step in (4.0, 5.0, 6.0) * 100]
    steps = PastSteps(len(normal), sum(normal), sum(one**2 for one in normal))
    usual = {(node, "received", "info"): PastCount(9_000, 99_000, steps) for node in NODES}
    busy_ = {node: busy() for node in NODES}

    def of(node: str, step: float, slots: range) -> list[SlotCount]:
        return [SlotCount(node, "received", "info", slot, 5, slot * 300.0, step) for slot in slots]

    late = [*of("web", 5.0, range(3)), *of("web", 1_500.0, range(3, 9)), *of("edge", 60.0, range(9))]
    first = rank(late, USUAL | usual, busy_, slot_seconds=300)[0]
    (sign,) = (sign for sign in first.signs if sign.kind == "slower")
    assert (first.node, sign.began, sign.lines) == ("web", 900.0, 30)
    assert [sign.step, sign.normal_step] == pytest.approx([1_500, 5], rel=0.02)
    short = {key: PastCount(90, 99, PastSteps(9, sum(normal[:9]), 150.0)) for key in usual}
    of_short_past = rank(late, USUAL | short, busy_, slot_seconds=300)
    assert not [sign for suspect in of_short_past for sign in suspect.signs if sign.kind == "slower"]


def test_a_node_that_requests_wait_for_on_all_sides_is_named_before_those_around_it() -> None:
    """Edge and mail call web. Each says something after a line of web, and web after one of each."""
    normal = [log_step(step) for step in (4.0, 5.0, 6.0) * 100]
    steps = PastSteps(len(normal), sum(normal), sum(one**2 for one in normal))
    patterns = [("edge", "answered", "web"), ("mail", "sent", "web"), ("web", "received", "edge"), ("db", "read", "db")]
    usual = {(node, pattern, "info"): PastCount(9_000, 99_000, steps) for node, pattern, _ in patterns}
    counts = [
        SlotCount(node, pattern, "info", slot, 5, slot * 300.0, 5.0 if slot < 3 or node == "db" else 1_500.0, after)
        for node, pattern, after in patterns
        for slot in range(9)
    ]

    first, *others = rank(counts, usual, {node: busy() for node in ("edge", "mail", "web", "db")}, slot_seconds=300)

    assert first.node == "web"
    assert {(sign.pattern, sign.lines_of) for sign in first.signs} == {
        ("received", None), ("answered", "edge"), ("sent", "mail"),
    }  # fmt: skip
    assert {other.node for other in others} == {"edge", "mail"}


def test_the_usual_names_nobody() -> None:
    assert ranked(seen("edge", "502", 2, 1), seen("web", "502", 4, 2)) == []
    assert rank([], {}, {}, slot_seconds=300) == []


# -- from tables ----------------------------------------------------------------------------------------------------


def incident() -> Iterator[Row]:
    """From slot 3 on green has a new error, and blue more of a known one."""
    yield from lines(1, days=2, hours=1)
    for slot in range(3, 12):
        yield "green", "schema", "error", slot, 4
        yield "blue", "failing", "error", slot, 3


WINDOW = Window(NOON, NOON + timedelta(hours=1))


def test_the_node_and_the_pattern_are_found_in_the_tables(database: Database) -> None:
    message, moment = "schema of 7 is unknown", at(3) + timedelta(seconds=42)
    (mined,) = PatternMiner().identify([message])
    with database.connect() as connection:
        store(connection, ((n, mined if p == "schema" else p, *rest) for n, p, *rest in incident()))  # type: ignore[misc]
        connection.execute(
            'INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, 2, %s)', [at(-100), "blue", "failing", "error", []]
        )
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, source, hostname, level, message, metadata) '
            "VALUES (%s, %s, 'green', 'green', 'error', %s, '{}')",
            [uuid.uuid4(), moment, message],
        )
        found = find_origin(connection, WINDOW)

        connection.execute(
            'INSERT INTO "LogPatternCount" (slot, node, pattern, level, count, samples, p50, p95, steps) '
            "SELECT slot, 'blue', %(pattern)s, 'info', 9, '{}', CASE WHEN slot < %(since)s THEN 5 ELSE 900 END,"
            " 950, true"
            " FROM generate_series(%(since)s - interval '1 day', %(since)s + interval '30 min', '5 min') AS slot",
            {"pattern": "ok", "since": WINDOW.since},
        )
        slower = [sign for one in find_origin(connection, WINDOW).suspects for sign in one.signs if sign.step]

    assert [suspect.node for suspect in found.suspects] == ["green", "blue"]
    assert [(sign.node, sign.kind, sign.pattern, sign.lines) for sign in slower] == [("blue", "slower", "ok", 63)]
    assert [slower[0].step, slower[0].normal_step] == pytest.approx([900, 5])
    first = found.suspects[0].signs[0]
    assert (first.kind, first.pattern, first.lines) == ("new", mined, 36)
    assert first.began == moment.timestamp(), "to the second, of the first line"
    assert found.templates[mined] == f"the {mined} of <num>"
    assert (found.suspects[1].signs[0].kind, found.suspects[1].signs[0].pattern) == ("more", "failing")


def test_a_pattern_that_merged_is_as_old_as_what_merged_into_it(database: Database) -> None:
    with database.connect() as connection:
        store(connection, incident())
        connection.execute(
            'INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion", "aliasOf", '
            '"aliasSince") VALUES (%s, %s, %s, %s, %s, 1, %s, %s)',
            ["older", "the schema of 1", "error", at(-500), at(-400), "schema", at(-300)],
        )
        connection.execute(
            'INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, 2, %s)', [at(-400), "blue", "older", "error", []]
        )
        kinds = {sign.pattern: sign.kind for one in find_origin(connection, WINDOW).suspects for sign in one.signs}

    assert (kinds["schema"], kinds["failing"]) == ("more", "new")


def test_slots_that_were_not_collected_are_no_silence(database: Database) -> None:
    with database.connect() as connection:
        store(connection, lines(2, days=2, hours=1))
        connection.execute("""DELETE FROM "LogPatternCount" WHERE node = 'green' AND slot >= %s""", [at(4)])
        silent = find_origin(connection, WINDOW).suspects
        connection.execute(
            """UPDATE "LogCoverage" SET status = 'missing' WHERE node = 'green' AND slot >= %s""", [at(4)]
        )
        missing = find_origin(connection, WINDOW).suspects

    assert (silent[0].node, silent[0].signs[0].kind) == ("green", "silent")
    assert "silent" not in {sign.kind for suspect in missing for sign in suspect.signs}

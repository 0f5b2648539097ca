"""Baselines from tables: learnt once a day, again when the past has changed, and the same in any order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fleexmon_pipeline.baselines.store import read_baselines
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.evaluate import evaluate, improbable
from fleexmon_pipeline.detection.evaluated_hours import note_seen
from fleexmon_pipeline.detection.observe import still_learning
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_kinds import Spike
from fleexmon_pipeline.detection.rule_model import all_series
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.issues.shadows import write_shadows
from fleexmon_pipeline.window import DAY, HOUR, SETTLED, SLOT, Window, history_day
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import firing
from fleexmon_pipeline_tests.patterns.stored_lines import Stored, at, store
from fleexmon_pipeline_tests.stories import HOUR_OF_TEN, TEN

RULES = load_rules().rules
MIDNIGHT = TEN - 10 * HOUR

PAST = """
INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")
VALUES ('served', 'served', 'info', %(since)s, %(since)s, 1),
       ('declined', 'card declined', 'error', %(since)s, %(since)s, 1),
       ('memory', 'memory at <num>', 'warn', %(since)s, %(since)s, 1);
"""
COUNTS = """
INSERT INTO "LogPatternCount" (slot, node, pattern, level, count, samples)
SELECT slot, node, pattern, level, count, ARRAY[]::uuid[]
FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '5 minutes', '5 minutes') AS slot,
  unnest(ARRAY['blue', 'green']) AS node,
  LATERAL (VALUES
    ('served', 'info', 30 + abs(hashtext(slot::text || node)) %% 20),
    ('declined', 'error', CASE WHEN abs(hashtext('e' || slot::text || node)) %% 3 = 0 THEN 1 ELSE 0 END)
  ) AS of_slot (pattern, level, count)
WHERE count > 0;
"""
COVERAGE = """
INSERT INTO "LogCoverage" (node, slot, status, received, stored, "updatedAt")
SELECT node, slot, 'complete', 40, 40, slot
FROM generate_series(%(since)s::timestamp, %(until)s::timestamp - interval '5 minutes', '5 minutes') AS slot,
  unnest(ARRAY['blue', 'green']) AS node;
"""


def live(connection: Connection, since: datetime, until: datetime = HOUR_OF_TEN.until) -> None:
    """Both nodes have an ordinary time."""
    for statement in (PAST, COUNTS, COVERAGE):
        for one in statement.strip().split(";\n"):
            connection.execute(one.encode(), {"since": since, "until": until})


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """With nine days of both nodes, up to eleven o'clock."""
    with database.connect() as opened:
        live(opened, MIDNIGHT - 9 * DAY)
        yield opened


def test_durations_are_learnt_stored_and_read_back_as_they_were(connection: Connection) -> None:
    connection.execute(
        "UPDATE \"LogPatternCount\" SET p50 = 200 + abs(hashtext(slot::text)) % 40, p95 = 500 WHERE pattern = 'served'"
    )
    learnt, stored = (read_baselines(connection, ["blue"], MIDNIGHT, all_series(RULES)) for _ in range(2))

    assert learnt["blue"].patterns["served"]["rest"].durations is not None
    assert stored == learnt


def test_a_value_that_stands_still_is_learnt_stored_and_told(connection: Connection) -> None:
    connection.execute("UPDATE \"LogPatternCount\" SET variety = 8 | (1 << 4) WHERE pattern = 'served'")
    assert judged(connection) == []
    connection.execute(
        "UPDATE \"LogPatternCount\" SET variety = 1 | (1 << 4) WHERE pattern = 'served' AND slot >= %s", [at(0)]
    )
    (told,) = [each for each in judged(connection) if each.slot == at(55) and each.nodes == ["blue"]]
    assert (told.rule, told.subject.pattern, told.metadata["field"]) == ("values-stuck", "served", 1)


def names(found: list[Occurrence]) -> set[tuple[str, str]]:
    return {(each.rule, each.nodes[0]) for each in found}


def judged(connection: Connection, hour: Window = HOUR_OF_TEN) -> list[Occurrence]:
    return evaluate(connection, RULES, hour, until=hour.until)


def more(connection: Connection, count: int, slots: range, pattern: str = "declined", level: str = "error") -> None:
    for slot in slots:
        connection.execute(
            'INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (slot, node, pattern, level) '
            'DO UPDATE SET count = "LogPatternCount".count + EXCLUDED.count',
            [at(5 * slot), "blue", pattern, level, count, []],
        )


def test_an_ordinary_hour_has_no_issue_and_a_bad_one_has(connection: Connection) -> None:
    assert judged(connection) == []
    more(connection, 15, range(4, 9))
    found = judged(connection)
    assert ("unusual-error-rate", "blue") in names(found)
    assert ("high-error-rate", "blue") in names(found)
    assert {node for _, node in names(found)} == {"blue"}
    told = next(each for each in found if each.rule == "unusual-error-rate")
    assert told.metadata["expected"] < 3
    assert told.title.startswith("Unusually many errors on blue")


def test_a_threshold_counts_only_where_it_is_improbable_and_for_a_young_node_against_the_hours_before(
    database: Database,
) -> None:
    with database.connect() as connection:
        live(connection, MIDNIGHT - 9 * DAY)
        connection.execute(
            'UPDATE "LogPatternCount" SET count = 4 WHERE pattern = %s AND slot < %s', ["declined", MIDNIGHT]
        )
        more(connection, 4, range(6))
        known = names(judged(connection))
        connection.execute('DELETE FROM "LogCoverage" WHERE slot < %s', [MIDNIGHT - 3 * DAY])
        young = names(judged(connection))
        with connection.transaction(force_rollback=True):
            more(connection, 40, range(6))
            jumped = names(judged(connection))
        connection.execute('DELETE FROM "LogCoverage" WHERE slot < %s', [TEN])
        connection.execute('DELETE FROM "LogPatternCount" WHERE slot < %s', [TEN])
        connection.execute('DELETE FROM "NodeBaseline"')
        nothing_before = names(judged(connection))
    assert known == young == set()
    assert ("repeated-error", "blue") in jumped
    assert ("repeated-error", "blue") in nothing_before, "nothing speaks against it, so it holds bare"


def test_texts_are_judged_by_the_patterns_that_have_them(connection: Connection) -> None:
    connection.execute(
        'INSERT INTO "LogPatternCount" SELECT slot, node, %s, %s, 2, ARRAY[]::uuid[] FROM "LogPatternCount" '
        "WHERE pattern = 'served' AND slot < %s",
        ["memory", "warn", MIDNIGHT],
    )
    store(connection, [Stored(at(minute), "warn", "memory at 91", pattern="memory") for minute in (1, 2, 6, 7, 11)])
    assert "memory-warning" not in {rule for rule, _ in names(judged(connection))}
    connection.execute("DELETE FROM \"LogPatternCount\" WHERE pattern = 'memory' AND slot < %s", [MIDNIGHT])
    connection.execute('DELETE FROM "NodeBaseline"')
    assert ("memory-warning", "blue") in names(judged(connection))


def test_a_baseline_is_learnt_once_a_day_and_anew_when_an_hour_of_the_past_changed(
    connection: Connection, database: Database
) -> None:
    yesterday = Window(MIDNIGHT - HOUR, MIDNIGHT)
    note_seen(connection, yesterday)
    judged(connection)
    first = database.fingerprint('"NodeBaseline"')
    judged(connection)
    assert database.fingerprint('"NodeBaseline"') == first
    connection.execute('UPDATE "LogPatternCount" SET count = count + 1 WHERE slot >= %s AND slot < %s', [
        yesterday.since, yesterday.until,
    ])  # fmt: skip
    note_seen(connection, yesterday)
    judged(connection)
    assert database.fingerprint('"NodeBaseline"') != first


def test_a_baseline_does_not_depend_on_the_order_in_which_rows_were_written(connection: Connection) -> None:
    in_order = read_baselines(connection, ["blue", "green"], MIDNIGHT, all_series(RULES))
    for table in ("LogCoverage", "LogPatternCount"):  # rewritten, rows lie behind those of later slots
        connection.execute(f'UPDATE "{table}" SET node = node WHERE slot < %s'.encode(), [MIDNIGHT - 5 * DAY])
    connection.execute('DELETE FROM "NodeBaseline"')
    assert read_baselines(connection, ["blue", "green"], MIDNIGHT, all_series(RULES)) == in_order


def test_the_past_ends_with_the_day_before_and_that_only_after_three_hours() -> None:
    assert history_day(TEN) == MIDNIGHT
    assert history_day(MIDNIGHT + SETTLED) == MIDNIGHT
    assert history_day(MIDNIGHT + SETTLED - SLOT) == MIDNIGHT - DAY


def test_slots_before_and_after_the_day_turns_are_judged_alone_as_together(connection: Connection) -> None:
    around = Window(MIDNIGHT + 2 * HOUR, MIDNIGHT + 4 * HOUR)
    bad = [around.since + timedelta(minutes=45), around.since + timedelta(minutes=90)]
    connection.execute(
        "UPDATE \"LogPatternCount\" SET count = 30 WHERE pattern = 'declined' AND slot BETWEEN %s AND %s", bad
    )
    together = judged(connection, around)
    alone = [each for slot in around.slots() for each in judged(connection, slot)]
    assert together
    assert alone == together


WIDE = """\
name: wide-{kind}
kind: {kind}
where: {{level: [info, warn, error, fatal]}}
{figures}
severity: low
title: "{{count}} of {{expected}}"
description: "{{within}}"
"""


@pytest.mark.parametrize(
    ("kind", "figures", "change"),
    [
        ("rate", "rate: {per: node, at_least: {3h: 40}, times: 1.5}", "count * 4"),
        ("drop", "drop: {at_least: {3h: 40}, below: 70%}", "GREATEST(count / 9, 1)"),
    ],
)
def test_wide_windows_are_the_same_whether_read_together_or_alone(
    connection: Connection, tmp_path: Path, kind: str, figures: str, change: str
) -> None:
    (tmp_path / f"wide-{kind}.yaml").write_text(WIDE.format(kind=kind, figures=figures))
    loaded = load_rules(tmp_path)
    assert loaded.problems == ()
    update = (
        f"UPDATE \"LogPatternCount\" SET count = {change} WHERE pattern = 'served' AND node = 'blue' AND slot >= %s"
    )
    connection.execute(update.encode(), [at(-90)])
    hours = Window(TEN - 2 * HOUR, TEN + HOUR)
    together = evaluate(connection, loaded.rules, hours, until=hours.until)
    alone = [each for slot in hours.slots() for each in evaluate(connection, loaded.rules, slot, until=slot.until)]
    assert {each.nodes[0] for each in together} == {"blue"}
    assert alone == together


def test_later_hours_that_looked_back_into_a_changed_one_are_named(connection: Connection) -> None:
    hours = [Window.hour_of(TEN - HOUR * back) for back in range(7)]
    assert note_seen(connection, hours[0]) == []
    assert note_seen(connection, hours[6]) == []
    assert note_seen(connection, hours[5]) == [TEN]
    assert note_seen(connection, hours[5]) == []
    more(connection, 1, range(-30, -29))
    assert note_seen(connection, Window.hour_of(at(-150))) == [TEN]


def test_an_old_node_that_is_new_in_the_counts_of_a_merge_is_not_new(connection: Connection) -> None:
    """A pattern that what it merged into was seen before is old; one that only later ones merged into is new."""
    connection.execute(
        'INSERT INTO "LogPattern"'
        ' (id, template, level, "firstSeen", "lastSeen", "maskVersion", "aliasOf", "aliasSince")'
        " VALUES ('general', 'card <*>', 'error', %(at)s, %(at)s, 1, NULL, NULL),"
        "        ('fresh', 'disk', 'error', %(at)s, %(at)s, 1, NULL, NULL)",
        {"at": TEN},
    )
    connection.execute(
        'UPDATE "LogPattern" SET "aliasOf" = \'general\', "aliasSince" = %s WHERE id = \'declined\'', [TEN - SLOT]
    )
    more(connection, 1, range(2, 3), "general")
    more(connection, 1, range(2, 3), "fresh")
    told = {each.subject.pattern for each in judged(connection) if each.rule == "new-error"}
    assert told == {"fresh"}
    connection.execute(
        'UPDATE "LogPattern" SET "aliasOf" = \'fresh\', "aliasSince" = %s WHERE id = \'memory\'', [at(30)]
    )
    more(connection, 1, range(-200, -199), "memory", "error")
    assert {each.subject.pattern for each in judged(connection) if each.rule == "new-error"} == {"fresh"}


def silence(connection: Connection, since: datetime, until: datetime, status: str = "empty") -> None:
    where = {"since": since, "until": until, "status": status}
    for change in (
        'DELETE FROM "LogPatternCount"',
        'UPDATE "LogCoverage" SET status = %(status)s, received = 0, stored = 0',
    ):
        of_blue = "WHERE node = 'blue' AND slot >= %(since)s AND slot < %(until)s"
        connection.execute(f"{change} {of_blue}".encode(), where)


def test_empty_is_silence_and_missing_is_not(connection: Connection) -> None:
    silence(connection, at(20), at(60))
    found = judged(connection)
    assert names(found) == {("silent-node", "blue")}
    assert found[0].slot == at(25)
    silence(connection, at(20), at(60), "missing")
    assert judged(connection) == []


def test_a_silence_goes_on_as_long_as_it_lasts(connection: Connection) -> None:
    silence(connection, MIDNIGHT - 4 * DAY, HOUR_OF_TEN.until)
    found = judged(connection)
    assert len(found) == 12
    assert found[-1].description.startswith("blue responds to polls but has logged nothing for 107 hours")


@pytest.mark.parametrize("hours", [1, 2, 6])
def test_a_silence_of_hours_is_the_same_in_whatever_windows_it_is_read(connection: Connection, hours: int) -> None:
    """Judged by the hour it once was over after three hours, and began anew after five: its 3 hours before were cut."""
    silence(connection, at(-295), at(30))
    windows = [Window(TEN - each * HOUR, TEN - (each - hours) * HOUR) for each in range(5, -1, -hours)]
    slots = [each.slot for window in windows for each in judged(connection, window) if each.rule == "silent-node"]
    assert slots == [at(5 * slot) for slot in range(-58, 6)]


def test_a_node_that_sleeps_every_night_is_not_silent(connection: Connection) -> None:
    for day in range(-9, 1):
        silence(connection, MIDNIGHT + day * DAY - 6 * HOUR, MIDNIGHT + day * DAY + 7 * HOUR)
    assert judged(connection, Window(MIDNIGHT - 6 * HOUR, MIDNIGHT + 7 * HOUR)) == []
    silence(connection, MIDNIGHT + 7 * HOUR, HOUR_OF_TEN.until)
    assert names(judged(connection)) == {("silent-node", "blue")}


def test_a_predictor_is_heeded_where_its_figure_is_improbable(connection: Connection) -> None:
    rule = next(each for each in RULES if isinstance(each, Spike))
    assert improbable(connection, RULES, rule, HOUR_OF_TEN.until) == set()
    more(connection, 200, range(12), "served", "info")
    assert improbable(connection, RULES, rule, HOUR_OF_TEN.until) == {"blue"}
    connection.execute('DELETE FROM "LogCoverage" WHERE slot < %s', [MIDNIGHT - 3 * DAY])
    assert improbable(connection, RULES, rule, HOUR_OF_TEN.until) == {"blue", "green"}


def test_nothing_is_known_of_a_node_without_a_past(connection: Connection) -> None:
    assert set(read_baselines(connection, ["blue", "violet"], MIDNIGHT, [])) == {"blue"}


def test_what_shadows_say_is_replaced(connection: Connection, database: Database) -> None:
    write_shadows(connection, [firing(0), firing(1)], HOUR_OF_TEN)
    before = database.fingerprint('"ShadowOccurrence"')
    write_shadows(connection, [firing(0), firing(1)], HOUR_OF_TEN)
    assert database.fingerprint('"ShadowOccurrence"') == before
    write_shadows(connection, [firing(1)], HOUR_OF_TEN)
    assert database.rows('SELECT slot FROM "ShadowOccurrence"') == [{"slot": at(5)}]


def test_a_cold_start_is_said_as_such(connection: Connection) -> None:
    assert still_learning(connection, HOUR_OF_TEN) == ""
    connection.execute("DELETE FROM \"LogCoverage\" WHERE node = 'blue' AND slot < %s", [TEN - 2 * DAY])
    assert still_learning(connection, HOUR_OF_TEN) == (
        "blue is known for 2.0 days: unusual rates after 3 days; thresholds are bare for 7 days"
    )

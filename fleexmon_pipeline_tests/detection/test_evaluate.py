"""When detector rules fire, on what, and their texts: lines in a real database, and the built-in rules."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection import evaluate as evaluate_module
from fleexmon_pipeline.detection.evaluate import MAX_COMPARED, evaluate
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_model import MAX_TITLE
from fleexmon_pipeline.issues.occurrence import MAX_EVIDENCE, Occurrence
from fleexmon_pipeline.patterns.read_counts import read_messages
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.conftest import BUSY, Database
from fleexmon_pipeline_tests.patterns.stored_lines import Stored, at, store
from fleexmon_pipeline_tests.stories import HOUR_OF_TEN, TEN

RULES = load_rules().rules


def judged(
    database: Database, lines: list[Stored], rule: str | None = None, *, until: datetime = HOUR_OF_TEN.until
) -> list[Occurrence]:
    """What the rule (or all of them) says of the hour of ten once these lines are stored."""
    with database.connect() as connection:
        store(connection, lines)
        found = evaluate(connection, RULES, HOUR_OF_TEN, until=until)
    return [each for each in found if rule in (None, each.rule)]


def errors(number: int, minute: float = 1, **given: Any) -> list[Stored]:
    return [Stored(at(minute) + timedelta(milliseconds=i), **given) for i in range(number)]


def infos(number: int, minute: float = 1, **given: Any) -> list[Stored]:
    return errors(number, minute, level="info", message="request served", **given)


def slots_of(found: list[Occurrence]) -> list[int]:
    """Minutes after ten at which the slots begin."""
    return [int((each.slot - TEN).total_seconds() // 60) for each in found]


@pytest.mark.parametrize(
    ("rule", "quiet", "loud", "title"),
    [
        (
            "high-error-rate",
            errors(3) + infos(18),
            errors(4) + infos(18),
            "High error rate on blue: upstream answered 502 (18.2%, 4 errors in 15 minutes)",
        ),
        (
            "high-error-rate",
            errors(4) + infos(33),
            errors(4) + infos(32),
            "High error rate on blue: upstream answered 502 (11.1%, 4 errors in 15 minutes)",
        ),  # 4 of 37 is chance
        (
            "high-error-rate",
            errors(10),
            errors(11),
            "High error rate on blue: upstream answered 502 (100.0%, 11 errors in 15 minutes)",
        ),
        (
            "repeated-error",
            errors(5),
            errors(6),
            "Repeated error on blue: upstream answered 502 (6 in 15 minutes)",
        ),
        (
            "memory-warning",
            errors(3, level="warn", message="Memory at 91%"),
            errors(4, level="warn", message="Memory at 91%"),
            "Memory warnings on blue: Memory at 91% (4 in 15 minutes)",
        ),
        (
            "connection-failure",
            errors(3, message="connection reset"),
            errors(1, message="connect ECONNREFUSED 10.0.0.5:5432") + errors(1, 2, level="info", message="etimedout"),
            "Connection failures on blue: connect ECONNREFUSED 10.0.0.5:5432 (2 in 15 minutes)",
        ),
    ],
)
def test_a_rule_is_silent_at_its_threshold_and_fires_above(
    database: Database, rule: str, quiet: list[Stored], loud: list[Stored], title: str
) -> None:
    elsewhere = [Stored(line.time, line.level, line.message, "green", line.pattern) for line in quiet]
    found = judged(database, loud + elsewhere, rule)

    assert [each.title for each in found] == [title] * 3
    assert slots_of(found) == [0, 5, 10]
    assert {str(each.subject).rpartition("@")[2].removeprefix("node:") for each in found} == {"blue"}
    assert {tuple(each.nodes) for each in found} == {("blue",)}


def test_lines_count_for_their_quarter_of_an_hour_and_no_longer(database: Database) -> None:
    just_before, on_the_slot = errors(6, 4.99), errors(6, 5, node="green")
    found = judged(database, just_before + on_the_slot, "repeated-error")
    assert slots_of([each for each in found if each.nodes == ["blue"]]) == [0, 5, 10]
    assert slots_of([each for each in found if each.nodes == ["green"]]) == [5, 10, 15]


def test_the_hour_before_is_looked_back_into(database: Database) -> None:
    found = judged(database, errors(4, -9) + errors(3, 1), "repeated-error")
    assert slots_of(found) == [0]
    assert found[0].affected == 7


def test_counts_and_titles_follow_the_slot(database: Database) -> None:
    found = judged(database, errors(6, 1) + errors(3, 6), "repeated-error")
    assert [(each.affected, each.title.rpartition(" (")[2]) for each in found] == [
        (6, "6 in 15 minutes)"), (9, "9 in 15 minutes)"), (9, "9 in 15 minutes)"),
    ]  # fmt: skip


def test_slots_that_have_not_ended_are_left(database: Database) -> None:
    assert slots_of(judged(database, errors(6, 1) + errors(6, 6), "repeated-error", until=at(9))) == [0]


def test_nothing_fires_on_an_empty_hour_or_before_the_first_slot_ended(database: Database) -> None:
    assert judged(database, []) == []
    assert judged(database, errors(100), until=at(4)) == []


def test_a_long_template_is_cut_at_a_word_so_that_the_title_has_a_hundred_characters(database: Database) -> None:
    long = "payment <num> of customer <id> failed: the bank <*>\n  at stack line one" + "x" * 300
    found = judged(database, errors(7, pattern=long), "repeated-error")
    assert found[0].title == (
        "Repeated error on blue: payment <num> of customer <id> failed: the bank <*> at… (7 in 15 minutes)"
    )
    assert len(found[0].title) <= MAX_TITLE
    assert found[0].metadata["which"].startswith("payment <num> of customer <id> failed: the bank <*>")
    assert found[0].metadata["template"] == long[:200]
    assert "\n" not in found[0].description


def test_different_errors_are_different_subjects(database: Database) -> None:
    found = judged(database, errors(6, message="a failed") + errors(6, 2, message="b failed"), "repeated-error")
    assert {each.fingerprint for each in found} == {
        "repeated-error:pattern:a failed@blue", "repeated-error:pattern:b failed@blue",
    }  # fmt: skip


def test_patterns_that_merged_count_together(database: Database) -> None:
    with database.connect() as connection:
        store(connection, errors(3, message="disk a failed") + errors(3, 2, message="disk b failed"))
        connection.execute(
            'INSERT INTO "LogPattern" VALUES (%s, %s, %s, %s, %s, 1)', ("middle", "middle", "error", TEN, TEN)
        )
        connection.execute(
            'INSERT INTO "LogPattern" VALUES (%s, %s, %s, %s, %s, 1)', ("root", "disk <*> failed", "error", TEN, TEN)
        )
        connection.execute("UPDATE \"LogPattern\" SET \"aliasOf\" = 'root' WHERE id = 'middle'")
        connection.execute("UPDATE \"LogPattern\" SET \"aliasOf\" = 'middle' WHERE id LIKE 'disk%'")
        found = evaluate(connection, RULES, HOUR_OF_TEN, until=HOUR_OF_TEN.until)
    assert {(each.title, str(each.subject), len(each.evidence)) for each in found} == {
        ("Repeated error on blue: disk <*> failed (6 in 15 minutes)", "pattern:root@blue", 6)
    }


def test_a_circle_of_aliases_ends(database: Database) -> None:
    with database.connect() as connection:
        store(connection, errors(3, message="a") + errors(3, 2, message="b"))
        connection.execute("UPDATE \"LogPattern\" SET \"aliasOf\" = CASE id WHEN 'a' THEN 'b' ELSE 'a' END")
        found = evaluate(connection, RULES, HOUR_OF_TEN, until=HOUR_OF_TEN.until)
    assert {str(each.subject) for each in found} == {"pattern:a@blue"}


@pytest.mark.parametrize("level", ["ERROR", "err", "critical", "crit", "emerg", "alert", "panic", "severe", "50"])
def test_odd_words_for_an_error_are_errors(database: Database, level: str) -> None:
    found = judged(database, errors(12, level=level))
    assert {each.rule for each in found} == {"high-error-rate", "repeated-error"}
    assert {len(each.evidence) for each in found} == {12}


def test_texts_are_compared_with_the_lines_not_with_templates(database: Database) -> None:
    hidden = errors(1, message="upstream 10.0.0.5: ECONNREFUSED", pattern="upstream <*>: <*>")
    found = judged(database, hidden, "connection-failure")
    assert len(found) == 3
    assert found[0].description == "blue could not reach a service it depends on: no pattern yet"
    assert found[0].title == "Connection failures on blue (1 in 15 minutes)"
    assert "which" not in found[0].metadata


def test_characters_with_a_meaning_in_expressions_are_taken_as_they_are(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "name: odd\nkind: threshold\nwhere: {message: ['100% (at [É.*]']}\ncount: {more_than: 0, within: 5m}\n"
        "severity: low\ntitle: '{count}'\ndescription: '{within}'\n", "utf-8",
    )  # fmt: skip
    (rule,) = load_rules(tmp_path).rules
    with database.connect() as connection:
        store(connection, errors(1, message="now 100% (AT [é.*] here") + errors(1, 2, message="100% (at [Éx*]"))
        found = evaluate(connection, [rule], HOUR_OF_TEN, until=HOUR_OF_TEN.until)
    assert [(each.title, each.description) for each in found] == [("1", "5 minutes")]


def test_a_threshold_by_level_alone_needs_no_look_at_lines(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "name: warnings\nkind: threshold\nwhere: {level: [warn]}\ncount: {more_than: 1, within: 1h}\n"
        "severity: low\ntitle: '{count} of {node}'\ndescription: '{within}: {top_pattern}'\n", "utf-8",
    )  # fmt: skip
    (rule,) = load_rules(tmp_path).rules
    with database.connect() as connection:
        store(connection, errors(2, 50, level="WARN", message="slow") + errors(9, 50))
        connection.execute('DELETE FROM "LogEntry"')
        found = evaluate(connection, [rule], HOUR_OF_TEN, until=HOUR_OF_TEN.until)
    assert [(each.title, each.description) for each in found] == [("2 of blue", "1 hour: slow")] * 2
    assert {len(each.evidence) for each in found} == {2}


def test_disabled_rules_and_predictors_are_passed_over(database: Database) -> None:
    off = [rule.model_copy(update={"enabled": False}) for rule in RULES if rule.source == "detector"]
    with database.connect() as connection:
        store(connection, errors(50))
        assert evaluate(connection, [*off, *RULES[1:2]], HOUR_OF_TEN, until=HOUR_OF_TEN.until) == []


def test_figures_for_programs_are_in_metadata(database: Database) -> None:
    found = judged(database, errors(4) + infos(18), "high-error-rate")
    assert found[0].metadata == {
        "errors": 4,
        "total": 22,
        "rate": 4 / 22,
        "threshold": 0.05,
        "withinMinutes": 15,
        "topPatterns": [{"pattern": "upstream answered 502", "template": "upstream answered 502", "count": 4}],
        "what": "High error rate",
        "which": "upstream answered 502",
        "runbook": "high-error-rate",
    }
    assert found[0].description == (
        "18.2% of blue's lines in the last 15 minutes were errors (4 of 22; threshold 5.0%). "
        "Most frequent: upstream answered 502"
    )


def test_evidence_is_newest_first_ids_of_other_programs_by_their_time(database: Database) -> None:
    """Random ids sort by chance; the time of their line is asked for."""
    foreign = uuid.UUID("ffffffff-0000-4000-8000-000000000001")
    lines = [Stored(at(minute)) for minute in (1, 2, 3, 7, 8)]
    with database.connect() as connection:
        ids = store(connection, [*lines, Stored(at(2.5), id=foreign)])
        found = evaluate(connection, RULES, HOUR_OF_TEN, until=HOUR_OF_TEN.until)
    newest_first = [ids[4], ids[3], ids[2], foreign, ids[1], ids[0]]
    (repeated,) = (each for each in found if each.rule == "repeated-error" and each.slot == at(5))
    assert list(repeated.evidence) == newest_first


@pytest.mark.parametrize("rule", ["repeated-error", "connection-failure"])
def test_evidence_has_an_end(database: Database, rule: str) -> None:
    storm = f"connect ECONNREFUSED {rule}"
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname)'
            " SELECT gen_random_uuid(), %s + n * INTERVAL '100 ms', 'error', %s, 'blue', 'h'"
            " FROM generate_series(1, 1500) n",
            (TEN, storm),
        )
        connection.execute('INSERT INTO "LogPattern" VALUES (%s, %s, %s, %s, %s, 1)', ("p", storm, "error", TEN, TEN))
        connection.execute(
            "INSERT INTO \"LogPatternCount\" SELECT %s, 'blue', 'p', 'error', 1500, array_agg(id) FROM \"LogEntry\"",
            (TEN,),
        )
        rows = connection.execute('SELECT id FROM "LogEntry" ORDER BY timestamp DESC LIMIT 1000').fetchall()
        found = evaluate(connection, RULES, HOUR_OF_TEN, until=at(5))
    (occurrence,) = (each for each in found if each.rule == rule)
    assert (occurrence.affected, len(occurrence.evidence)) == (1500, MAX_EVIDENCE)
    assert list(occurrence.evidence) == [row["id"] for row in rows]


_lines = st.builds(
    Stored,
    time=st.integers(-15 * 60, 60 * 60 - 1).map(lambda second: TEN + timedelta(seconds=second)),
    level=st.sampled_from(["info", "warn", "error", "ERR"]),
    message=st.sampled_from(["memory low", "connect ETIMEDOUT", "a failed", "b failed"]),
    node=st.sampled_from(["blue", "green"]),
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, BUSY])
@given(lines=st.lists(_lines, min_size=20, max_size=60), after=st.integers(0, 11))
def test_what_comes_later_changes_no_earlier_slot(database: Database, lines: list[Stored], after: int) -> None:
    """And so neither order nor repeats of windows matter: any part of the hour gives what the whole hour gives."""
    end = TEN + SLOT * (after + 1)
    with database.connect() as connection:
        with connection.transaction(force_rollback=True):
            store(connection, [line for line in lines if line.time < end])
            then = evaluate(connection, RULES, HOUR_OF_TEN, until=end)
        with connection.transaction(force_rollback=True):
            store(connection, sorted(lines, key=lambda line: line.time))
            later = evaluate(connection, RULES, HOUR_OF_TEN, until=HOUR_OF_TEN.until)
            alone = evaluate(connection, RULES, Window(end - SLOT, end), until=end)

    def told(found: list[Occurrence]) -> list[tuple[object, ...]]:
        return [(each.fingerprint, each.slot, each.title, each.affected, len(each.evidence)) for each in found]

    assert told(then) == told([each for each in later if each.slot < end])
    assert told(alone) == told([each for each in later if each.slot == end - SLOT])


@pytest.mark.parametrize(
    ("template", "messages", "shown"),
    [
        ("<*> worker lost its quorum", ["badger worker lost its quorum"], "badger worker lost its quorum"),
        ("<*> worker lost its quorum", ["badger worker lost its quorum", "otter worker lost its quorum"], None),
        ("<*> of <path> failed after <num> ms", ["copy of /a failed after 3 ms", "copy of /b failed after 3 ms"],
         "copy of <path> failed after <num> ms"),
        ("login of <*> failed: <*>", ["login of a@b.example failed: password=hunter2x9"],
         "login of <email> failed: password=<password>"),
    ],
)  # fmt: skip
def test_a_title_shows_the_values_that_all_its_lines_share(
    database: Database, template: str, messages: list[str], shown: str | None
) -> None:
    lines = [
        Stored(at(1) + timedelta(milliseconds=n), message=messages[n % len(messages)], pattern=template)
        for n in range(60)
    ]
    first, *_ = judged(database, lines, "repeated-error")

    assert first.title == f"Repeated error on blue: {shown or template} (60 in 15 minutes)"
    assert first.metadata["template"] == template


def test_lines_behind_all_that_fires_are_read_in_one_query(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(connection: Connection, ids: Collection[uuid.UUID], window: Window) -> dict[uuid.UUID, str]:
        read.append(len(ids))
        return read_messages(connection, ids, window)

    monkeypatch.setattr(evaluate_module, "read_messages", counted)
    lines = [
        Stored(at(1) + timedelta(milliseconds=n), message=f"w{n % 3} broke", pattern=f"<*> broke {n % 3}")
        for n in range(900)
    ]
    fired = judged(database, lines, "repeated-error")

    assert len(fired) == 9
    assert len(read) == 1
    assert read[0] <= 9 * MAX_COMPARED

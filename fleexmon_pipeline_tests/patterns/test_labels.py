"""A pattern's label is used in issues; an ignored pattern makes no issues until people undo that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleexmon_pipeline.detection.evaluate import evaluate
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.patterns.labels import UnknownPatternError, label, read_labels
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.stored_lines import Stored, at, store
from fleexmon_pipeline_tests.stories import HOUR_OF_TEN

NOW = datetime(2026, 11, 20, 11, tzinfo=UTC)
RULES = load_rules().rules


def titles(database: Database) -> list[str]:
    with database.connect() as connection:
        found = evaluate(connection, RULES, HOUR_OF_TEN, until=HOUR_OF_TEN.until)
    return sorted({each.title for each in found if each.rule == "repeated-error"})


@pytest.fixture
def pattern(database: Database) -> str:
    with database.connect() as connection:
        store(connection, [Stored(at(1) + timedelta(milliseconds=n)) for n in range(7)])
    return str(database.rows('SELECT DISTINCT pattern FROM "LogPatternCount"')[0]["pattern"])


def test_a_named_pattern_is_called_by_its_name(database: Database, pattern: str) -> None:
    with database.connect() as connection:
        label(connection, pattern, by="kim", now=NOW, name="payment gateway")

    assert titles(database) == ["Repeated error on blue: payment gateway: upstream answered 502 (7 in 15 minutes)"]


def test_an_ignored_pattern_makes_no_issue_until_that_is_taken_back(database: Database, pattern: str) -> None:
    before = titles(database)
    with database.connect() as connection:
        noted = label(connection, pattern, by="kim", now=NOW, ignored=True, why="known, harmless")
        assert (noted.ignored, noted.why, noted.by) == (True, "known, harmless", "kim")
        assert titles(database) == []
        label(connection, pattern, by="kim", now=NOW + timedelta(hours=1), ignored=False)

    assert titles(database) == before != []


def test_a_label_follows_its_pattern_through_merges(database: Database, pattern: str) -> None:
    with database.connect() as connection:
        label(connection, pattern, by="kim", now=NOW, name="gateway")
        for own, root in ((pattern, "middle"), ("middle", "root")):
            connection.execute(
                """INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion", "aliasOf")
                VALUES (%(root)s, 'up <*>', 'error', %(now)s, %(now)s, 2, NULL)""",
                {"root": root, "now": NOW},
            )
            connection.execute(
                'UPDATE "LogPattern" SET "aliasOf" = %(root)s, "aliasSince" = %(now)s WHERE id = %(own)s',
                {"root": root, "own": own, "now": NOW},
            )
        labels = read_labels(connection)

    assert {key: each.name for key, each in labels.items()} == {"root": "gateway"}


@pytest.mark.parametrize(
    ("prefix", "reason"), [("nothing", "is not a pattern"), ("", "is not a pattern"), ("%", "is not")]
)
def test_what_names_no_pattern_is_refused(database: Database, pattern: str, prefix: str, reason: str) -> None:
    with database.connect() as connection, pytest.raises(UnknownPatternError, match=reason):
        label(connection, prefix, by="kim", now=NOW, name=pattern)


def test_a_beginning_that_several_ids_have_is_refused(database: Database, pattern: str) -> None:
    with database.connect() as connection:
        connection.execute(
            """INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")
            VALUES (%(id)s, 'up', 'error', %(now)s, %(now)s, 2)""",
            {"id": f"{pattern}x", "now": NOW},
        )
        with pytest.raises(UnknownPatternError, match="several"):
            label(connection, pattern[:3], by="kim", now=NOW, name="n")

"""The quality figure is high for patterns that separate lines and low for those that do not, without labels."""

from __future__ import annotations

from fleexmon_pipeline.patterns.health import miner_health
from fleexmon_pipeline.patterns.quality import quality_by_node, silhouette
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.stored_lines import Stored, at, store

PAID = [f"order {n} was paid by card" for n in (1, 2, 3)]
LOST = [f"connection to db-{n} lost" for n in (7, 8, 9)]


def test_patterns_that_split_or_join_statements_score_lower() -> None:
    right = silhouette({"paid": PAID, "lost": LOST})
    split = silhouette({"paid": PAID[:1], "paid too": PAID[1:], "lost": LOST})
    joined = silhouette({"one": [*PAID[:2], LOST[0]], "other": [*LOST[1:], PAID[2]]})

    assert round(right, 9) == 1.0
    assert split < 0.7
    assert joined < 0.7


def test_the_finest_patterns_are_not_the_best() -> None:
    lines = [f"order {name}-{n} was paid by card-{n}" for n in range(3) for name in ("ab", "cd")] + LOST
    every_line = {line: [line] for line in lines}

    assert silhouette(every_line) < 0.1
    assert silhouette({"paid": lines[:6], "lost": LOST}) > 0.9


def test_quality_is_per_node_with_aliases_resolved(database: Database) -> None:
    with database.connect() as connection:
        assert quality_by_node(connection) == {}
        lines = [Stored(at(1), message=line, node="blue", pattern=line) for line in (PAID[0], PAID[1], *LOST[:1])]
        store(connection, [*lines, Stored(at(1), message="alone", node="green")])
        before = quality_by_node(connection)
        connection.execute('UPDATE "LogPattern" SET "aliasOf" = %s WHERE id = %s', [PAID[0], PAID[1]])

        after = quality_by_node(connection)
        sentence = miner_health(connection).sentence()

    assert before.keys() == after.keys() == {"blue"}
    assert before["blue"] < after["blue"] == 1.0
    assert sentence.endswith("separation (1 is best; compare only with the node's own past): blue 1.00")

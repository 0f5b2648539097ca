"""An update that only rewords rules and runbooks does not change stored occurrences and issues."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleexmon_pipeline.issues.shadows import write_shadows
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import at, cover, fire, firing, issues

TABLES = '"LogIssue"', '"IssueEpisode"', '"IssueOccurrence"', '"ShadowOccurrence"'
TEXTS: dict[str, Any] = {
    "title": "Reworded",
    "description": "In plain English.",
    "recommendation": "Look at the runbook.",
}
REWORDED: dict[str, Any] = {**TEXTS, "rule_version": "2", "wording": "new"}


def test_new_words_and_a_new_version_change_no_stored_row(database: Database) -> None:
    figures = {"rate": 0.5, "reasons": ["told so"], "command": "fleexmon compare"}
    before = [firing(slot, metadata=figures, recommendation="Old advice.") for slot in (0, 2)]
    after = [replace(old, metadata={**figures, "reasons": ["said plainly"]}, **REWORDED) for old in before]
    window = Window(at(0), at(3))
    with database.connect() as connection:
        cover(connection, range(3))
        fire(connection, *before, run="first")
        write_shadows(connection, before, window)
        stored = [database.fingerprint(table) for table in TABLES]

        done = fire(connection, *after, run="second")
        write_shadows(connection, after, window)
        (issue,) = issues(connection)

    assert done.sentence() == "issues: no change (1 unchanged)"
    assert [database.fingerprint(table) for table in TABLES] == stored
    assert (issue["title"], issue["metadata"]["ruleVersion"]) == ("repeated-error in 2", "1")


@pytest.mark.parametrize(
    "change", [{"affected": 9}, {"metadata": {"rate": 0.9}}, {"nodes": ["blue", "green"]}, {"evidence": []}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_changed_figure_takes_the_new_words_with_it(database: Database, change: dict[str, Any]) -> None:
    with database.connect() as connection:
        cover(connection, range(3))
        fire(connection, firing(0))
        fire(connection, firing(0, **REWORDED, **change))
        (issue,) = issues(connection)

    assert [issue[name] for name in TEXTS] == list(TEXTS.values())
    assert issue["metadata"]["ruleVersion"] == "2"


def test_within_one_wording_a_text_follows_its_figures(database: Database) -> None:
    """A title may show a figure that metadata has rounded: a rerun equals a run."""
    with database.connect() as connection:
        cover(connection, range(3))
        fire(connection, firing(0, wording="same", title="2.4 are expected"))
        fire(connection, firing(0, wording="same", title="2.5 are expected"))
        (issue,) = issues(connection)

    assert issue["title"] == "2.5 are expected"


def test_rows_of_a_database_from_before_wordings_were_versioned_stay(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(3))
        fire(connection, firing(0))
        connection.execute('UPDATE "IssueOccurrence" SET "wordingVersion" = NULL')
        stored = [database.fingerprint(table) for table in TABLES]
        fire(connection, firing(0, **REWORDED))

    assert [database.fingerprint(table) for table in TABLES] == stored


def test_an_open_issue_speaks_the_new_words_from_its_next_firing_on(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(3))
        fire(connection, firing(0))
        fire(connection, firing(0, **REWORDED), firing(1, **REWORDED), window=Window(at(0), at(1) + SLOT))
        (issue,) = issues(connection)
        titles = [
            row["title"] for row in connection.execute('SELECT title FROM "IssueOccurrence" ORDER BY slot').fetchall()
        ]

    assert titles == ["repeated-error in 0", "Reworded"]
    assert issue["title"] == "Reworded"


def test_texts_of_genai_are_its_findings_and_are_replaced(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(3))
        fire(connection, firing(0, rule="genai"))
        fire(connection, firing(0, rule="genai", **TEXTS))
        (issue,) = issues(connection)

    assert [issue[name] for name in TEXTS] == list(TEXTS.values())

"""Known facts are added to a matching question: runbooks, resolved issues, closed GitHub issues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.runbooks import advice_for, matching_runbooks, runbook, runbook_names
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline_tests.genai.judging import TEN, Judge, plant
from fleexmon_pipeline_tests.genai_server import issue


@dataclass
class Closed:
    number: int
    title: str
    body: str = ""
    labels: Sequence[str] = ()
    resolution: str = ""


def test_an_answer_is_grounded_in_what_is_known(judged: Judge) -> None:
    plant(judged.connection, "pg", "connect ECONNREFUSED 10.0.0.5:5432 postgres pool orders")
    for title, resolved in (
        ("Postgres pool for orders exhausted", TEN),
        ("Kitchen has no pool table", TEN),
        ("Postgres orders pool", TEN + 9 * HOUR),  # not known yet when the window was judged first
    ):
        judged.connection.execute(
            'INSERT INTO "LogIssue" (type, severity, title, description, "rootCause", source, status, "detectedAt", '
            "\"updatedAt\", \"resolvedAt\") VALUES ('x', 'high', %s, '', %s, 'detector', 'resolved', %s, %s, %s)",
            (title, "password=hunter2 expired", TEN, TEN, resolved),
        )
    asked: list[str] = []

    def search(words: str) -> list[Closed]:
        asked.append(words)
        return [Closed(12, "Pool exhausted", "we saw ECONNREFUSED", ["bug"], "Raised max_connections.")]

    judged.server.answer(issue(0))

    result = judged(closed_github_issues=search, deadline_seconds=30.0)

    prompt = judged.server.questions[0]["messages"][1]["content"]
    assert "# Connection failure" in prompt
    assert "Postgres pool for orders" in prompt
    assert "Raised max_connections." in prompt
    assert "Kitchen" not in prompt
    assert "Postgres orders pool" not in prompt
    assert "hunter2" not in prompt
    assert asked == ["connect econnrefused postgres pool"]
    assert result.occurrences[0].metadata["grounding"] == {
        "runbook": ["connection-failure"],
        "issue": ["Postgres pool for orders exhausted"],
        "github": ["#12"],
    }


def test_the_search_in_resolved_issues_uses_its_index(judged: Judge) -> None:
    """Not tried by time: the planner is only kept from reading a table of three rows, which is quicker."""
    judged.connection.execute("SET enable_seqscan = off")
    plan = judged.connection.execute(
        b"EXPLAIN " + statements("genai")["similar_issues"], {"text": "postgres pool", "until": TEN, "limit": 3}
    ).fetchall()

    assert "LogIssue_words" in str(plan)


@pytest.mark.parametrize("text", ["", "the and of", "' | ! & :* (", "%", "x" * 10_000, "\\ \u2028 é"])
def test_any_words_may_be_searched_for(judged: Judge, text: str) -> None:
    plant(judged.connection, "odd", text or "-")

    assert judged().judged


def test_a_search_of_github_that_fails_does_not_stop_the_judgement(judged: Judge) -> None:
    plant(judged.connection, "disk", "no space left")

    def search(words: str) -> list[Closed]:
        raise RuntimeError("GitHub is down")

    assert judged(closed_github_issues=search, deadline_seconds=30.0).judged


def test_runbooks_are_found_by_name_and_never_by_path() -> None:
    assert runbook_names() == [
        "connection-failure", "e2e-haproxy-routing", "e2e-health-check-failure", "e2e-version-mismatch",
        "e2e-webhook-failure", "high-error-rate", "memory-warning", "repeated-error",
    ]  # fmt: skip
    for name in ("../rules/high-error-rate", "/etc/passwd", "high-error-rate.md", "", "High-Error-Rate"):
        assert runbook(name) is None
    for name in runbook_names():
        text = runbook(name)
        assert text is not None
        assert text.startswith("# ")
        assert {"## Look first", "## Likely causes", "## Fix", "## Prevent"} <= set(text.splitlines())


def test_advice_is_of_the_runbook_that_fits_else_of_the_usual_one() -> None:
    found = advice_for("connect ECONNREFUSED <ip>:<num>", "repeated-error")
    assert found
    name, text = found
    assert name == "connection-failure"
    assert text.startswith("Look first:\n1. Address and port")
    assert "\nFix:\n- Start the service" in text
    assert "Likely causes" not in text

    usual = advice_for("something odd", "repeated-error")
    assert usual
    assert usual[0] == "repeated-error"
    assert advice_for("something odd") is None
    assert advice_for("something odd", "../rules/high-error-rate") is None
    every = [advice_for("", name) for name in runbook_names()]
    assert all(one and 200 < len(one[1]) <= 1_500 for one in every)


def test_runbooks_match_whole_words() -> None:
    assert matching_runbooks("JavaScript heap out of memory; connect ETIMEDOUT") == [
        "memory-warning",
        "connection-failure",
    ]
    assert matching_runbooks("cheap room booked") == []

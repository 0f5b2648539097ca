"""An answer about a case is hostile text: only claims that cite lines of the case are kept, safe to show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.genai.answer import AnswerError
from fleexmon_pipeline.genai.cases.claims import MAX_CLAIM, MAX_RECOMMENDATION, Explanation, parse_explanation
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline_tests.genai.cases.shop import explained

IDS = range(5)
NODES = {"blue": "blue", "green": "green"}


def parsed(text: str, finish_reason: str = "stop") -> Explanation:
    return parse_explanation(text, finish_reason, IDS, NODES)


def test_claims_keep_their_evidence_and_what_is_none_is_counted() -> None:
    answer = parsed(explained(1, 2, 77, facts=[{"text": "a", "evidence": []}, {"text": "b", "evidence": [4, 4, "3"]}]))

    assert [(claim.text, claim.evidence) for claim in answer.facts] == [("b", (4,))]
    assert [claim.evidence for claim in answer.hypotheses] == [(1, 2)]
    assert (answer.cited, answer.unsupported) == (1 + 1 + 3, 1 + 0 + 1)
    assert (answer.root_node, answer.severity, answer.recommendation) == (
        "blue",
        Severity.HIGH,
        "Look at the database.",
    )


@pytest.mark.parametrize("node", ["red", "", None, ["blue"], {"blue": 1}, "blue "], ids=repr)
def test_only_a_node_of_the_incident_is_blamed(node: Any) -> None:
    found = parsed(explained(0, rootNode=node)).root_node

    assert found == ("blue" if node in ("blue ", ["blue"]) else None)


@pytest.mark.parametrize(
    ("text", "reason", "outcome"),
    [
        ("I am sorry.", "stop", "invalid_answer"),
        ('{"issues": []}', "stop", "invalid_answer"),
        ('{"facts": [{"text": "a", "evid', "length", "truncated"),
        ("[]", "stop", "invalid_answer"),
    ],
)
def test_another_form_is_named(text: str, reason: str, outcome: str) -> None:
    with pytest.raises(AnswerError) as caught:
        parsed(text, reason)

    assert caught.value.outcome == outcome


def test_many_and_long_claims_are_cut() -> None:
    claims = [{"text": "word " * 5_000, "evidence": list(range(10_000))}] * 500

    answer = parsed(explained(0, facts=claims, hypotheses=claims, recommendation=["x" * 5_000] * 50))

    assert (len(answer.facts), len(answer.hypotheses)) == (4, 3)
    assert all(len(claim.text) <= MAX_CLAIM for claim in answer.facts + answer.hypotheses)
    assert len(answer.recommendation or "") <= MAX_RECOMMENDATION
    assert answer.cited == 7 * 20


def test_secrets_and_hidden_characters_are_not_shown() -> None:
    answer = parsed(explained(0, facts=[{"text": "password=hunter2\u202e\x00\nnext", "evidence": [0]}]))

    (fact,) = answer.facts
    assert "hunter2" not in fact.text
    assert not set(fact.text) & set("\u202e\x00\n")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
claims = st.fixed_dictionaries(
    {}, optional={"text": values, "evidence": values | st.lists(st.integers(-2, 7), max_size=4)}
)
answers = st.fixed_dictionaries(
    {},
    optional={
        "facts": st.lists(claims | values, max_size=6) | values, "hypotheses": st.lists(claims, max_size=6) | values,
        "rootNode": values, "severity": values, "recommendation": values,
    },
)  # fmt: skip


@given(st.text(max_size=300) | answers.map(json.dumps))
def test_any_text_is_claims_with_evidence_or_an_answer_error(text: str) -> None:
    try:
        answer = parsed(text)
    except AnswerError:
        return
    for claim in (*answer.facts, *answer.hypotheses):
        assert claim.text
        assert claim.evidence
        assert set(claim.evidence) <= set(IDS)
        assert "\x00" not in claim.text
    assert 0 <= answer.unsupported <= answer.cited
    assert answer.root_node in (None, "blue", "green")

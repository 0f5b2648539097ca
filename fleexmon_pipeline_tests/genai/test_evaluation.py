"""The published cases are valid, and answers are scored correctly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.cases.case import MAX_CASE_TOKENS
from fleexmon_pipeline.genai.cases.claims import parse_explanation
from fleexmon_pipeline.genai.evaluation.known import ByRules, KnownCase, Truth, known_cases
from fleexmon_pipeline.genai.evaluation.run import Evaluation, evaluate_agent
from fleexmon_pipeline.genai.evaluation.score import Score, score_answer, score_rules
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline_tests.genai_server import GenAIServer

CASE = KnownCase(
    "payment on blue", Truth("blue", "high", ["gateway"], [2, 3]), ByRules("gateway", "low"), ["blue", "gateway"],
    [{"id": number, "line": "x"} for number in range(4)],
)  # fmt: skip


def test_the_published_cases_are_bounded_redacted_and_have_someone_to_blame() -> None:
    cases = known_cases()

    assert len(cases) >= 12
    assert len({case.name for case in cases}) == len(cases)
    assert sum(bool(case.truth.bystanders) for case in cases) >= 8
    assert len({case.truth.node for case in cases}) >= 2
    for case in cases:
        assert case.tokens <= MAX_CASE_TOKENS, case.name
        assert case.ids == set(range(len(case.data)))
        assert case.truth.node in case.nodes
        assert set(case.truth.bystanders) < set(case.nodes)
        assert set(case.truth.distractors) <= case.ids
        text = json.dumps(case.data, ensure_ascii=False)
        assert redact(text) == text, case.name
        assert not {"truth", "bystanders", "distractors"} & {name for item in case.data for name in item}


def answer(**members: Any) -> str:
    claims = {"facts": [{"text": "a", "evidence": [1]}], "hypotheses": [{"text": "b", "evidence": [1]}]}
    return json.dumps({**claims, "rootNode": "blue", "severity": "medium", **members})


@pytest.mark.parametrize(
    ("members", "named", "near", "unsupported", "misled"),
    [
        ({}, 1, 1, 0, 0),
        ({"rootNode": "gateway"}, 0, 1, 0, 1),
        ({"rootNode": None}, 0, 1, 0, 0),
        ({"severity": "low"}, 1, 0, 0, 0),
        ({"facts": [{"text": "a", "evidence": [1, 9]}]}, 1, 1, 1, 0),
        ({"hypotheses": [{"text": "b", "evidence": [2, 3]}]}, 1, 1, 0, 1),
        ({"hypotheses": [{"text": "b", "evidence": [1, 3]}]}, 1, 1, 0, 0),
    ],
)
def test_points(members: dict[str, Any], named: int, near: int, unsupported: int, misled: int) -> None:
    score = Score()

    score_answer(
        score, CASE, parse_explanation(answer(**members), "stop", CASE.ids, {node: node for node in CASE.nodes})
    )

    assert (score.cases, score.answered, score.with_bystanders) == (1, 1, 1)
    assert (score.node_named, score.severity_near, score.unsupported, score.misled) == (
        named,
        near,
        unsupported,
        misled,
    )
    assert score.meets_goals() == (not unsupported and not misled)


def test_rules_are_scored_by_the_same_truth_and_silence_is_no_success() -> None:
    rules, nobody = score_rules([CASE]), Score()
    score_answer(nobody, CASE, None)

    assert (rules.node_named, rules.severity_near, rules.misled) == (0, 0, 1)
    assert (nobody.answered, nobody.node_named, nobody.severity_near, nobody.misled) == (0, 0, 0, 0)
    assert not nobody.meets_goals()


def evaluated(server: GenAIServer) -> tuple[Evaluation, list[str]]:
    said: list[str] = []
    agent = Agent(server.settings, first_wait=0.01)
    done = evaluate_agent(agent, [CASE] * 3, seconds=5, progress=lambda *text: said.append(text[2]))
    return done, said


def test_an_answer_that_cannot_be_used_counts_and_the_rest_is_asked(server: GenAIServer) -> None:
    server.say(answer()).say("I am sorry.").say(answer(rootNode="gateway"), cached=100)

    done, said = evaluated(server)

    assert (done.score.cases, done.score.answered, dict(done.failures)) == (3, 2, {"invalid_answer": 1})
    assert (done.tokens_in, done.tokens_out, done.tokens_cached) == (360, 90, 100)
    assert said[0] == "blue, right"
    assert said[2] == "gateway, was blue, blames a bystander"


def test_an_agent_that_is_unwell_is_left_alone(server: GenAIServer) -> None:
    server.say(answer()).refuse(401)

    done, said = evaluated(server)

    assert (len(server.questions), done.score.cases, done.score.answered) == (2, 3, 1)
    assert (done.stopped or "").startswith("http_401")
    assert said[2] == "not asked"

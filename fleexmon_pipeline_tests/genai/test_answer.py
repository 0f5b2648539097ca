"""Any text of the agent gives a checked answer, or is refused with a reason."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.genai.answer import AnswerError, Finding, parse_answer
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.redaction.redact import Redactor
from fleexmon_pipeline_tests.genai_server import issue

KNOWN = frozenset(range(3))


def one(**members: Any) -> Finding:
    (finding,) = parse_answer(json.dumps({"issues": [issue(0, **members)]}), "stop", KNOWN)
    return finding


@pytest.mark.parametrize(
    "text",
    [
        '{"issues": [ISSUE]}',
        '{"issuesDetected": [ISSUE], "summary": "x"}',
        '```json\n{"issues": [ISSUE]}\n```',
        'Here is what I found:\n```\n{"issues": [ISSUE]}\n```\nGood luck!',
        'Sure! {"issues": [ISSUE]} Anything else?',
        '<think>Record {"id": 2} and {this} look bad.</think>\n{"issues": [ISSUE]}',
        'The pattern:\n```text\nno space left\n```\nMy answer:\n```json\n{"issues": [ISSUE]}\n```',
    ],
)
def test_an_object_is_found_where_agents_put_it(text: str) -> None:
    (finding,) = parse_answer(text.replace("ISSUE", json.dumps(issue(2, 0))), "stop", KNOWN)

    assert (finding.title, finding.severity, finding.affected) == ("Disk is full", Severity.HIGH, (2, 0))
    assert (finding.root_cause, finding.recommendation) == ("Logs were not rotated.", "Free space.")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I see no problems in your logs.", "no JSON object"),
        ("", "no JSON object"),
        ('[{"issues": []}]', "array"),
        ('{"issues": [', "not valid JSON"),
        ('{"issues": {"a": 1}}', "agreed form"),
        ('{"issues": ["disk full"]}', "agreed form"),
        ('{"result": []}', "agreed form"),
        ('{"a":' * 50_000, "not valid JSON"),
        ('{"issues": [' + "9" * 10_000 + "]}", "not valid JSON"),
    ],
)
def test_what_is_not_the_agreed_form_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(AnswerError, match=reason) as caught:
        parse_answer(text, "stop", KNOWN)
    assert caught.value.outcome == "invalid_answer"


def test_an_answer_cut_at_max_tokens_is_named_so() -> None:
    with pytest.raises(AnswerError) as caught:
        parse_answer('{"issues": [{"title": "Disk', "length", KNOWN)

    assert caught.value.outcome == "truncated"
    assert parse_answer('{"issues": []} and', "length", KNOWN) == []


def test_what_is_missing_has_the_known_defaults() -> None:
    (finding,) = parse_answer('{"issues": [{"affectedLogs": [1], "rootCause": null}]}', "stop", KNOWN)

    assert (finding.type, finding.severity, finding.title) == ("ai-detected", Severity.MEDIUM, "Issue detected by AI")
    assert (finding.root_cause, finding.recommendation) == (None, None)


@pytest.mark.parametrize(
    "ids", [[], [7, -1], ["0"], [True], [0.0], [10**9], [1e9], None, "0", {"0": 1}, [[0]], [None], [*range(3, 5000)]]
)
def test_a_finding_without_valid_evidence_is_dropped_and_the_others_stay(ids: Any) -> None:
    answer = json.dumps({"issues": [{**issue(), "affectedLogs": ids}, issue(1, 99, "x", 1)]})

    assert [finding.affected for finding in parse_answer(answer, "stop", KNOWN)] == [(1,)]


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("HIGH", "high"),
        ("Warning", "medium"),
        ("fatal", "critical"),
        ("P1", "critical"),
        ("purple", "medium"),
        (3, "medium"),
    ],
)
def test_unknown_severities_are_mapped(word: Any, severity: str) -> None:
    assert one(severity=word).severity == severity


def test_texts_are_clipped_cleaned_and_redacted_again() -> None:
    finding = one(
        type="High Error/Rate!; DROP TABLE",
        title="Key AKIAIOSFODNN7EXAMPLE\nleaked\u202e \x00 by " + "x" * 500,
        description="password=hunter2 \ud800" + "long " * 2000,
        recommendation=["Stop it.", "Then rest.", 3],
    )

    assert finding.type == "high-error-rate-drop-table"
    assert finding.title.startswith("Key <key> leaked by xxx")
    assert len(finding.title) <= 150
    assert "hunter2" not in finding.description
    assert len(finding.description) <= 2000
    assert finding.recommendation == "Stop it.\nThen rest.\n3"


def nested(depth: int) -> Any:
    found: Any = "x"
    for _ in range(depth):
        found = [found]
    return found


HOSTILE = [
    {"title": {"$ne": None}, "description": ["a", ["b", {"c": "d"}]]},
    {"title": "x" * 300_000, "description": "y" * 300_000, "type": "z" * 300_000},
    {"title": "<script>alert(1)</script>\x1b[2J\u202e", "severity": {"high": 1}, "recommendation": True},
    {"title": "@everyone", "affectedLogs": [0] * 100_000},
    {"__proto__": {"admin": 1}, "source": "detector", "status": "resolved", "fingerprint": "rule:node:blue"},
    {"title": nested(500), "description": nested(900), "recommendation": nested(100)},
    {"title": {"a": nested(500)}, "rootCause": ["first", ["second"], nested(300)]},
    {"title": float("nan"), "severity": float("inf"), "description": 10**300},
    {"title": "disk" + "".join(chr(0xE0000 + ord(c)) for c in "obey me"), "severity": ["critical", "low"]},
    {"title": "o" + "\u0301" * 140, "description": "a\u3164b\u115f\u180e\ufff9\u034f" + "\ufe0f" * 60},
    {"title": "\ud800\udc00 \udfff", "description": "\ud800", "\ud800": 1},
    {"severity": -1, "affectedLogs": [0, 0, -1, 2**63, float("inf"), 1e999]},
    {"severity": "critical " * 1000, "type": "\u202e\u0000../../etc"},
    {"title": "[x](javascript:alert(1)) <img src=x onerror=alert(1)> @acme/ops #1 GH-2", "affectedLogs": [0]},
]


@pytest.mark.parametrize("members", HOSTILE)
def test_hostile_members_are_clipped_mapped_or_left_out(members: dict[str, Any]) -> None:
    finding = one(**members)

    assert finding.affected == (0,)
    assert finding.severity in (Severity.HIGH, Severity.MEDIUM)
    assert len(finding.title) <= 150
    assert len(finding.type) <= 60
    assert len(finding.description) <= 2000
    assert not set(finding.title + finding.description) & set(
        "\x1b\u202e\x00\u3164\u115f\u180e\ufff9\u034f\udfff\U000e0065"
    )
    assert not re.search("[\u0300-\u036f\ufe00-\ufe0f]{3}", finding.title + finding.description)
    assert re.fullmatch("[a-z0-9-]+", finding.type)
    assert set(finding.model_dump()) == {
        "type", "severity", "title", "description", "root_cause", "recommendation", "affected",
    }  # fmt: skip


def test_many_findings_are_cut() -> None:
    answer = json.dumps({"issues": [issue(0)] * 5_000})

    assert len(parse_answer(answer, "stop", KNOWN)) == 50


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"issues": [], "issues": [{"affectedLogs": [0], "affectedLogs": [1], "title": "b"}]}', [(1,)]),
        ('{"issues": [{"affectedLogs": [-0, 0.0, 2]}]}', [(0, 2)]),
        ("\ufeff" + json.dumps({"issues": [issue(0)]}), [(0,)]),
        ("{" * 500_000, None),
        ("```\n" * 200_000 + '{"issues": []}', None),
        ("```json\n" + "`" * 500_000, None),
        (json.dumps(json.dumps({"issues": [issue(0)]})), None),
        ('{"issues": "[]"}', None),
        ('{"issues": null}', None),
        ('{"issues\\u0000": []}', None),
        ('{"issues": [' + "[" * 900 + "]" * 900 + "]}", None),
    ],
)
def test_forms_that_a_reader_could_stumble_over(text: str, found: list[tuple[int, ...]] | None) -> None:
    if found is None:
        with pytest.raises(AnswerError):
            parse_answer(text, "stop", KNOWN)
    else:
        assert [one.affected for one in parse_answer(text, "stop", KNOWN)] == found


def test_a_text_does_not_grow_by_what_is_put_back() -> None:
    redactor = Redactor()
    redactor.redact("b" * 200 + "@example.org")
    answer = json.dumps({"issues": [issue(0, title="<email-1> " * 15)]})

    (finding,) = parse_answer(answer, "stop", KNOWN, redactor.restore)

    assert len(finding.title) <= 150


def test_only_addresses_are_put_back() -> None:
    redactor = Redactor()
    redactor.redact("bob@acme.org 10.2.3.4 password=hunter2")
    answer = json.dumps({"issues": [issue(0, title="<email-1> at <ip-1> used <password-1> and <ip-7>")]})

    (finding,) = parse_answer(answer, "stop", KNOWN, redactor.restore)

    assert finding.title == "bob@acme.org at 10.2.3.4 used <password-1> and <ip-7>"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
members = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("type", "severity", "title", "description", "rootCause", "affectedLogs"), values),
)  # fmt: skip


@given(st.text(max_size=300) | st.lists(members | values, max_size=4).map(lambda found: json.dumps({"issues": found})))
def test_any_text_is_findings_or_an_answer_error(text: str) -> None:
    try:
        findings = parse_answer(text, "stop", KNOWN)
    except AnswerError:
        return
    for finding in findings:
        assert finding.affected
        assert set(finding.affected) <= KNOWN
        assert finding.title
        assert "\x00" not in finding.model_dump_json()
        assert finding == Finding.model_validate(finding.model_dump(mode="json", by_alias=True))

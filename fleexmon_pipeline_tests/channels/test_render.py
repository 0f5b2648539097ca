"""Text without effect: no service finds a mention, link, fence or doubled markup in text of log lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.channels.policy import summary_of
from fleexmon_pipeline.channels.render import BREAK, body_of, inert, title_of
from fleexmon_pipeline_tests.channels.receivers import message
from fleexmon_pipeline_tests.stories import TEN as NOW

FOUND = re.compile(r"@\w|<[!#&:a-zA-Z/]|://|\bwww\.|\bmailto:|\bjavascript:|\btel:|\]\(|`|([*_~|])\1")
PIECES = st.sampled_from(
    [
        "@",
        "<",
        ">",
        "!",
        "#",
        "://",
        "http",
        "www.",
        "mailto:",
        "tel:",
        "](",
        "[",
        "`",
        "```",
        "*",
        "_",
        "~",
        "|",
        "a",
        "é",
        " ",
    ]
)


@given(st.lists(PIECES, max_size=20).map("".join))
def test_nothing_is_found_in_what_is_inert(text: str) -> None:
    assert FOUND.search(inert(text)) is None


@given(st.text(max_size=200))
def test_the_text_itself_stays(text: str) -> None:
    assert inert(text).replace(BREAK, "") == text.replace(BREAK, "").replace("`", "'")


def test_ordinary_text_is_not_touched() -> None:
    text = "connect ETIMEDOUT 10.0.0.9:5432 (code=500, a_b, 3 * 4, x < 5, #12 of {id: 7})"

    assert inert(text) == text


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("opened", "[high] Payments fail"),
        ("worse", "[high] worse: Payments fail"),
        ("joined", "[high] spreads: Payments fail"),
        ("ended", "[high] ended: Payments fail"),
        ("returned", "[high] back: Payments fail"),
        ("digest", "Payments fail"),
        ("test", "TEST: Payments fail"),
    ],
)
def test_a_title_tells_severity_and_event(event: str, expected: str) -> None:
    assert title_of(message(event, title="Payments fail")) == expected


def test_a_body_has_lines_evidence_link_and_command_in_this_order() -> None:
    told = body_of(message(link="https://ui.example.com/fleexmon/incidents/1"), repeat=True)

    assert told.split("\n\n") == [
        "This may be a repeat: the answer to an earlier attempt was lost.",
        "Since 10:00 UTC.",
        "412 lines of blue say so.",
        "> 10:00:01 error connect ETIMEDOUT 10.0.0.9:5432",
        "https://ui.example.com/fleexmon/incidents/1",
        "$ fleexmon issues show 1",
    ]


def test_a_summary_tells_of_each_problem_what_happened_last() -> None:
    merged = [
        message(key="a", title="A"),
        message("ended", key="a", title="A"),
        message(key="b", severity="low", title="B"),
    ]

    summary = summary_of(merged, NOW)

    assert summary.title == "3 messages about 2 problems combined into this one"
    assert summary.lines[1:] == ("[high] ended: A", "[low] B")
    assert summary.severity == "high"
    assert summary_of(merged, NOW).event_id == summary.event_id

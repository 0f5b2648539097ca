"""Titles of incidents: what, where, which, how much; the issue that gives the name, and the first pattern."""

from __future__ import annotations

import unicodedata
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.incidents.headline import MAX_TITLE, Volume, first_pattern, headline, title
from fleexmon_pipeline.incidents.relate import IssueFacts
from fleexmon_pipeline.window import SLOT
from fleexmon_pipeline_tests.issues.story import at

NOTHING = Volume(lines=0, errors=0, usual_errors=0, of_pattern=0)
ERRORS = Volume(lines=900, errors=412, usual_errors=3, of_pattern=400)
HALF_AN_HOUR = timedelta(minutes=35)
REFUSED = "connect ETIMEDOUT <ip>"
HOSTILE = 10_000_000  # characters


def facts(number: int = 0, **changes: Any) -> IssueFacts:
    """An issue about a pattern that began in the n-th slot."""
    values: dict[str, Any] = {
        "id": uuid.UUID(int=number), "first": at(number), "last": at(number) + SLOT, "severity": "high",
        "status": "open", "ended": None, "title": "New error on blue: connect (3 in 5 minutes)", "type": "new-error",
        "source": "detector", "fingerprint": None, "nodes": frozenset({"blue"}), "patterns": [f"p{number}"],
        "began_with": [f"p{number}"],
        "about_pattern": True, "affected": 3, "slots": [at(number)], "what": "New error", "which": REFUSED,
    }  # fmt: skip
    return IssueFacts(**{**values, **changes})


def named(
    which: str | None = REFUSED, nodes: tuple[str, ...] = ("blue",), volume: Volume = ERRORS, **changes: Any
) -> str:
    return title(facts(**changes), which, nodes, volume, HALF_AN_HOUR)


# -- the words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({}, "New error on blue: connect ETIMEDOUT <ip> (412 errors in 35 min)"),
        ({"nodes": ("green", "blue")}, "New error on blue, green: connect ETIMEDOUT <ip> (412 errors in 35 min)"),
        ({"nodes": tuple("dcba")}, "New error on 4 nodes: connect ETIMEDOUT <ip> (412 errors in 35 min)"),
        ({"nodes": ("checkout-eu-west-001", "checkout-eu-west-002")},
         "New error on 2 nodes: connect ETIMEDOUT <ip> (412 errors in 35 min)"),
        ({"nodes": ()}, "New error: connect ETIMEDOUT <ip> (412 errors in 35 min)"),
        ({"which": None}, "New error on blue (412 errors in 35 min)"),
        ({"which": " \x1b\u202e\n"}, "New error on blue (412 errors in 35 min)"),
        ({"which": "a\x1b[31mred\r\nline\0"}, "New error on blue: a [31mred line (412 errors in 35 min)"),
        ({"what": "Message overdue", "which": "backup done", "affected": 0},
         "Message overdue on blue: backup done (for 35 min)"),
        ({"what": "No log lines", "which": None, "affected": 0}, "No log lines on blue (for 35 min)"),
        ({"what": "Unusually many lines", "which": None, "volume": NOTHING, "affected": 412, "about_pattern": False,
          "title": "Unusually many lines on blue: 412 in 15 minutes, 3x normal"},
         "Unusually many lines on blue: 412 in 15 minutes, 3x normal"),
        ({"what": "Unusually many lines", "which": None, "volume": NOTHING, "affected": 412, "about_pattern": False,
          "nodes": ("blue", "green")}, "Unusually many lines on blue, green (412 lines in 35 min)"),
        ({"what": "Error rate will cross 5%", "which": None, "source": "predictor", "volume": NOTHING, "affected": 12,
          "about_pattern": False, "title": "Error rate will cross 5% on blue in about 3 h"},
         "Error rate will cross 5% on blue in about 3 h"),
        ({"what": "New warning", "about_errors": False, "volume": Volume(lines=900, errors=107, usual_errors=102,
          of_pattern=64)}, "New warning on blue: connect ETIMEDOUT <ip> (64 lines in 35 min)"),
        ({"what": None, "title": "Disk is full", "affected": None, "volume": NOTHING}, "Disk is full on blue (35 min)"),
        ({"what": None, "title": "Disk is full"}, "Disk is full on blue (412 errors in 35 min)"),
        ({"volume": Volume(lines=9, errors=1, usual_errors=0, of_pattern=1)},
         "New error on blue: connect ETIMEDOUT <ip> (1 error in 35 min)"),
    ],
)  # fmt: skip
def test_a_title_says_what_where_which_and_how_much(given_: dict[str, Any], expected: str) -> None:
    assert named(**given_) == expected


@pytest.mark.parametrize(
    ("volume", "amount"),
    [
        (Volume(lines=900, errors=2, usual_errors=2, of_pattern=500), "500 lines"),  # as many errors as usual
        (Volume(lines=900, errors=3, usual_errors=0, of_pattern=500), "500 lines"),  # a few errors beside a flood
        (Volume(lines=900, errors=500, usual_errors=0, of_pattern=500), "500 errors"),
        (Volume(lines=9_000, errors=1_200, usual_errors=7.5, of_pattern=40), "40 lines"),
        (NOTHING, "3 lines"),  # counts are deleted before issues are
    ],
)
def test_the_amount_is_errors_only_where_the_incident_is_about_them(volume: Volume, amount: str) -> None:
    assert named(volume=volume).endswith(f" ({amount} in 35 min)")


def test_a_long_message_is_cut_at_a_word_and_nothing_else_is() -> None:
    text = named("the payment of <num> failed because the bank did not answer within <num> ms, third attempt")

    assert text == "New error on blue: the payment of <num> failed because the bank did not… (412 errors in 35 min)"
    assert len(text) <= MAX_TITLE


def test_a_message_that_has_no_room_is_left_out() -> None:
    what = "A rule of ones own that has sixty characters in its few words"

    assert named(what=what) == f"{what} on blue (412 errors in 35 min)"


@pytest.mark.parametrize("text", ["x" * HOSTILE, "word " * (HOSTILE // 5), " " * HOSTILE, "\0\x1b" * (HOSTILE // 2)])
@pytest.mark.parametrize("part", ["what", "which", "title", "nodes"])
def test_ten_megabytes_of_anything_make_a_title_of_a_hundred_characters(part: str, text: str) -> None:
    changes: dict[str, Any] = {"nodes": (text,)} if part == "nodes" else {part: text}
    if part == "title":
        changes["what"] = None
    told = named(**changes)

    assert len(told) <= MAX_TITLE
    assert told.endswith(" (412 errors in 35 min)")
    assert "  " not in told


@given(
    what=st.none() | st.text(), which=st.none() | st.text(), own=st.text(), nodes=st.sets(st.text(max_size=80)),
    errors=st.integers(0, 10**9), length=st.timedeltas(timedelta(), timedelta(days=400)),
)  # fmt: skip
def test_no_text_breaks_a_title(
    what: str | None, which: str | None, own: str, nodes: set[str], errors: int, length: timedelta
) -> None:
    volume = Volume(lines=errors, errors=errors, usual_errors=0, of_pattern=errors)
    told = title(facts(what=what, title=own), which, nodes, volume, length)

    assert 0 < len(told) <= MAX_TITLE
    assert not [character for character in told if unicodedata.category(character) in ("Cc", "Cf", "Cs")]


# -- whose name it has --------------------------------------------------------------------------------------------


def seen(*numbers: int) -> dict[str, datetime]:
    """First seen: patterns of these numbers long ago, of the others with their issue."""
    return {f"p{number}": at(-500) if number in numbers else at(number) for number in range(9)}


RATE: dict[str, Any] = {"about_pattern": False, "what": "High error rate"}


@pytest.mark.parametrize(
    ("issues", "old", "expected"),
    [
        ([facts(0, severity="low"), facts(1, severity="critical"), facts(2)], (), 1),  # the worst
        ([facts(0), facts(1), facts(2)], (0,), 1),  # then a message that nobody has seen before
        ([facts(0, **RATE), facts(1), facts(2)], (0, 1, 2), 1),  # then any message
        ([facts(2), facts(1)], (1, 2), 1),  # then the first
        ([facts(0, severity="critical", source="predictor"), facts(1, severity="low")], (), 1),  # not a forecast
        ([facts(1, source="predictor"), facts(0, source="predictor", severity="low")], (), 1),  # unless alone
        ([facts(0, severity="whatever"), facts(1, severity="low")], (), 1),  # other programs write severities too
    ],
    ids=["worst", "new", "message", "first", "no forecast", "forecasts only", "unknown severity"],
)
def test_the_issue_that_says_most_gives_the_name(issues: list[IssueFacts], old: tuple[int, ...], expected: int) -> None:
    for order in (issues, issues[::-1]):
        assert headline(order, seen(*old)) == facts_of(issues, expected)


def facts_of(issues: list[IssueFacts], number: int) -> IssueFacts:
    return next(issue for issue in issues if issue.id == uuid.UUID(int=number))


@pytest.mark.parametrize(
    ("issues", "old", "expected"),
    [
        ([facts(3), facts(1), facts(2)], (), "p1"),
        ([facts(1), facts(2)], (1,), "p2"),  # new, though later
        ([facts(0, **RATE), facts(5)], (0, 5), "p5"),  # became loud; behind the rate is only what is usual
        ([facts(4, **RATE), facts(2, **RATE)], (2, 4), "p2"),
        ([facts(0, patterns=[], about_pattern=False), facts(1, **RATE)], (), "p1"),
        ([facts(0, patterns=[], about_pattern=False)], (), None),
        ([], (), None),
    ],
)
def test_the_first_pattern_is_new_or_loud_before_it_is_usual(
    issues: list[IssueFacts], old: tuple[int, ...], expected: str | None
) -> None:
    assert first_pattern(issues, seen(*old)) == expected


@pytest.mark.parametrize(("slots_before", "new"), [(0, True), (12, True), (13, False)])
def test_a_pattern_is_new_for_an_hour(slots_before: int, new: bool) -> None:
    issues = [facts(2), facts(5)]
    first_seen = {"p2": at(2 - slots_before), "p5": at(5)}

    assert first_pattern(issues, first_seen) == ("p2" if new else "p5")


def test_a_pattern_that_was_deleted_is_not_new() -> None:
    assert headline([facts(0), facts(1)], {"p1": at(1)}).id == uuid.UUID(int=1)

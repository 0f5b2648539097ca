"""Titles show the common part of values, but nothing that differs or has no meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.shared_values import with_shared_values


@pytest.mark.parametrize(
    ("template", "messages", "text"),
    [
        ("<*> worker lost its quorum", ["badger worker lost its quorum"] * 2, "badger worker lost its quorum"),
        ("<*> worker lost its quorum", ["badger worker lost its quorum", "otter worker lost its quorum"], None),
        ("job <*> of <*> failed", ["job a of x failed", "job b of x failed"], "job <*> of x failed"),
        ("took <num> ms for <id>", ["took 5 ms for w-1", "took 5 ms for w-1"], "took <num> ms for w-1"),
        ("took <num> ms for <id>", ["took 5 ms for w-1"], None),
        ("{msg: gone, by: <*>}", ['{"msg": "gone", "by": "Bob Jones"}'], "{msg: gone, by: Bob Jones}"),
        ("user=<*> failed", ['user="bob" failed'], "user=bob failed"),
        ("lost <host>", ["lost db.internal:5432\n"], "lost db.internal:5432"),
        ("lost <*> again", ["another text"], None),
        ("lost <*> <*>", ["lost a b"], None),
        ("lost <*> again", [f"lost {'x' * 61} again"], None),
        ("lost <*> again", [], None),
        ("no value", ["no value"], None),
        (
            "chdir failed: <*>",
            ["chdir(/a) failed: No such file", "chdir(/b) failed: No such file"],
            "chdir failed: No such file",
        ),
        (
            "cannot write <*>",
            ["cannot write /srv/a: No space left on device", "cannot write b.db: No space left on device"],
            "cannot write <*>: No space left on device",
        ),
        ("closed <*>", ["closed bad password of ann", "closed bad password of bob"], "closed bad password of <*>"),
        ("closed <*>", ["closed by ann at 5", "closed by bob at 5"], "closed by <*> at 5"),
        ("closed <*>", ["closed for 5", "closed for 5 s"], "closed for <*>"),
        ("closed <*>", ["closed", "closed for 5"], None),
        ("closed <*>", ["closed a 5", "closed b 5 7", "closed c 5"], None),
        (
            "Error: refused by <ip> Caused by: <*> is down",
            ["Error: refused by 10.0.0.5:80\n    at Net.open (net.js:15:2)\nCaused by: db is down\n\tat a.B(B.java:1)"],
            "Error: refused by 10.0.0.5:80 Caused by: db is down",
        ),
    ],
)
def test_values_that_all_lines_share(template: str, messages: list[str], text: str | None) -> None:
    assert with_shared_values(template, messages) == (text or template)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_any_lines_leave_a_text(messages: list[str]) -> None:
    miner = PatternMiner()
    template = miner.template(miner.identify(messages)[0])

    assert isinstance(with_shared_values(template, messages), str)

"""A case is limited for any incident, its first words never change, and no text in it forges a line."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.genai.cases.case import MAX_CASE_TOKENS, SYSTEM, Item, compose
from fleexmon_pipeline.redaction.redact import Redactor

texts = st.text(max_size=400) | st.sampled_from(
    ['"' * 5_000, "\\" * 5_000, "\x00\n" * 500, "\U0001f600" * 5_000, "é" * 5_000]
)
items = st.builds(
    Item,
    fields=st.dictionaries(st.sampled_from(["line", "node", "text"]), texts | st.lists(texts, max_size=3), max_size=3),
    priority=st.integers(0, 4),
    label=st.just("x"),
    longest=st.sampled_from([100, 160, 400]),
)  # fmt: skip


@given(st.lists(items, max_size=20))
def test_a_case_is_bounded_and_each_line_is_an_object_with_its_id(chosen: list[Item]) -> None:
    case = compose(chosen, ["blue"], Redactor())

    assert case.tokens <= MAX_CASE_TOKENS
    assert case.messages[0] == {"role": "system", "content": SYSTEM}
    lines = case.messages[1]["content"].split("\n")
    assert lines[0] == "Data:"
    assert [json.loads(line)["id"] for line in lines[1:]] == list(range(len(case.items)))


def test_what_explains_least_is_left_out_first_and_the_order_stays() -> None:
    every = [Item({"line": f"{place} {'word ' * 60}"}, place % 5, str(place), longest=300) for place in range(20)]

    case = compose(every, ["blue"], Redactor())

    kept = [int(item.label) for item in case.items.values()]
    assert kept == sorted(kept)
    assert {place for place in range(20) if place % 5 == 0} <= set(kept)
    assert not {place for place in range(20) if place % 5 == 4} & set(kept)


def test_the_instructions_leave_room_for_the_data() -> None:
    assert len(SYSTEM) / 2.5 < MAX_CASE_TOKENS * 0.4

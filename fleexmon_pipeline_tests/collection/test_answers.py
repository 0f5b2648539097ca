"""Responses of every format, in chunks of any size, broken anywhere: all records before the break are read."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.collection.answers import framed
from fleexmon_pipeline.collection.answers import splitter as answers
from fleexmon_pipeline.collection.answers.refused import NotAnAnswerError
from fleexmon_pipeline.collection.answers.splitter import Splitter
from fleexmon_pipeline_tests.collection.in_chunks import chunks_of, split

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
tricky = st.sampled_from(['}, {"', "},{", "]", '"', "\\", "\n", "[{}, {}]"])
records = st.dictionaries(st.text(min_size=1), json_values | tricky, max_size=4)
shapes = st.sampled_from(["array", "object", "more", "lines"])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a few bytes, so that every path is taken by bodies of a few records."""
    monkeypatch.setattr(answers, "SPLIT_FROM", 8)
    monkeypatch.setattr(answers, "SALVAGE_FROM", 64)


def body_of(shape: str, parts: Iterable[bytes]) -> bytes:
    match shape:
        case "array":
            return b"[" + b", ".join(parts) + b"]"
        case "object":
            return b'{"logs": [' + b",\n".join(parts) + b"]}"
        case "more":
            return b'{"logs": [' + b",".join(parts) + b'], "next": [{"a": 1}, {"b": 2}]}'
        case _:
            return b"".join(part + b"\n" for part in parts)


@given(shapes, st.lists(records, min_size=1, max_size=8), st.integers(1, 60))
def test_chunks_do_not_matter(shape: str, found: list[dict[str, object]], size: int) -> None:
    parts = [json.dumps({"message": "m", **record}).encode() for record in found]

    raws, broken = split(body_of(shape, parts), size)

    assert [json.loads(raw) for raw in raws] == [json.loads(part) for part in parts]
    assert broken is None


@given(shapes, st.lists(records, min_size=1, max_size=8), st.integers(1, 60), st.data())
def test_a_break_anywhere_keeps_what_came_before(
    shape: str, found: list[dict[str, object]], size: int, data: st.DataObject
) -> None:
    parts = [json.dumps({"message": "m", **record}).encode() for record in found]
    body = body_of(shape, parts)
    start = 1 if shape in ("array", "lines") else len(b'{"logs": [')
    end = body.index(parts[-1], sum(map(len, parts[:-1]))) + len(parts[-1]) - 1  # inside the last record at the latest
    cut = data.draw(st.integers(start, end))
    complete = [part for n, part in enumerate(parts) if len(body_of("array", parts[: n + 1])) - 2 < cut - start]

    try:
        raws, broken = split(body[:cut], size)
    except NotAnAnswerError:
        assert shape == "lines"  # less than the first line may be anything
        assert b"\n" not in body[:cut]
        return

    assert raws == parts[: len(raws)]
    assert len(raws) >= len(complete) - 1
    assert broken or shape == "lines"


@given(st.lists(records, min_size=1, max_size=6), st.integers(0, 5), st.integers(1, 60))
def test_a_record_that_is_not_json_leaves_its_neighbours(found: list[dict[str, object]], at: int, size: int) -> None:
    parts = [json.dumps({"message": "m", **{str(n): v for n, v in enumerate(r)}}).encode() for r in found]
    at = min(at, len(parts) - 1)
    bad = b'{"message": oops}'
    raws, broken = split(body_of("array", [*parts[:at], bad, *parts[at:]]), size)

    assert raws == [*parts[:at], bad, *parts[at:]]
    assert broken is None


@given(st.binary(), st.integers(1, 50))
def test_any_bytes_are_records_or_no_answer(body: bytes, size: int) -> None:
    try:
        split(body, size)
    except NotAnAnswerError as reason:
        assert str(reason)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "an empty body"),
        (b" \n", "an empty body"),
        (b"<!doctype html>", "not JSON: <!doctype html>"),
        (b'{"logs": {}}', 'its "logs" is a JSON dict'),
        (b'{"logs": null}', 'its "logs" is a JSON NoneType'),
        (b'{"error": "no such page"}', 'an object without "logs"'),
        (b'{"data": [{"id": 1, "name": "Bob"}]}', 'an object without "logs"'),
        (b'{"data": {"hits": {"data": [{}]}}}', 'an object without "logs"'),
        (b'{"error": ', "not JSON"),
    ],
)
def test_what_is_no_answer_is_said(body: bytes, told: str) -> None:
    with pytest.raises(NotAnAnswerError, match=told):
        split(body, 3)


def test_logs_may_come_last() -> None:
    assert split(b'{"count": 2, "logs": [{"message": "a"}, {"message": "b"}]}', 5)[0] == [
        b'{"message": "a"}',
        b'{"message": "b"}',
    ]


def test_a_record_without_end_is_given_up() -> None:
    splitter = Splitter(max_record_bytes=1_000)
    endless = b'[{"message": "a"}, {"message": "' + b"x" * 10_000

    raws = [bytes(raw) for run in splitter.runs(chunks_of(endless, 100)) for raw in run]

    assert raws == [b'{"message": "a"}']
    assert splitter.broken == "after 1 records one has more than 1,000 bytes and no end"


def rejected_of(body: bytes, size: int, most: int) -> tuple[list[bytes], list[tuple[bytes, str]], str | None]:
    splitter = Splitter(most)
    runs = list(splitter.runs(chunks_of(body, size)))
    return [bytes(raw) for run in runs for raw in run], [one for run in runs for one in run.too_long], splitter.broken


@given(shapes, st.lists(records, min_size=1, max_size=8), st.integers(1, 200), st.integers(20, 60))
def test_a_record_over_the_limit_is_told_and_costs_no_neighbour_whatever_the_chunks(
    shape: str, found: list[dict[str, object]], size: int, most: int
) -> None:
    parts = [json.dumps({"message": "m", **record}).encode() for record in found]

    raws, too_long, broken = rejected_of(body_of(shape, parts), size, most)

    assert raws == [part for part in parts if len(part) <= most]
    assert too_long == [(p, f"a record of {len(p):,} bytes, more than {most}") for p in parts if len(p) > most]
    assert broken is None


@given(st.lists(records, min_size=1, max_size=4), st.integers(1, 60), st.integers(1, 40), st.data())
def test_a_break_in_a_record_over_the_limit_is_a_break(
    found: list[dict[str, object]], size: int, most: int, data: st.DataObject
) -> None:
    parts = [json.dumps({"message": "m", **record}).encode() for record in found]
    last = json.dumps({"message": "m" * most, "more": [{"a": "}"}, {}]}).encode()
    cut = data.draw(st.integers(most + 1, len(last) - 1))

    raws, too_long, broken = rejected_of(b"[" + b",".join([*parts, last[:cut]]), size, most)

    assert len(raws) + len(too_long) == len(parts)
    assert broken


@given(st.binary() | st.text(alphabet='{}[]",\\ \na1').map(str.encode), st.integers(1, 50), st.integers(1, 30))
def test_any_bytes_are_records_or_no_answer_with_a_low_limit_too(body: bytes, size: int, most: int) -> None:
    for shape in ("array", "object", "lines"):
        rest = body_of(shape, [b'{"message": "m"}', body])
        raws, too_long, _ = rejected_of(rest, size, most)
        assert all(len(raw) <= most for raw in raws)
        assert all(head for head, _ in too_long)


@given(st.binary(max_size=8), st.binary(max_size=8), st.integers(1, 60))
def test_any_bytes_in_the_lists_and_texts_of_an_object_break_nothing(one: bytes, other: bytes, size: int) -> None:
    for body in (
        b'{"a": "2025-03-14T15:09:26Z %b\\n%b"}',
        b'{"a": ["2025-03-14T15:09:26Z %b", "%b"]}',
        b'{"a": {"%b": 1}, "data": [], "%b": {}}',
    ):
        with suppress(NotAnAnswerError):
            split(body % (one, other), size)


@settings(deadline=None, max_examples=1)
@given(st.just("array") | st.just("object") | st.just("lines"))
def test_a_long_answer_is_not_held(shape: str) -> None:
    part = json.dumps({"message": "x" * 200, "metadata": {"a": [{"b": 1}, {"c": 2}]}}).encode()
    begin, between, end = {
        "array": (b"[", b",", b"]"),
        "object": (b'{"logs":[', b",", b"]}"),
        "lines": (b"", b"", b""),
    }[shape]

    def chunks() -> Iterator[bytes]:
        yield begin
        for _ in range(200):  # 25 MB
            yield between.join([part + (b"\n" if shape == "lines" else b"")] * 500) + between
        yield part + end

    tracemalloc.start()
    try:
        count = sum(len(run) for run in Splitter().runs(chunks()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 200 * 500 + 1
    assert peak < 5_000_000


GOOD = b'{"message": "a"}'


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"[" + GOOD + b", nonsense", b" "),
        (b"[" + GOOD, b",{bad" + GOOD),
        (b"[" + GOOD, b',{"a":"},{'),
        (b'{"logs": "2025-03-14T15:09:26Z a\\n', b"b\\n"),
        (b" ", b" "),
        (b"data: ", b"x"),
        (b"[", b'{"a":[{},'),
        (b"[", b'{"a":[{},' * 300 + b"!},"),
    ],
)
def test_ten_times_the_bytes_take_no_hundred_times_as_long(
    begin: bytes, again: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()

    def seconds(count: int) -> float:
        body = begin + again * (count // len(again)) + b'x"}]'
        started = time.process_time()
        with suppress(NotAnAnswerError):
            split(body, 65_536)
        return time.process_time() - started

    small = min(seconds(200_000) for _ in range(3))
    assert seconds(2_000_000) < 30 * small + 0.5


def test_an_event_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framed, "MAX_UNRECOGNISED_BYTES", 1_000_000)

    def chunks() -> Iterator[bytes]:
        yield b"data: " + GOOD + b"\n\ndata: {"
        for _ in range(400):  # 25 MB
            yield b"x" * 65_536
        yield b"\n\ndata: " + GOOD + b"\n\n"

    tracemalloc.start()
    try:
        splitter = Splitter(100_000)
        runs = [(len(list(run)), len(run.too_long)) for run in splitter.runs(chunks())]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (sum(count for count, _ in runs), sum(long for _, long in runs)) == (2, 1)
    assert splitter.broken is None
    assert peak < 10_000_000


@pytest.mark.parametrize("garbage", [b"nonsense", b"undefined", b"NaN!"])
def test_garbage_between_records_costs_no_neighbour(garbage: bytes) -> None:
    first, second = b'{"message": "a"}', b'{"message": "b"}'
    raws, broken = split(b"[" + first + b"," + garbage + b", " + second + b", " + second + b"]")

    assert raws[0] == first
    assert raws[-2:] == [second, second]
    assert broken is None


def test_a_byte_order_mark_is_no_answer_of_its_own() -> None:
    assert split(b'\xef\xbb\xbf[{"message": "a"}]')[0] == [b'{"message": "a"}']

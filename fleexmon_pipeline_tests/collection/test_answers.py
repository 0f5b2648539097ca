"""Responses of every format, in chunks of any size, broken anywhere: all records before the break are read."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.collection.answers import framed
from fleexmon_pipeline.collection.answers import splitter as answers
from fleexmon_pipeline.collection.answers.refused import NotAnAnswerError
from fleexmon_pipeline.collection.answers.splitter import Splitter
from fleexmon_pipeline.collection.records import RejectedError, read

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


def chunks_of(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def split(body: bytes, size: int = 1_000) -> tuple[list[bytes], str | None]:
    splitter = Splitter()
    return [bytes(raw) for run in splitter.runs(chunks_of(body, size)) for raw in run], splitter.broken


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


# -- first lines, lone records --------------------------------------------------------------------------------------

THREE = b"".join(b'{"timestamp": "2025-03-14T15:0%d:00Z", "level": "warn", "message": "m"}\n' % n for n in range(3))


@pytest.mark.parametrize(
    ("head", "extra"),
    [
        (b"\n\n", 0),
        (b"  \r\n", 0),
        (b"\xef\xbb\xbf", 0),
        (b"> shop@1.0.0 start\n> node app.js\n", 2),
        (b"[nodemon] starting `node app.js`\n", 1),
        (b'{"level": "info", "msg": "C:\\Data"}\n', 1),
        (b'{"broken": }\n', 1),
        (b"\x00\x01\n", 1),
        (b"42\n", 1),
        (b"NOTICE: {not json}\n", 1),
        (b"x" * 20_000 + b"\n", 1),
    ],
)
def test_a_bad_first_line_costs_itself_alone(head: bytes, extra: int) -> None:
    for size in (7, 100_000):
        raws, broken = split(head + THREE, size)
        assert (len(raws), broken) == (3 + extra, None)


@pytest.mark.parametrize(
    "record",
    [
        {"@t": "2025-03-14T15:09:26Z", "@mt": "m"},
        {"asctime": "2025-03-14 15:09:26", "message": "m"},
        {"MESSAGE": "m", "__REALTIME_TIMESTAMP": "1741964966000000"},
        {"t": {"$date": "2025-03-14T15:09:26Z"}, "msg": "m"},
        {"Timestamp": "2025-03-14T15:09:26Z", "Message": "m"},
        {"log": "m\n", "time": "2025-03-14T15:09:26Z", "stream": "stdout"},
        {"startTime": "2025-03-14T15:09:26Z", "data": ["m"], "level": {"levelStr": "WARN"}},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_lone_record_of_any_logger_is_an_answer(record: dict[str, object], indent: int | None) -> None:
    body = json.dumps(record, indent=indent).encode()

    assert [json.loads(raw) for raw in split(body, 11)[0]] == [record]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>\n<body>\n{}\n</body></html>",
        b'{"status": "ok", "items": [\n{"a": 1}\n]}',
        b'{"error": "denied"}',
        b"\n" * 99,
        b"pong",
        b'{"data": {"message": "m"}}',
        b"[INFO] ready\n[INFO] listening\n",
        b"null",
        b'"text"',
    ],
)
def test_what_holds_no_record_is_no_answer(body: bytes) -> None:
    with pytest.raises(NotAnAnswerError):
        split(body, 11)


def _batch(*texts: str) -> bytes:
    records = [
        {
            "timeUnixNano": "1795169100250000000",
            "severityNumber": 17,
            "body": {"stringValue": text},
            "attributes": [{"key": "code", "value": {"intValue": "7"}}],
        }
        for text in texts
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    scopes = [{"scope": {"name": "cart"}, "logRecords": records}, {"logRecords": []}]
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": scopes}, {}]}).encode()


@pytest.mark.parametrize("size", [3, 1_000])
@pytest.mark.parametrize(
    "body",
    [
        _batch("one", "two"),
        _batch("one") + b"\n" + _batch("two") + b"\n",
        b"[" + _batch("one") + b"," + _batch("two") + b"]",
        b"started\n" + _batch("one", "two") + b"\n",
    ],
    ids=["alone", "lines", "array", "banner"],
)
def test_a_batch_of_opentelemetry_is_its_records(body: bytes, size: int) -> None:
    raws, broken = split(body, size)

    lines = [read(raw) for raw in raws if raw != b"started"]
    assert [(line.level, line.message) for line in lines] == [("error", "one"), ("error", "two")]
    metadata = json.loads(lines[0].metadata or "{}")
    assert (metadata["attributes"], metadata["resource"], metadata["scope"]) == (
        {"code": "7"}, {"service.name": "shop"}, "cart"
    )  # fmt: skip
    assert broken is None


@pytest.mark.parametrize(
    "body", [b'{"resourceLogs": 7}', b'{"resourceLogs": [7]}', b'{"resourceLogs": [{"scopeLogs": {}}]}']
)
def test_what_is_no_batch_is_a_record_that_is_rejected(body: bytes) -> None:
    raws, _ = split(body)

    for raw in raws:
        with pytest.raises(RejectedError):
            read(raw)


@pytest.mark.parametrize("size", [3, 40, 1_000])
def test_a_list_a_line_is_read_to_its_end(size: int) -> None:
    body = b'[{"a": 1}, {"a": 2}]\n[{"a": 3}]\n\n[{"a": 4}]'
    splitter = Splitter()

    found = [json.loads(bytes(raw)) for run in splitter.runs(chunks_of(body, size)) for raw in run]

    assert (found, splitter.broken) == ([{"a": n} for n in (1, 2, 3, 4)], None)


@pytest.mark.parametrize("size", [3, 1_000])
def test_what_stands_behind_a_list_is_not_passed_over(size: int) -> None:
    splitter = Splitter()

    found = [bytes(raw) for run in splitter.runs(chunks_of(b'[{"a": 1}]\nTraceback: no\n', size)) for raw in run]

    assert (found, splitter.broken) == ([b'{"a": 1}'], "the answer continues after its list of 1 records")


WORSE = '{"ts": "2025-03-14T15:09:27Z", "msg": "lost", "level": "error"}'
NOON = '{"ts": "2025-03-14T15:09:26Z", "msg": "late"}'
REQUEST = '{"request": {"method": "PUT", "url": "/a"}}'
WORKER = f'{{"outcome": "ok", "logs": [], "eventTimestamp": 1741964966535, "event": {REQUEST}}}'.encode()


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (f'{{"reply": {{"found": 1, "documents": [{NOON}]}}}}', [NOON]),
        (f'{{"a": {{"b": {{"c": {{"d": {{"e": [{NOON}, {NOON}]}}}}}}}}}}', [NOON, NOON]),
        (f'{{"facets": [{{"id": 7}}], "found": [{NOON}]}}', [NOON]),
        ('{"page": 1, "lines": ["2025-03-14T15:09:26Z late", "2025-03-14T15:09:27Z a"]}',
         ['"2025-03-14T15:09:26Z late"', '"2025-03-14T15:09:27Z a"']),
        ('{"logs": "2025-03-14T15:09:26Z Error: a\\n  at b\\n2025-03-14T15:09:27Z c\\n"}',
         ['"2025-03-14T15:09:26Z Error: a\\n  at b"', '"2025-03-14T15:09:27Z c"']),
        (f'{{"info": [{NOON}], "tags": ["a"], "error": [{NOON}, {WORSE}]}}', [NOON, WORSE]),
        ('{"entries": [], "nextPageToken": ""}', []),
        ('{"frames": [{"schema": {"fields": [{"name": "ts"}, {"name": "msg"}]}, "data": {"values": [[], []]}}]}', []),
        ('{"rows": 0, "data": {"ts": [], "msg": []}}', []),
        ('{"data": {"logs": {"nodes": [], "pageInfo": {"hasNextPage": false}}}}', []),
        ('{"logs": [], "error": null, "errors": {}, "success": true}', []),
        ('{"status": "success", "code": 200, "_shards": {"failed": 0}, "timed_out": false, "data": []}', []),
        ('{"code": 0, "message": "success", "data": []}', []),
        ('{"logEvents": [], "nextForwardToken": "f/7"}', []),
        ('{"ok": true, "errors": [], "data": {"items": [ ]}}', []),
        (WORKER.decode(), [WORKER.decode()]),
        (f"{WORKER.decode()}\n{WORKER.decode()}\n", [WORKER.decode()] * 2),
    ],
)  # fmt: skip
def test_records_are_found_in_lists_of_any_name(body: str, records: list[str]) -> None:
    assert split(body.encode(), 1_000)[0] == [record.encode() for record in records]


LATE, LOST = json.loads(NOON), json.loads(WORSE)
TABLE = [["2025-03-14T15:09:26Z", "warn", "late"], ["2025-03-14T15:09:27Z", "error", "lost"]]
TURNED = [list(column) for column in zip(*TABLE, strict=True)]
COLUMNS = ("ts", "level", "msg")


@pytest.mark.parametrize(
    "answer",
    [
        {"columns": list(COLUMNS), "rows": TABLE},
        {"columns": list(COLUMNS), "data": TURNED},
        {"schema": {"fields": [{"name": name} for name in COLUMNS]}, "data": {"values": TURNED}},
        dict(zip(COLUMNS, TURNED, strict=True)),
        {"took": 7, "data": dict(zip(COLUMNS, TURNED, strict=True))},
        {name: {"0": TABLE[0][n], "1": TABLE[1][n]} for n, name in enumerate(COLUMNS)},
        {"Tables": [{"Columns": [{"ColumnName": name} for name in COLUMNS], "Rows": TABLE}]},
        {"metaData": {"rowType": [{"name": name} for name in COLUMNS]}, "data": TABLE},
        {"head": [{"name": name, "type": "text"} for name in COLUMNS], "took": 7, "data": TABLE},
        {"results": [{"series": [{"name": "press", "columns": list(COLUMNS), "values": TABLE}]}]},
        {"schema": {"fields": [{"name": name} for name in COLUMNS]},
         "rows": [{"f": [{"v": cell} for cell in row]} for row in TABLE]},
        {"results": [[{"field": name, "value": cell} for name, cell in zip(COLUMNS, row)] for row in TABLE]},  # noqa: B905
        {"Items": [{name: {"S": cell} for name, cell in zip(COLUMNS, row, strict=True)} for row in TABLE], "Count": 2},
        {"printers": [{"name": "a", "lines": [LATE]}, {"name": "b", "lines": []}, {"name": "c", "lines": [LOST]}]},
        {"press": {"edges": [{"cursor": "1", "node": LATE}, {"cursor": "2", "node": LOST}]}},
        {"logs": {"k7": LATE, "k8": LOST}},
        {"-k7": LATE, "-k8": LOST},
        {"errors": [{"message": "no ink", "path": ["x"]}], "data": {"logs": [LATE, LOST]}},
        {"logs": f"{NOON}\n{WORSE}\n"},
        {"status": "success", "data": {"resultType": "streams", "result": [
            {"stream": {"app": "press", "detected_level": "unknown"}, "values": [["1741964966535897932", "late"]]},
            {"stream": {"app": "press", "level": "error"}, "values": [["1741964967535897932", "lost", {"k": "v"}]]},
        ]}},
    ],
    ids=",".join,
)  # fmt: skip
def test_tables_pairs_and_deeper_lists_are_records(answer: dict[str, Any]) -> None:
    raws, _ = split(json.dumps(answer).encode(), 1_000)

    assert [read(raw).message for raw in raws] == ["late", "lost"]
    assert read(raws[-1]).level == "error"


def test_lists_of_records_within_a_list_are_its_pages() -> None:
    raws, _ = split(json.dumps([[LATE, LATE], [LOST]]).encode(), 40)

    assert [read(raw).message for raw in raws] == ["late", "late", "lost"]


@pytest.mark.parametrize("size", [40, 1_000])
def test_rows_beneath_a_header_are_records(size: int) -> None:
    raws, _ = split(json.dumps([list(COLUMNS), *TABLE, ["too short"]]).encode(), size)

    assert [read(raw).message for raw in raws[:2]] == ["late", "lost"]
    assert raws[2:] == [b'["too short"]']
    assert len(split(b'["2025-03-14T15:09:26Z late", "2025-03-14T15:09:27Z lost"]')[0]) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"columns": list(COLUMNS), "rows": []},
        {"printers": [{"name": "a", "lines": []}, {"name": "b", "lines": []}]},
        {"tables": [{"name": "a", "columns": [{"name": name} for name in COLUMNS], "rows": []}]},
    ],
    ids=",".join,
)
def test_a_table_or_parts_without_rows_are_an_empty_answer(answer: dict[str, Any]) -> None:
    assert split(json.dumps(answer).encode(), 1_000) == ([], None)


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({"error": "disk 3 did not answer"}, '"error": "disk 3 did not answer"'),
        ({"meta": {"truncated": True}}, '"truncated": true'),
        ({"isPartial": True}, '"isPartial": true'),
        ({"_shards": {"failures": [{"reason": "x"}]}}, '"failures": [{"reason": "x"}]'),
        ({"pageInfo": {"hasNextPage": True}}, '"hasNextPage": true'),
        ({"links": {"next": "https://a.example/?page=2"}}, '"next": "https://a.example/?page=2"'),
        ({"@odata.nextLink": "x?skip=2"}, '"@odata.nextLink": "x?skip=2"'),
        ({"success": False}, '"success": false'),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["logs", "items"])
def test_an_answer_that_says_that_it_lacks_records_is_not_whole(name: str, beside: dict[str, Any], told: str) -> None:
    for answer in ({name: [LATE, LOST], **beside}, {**beside, name: [LATE, LOST]}):
        raws, broken = split(json.dumps(answer).encode(), 20)

        assert len(raws) == 2
        assert broken == f"the answer has 2 records, and says that it is incomplete: {told}"


@pytest.mark.parametrize(
    "beside",
    [
        {"error": None, "errors": [], "truncated": False, "hasMore": False, "next": None},
        {"status": "failed", "job": 7},  # of the job that wrote the lines
        {"error": [LOST]},  # by level
        {"nextForwardToken": "f/7", "nextToken": "x"},  # there also at the end
        {"_shards": {"failed": 0}, "timed_out": False},
        {"errors": 2},
    ],
    ids=str,
)
def test_what_stands_beside_records_may_say_nothing_of_others(beside: dict[str, Any]) -> None:
    for name in ("logs", "items"):
        assert split(json.dumps({name: [LATE, LOST], **beside}).encode(), 20)[1] is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "quota of the month is used up"}',
        b'{"__type": "LimitException", "message": "too often"}',
        b'{"detail": [{"loc": ["query", "since"], "msg": "missing", "type": "value_error"}]}',
        b'{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "code": 403}',
    ],
)
def test_an_error_of_a_program_is_no_record(body: bytes) -> None:
    with pytest.raises(NotAnAnswerError):
        split(body, 1_000)


@pytest.mark.parametrize("guard", [b")]}',\n", b"while(1);", b"for(;;);"])
def test_a_guard_against_scripts_is_no_part_of_an_answer(guard: bytes) -> None:
    assert split(guard + f"[{NOON}]".encode(), 1_000)[0] == [NOON.encode()]


def test_zeros_of_a_file_that_was_cut_cost_no_line() -> None:
    assert split(f"{NOON}\n\0\0\0{WORSE}\n".encode(), 1_000)[0] == [NOON.encode(), WORSE.encode()]


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (b'{"lines": ["2025-03-14T15:09:26Z \xfb", "2025-03-14T15:09:27Z a"]}',
         [b'"2025-03-14T15:09:26Z \xfb"', b'"2025-03-14T15:09:27Z a"']),
        (b'{"logs": "2025-03-14T15:09:26Z \xfb\\n2025-03-14T15:09:27Z a"}',
         [rb'"2025-03-14T15:09:26Z \ufffd"', b'"2025-03-14T15:09:27Z a"']),
    ],
)  # fmt: skip
def test_a_text_that_was_cut_inside_a_character_costs_no_neighbour(body: bytes, records: list[bytes]) -> None:
    assert split(body)[0] == records


@pytest.mark.parametrize(
    "body",
    [
        '{"data": [], "error": "no such index"}',
        '{"status": "error", "data": []}',
        '{"logs": [], "error": "no connection"}',
        '{"success": false, "logs": []}',
        '{"success": false, "results": []}',
        '{"statusCode": 503, "results": []}',
        '{"result": [], "meta": {"error": "closed"}}',
        '{"took": 1, "_shards": {"total": 5, "failed": 5}, "hits": {"hits": []}}',
        '{"exception": "NullPointerException", "records": []}',
        '{"users": [{"id": 1, "created_at": "2025-03-14T15:09:26Z"}]}',
        '{"tags": []}',
        '{"note": "a\\nb"}',
    ],
)
def test_an_answer_of_something_else_is_none(body: str) -> None:
    with pytest.raises(NotAnAnswerError):
        split(body.encode(), 1_000)


def test_an_empty_list_beside_a_message_is_an_answer_of_the_node() -> None:
    assert split(b'{"timestamp": "2025-03-14T15:09:26Z", "message": "0 lines", "logs": []}', 1_000)[0] == []


@pytest.mark.parametrize(
    "body", [b"[" * 10_000 + b"]" * 10_000, b"[" * 10_000, b'[{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}]"]
)
def test_lists_within_lists_break_no_answer(body: bytes) -> None:
    raws, broken = split(body, 1_000)
    assert broken is not None or len(raws) <= 1

"""First lines, lone records, lists, tables and errors: what is a record of an answer, and what is no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleexmon_pipeline.collection.answers import splitter as answers
from fleexmon_pipeline.collection.answers.refused import NotAnAnswerError
from fleexmon_pipeline.collection.answers.splitter import Splitter
from fleexmon_pipeline.collection.records import RejectedError, read
from fleexmon_pipeline_tests.collection.in_chunks import chunks_of, split


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a few bytes, so that every path is taken by bodies of a few records."""
    monkeypatch.setattr(answers, "SPLIT_FROM", 8)
    monkeypatch.setattr(answers, "SALVAGE_FROM", 64)


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


# -- rows and streams ------------------------------------------------------------------------------------------------

ROWS = [["2025-03-14T15:09:26Z", "warn", "pump late", 7], ["2025-03-14T15:09:27Z", "error", "pump lost", 8]]


@pytest.mark.parametrize("size", [7, 1_000])
@pytest.mark.parametrize(
    "answer",
    [
        ROWS,
        {"logs": ROWS},
        {"pumps": ROWS, "count": 2},
        [[1741964966000, "pump late", "WARN"], [1741964967000, "pump lost", "ERROR"]],
        [["p-1", *row] for row in ROWS],
        ROWS[:1] + ROWS[1:],
    ],
)
def test_rows_without_a_header_are_told_by_their_values(answer: object, size: int) -> None:
    lines = [read(raw) for raw in split(json.dumps(answer).encode(), size)[0]]

    assert [(line.level, line.message) for line in lines] == [("warn", "pump late"), ("error", "pump lost")]
    assert lines[0].iso.startswith("2025-03-14T15:09:26")


def test_a_single_row_is_not_taken_for_a_header() -> None:
    [raw], broken = split(json.dumps({"logs": ROWS[:1]}).encode())

    assert (read(raw).message, read(raw).metadata, broken) == ("pump late", '{"column 4":7}', None)


def test_a_row_a_line_is_a_record_a_line() -> None:
    raws, broken = split("".join(f"{json.dumps(row)}\n" for row in ROWS).encode())

    assert [read(raw).message for raw in raws] == ["pump late", "pump lost"]
    assert broken is None


def test_a_list_of_values_that_tell_no_time_or_message_is_rejected_for_what_it_lacks() -> None:
    raws, _ = split(b'{"logs": [[1, 2], [3, 4]]}')
    raws += split(b'[["2025-03-14T15:09:26Z", "com.acme.harbour.Pump", "late"]]')[0]

    for raw in raws:
        with pytest.raises(RejectedError, match="without names: nothing tells its time or its message"):
            read(raw)
    assert len(raws) == 3


def test_streams_of_loki_in_another_list_are_their_lines() -> None:
    streams = [
        {"stream": {"app": "pump", "level": "warn"}, "values": [["1741964966000000000", "late"]]},
        {"stream": {"app": "gate"}, "values": [["1741964967000000000", "lost"], ["1741964968000000000", "found"]]},
        {"stream": {"app": "idle"}, "values": []},
    ]
    record = {"stream": "stderr", "values": [1], "time": "2025-03-14T15:09:29Z", "message": "a record"}

    raws, broken = split(json.dumps({"logs": [*streams, record]}).encode(), 50)

    assert [read(raw).message for raw in raws] == ["late", "lost", "found", "a record"]
    assert (read(raws[0]).level, broken) == ("warn", None)

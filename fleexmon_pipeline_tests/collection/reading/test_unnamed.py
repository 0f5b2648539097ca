"""Records of unknown loggers, in unknown envelopes: time, level and message are found."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from fleexmon_pipeline.collection.reading.inputs import Form, Input
from fleexmon_pipeline.collection.reading.text_levels import level_in_text
from fleexmon_pipeline.collection.records import RejectedError, explain
from fleexmon_pipeline.collection.times.value import read_time

NOW = "2026-11-20T10:05:00Z"


def read(record: dict[str, Any]) -> tuple[str, str]:
    line, _ = explain(json.dumps(record).encode())
    return line.level, line.message


@pytest.mark.parametrize(
    "record",
    [
        {"time": NOW, "type": "metric", "value": 7},
        {"time": NOW, "value": 7},
        {"time": NOW, "one": "no ink here", "two": "no paper there"},
        {"lastSeen": NOW, "msg": "no ink"},
        {"time_of_day": "10:05", "msg": "no ink"},
    ],
)
def test_what_says_nothing_or_has_no_time_stays_rejected(record: dict[str, Any]) -> None:
    with pytest.raises(RejectedError):
        read(record)


def test_of_a_time_that_goes_on_the_end_counts() -> None:
    record = {"firstTimestamp": "2026-11-20T10:00:00Z", "lastTimestamp": NOW, "message": "no ink", "count": 3}
    assert explain(json.dumps(record).encode())[0].iso == "2026-11-20T10:05:00+00:00"


def test_the_parts_of_a_time_are_read_together() -> None:
    record = {"timestampSeconds": 1795169100, "timestampNanos": 123_000_000, "message": "no ink"}
    assert explain(json.dumps(record).encode())[0].iso == "2026-11-20T10:05:00.123000+00:00"


@pytest.mark.parametrize(
    ("record", "level", "message"),
    [
        ({"TimeGenerated": NOW, "Container": "a", "Payload2": {"level": "warn", "msg": "ink low"}}, "warn", "ink low"),
        ({"when": 1, "timestamp": NOW, "zeile": '{"lvl": "error", "msg": "no ink"}'}, "error", "no ink"),
        ({"@timestamp": NOW, "msg": '@cee: {"level": "error", "msg": "no ink"}'}, "error", "no ink"),
        ({"instant": NOW, "level": "error", "msg_": "no ink"}, "error", "no ink"),
        ({"printer_timestamp": NOW, "level": "error", "msg": "no ink"}, "error", "no ink"),
        ({"time": NOW, "printer_severity_code": 4, "msg": "ink low"}, "warn", "ink low"),
        ({"time": NOW, "type": "response", "error": "permission denied"}, "error", "permission denied"),
        ({"_ts": 1795169100123, "_line": "ERROR no ink"}, "error", "ERROR no ink"),
        ({"at": NOW, "sev": "Error", "msg": "no ink"}, "error", "no ink"),
        ({"timestamp": NOW, "log-level": "ERROR", "text": "no ink"}, "error", "no ink"),
        ({"timestamp": 1795169100.1, "short_message": '{"level": "error", "msg": "no ink"}'}, "error", "no ink"),
        ({"time": NOW, "loggerName": "a", "level": 1000, "msg": "no ink"}, "error", "no ink"),
        ({"time": NOW, "level": "ОШИБКА", "msg": "no ink"}, "error", "no ink"),
        ({"_id": 7, "_source": {"@timestamp": NOW, "message": "no ink", "level": "error"}}, "error", "no ink"),
        ({"id": 7, "data": {"date": NOW, "description": "no ink", "severity": "low"}}, "info", "no ink"),
        ({"CreationTime": NOW, "Operation": "FileDeleted", "ResultStatus": "Succeeded"}, "info", "FileDeleted"),
        ({"published": NOW, "severity": "HIGH", "displayMessage": "no ink"}, "error", "no ink"),
        ({"date_create": 1795169100, "activity_name": "file_shared"}, "info", "file_shared"),
        ({"TimeGenerated": NOW, "Log_s": "ERROR no ink", "log_type_s": "x"}, "error", "ERROR no ink"),
        ({"TimeGenerated": NOW, "Log_s": '{"level": "error", "msg": "no ink"}'}, "error", "no ink"),
        ({"OriginTime": NOW, "OriginMethod": "GET", "OriginPath": "/a", "OriginStatus": 503}, "info", "GET /a 503"),
        ({"time": NOW, "operationName": {"value": "Write", "localizedValue": "Schreiben"}}, "info", "Write"),
        ({"time": NOW, "type": "function", "record": "[ERROR] no ink\n"}, "error", "[ERROR] no ink\n"),
        ({"time": NOW, "detail-type": "Finding", "detail": {"title": "no ink"}}, "info", "no ink"),
        ({"time": NOW, "exception": {"values": [{"type": "E", "value": "no ink"}]}}, "error", "no ink"),
        ({"time": NOW, "errors": [{"message": "no ink", "path": "/a"}]}, "error", "no ink"),
        ({"time": NOW, "errors": 3, "note": "no ink"}, "info", "no ink"),
        ({"time": NOW, "Message": "", "Exception": "System.IO: no ink\n   at A.B()"}, "error", "System.IO: no ink"),
        ({"time": NOW, "level": "error", "template": "no {what}", "args": {"what": "ink"}}, "error", "no ink"),
        (
            {"Timestamp": NOW, "Severity": 17, "SeverityText": "", "Body": {"Type": "String", "Value": "no ink"}},
            "error",
            "no ink",
        ),
        ({"timestamp": NOW, "severity_number": "<SeverityNumber.WARN: 13>", "body": "ink low"}, "warn", "ink low"),
        ({"timestamp": NOW, "severity": 14, "state": 1, "error_number": 9, "message": "no ink"}, "error", "no ink"),
        ({"time": NOW, "alarm_severity": "MINOR", "msg": "ink low"}, "warn", "ink low"),
        ({"time": NOW, "priority": "high", "msg": "job queued"}, "info", "job queued"),
        ({"time": NOW, "level": 4, "levelName": "ERROR", "msg": "no ink"}, "error", "no ink"),
        # The class of a record is no message, if there is another; it may be the name of the record
        ({"event": "log", "timestamp": NOW, "tags": ["warn", "press"], "data": "ink low"}, "warn", "ink low"),
        (
            {"event": "response", "timestamp": NOW, "method": "put", "path": "/a", "statusCode": 503},
            "info",
            "put /a 503",
        ),
        ({"event": "error", "timestamp": NOW, "error": {"message": "no ink"}}, "error", "no ink"),
        ({"event": "request", "timestamp": NOW}, "info", "request"),
        ({"event": "no_ink", "timestamp": NOW, "level": "error"}, "error", "no_ink"),
        ({"time": NOW, "event_type": "press", "press": {"message": "no ink", "level": "error"}}, "error", "no ink"),
        ({"time": NOW, "event_type": "press", "job": {"message": "no ink"}}, "info", "press"),
        (
            {"when_ms": 1, "time": NOW, "logItem": {"id": 7, "data": {"level": "error", "msg": "no ink"}}},
            "error",
            "no ink",
        ),
        (
            {"time": NOW, "outcome": "ok", "logs": [], "event": {"request": {"url": "/a", "method": "PUT"}}},
            "info",
            "PUT /a",
        ),
        ({"time": NOW, "type": "printer.cover-opened", "subject": "7"}, "info", "printer.cover-opened"),
        ({"time": NOW, "detail-type": "Printer State Change", "source": "a"}, "info", "Printer State Change"),
        # A small number is of many scales: a word beside it is surer
        ({"time": NOW, "level": 1, "type": "warn", "msg": "ink low"}, "warn", "ink low"),
        ({"time": NOW, "level": 30, "status": "error", "msg": "7 printed"}, "info", "7 printed"),
        ({"time": NOW, "level": 3, "type": "printer", "msg": "no ink"}, "error", "no ink"),
        (
            {"hostIdentifier": "a", "calendarTime": "x", "unixTime": 1795169100, "severity": 1, "message": "a"},
            "warn",
            "a",
        ),
        ({"time": NOW, "EventLevel": "Error", "EventMessage": "no ink"}, "error", "no ink"),
        ({"time": NOW, "battery_level": "7", "msg": "ink low"}, "info", "ink low"),
        (
            {"time": NOW, "level": 40, "name": "a", "file": "b", "function": "c", "line": 7, "msg": "no ink"},
            "error",
            "no ink",
        ),
        # The only text of several words is a message, whatever its field is called
        ({"when": NOW, "sev": "crit", "what": "tray is jammed", "where": "hall7"}, "fatal", "tray is jammed"),
        ({"time": NOW, "level": "error", "error": {"code": 7, "title": "no ink"}}, "error", "no ink"),
        ({"date": "2026-11-20", "start_time": "10:05:00", "msg": "no ink", "level": "error"}, "error", "no ink"),
        # Names of a time
        ({"eventstamp": NOW, "msg": "no ink", "level": "error"}, "error", "no ink"),
        (
            {"firstTimestamp": "2026-11-20T10:00:00Z", "lastTimestamp": NOW, "type": "Warning", "message": "a"},
            "warn",
            "a",
        ),
        ({"time": NOW, "level": "warn", "levelName": "", "msg": "ink low"}, "warn", "ink low"),
        ({"time": NOW, "loglvl": "ERROR", "msg": "no ink"}, "error", "no ink"),
        ({"time": NOW, "level_number": 50, "msg": "no ink"}, "error", "no ink"),
        ({"time": NOW, "tags": {"level": "error"}, "msg": "no ink"}, "error", "no ink"),
        ({"time": NOW, "Type": "Warning", "Message": "ink low"}, "warn", "ink low"),
        ({"time": NOW, "level": "error", "formatted": "no ink", "cause_id": "x"}, "error", "no ink"),
        ({"time": NOW, "event": {"level": "error"}, "msg": "no ink"}, "error", "no ink"),
        ({"time": NOW, "labels": {"severity": "critical"}, "msg": "no ink"}, "fatal", "no ink"),
        ({"time": NOW, "context": {"level": 3}, "msg": "level 3 reached"}, "info", "level 3 reached"),
        ({"time": NOW, "metadata": [{"parsed": [{"error_severity": "ERROR"}]}], "msg": "no ink"}, "error", "no ink"),
        # Levels beside, and names in other languages
        ({"time": NOW, "meta": {"level": "error"}, "msg": "no ink"}, "error", "no ink"),
        ({"time": NOW, "tags": "press,warning", "msg": "ink low"}, "warn", "ink low"),
        ({"time": NOW, "attributes": [{"key": "level", "value": '"error"'}], "msg": "no ink"}, "error", "no ink"),
        ({"time": NOW, "levelString": "critical", "msg": "no ink"}, "fatal", "no ink"),
        ({"time": NOW, "level": "org.acme.log.Level.WARNING", "msg": "ink low"}, "warn", "ink low"),
        ({"fecha": NOW, "nivel": "ERROR", "mensaje": "no hay tinta"}, "error", "no hay tinta"),
        ({"zeitstempel": NOW, "schweregrad": "Warnung", "meldung": "Tinte knapp"}, "warn", "Tinte knapp"),
        # Deeper
        ({"time": NOW, "data": {"kind": "a", "baseData": {"message": "no ink", "level": "Error"}}}, "error", "no ink"),
        (
            {"type": "TRACE", "trace": {"emitted_at": 1795169100123, "error": {"message": "no ink"}}},
            "error",
            "no ink",
        ),
        ({"timestamp": NOW, "logmsg": '{"level": "error", "msg": "no ink"}'}, "error", "no ink"),
        ({"time": NOW, "requestRef": {"method": "GET", "resource": "/a", "status": 500}}, "info", "GET /a 500"),
        ({"time": NOW, "level": "WARN", "message": "{} of {}", "arguments": ["3", "7"]}, "warn", "3 of 7"),
        ({"time": NOW, "level": "WARN", "message": "{} of {}", "arguments": ["3"]}, "warn", "{} of {}"),
        (
            {"date": 1795169100.1, "log": NOW + ' stderr F {"level": "error", "msg": "no ink"}\n'},
            "error",
            "no ink",
        ),
        (
            {"time": NOW, "log": '{"timestamp": "[ 7.5s]", "level": "WARN", "fields": {"message": "ink low"}}'},
            "warn",
            "ink low",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else ",".join(value),
)
def test_what_no_list_names_is_found(record: dict[str, Any], level: str, message: str) -> None:
    assert read(record) == (level, message)


@pytest.mark.parametrize(
    "record",
    [
        {"time": NOW, "context": "a", "battery_level": 50, "uptime": 12},
        {"birthdate": "1999-11-20", "valid_time": NOW, "msg": "x"},
        {"last_login_at": NOW, "msg": "x"},
        {"expiry_date": NOW, "next_run_time": NOW, "uptime_time": 12.5, "msg": "x"},
    ],
    ids=["no message", "no time", "another time", "other times"],
)
def test_a_name_that_means_something_else_is_no_candidate(record: dict[str, Any]) -> None:
    with pytest.raises(RejectedError):
        explain(json.dumps(record).encode())


def test_a_number_that_is_no_level_is_none() -> None:
    assert read({"time": NOW, "battery_level": 50, "water_level": "high", "msg": "x"}) == ("info", "x")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"@t": NOW, "@mt": "Order {Id} took {Ms:0.0} ms: {@Cart}", "Id": 42, "Ms": 7}, "Order 42 took 7 ms: {@Cart}"),
        (
            {"Timestamp": NOW, "MessageTemplate": "Order {Id} failed", "Properties": {"Id": "A7"}},
            "Order A7 failed",
        ),
        ({"created": 1795169100.5, "msg": "order %s of %d failed", "args": ["A7", 3]}, "order A7 of 3 failed"),
        ({"created": 1795169100.5, "msg": "100% of %s", "args": []}, "100% of %s"),
        ({"created": 1795169100.5, "msg": "%99999999d", "args": [1]}, "%99999999d"),
    ],
)
def test_a_template_has_the_values_of_its_record(record: dict[str, Any], message: str) -> None:
    assert read(record)[1] == message


def test_a_template_grows_no_further_than_its_limit() -> None:
    _, many = read({"@t": NOW, "@mt": "{a}" * 10_000, "a": "x" * 1_000})
    _, wide = read({"@t": NOW, "@mt": "{a}", "a": "x" * 100_000})

    assert len(many) < 150_000
    assert wide == "{a}"


@pytest.mark.parametrize(
    "body",
    [
        b'\x1e{"time":"2026-11-20T10:05:00Z","msg":"a"}\n\x1e{"time":"2026-11-20T10:05:01Z","msg":"b"}\n',
        (
            b': hello\nevent: log\ndata: {"time":"2026-11-20T10:05:00Z","msg":"a"}\n\n'
            b'data:{"time":"2026-11-20T10:05:01Z","msg":"b"}'
        ),
        b'{"time":"2026-11-20T10:05:00Z","msg":"a"},\n{"time":"2026-11-20T10:05:01Z","msg":"b"}\n',
        b'{\n "time":"2026-11-20T10:05:00Z",\n "msg":"a"\n}\n{\n "time":"2026-11-20T10:05:01Z",\n "msg":"b"\n}\n',
        b'["2026-11-20T10:05:00Z a","2026-11-20T10:05:01Z b"]',
    ],
    ids=["text sequence", "server-sent events", "commas", "over lines", "texts"],
)
@pytest.mark.parametrize("size", [7, 1_000_000])
def test_other_frames_of_answers(body: bytes, size: int) -> None:
    class Slow(BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    messages = [result.line.message for result in Input(Slow(body), Form.NODE).results() if result.line]

    assert [message[-1] for message in messages] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T24:00:00Z", "2026-11-21T00:00:00"),
        ("2026-11-20 24:00:00.000", "2026-11-21T00:00:00"),
        ("1.795169100123e9", "2026-11-20T10:05:00.123"),
        ("2026:11:20 10:05:00", "2026-11-20T10:05:00"),
    ],
)
def test_more_forms_of_a_time(text: str, expected: str) -> None:
    assert read_time(text).isoformat().startswith(expected)


def test_a_quarter_past_midnight_is_not_written_with_24() -> None:
    with pytest.raises(RejectedError):
        read_time("2026-11-20T24:15:00Z")


def test_a_form_with_a_level_of_its_own_may_stand_behind_host_and_program() -> None:
    head = "2026-11-20T10:05:00.123+01:00 web-7 kubelet[812]: "

    assert level_in_text(f"{head}E1120 10:05:00.123456     812 kubelet.go:2218] node not ready") == "error"
    assert level_in_text(f"{head}node is ready, no error") is None


@pytest.mark.parametrize(("kind", "level"), [("ERROR", "error"), ("CRASH", "error"), ("WARNING", "warn")])
def test_reports_of_erlang_say_their_level(kind: str, level: str) -> None:
    assert level_in_text(f"={kind} REPORT==== 20-Nov-2026::10:05:00.123456 ===") == level


@pytest.mark.parametrize(
    ("lines", "events"),
    [
        (
            [
                "ERROR pay failed",
                "clojure.lang.ExceptionInfo: no ink {:order 7}",
                " at shop.core$pay.invoke (core.clj:1)",
            ],
            1,
        ),
        (["ERROR: LoadError: no ink", "Stacktrace:", " [1] pay(x::Int64)", "   @ Main /app/a.jl:3"], 1),
        (
            [
                "Traceback (most recent call last)",
                "/app/a.nim(12) a",
                "Error: unhandled exception: no ink [ValueError]",
            ],
            1,
        ),
        (["thread 12 panic: index out of bounds", "/app/a.zig:12:5: 0x1234 in pay (a)", "    x[3] = 1;", "    ^"], 1),
        (
            [
                "error: Uncaught (in promise) Error: no ink",
                "    throw new Error();",
                "          ^",
                "    at file:///a.ts:3:9",
            ],
            1,
        ),
        (
            [
                "a.ps1 : no ink",
                "At C:\\a.ps1:3 char:1",
                '+ throw "no ink"',
                "+ ~~~~~~",
                "    + CategoryInfo          : x",
            ],
            1,
        ),
        (["+ npm ci", "+ npm test", "src/main.zig:3:5: error: expected type"], 3),
    ],
    ids=["Clojure", "Julia", "Nim", "Zig", "Deno", "PowerShell", "commands"],
)
def test_traces_of_more_languages(lines: list[str], events: int) -> None:
    text = "".join(f"{NOW} {line}\n" for line in lines).encode()

    assert len(list(Input(BytesIO(text), Form.DOCKER).results())) == events


def test_what_a_container_runtime_puts_before_a_line_is_no_part_of_it() -> None:
    text = f"{NOW} stdout P no ink in \n{NOW} stderr F W0314 10:05:00.1 1 a.go:3] slow\n{NOW} stdout F tray 3\n"

    lines = [result.line for result in Input(BytesIO(text.encode())).results() if result.line]

    assert sorted((line.level, line.message) for line in lines) == [
        ("info", "no ink in tray 3"),
        ("warn", "W0314 10:05:00.1 1 a.go:3] slow"),
    ]

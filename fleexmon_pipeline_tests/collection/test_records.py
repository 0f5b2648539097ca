"""Arbitrary records: every sensible form of a time, a level and a text is read, and no form breaks the reader."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.collection.answers.record_runs import OTHER_FORM, Run
from fleexmon_pipeline.collection.line_ids import Identities
from fleexmon_pipeline.collection.reading.names import (
    ERROR_FIELDS,
    LEVEL_FIELDS,
    MESSAGE_FIELDS,
    STACK_FIELDS,
    TEXT_FIELDS,
    TIME_FIELDS,
)
from fleexmon_pipeline.collection.records import RejectedError, read, storable
from fleexmon_pipeline.collection.rows import Rows
from fleexmon_pipeline.collection.store import Stored
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.window import DAY, EPOCH, HOUR, Window
from fleexmon_pipeline_tests.conftest import Database

MOMENT = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
MILLISECOND = MOMENT.replace(microsecond=123000)
SECOND = MOMENT.replace(microsecond=0)
ISO = "2026-11-20T10:00:00.123456Z"
EPOCH_MICROSECONDS = 1_795_168_800_123_456
HOUR_OF_IT = Window(SECOND, SECOND + HOUR)

ALL_FIELDS = (*TIME_FIELDS, *LEVEL_FIELDS, *MESSAGE_FIELDS, *TEXT_FIELDS, *ERROR_FIELDS, *STACK_FIELDS)

moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from([*ALL_FIELDS, "metadata", "severityNumber", "s", "ctx"])


@pytest.mark.parametrize(
    ("word", "level"),
    [("ERROR", "error"), ("Err", "error"), (50, "error"), ("50", "error"), ("critical", "fatal"), ("[WARN]", "warn"),
     ("trace", "debug"), ("notice", "info"), (3, "error"), ("E" * 20_000, "info"), (None, "info"), (True, "info"),
     ("\x1b[31merror\x1b[39m", "error"), ("<Warning>:", "warn"), ("ERROR+2", "error"), ("DEBUG-4", "debug"),
     ("INFO2", "info"), (45, "warn"), (35, "info"), (400, "error"), (550, "fatal"), (30.0, "info"), (404, "info"),
     (10**400, "info"), (float("nan"), "info"), ("²", "info"), ([], "info"), ({"a": 1}, "info"),
     ("E_PARSE_ERROR", "error"), ("E_USER_NOTICE", "info"), ("Fatal Exception", "fatal"), ("⚠ Warning", "warn"),
     ("2 (warning)", "warn"), ("SEVERITY.ERROR_LEVEL", "error"), ("user.crit", "fatal"), ("non-critical", "info"),
     ("no error", "info"), ("an error that somebody else has seen", "info"), ("Advarsel", "warn"), ("Feil", "error")],
)  # fmt: skip
def test_levels_are_the_five(word: object, level: str) -> None:
    assert read_level(word) == level


def test_an_odd_level_is_kept_in_metadata() -> None:
    line = read(json.dumps({"time": EPOCH_MICROSECONDS // 1000, "level": 50, "msg": "x", "pid": 7}).encode())

    assert (line.level, line.message) == ("error", "x")
    assert json.loads(line.metadata or "") == {"originalLevel": "50", "pid": 7}


def test_a_message_of_ten_megabytes_is_cut_and_says_so() -> None:
    line = read(json.dumps({"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": "x" * 10**7}).encode())

    assert len(line.message) == 10**6
    assert json.loads(line.metadata or "")["messageLength"] == 10**7


# -- what loggers send ----------------------------------------------------------------------------------------------

NANOSECONDS = f"{EPOCH_MICROSECONDS}789"
FORMS: dict[str, tuple[dict[str, Any], datetime, str, str]] = {
    "the node API": ({"timestamp": ISO, "level": "warn", "message": "m", "metadata": {"a": 1}}, MOMENT, "warn", "m"),
    "pino": ({"level": 50, "time": 1795168800123, "pid": 1, "hostname": "h", "msg": "m", "err": {
        "type": "TypeError", "message": "x", "stack": "TypeError: x\n    at f (a.js:1:2)"}}, MILLISECOND, "error", "m"),
    "pino, an error alone": ({"level": 60, "time": 1795168800123, "err": {"type": "E", "message": "m", "stack": "s"}},
                             MILLISECOND, "fatal", "m"),
    "winston": ({"level": "error", "message": "m", "timestamp": ISO, "stack": "Error: m\n at f"}, MOMENT, "error", "m"),
    "winston in colours": ({"level": "\x1b[33mwarn\x1b[39m", "message": "m", "timestamp": ISO}, MOMENT, "warn", "m"),
    "bunyan": ({"name": "shop", "hostname": "h", "pid": 1, "level": 40, "msg": "m", "time": ISO, "v": 0},
               MOMENT, "warn", "m"),
    "python-json-logger": ({"asctime": "2026-11-20 10:00:00,123", "levelname": "CRITICAL", "name": "a", "message": "m",
                            "exc_info": "Traceback …"}, MILLISECOND, "fatal", "m"),
    "structlog": ({"event": "m", "level": "warning", "timestamp": ISO, "user": 7}, MOMENT, "warn", "m"),
    "zap": ({"level": "dpanic", "ts": EPOCH_MICROSECONDS / 10**6, "caller": "a.go:1", "msg": "m", "stacktrace": "s"},
            MOMENT, "fatal", "m"),
    "slog": ({"time": "2026-11-20T11:00:00.123456+01:00", "level": "ERROR+2", "msg": "m"}, MOMENT, "error", "m"),
    "OpenTelemetry": ({"timestamp": ISO, "severityText": "ERROR", "severityNumber": 17, "body": "m",
                       "attributes": {"a": 1}}, MOMENT, "error", "m"),
    "OTLP": ({"timeUnixNano": NANOSECONDS, "observedTimeUnixNano": "1", "severityNumber": 13,
              "body": {"stringValue": "m"}, "attributes": [{"key": "a", "value": {"intValue": "1"}}]},
             MOMENT, "warn", "m"),
    "OTLP without a time": ({"timeUnixNano": "0", "observedTimeUnixNano": NANOSECONDS, "severityNumber":
                             "SEVERITY_NUMBER_FATAL2", "body": {"stringValue": "m"}}, MOMENT, "fatal", "m"),
    "OTLP, a map": ({"timeUnixNano": NANOSECONDS, "severityText": "Odd", "severityNumber": 5, "body": {"kvlistValue": {
        "values": [{"key": "a", "value": {"stringValue": "b"}}]}}}, MOMENT, "debug", '{"a": "b"}'),
    "OpenTelemetry's Python": ({"body": "m", "severity_number": 21, "severity_text": None, "timestamp": ISO,
                                "attributes": {}}, MOMENT, "fatal", "m"),
    "journald": ({"MESSAGE": "m", "PRIORITY": "3", "__REALTIME_TIMESTAMP": str(EPOCH_MICROSECONDS),
                  "SYSLOG_IDENTIFIER": "shop"}, MOMENT, "error", "m"),
    "journald, bytes": ({"MESSAGE": [109, 255], "PRIORITY": "4", "__REALTIME_TIMESTAMP": str(EPOCH_MICROSECONDS)},
                        MOMENT, "warn", "m\\xff"),
    "rsyslog": ({"msg": "m", "syslogseverity": "2", "timereported": ISO, "hostname": "h"}, MOMENT, "fatal", "m"),
    "GELF": ({"version": "1.1", "host": "h", "short_message": "m", "full_message": "m\nstack", "level": 3,
              "timestamp": EPOCH_MICROSECONDS / 10**6, "_user": 7}, MOMENT, "error", "m"),
    "ECS": ({"@timestamp": ISO, "log.level": "ERROR", "message": "m", "ecs": {"version": "1.6.0"},
             "error": {"type": "E", "stack_trace": "s"}, "event": {"kind": "event"}}, MOMENT, "error", "m"),
    "ECS, nested": ({"@timestamp": ISO, "log": {"level": "warn", "logger": "a"}, "message": "m"}, MOMENT, "warn", "m"),
    "hclog": ({"@timestamp": ISO, "@level": "error", "@message": "m", "@module": "a"}, MOMENT, "error", "m"),
    "Serilog": ({"@t": ISO, "@l": "Warning", "@mt": "m", "@x": "System.Exception"}, MOMENT, "warn", "m"),
    ".NET": ({"Timestamp": ISO, "Level": "Error", "RenderedMessage": "m", "Properties": {}}, MOMENT, "error", "m"),
    "log4j 2": ({"instant": {"epochSecond": 1795168800, "nanoOfSecond": 123456789}, "level": "FATAL", "message": "m"},
                MOMENT, "fatal", "m"),
    "Monolog": ({"message": "m", "context": {}, "level": 400, "level_name": "ERROR", "datetime": ISO}, MOMENT, "error",
                "m"),
    "MongoDB": ({"t": {"$date": ISO}, "s": "E", "c": "NETWORK", "id": 1, "ctx": "main", "msg": "m"}, MOMENT, "error",
                "m"),
    "Google Cloud": ({"timestamp": {"seconds": 1795168800, "nanos": 123456789}, "severity": "ERROR",
                      "textPayload": "m"}, MOMENT, "error", "m"),
    "Docker": ({"log": "m\n", "stream": "stderr", "time": "2026-11-20T10:00:00.123456789Z"}, MOMENT, "info", "m"),
    "a stack alone": ({"time": ISO, "level": "error", "stack": "Error: m\n    at f (a.js:1:2)"}, MOMENT, "error",
                      "Error: m"),
    "errors in a list": ({"time": ISO, "level": "error", "err": [{"stack": "E: m\n at f"}]}, MOMENT, "error", "E: m"),
    "a number": ({"time": ISO, "message": 42}, MOMENT, "info", "42"),
    "an array": ({"time": ISO, "message": [1, {"a": "é"}]}, MOMENT, "info", '[1, {"a": "é"}]'),
}  # fmt: skip


@pytest.mark.parametrize("form", sorted(FORMS))
def test_what_a_logger_sends_is_that_line_and_the_rest_is_in_metadata(form: str) -> None:
    record, time, level, message = FORMS[form]
    line = read(json.dumps(record).encode())

    assert (line.time, line.level, line.message) == (time, level, message)
    metadata = json.loads(line.metadata or "{}")
    for name in ("pid", "stack", "stacktrace", "caller", "exc_info", "full_message", "_user", "attributes", "error",
                 "err", "user", "SYSLOG_IDENTIFIER", "stream", "@x", "severityNumber"):  # fmt: skip
        assert metadata.get(name) == record.get(name)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"text", "not JSON"),
        (b'{"time": 1795168800, "msg": "caf\xe9"}', "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"time": 1795168800, "msg": "m", "x": ' + b"[" * 300 + b"]" * 300 + b"}", "nested more than 250 deep"),
        (b'{"time": 1795168800, "msg": "m", "x": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}", "nested"),
        (b"42", "a JSON int, not an object"),
        (b"NaN", "a JSON float, not an object"),
        (b'[{"time": 1}]', "a JSON list, not an object"),
        (b"[1, 2]", "a list of values without names"),
        (b'{"msg": "m"}', "no time"),
        (b'{"time": null, "msg": "m"}', "no time"),
        (b'{"time": 1795168800}', "no message"),
        (b'{"time": 1795168800, "message": null, "err": {}}', "no message"),
        (b'{"time": 1795168800, "event": {"kind": "x"}}', "no message"),
        (b'{"time": ' + b"9" * 5_000 + b', "msg": "m"}', "not a time"),
        (b'{"time": {"a": 1}, "msg": "m"}', "not a time"),
    ],
)
def test_what_cannot_become_a_line_says_why(raw: bytes, reason: str) -> None:
    with pytest.raises(RejectedError, match=reason):
        read(raw)


def test_nul_and_half_pairs_are_shown_and_what_was_sent_can_be_had_again() -> None:
    record = {"time": ISO, "level": "odd\0", "msg": "a\0b\ud800 😀", "k\0": ["v\udfff", {"metadataJson": 1}]}
    line = read(json.dumps(record).encode())
    metadata = json.loads(line.metadata or "")

    assert (line.message, metadata["originalLevel"], metadata["k␀"][0]) == ("a␀b� 😀", "odd␀", "v�")
    assert json.loads(metadata["messageJson"]) == record["msg"]
    assert json.loads(metadata["metadataJson"])["k\0"] == record["k\0"]
    assert json.loads(metadata["metadataJson"])["originalLevel"] == record["level"]


def test_control_characters_and_numbers_of_any_size_are_taken() -> None:
    raw = (
        b'{"time": 1795168800, "msg": "a\tb\nc", "n": [NaN, -Infinity, 1e999, 18446744073709551616, '
        + b"9" * 5_000
        + b"]}"
    )
    line = read(raw)

    assert line.message == "a\tb\nc"
    assert json.loads(line.metadata or "") == {"n": ["nan", "-inf", "inf", 2**64, "9" * 5_000]}


def test_a_field_of_ours_takes_no_field_of_the_record() -> None:
    record = {
        "time": ISO,
        "level": "odd",
        "msg": "m",
        "originalLevel": "x",
        "a": 1,
        "metadata": {"a": 2, "record.a": 3},
    }

    assert json.loads(read(json.dumps(record).encode()).metadata or "") == {
        "originalLevel": "odd", "record.originalLevel": "x", "a": 2, "record.a": 3, "record.record.a": 1,
    }  # fmt: skip


def test_the_last_of_two_equal_names_counts_as_in_every_reader_of_json() -> None:
    raw = b'{"timestamp": "2026-11-20T10:00:00Z", "level": "info", "level": "warn", "message": "a", "message": "b"}'

    assert (read(raw).level, read(raw).message) == ("warn", "b")
    assert rows_of(Run([raw])) == rows_of(Run([raw], common=[OTHER_FORM]))


# -- anything -------------------------------------------------------------------------------------------------------


@given(st.dictionaries(fields | st.text(max_size=3), json_values) | json_values, st.booleans())
def test_any_record_is_read_or_refused_and_fits_the_database(record: object, ascii_only: bool) -> None:
    raw = json.dumps(record, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        line = read(raw)
    except RejectedError as reason:
        assert str(reason)
        return
    assert read(raw) == line
    for text in (line.message, line.metadata or ""):
        assert "\0" not in text
        assert "\\u0000" not in text.replace("\\\\", "")
        text.encode()


@given(st.binary(max_size=40) | st.text().map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(RejectedError):
        read(raw)
    with pytest.raises(RejectedError):
        read(b'{"timestamp": ' + raw + b"}")


texts = st.text() | st.text(alphabet=st.characters(codec=None))  # the second has halves of surrogate pairs
names = st.text(max_size=5).filter(
    lambda name: name.lower() not in {field.lower() for field in (*ALL_FIELDS, "metadata", "s", "log", "ctx")}
)


@given(texts, st.text(max_size=20), st.dictionaries(names, json_values, max_size=4), moments)
def test_what_was_sent_can_be_had_again(message: str, level: str, rest: dict[str, Any], moment: datetime) -> None:
    record = {"ts": moment.timestamp(), "level": level, "msg": message, **rest}
    line = read(json.dumps(record).encode())
    metadata = json.loads(line.metadata or "{}")
    sent = json.loads(metadata["metadataJson"]) if "metadataJson" in metadata else metadata

    assert line.time == moment
    assert (json.loads(metadata["messageJson"]) if "messageJson" in metadata else line.message) == message
    assert sent.get("originalLevel", line.level) == level
    for name, value in rest.items():
        assert _same(sent.get(name), value)


def _same(kept: Any, sent: Any) -> bool:
    """But for NaN and infinity, which are kept as text."""
    if isinstance(sent, dict):
        return all(_same(kept.get(name), value) for name, value in sent.items())
    if isinstance(sent, list):
        return len(kept) == len(sent) and all(map(_same, kept, sent))
    return bool(kept == sent) or str(kept) == str(sent)


usual_times = st.one_of(
    moments.map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"),
    moments.map(datetime.isoformat),
    st.sampled_from([ISO, "2026-W47-5T10:00:00.123Z", "2026-11-20T10:00:60.123Z", "2026-11-20 10:00:00.123Z", "x"]),
)
usual = st.fixed_dictionaries(
    {"timestamp": usual_times, "level": st.sampled_from(["debug", "info", "warn", "error", "fatal", "Info", "log"]),
     "message": texts},
    optional={"metadata": st.none() | st.dictionaries(st.text(), json_values), "x": st.just(1)},
)  # fmt: skip


def rows_of(*runs: Run) -> tuple[bytes, list[tuple[bytes, str]]]:
    """The rows of COPY, with ids; and what was rejected."""
    made = Rows(
        "blue", "10.0.0.5", Window(EPOCH, EPOCH + 200 * 365 * DAY), latest=MOMENT + 100 * 365 * DAY, max_rejected=9
    )
    return b"".join(made.blocks(iter(runs))), made.rejected


@given(st.lists(usual, max_size=6), st.booleans())
def test_the_short_way_and_the_long_one_give_the_same_rows(found: list[dict[str, Any]], ascii_only: bool) -> None:
    raws = [json.dumps(one, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") for one in found]
    the_long_way = rows_of(Run(raws, common=[OTHER_FORM] * len(raws)))

    assert rows_of(Run(raws)) == the_long_way
    with suppress(msgspec.DecodeError, UnicodeDecodeError):  # no array: its records are told apart one by one
        assert rows_of(Run.of_array(b"[" + b",".join(raws) + b"]")) == the_long_way


def test_postgresql_takes_every_line_and_gives_it_back(database: Database) -> None:
    random = Random(3)
    odd = ["\0", "\ud800", "\udfff", "😀", "\\", '"', "\n", "\t", "\\u0000", "é", "\x1b[31m", "a", "\ufffe", "}"]

    def text() -> str:
        return "".join(random.choices(odd, k=random.randrange(12)))

    raws = []
    for number in range(400):
        values = [text(), random.random() * 10 ** random.randrange(-15, 15), 2 ** random.randrange(200), None, True]
        rest = {text(): random.choice(values), "x": {"a": [random.choice(values), float("nan")]}}
        at = SECOND + timedelta(seconds=number)
        raws.append(json.dumps({"time": at.isoformat(), "level": text(), "msg": text(), **rest}).encode())
    lines = [read(raw) for raw in raws]
    made = Rows("blue", "10.0.0.5", HOUR_OF_IT, latest=MOMENT + DAY, max_rejected=9)
    with database.connect() as connection, connection.transaction():
        Stored(connection, "blue", HOUR_OF_IT).copy(made.blocks(iter([Run(raws)])))

    assert made.rejected == []
    stored = database.rows('SELECT timestamp, level, message, metadata FROM "LogEntry" ORDER BY timestamp')
    assert [(row["timestamp"], row["level"], row["message"]) for row in stored] == [
        (line.time, line.level, line.message) for line in lines
    ]
    assert [row["metadata"] for row in stored] == [json.loads(line.metadata or "{}") for line in lines]


# -- what never changes ---------------------------------------------------------------------------------------------


@given(st.text())
def test_storable_text_is_what_it_was_where_it_could_be(text: str) -> None:
    assert storable(text) == text.replace("\0", "␀")


def test_ids_do_not_depend_on_the_order_of_metadata() -> None:
    one = read(
        b'{"timestamp":"2026-11-20T10:00:00Z","level":"info","message":"m","metadata":{"a":1,"b":{"c":2,"d":3}}}'
    )
    other = read(
        b'{"metadata":{"b":{"d":3,"c":2},"a":1},"level":"info","timestamp":"2026-11-20T10:00:00+00:00","message":"m"}'
    )

    assert Identities("blue").of(one) == Identities("blue").of(other)
    assert Identities("blue").of(one) != Identities("green").of(one)
    assert UUID(Identities("blue").of(one)).version == 8


def test_ids_are_those_of_every_earlier_release() -> None:
    """Another id for the same line would store it a second time."""
    line = read(b'{"timestamp":"2026-11-20T10:00:00.123456Z","level":"info","message":"m","metadata":{"b":1,"a":2}}')
    blue = Identities("blue")

    assert [blue.of(line), blue.of(line)] == ["01a1f8660d7b8a2c805f0ffa7661ace6", "01a1f8660d7b8d11a26491d85dc345e6"]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.randoms())
def test_ids_of_lines_are_distinct_and_do_not_depend_on_their_order(messages: list[str], random: object) -> None:
    raws = [msgspec.json.encode({"timestamp": "2026-11-20T10:00:00Z", "level": "info", "message": m}) for m in messages]
    one, other = Identities("blue"), Identities("blue")
    ids = {one.of(read(raw)) for raw in raws}

    assert len(ids) == len(messages)
    assert {other.of(read(raw)) for raw in reversed(raws)} == ids

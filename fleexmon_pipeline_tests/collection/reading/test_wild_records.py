"""Records of loggers, shippers and databases with different forms: time, level and message are found in all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleexmon_pipeline.collection.records import RejectedError, explain, read

T = "2025-03-14T15:09:26.535Z"
EPOCH_MS = 1741964966535
INNER = {"level": "error", "msg": "ledger locked", "time": T}

# name: record, level, message
RECORDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an event of Windows, as attributes": (
        {
            "Event": {
                "#attributes": {"xmlns": "http://x"},
                "System": {
                    "Provider": {"#attributes": {"Name": "Press"}},
                    "EventID": {"#attributes": {"Qualifiers": 7}, "#text": 77},
                    "Level": 2,
                    "Channel": "System",
                    "TimeCreated": {"#attributes": {"SystemTime": T}},
                },
                "EventData": {"ink": "low", "gate": 7},
            }
        },
        "error",
        "Press 77: low, 7",
    ),
    "an event of Windows, as names": (
        {
            "Event": {
                "@xmlns": "http://x",
                "System": {
                    "Provider": {"@Name": "Press", "@Guid": "{1f}"},
                    "EventID": "78",
                    "Level": "3",
                    "Channel": "Press",
                    "TimeCreated": {"@SystemTime": T},
                },
                "EventData": {"Data": [{"@Name": "gate", "#text": "7"}, {"@Name": "ink", "#text": "low"}]},
            }
        },
        "warn",
        "Press 78: 7, low",
    ),
    "an event of Windows that was rendered": (
        {
            "Event": {
                "System": {"Level": 4, "EventID": 7, "Channel": "Press", "TimeCreated": {"@SystemTime": T}},
                "RenderingInfo": {"Message": "ink is low"},
                "EventData": None,
            }
        },
        "info",
        "ink is low",
    ),
    "a word of Python beside a number": ({"time": T, "level": 0, "levelname": "info", "msg": "m"}, "info", "m"),
    "a word in another field beside a small number": (
        {"time": T, "level": "0", "severity": "error", "msg": "m"},
        "error",
        "m",
    ),
    "a number and a word that no scale knows": (
        {"time": T, "level": 3, "severity": "purple", "msg": "m"},
        "error",
        "m",
    ),
    "a time of another name": ({"logged": T, "level": "error", "msg": "m"}, "error", "m"),
    # records within records
    "Docker": ({"log": json.dumps(INNER) + "\n", "stream": "stderr", "time": T}, "error", "ledger locked"),
    "Docker, CRLF": ({"log": "started\r\n", "stream": "stdout", "time": T}, "info", "started"),
    "Docker, Serilog": (
        {"log": json.dumps({"@t": T, "@l": "Fatal", "@mt": "no route"}), "stream": "stdout", "time": T},
        "fatal",
        "no route",
    ),
    "Docker, text with a level": (
        {"log": "WARN  pool exhausted\n", "stream": "stdout", "time": T},
        "warn",
        "WARN  pool exhausted",
    ),
    "Filebeat": (
        {
            "@timestamp": T,
            "message": json.dumps({"severity": "CRITICAL", "message": "disk gone"}),
            "log": {"file": {"path": "/x.log"}},
        },
        "fatal",
        "disk gone",
    ),
    "fluent-bit": (
        {"date": 1741964966.5, "log": {"lvl": "warn", "message": "queue deep"}, "kubernetes": {"pod_name": "a"}},
        "warn",
        "queue deep",
    ),
    "fluent-bit, processed": (
        {"time": T, "log_processed": {"level": "fatal", "msg": "oom"}, "stream": "stdout"},
        "fatal",
        "oom",
    ),
    "twice wrapped": (
        {"time": T, "message": json.dumps({"log": json.dumps(INNER), "time": T})},
        "error",
        "ledger locked",
    ),
    "the outer level where the inner has none": (
        {"time": T, "severity": "error", "log": {"msg": "ledger locked"}},
        "error",
        "ledger locked",
    ),
    "Splunk HEC": (
        {"time": 1741964966.5, "host": "h", "event": {"severity": "WARN", "message": "slow", "time": T}},
        "warn",
        "slow",
    ),
    "AWS": (
        {"timestamp": EPOCH_MS, "message": json.dumps({"level": "ERROR", "message": "timed out"}), "id": "3"},
        "error",
        "timed out",
    ),
    "an object that is a message": (
        {"time": T, "level": "info", "message": {"user": 7, "text": "hi"}},
        "info",
        '{"user": 7, "text": "hi"}',
    ),
    "JSON that is a message": (
        {"time": T, "level": "info", "msg": '{"order": 7, "message": "paid"}'},
        "info",
        '{"order": 7, "message": "paid"}',
    ),
    # loggers that nest
    "tracing": (
        {
            "timestamp": T,
            "level": "WARN",
            "fields": {"message": "retrying", "attempt": 2},
            "target": "a::b",
            "span": {"name": "s"},
        },
        "warn",
        "retrying",
    ),
    "loguru": (
        {
            "text": "t\n",
            "record": {
                "level": {"name": "WARNING", "no": 30},
                "message": "low disk",
                "time": {"repr": T, "timestamp": 1741964966.5},
                "extra": {},
            },
        },
        "warn",
        "low disk",
    ),
    "Cloud Logging": (
        {"logName": "l", "jsonPayload": {"msg": "denied"}, "severity": "CRITICAL", "timestamp": T},
        "fatal",
        "denied",
    ),
    "Cloud Logging, numbers": (
        {"insertId": "x", "textPayload": "denied", "severity": 400, "timestamp": T},
        "warn",
        "denied",
    ),
    "logstash v0": ({"@timestamp": T, "@fields": {"level": "WARN", "message": "cut"}}, "warn", "cut"),
    "ECS error": (
        {"@timestamp": T, "log.level": "error", "error.message": "no such column", "error.type": "Sql"},
        "error",
        "no such column",
    ),
    "ECS error, nested": (
        {"@timestamp": T, "log": {"level": "error"}, "error": {"message": "no such column"}},
        "error",
        "no such column",
    ),
    "log4js": (
        {
            "startTime": T,
            "categoryName": "a",
            "data": ["cache", "cold", 3],
            "level": {"level": 30000, "levelStr": "WARN"},
        },
        "warn",
        "cache cold 3",
    ),
    "Azure": ({"time": T, "level": "Error", "properties": {"message": "quota"}}, "error", "quota"),
    # fields of the level
    "PostgreSQL": (
        {"timestamp": "2025-03-14 15:09:26.535 UTC", "pid": 4, "error_severity": "FATAL", "message": "too many"},
        "fatal",
        "too many",
    ),
    "MySQL": (
        {"prio": 3, "err_code": 11323, "subsystem": "Server", "msg": "ready", "time": T, "label": "Note"},
        "info",
        "ready",
    ),
    "MySQL, a number alone": (
        {"prio": 1, "err_code": 1, "subsystem": "InnoDB", "msg": "corrupt", "time": T},
        "error",
        "corrupt",
    ),
    "Kibana": (
        {"type": "log", "@timestamp": T, "tags": ["warning", "plugins"], "pid": 1, "message": "old"},
        "warn",
        "old",
    ),
    "Datadog": ({"status": "error", "timestamp": EPOCH_MS, "message": "boom"}, "error", "boom"),
    "zap's own letters": ({"L": "ERROR", "T": T, "C": "a.go:1", "M": "boom"}, "error", "boom"),
    "an unknown word first": ({"time": T, "level": "app", "severity": "warn", "msg": "x"}, "warn", "x"),
    "null first": ({"time": T, "level": None, "loglevel": "warn", "msg": "x"}, "warn", "x"),
    "python's number": ({"asctime": T, "levelno": 40, "message": "x"}, "error", "x"),
    # words
    **{
        word: ({"time": T, "level": word, "msg": "x"}, level, "x")
        for word, level in {
            "WRN": "warn",
            "DBG": "debug",
            "INF": "info",
            "ERR": "error",
            "CRIT": "fatal",
            "TRC": "debug",
            "DEBG": "debug",
            "dbug": "debug",
            "fail": "error",
            "Verbose": "debug",
            "EMERG": "fatal",
            "LogLevel.Error": "error",
            "SEVERE": "error",
            "CONFIG": "debug",
            "notic": "info",
            "SUCCESS": "info",
            "WARNI": "warn",
            "level-x": "info",
        }.items()
    },
    # numbers
    "Nextcloud's warning": (
        {
            "reqId": "a",
            "level": 2,
            "time": "2025-03-14T15:09:26+00:00",
            "app": "core",
            "userAgent": "-",
            "version": "30.0",
            "message": "x",
        },
        "warn",
        "x",
    ),
    "Nextcloud's error": (
        {
            "reqId": "a",
            "level": 3,
            "time": "2025-03-14T15:09:26+00:00",
            "app": "core",
            "userAgent": "-",
            "version": "30.0",
            "message": "x",
        },
        "error",
        "x",
    ),
    "pino": ({"level": 40, "time": EPOCH_MS, "pid": 1, "hostname": "h", "msg": "x"}, "warn", "x"),
    "Monolog": ({"message": "x", "level": 300, "channel": "a", "datetime": T}, "warn", "x"),
    "log4j's number": (
        {"timeMillis": EPOCH_MS, "intLevel": 200, "level": 200, "message": "x", "loggerFqcn": "a"},
        "error",
        "x",
    ),
    "JUL": ({"millis": EPOCH_MS, "level": 900, "sourceClassName": "A", "message": "x"}, "warn", "x"),
    "Windows": ({"TimeCreated": T, "EventID": 7, "Channel": "System", "Level": 3, "Message": "x"}, "warn", "x"),
    "logback": ({"@timestamp": T, "level_value": 40000, "message": "x"}, "error", "x"),
    "GELF": ({"version": "1.1", "host": "h", "short_message": "x", "level": 4, "timestamp": 1741964966.5}, "warn", "x"),
    # which field is the time
    "a duration": ({"time": 12.5, "ts": T, "level": "warn", "msg": "x"}, "warn", "x"),
    "milliseconds of a request": ({"time": 1250, "@timestamp": T, "msg": "x"}, "info", "x"),
    "a duration in words": ({"time": "42ms", "ts": T, "msg": "x"}, "info", "x"),
    "a future epoch": ({"time": 4102444800, "@timestamp": T, "msg": "x"}, "info", "x"),
    "no year": ({"timestamp": "Mar 14 15:09:26", "isodate": T, "msg": "x"}, "info", "x"),
    "zero of Go": ({"time": "0001-01-01T00:00:00Z", "ts": T, "msg": "x"}, "info", "x"),
    "day and time of day": ({"date": "2025-03-14", "time": "15:09:26.535", "msg": "x"}, "info", "x"),
    "nginx": (
        {"time_iso8601": "2025-03-14T15:09:26+00:00", "request": "GET /a HTTP/1.1", "status": "500"},
        "info",
        "GET /a HTTP/1.1 500",
    ),
    "msec": ({"msec": "1741964966.535", "message": "x"}, "info", "x"),
    # the message
    "zap": ({"level": "error", "ts": 1741964966.5, "msg": "", "error": "EOF"}, "error", "EOF"),
    "blank": ({"level": "error", "ts": T, "message": "  ", "err": {"message": "refused"}}, "error", "refused"),
    "Serilog": (
        {"Timestamp": T, "Level": "Warning", "MessageTemplate": "{A} left", "Properties": {"A": 1}},
        "warn",
        "1 left",
    ),
    "lograge": ({"time": T, "method": "GET", "path": "/cart", "status": 200, "duration": 3.1}, "info", "GET /cart 200"),
    "Traefik": (
        {"time": T, "level": "info", "msg": "", "RequestMethod": "GET", "RequestPath": "/a", "DownstreamStatus": 502},
        "info",
        "GET /a 502",
    ),
    "audit of Google Cloud": (
        {"timestamp": T, "severity": "ERROR", "protoPayload": {"methodName": "a.get", "status": {"message": "denied"}}},
        "error",
        "denied",
    ),
    "audit without a status": (
        {"timestamp": T, "protoPayload": {"methodName": "a.get", "status": {}}},
        "info",
        "a.get",
    ),
    "CloudTrail": ({"eventTime": T, "eventSource": "s3.amazonaws.com", "eventName": "GetObject"}, "info", "GetObject"),
    "audit of Kubernetes": (
        {"requestReceivedTimestamp": T, "timestamp": T, "verb": "get", "requestURI": "/api/v1/pods"},
        "info",
        "get /api/v1/pods",
    ),
    "Kong": (
        {"started_at": 1741964966535, "request": {"method": "GET", "uri": "/a"}, "response": {"status": 502}},
        "info",
        "GET /a 502",
    ),
    "Envoy": (
        {"start_time": T, "duration": 12, "method": "GET", "path": "/a", "response_code": 503},
        "info",
        "GET /a 503",
    ),
    "promtail's pack": ({"_entry": "level=error msg=x", "timestamp": T, "app": "a"}, "error", "level=error msg=x"),
    "macOS": ({"timestamp": T, "messageType": "Error", "eventMessage": "x"}, "error", "x"),
    "Sentry": (
        {"timestamp": T, "level": "error", "logentry": {"formatted": "boom 3", "message": "boom %s"}},
        "error",
        "boom 3",
    ),
    "Cloud Run": (
        {
            "timestamp": T,
            "severity": "ERROR",
            "httpRequest": {"requestMethod": "GET", "requestUrl": "/a", "status": 500},
        },
        "error",
        "GET /a 500",
    ),
    "Roarr": ({"context": {"logLevel": 50, "package": "a"}, "message": "x", "time": 1741964966535}, "error", "x"),
    "tslog": ({"0": "boom", "_meta": {"date": T, "logLevelName": "ERROR"}}, "error", "boom"),
    "Suricata": (
        {"timestamp": T, "event_type": "alert", "alert": {"signature": "ET SCAN", "severity": 2}},
        "info",
        "ET SCAN",
    ),
    "Falco": ({"output": "shell spawned", "priority": "Warning", "time": T}, "warn", "shell spawned"),
    "a name of a level": ({"time": T, "severity_name": "err", "message": "x"}, "error", "x"),
    "a constant": ({"time": T, "level": "LOG_ERR", "message": "x"}, "error", "x"),
    "a numbered word": ({"time": T, "level": "Warning (4)", "message": "x"}, "warn", "x"),
    "Italian": ({"time": T, "level": "Critico", "message": "x"}, "fatal", "x"),
    "Japanese": ({"time": T, "level": "警告", "message": "x"}, "warn", "x"),
    "OpenTelemetry's map": (
        {
            "timeUnixNano": "1741964966535000000",
            "severityNumber": 17,
            "body": {
                "kvlistValue": {
                    "values": [
                        {"key": "n", "value": {"intValue": "7"}},
                        {"key": "message", "value": {"stringValue": "boom"}},
                    ]
                }
            },
        },
        "error",
        "boom",
    ),
    "a map of the collector": (
        {"Timestamp": T, "SeverityText": "warn", "Body": {"msg": "slow", "n": 7}},
        "warn",
        "slow",
    ),
    "a map without a message": (
        {"timestamp": T, "severity_text": "WARN", "body": {"n": 7}},
        "warn",
        '{"n": 7}',
    ),
    "a body without OpenTelemetry": ({"time": T, "level": "warn", "body": {"msg": "slow"}}, "warn", '{"msg": "slow"}'),
    "Vault's audit log": (
        {
            "time": T,
            "type": "request",
            "auth": {"token_type": "service"},
            "request": {"id": "7", "operation": "update", "path": "kv/data/press", "remote_address": "10.0.0.9"},
        },
        "info",
        "update kv/data/press",
    ),
    "a stack of Go": (
        {"ts": T, "level": "error", "msg": "", "errorVerbose": "boom\nmain.f"},
        "error",
        "boom",
    ),
    "ticks": ({"Date": 638775617665350000, "Level": "ERROR", "Message": "x"}, "error", "x"),
    "only an exception": ({"time": T, "level": "error", "exception": "Boom: x\n at y"}, "error", "Boom: x\n at y"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_is_found_its_time_level_and_message(name: str) -> None:
    record, level, message = RECORDS[name]
    line = read(json.dumps(record).encode())

    assert (line.iso[:17], line.level, line.message) == ("2025-03-14T15:09:", level, message)


def test_what_surrounds_a_record_stays_in_metadata_and_takes_no_name_of_it() -> None:
    record = {
        "log": json.dumps({**INNER, "stream": "cart"}),
        "stream": "stderr",
        "time": "2025-03-14T15:09:27Z",
        "tag": "t",
    }
    line, origins = explain(json.dumps(record).encode())

    assert origins == ("log.time", "log.level", "log.msg")
    assert json.loads(line.metadata or "") == {
        "stream": "cart", "record.stream": "stderr", "tag": "t", "time": "2025-03-14T15:09:27Z",
    }  # fmt: skip


def test_a_time_of_the_runtime_counts_more_than_an_inner_one_without_a_zone() -> None:
    record = {"log": json.dumps({"time": "2025-03-14 16:09:26", "msg": "m", "level": "info"}), "time": T}

    assert read(json.dumps(record).encode()).iso == "2025-03-14T15:09:26.535000+00:00"


def test_the_node_api_is_read_as_it_is() -> None:
    record = {"timestamp": T, "level": "info", "message": json.dumps(INNER), "metadata": None}

    assert (read(json.dumps(record).encode()).level, read(json.dumps(record).encode()).message) == (
        "info",
        json.dumps(INNER),
    )


@pytest.mark.parametrize(
    "time", [0.042, 12, "12", 0, "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "42ms", "15:09:26", ""]
)
def test_a_line_whose_only_time_is_unusable_is_rejected_with_that_reason(time: object) -> None:
    with pytest.raises(RejectedError, match="not a time: "):
        read(json.dumps({"time": time, "msg": "m"}).encode())


def test_a_lone_time_in_the_future_is_left_to_collection_which_rejects_it() -> None:
    assert read(b'{"time": 4102444800, "msg": "m"}').iso == "2100-01-01T00:00:00+00:00"

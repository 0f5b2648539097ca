"""`fleexmon read`: every answer that a source may give is read, and other input is refused with its reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleexmon_pipeline.cli import app
from fleexmon_pipeline.encoding import zstd

RECORD = {"timestamp": "2025-03-14T15:09:26Z", "level": "warn", "message": "m", "metadata": {"a": 1}}
LINE = {"timestamp": "2025-03-14T15:09:26+00:00", "level": "warn", "message": "m", "metadata": {"a": 1}}
RAW = json.dumps(RECORD).encode()
TRACE = b"""2025-03-14 15:09:26 ERROR [main] org.bank.Ledger - posting failed
java.lang.IllegalStateException: account locked
\tat org.bank.Ledger.post(Ledger.java:41)
2025-03-14 15:09:27 INFO [main] org.bank.Ledger - goes on
"""


def read(data: bytes, *options: str) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(app, ["read", "-", *options], input=data)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


@pytest.mark.parametrize(
    "data",
    [
        b"[" + RAW + b"]",
        RAW,
        RAW + b"\n",
        b'{"logs": [' + RAW + b"]}",
        b"\n" + RAW,
        b'{"nextToken": null, "entries": [' + RAW + b"]}",
        b'{"data": {"logs": [' + RAW + b"]}}",
        b'{"hits": {"total": 1, "hits": [{"_index": "a", "_source": ' + RAW + b"}]}}",
        gzip.compress(RAW, mtime=0),
        zstd.compress(RAW),
    ],
)
def test_every_answer_of_a_node_is_read(data: bytes) -> None:
    assert read(data) == (0, [LINE], "")


def test_a_file_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shop.log"
    path.write_bytes(TRACE)
    result = CliRunner().invoke(app, ["read", str(path)])

    assert [json.loads(line)["level"] for line in result.stdout.splitlines()] == ["error", "info"]
    assert path.read_bytes() == TRACE
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("form", "data", "message"),
    [
        (
            "docker",
            (
                b'{"log":"[ERROR] a ","stream":"stdout","time":"2025-03-14T15:09:26Z"}\n'
                b'{"log":"b\\n","stream":"stdout","time":"2025-03-14T15:09:26Z"}\n'
            ),
            "[ERROR] a b",
        ),
        ("docker", b"2025-03-14T15:09:26.123456789Z level=error msg=x\n", "level=error msg=x"),
        (
            "docker",
            json.dumps({"log": json.dumps({"severity": "ERROR", "msg": "x"}), "time": "2025-03-14T15:09:26Z"}).encode(),
            "x",
        ),
        ("journal", b'{"__REALTIME_TIMESTAMP":"1741964966000000","PRIORITY":"6","MESSAGE":"[error] x"}\n', "[error] x"),
        ("journal", b"__CURSOR=c\n__REALTIME_TIMESTAMP=1741964966000000\nPRIORITY=6\nMESSAGE=error: x\n\n", "error: x"),
        (
            "loki",
            b'{"timestamp":"2025-03-14T15:09:26Z","labels":{"app":"a"},"line":"level=error x=1"}\n',
            "level=error x=1",
        ),
        (
            "loki",
            (
                b'{"status":"success","data":{"resultType":"streams","result":[{"stream":{"level":"error"},'
                b'"values":[["1741964966000000000","x"]]}]}}'
            ),
            "x",
        ),
        ("text", b"[2025-03-14 15:09:26,535] ERROR x\n", "[2025-03-14 15:09:26,535] ERROR x"),
        ("text", b"mysqld: 2025-03-14 15:09:26 0 [ERROR] x\n", "mysqld: 2025-03-14 15:09:26 0 [ERROR] x"),
        (
            "docker",
            (
                b"a-1   | 2025-03-14T15:09:26.1Z Traceback (most recent call last):\n"
                b'a-1   | 2025-03-14T15:09:26.2Z   File "a.py", line 1\n'
                b"a-1   | 2025-03-14T15:09:26.3Z KeyError: 'x'\n"
            ),
            "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'x'",
        ),
    ],
)
def test_every_source_of_text_is_read(form: str, data: bytes, message: str) -> None:
    status, [line], _ = read(data, "--as", form)

    assert (status, line["timestamp"][:19], line["level"], line["message"]) == (
        0,
        "2025-03-14T15:09:26",
        "error",
        message,
    )


def test_a_rejected_record_is_shown_with_its_reason() -> None:
    status, lines, _ = read(RAW + b'\n{"msg": "no time"}\nno json\n')

    assert status == 0
    assert [line.get("rejected", "")[:8] for line in lines] == ["", "no time:", "not JSON"]


def test_a_summary_counts_levels_fields_and_reasons() -> None:
    result = CliRunner().invoke(
        app, ["read", "-", "--summary"], input=RAW + b'\n{"msg": "x"}\n{"ts": 1741964967, "msg": "x"}\n'
    )

    assert result.stdout == (
        "3 records: 2 lines, 1 rejected\n\n"
        "Time     2025-03-14T15:09:26+00:00 to 2025-03-14T15:09:27+00:00\n"
        "Level    warn 1, info 1\n\n"
        "Taken from\n"
        "  time     timestamp 1, ts 1\n"
        "  level    level 1, default 1\n"
        "  message  message 1, msg 1\n\n"
        "Rejected\n"
        "          1  no time\n"
    )


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (b"", [], "standard input: is empty"),
        (b"\n \n", [], "standard input: is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), [], "is a PNG image, not a log"),
        (bytes(range(256)) * 9, [], "is binary data, not a log"),
        (b"<html>", ["--as", "node"], "not JSON: <html>. For lines of text use --as text"),
        (gzip.compress(b"x" * 9_000, mtime=0)[:20], [], "cannot be decompressed"),
    ],
)
def test_what_is_no_log_is_refused(data: bytes, options: list[str], reason: str) -> None:
    status, lines, error = read(data, *options)

    assert (status, lines) == (2, [])
    assert reason in error


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"2025-03-14 15:09:26 x\n" + b"y" * 32_500_000, "a record of 32,500,000 bytes, more than 32,000,000"),
        (b"2025-03-14 15:09:26 x\n" + b"y" * 32_500_000 + b"\n", "a record of 32,500,000 bytes, more than 32,000,000"),
        (
            b'{"time": "2025-03-14T15:09:26Z", "msg": "m"}\n{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
            "nested too deeply",
        ),
        (b"2025-03-14 15:09:26 x\n2025-03-14T15:09:2", "no time at the head of the line"),
        (b"2025-03-14 15:09:26 x\nMar 14 15:09:26 x\n", "no time at the head of the line"),
    ],
)
def test_one_bad_record_costs_itself(data: bytes, reason: str) -> None:
    status, [line, bad], _ = read(data)

    assert (status, line["message"][-1], bad["rejected"]) == (0, line["message"][-1], reason)
    assert len(bad["record"]) <= 2_000


def test_a_file_that_breaks_off_says_so() -> None:
    status, lines, error = read(gzip.compress(RAW + b"\n" + bytes(str(list(range(90_000))), "ascii"))[:-20])

    assert (status, lines[:1]) == (1, [LINE])
    assert "breaks off" in error


def test_the_services_of_a_compose_file_are_streams_of_their_own() -> None:
    data = b"""web-1     | 2025-03-14T15:09:26.1Z Error: no ink
db-1      | 2025-03-14T15:09:26.2Z 2025-03-14 15:09:26.2 UTC [9] LOG:  checkpoint starting
web-1     | 2025-03-14T15:09:26.3Z     at print (/app/a.js:3:9)
"""
    _, lines, _ = read(data)

    assert [(line["metadata"]["service"], line["level"], line["message"]) for line in lines] == [
        ("web-1", "error", "Error: no ink\n    at print (/app/a.js:3:9)"),
        ("db-1", "info", "2025-03-14 15:09:26.2 UTC [9] LOG:  checkpoint starting"),
    ]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (b"13/04/2026 10:00:02 ok", ["2026-04-03T10:00:01+00:00", "2026-04-13T10:00:02+00:00"]),
        (b"04/13/2026 10:00:02 ok", ["2026-03-04T10:00:01+00:00", "2026-04-13T10:00:02+00:00"]),
    ],
)
def test_one_date_tells_the_order_of_the_others_in_a_file(last: bytes, expected: list[str]) -> None:
    data = b"03/04/2026 10:00:01 ERROR boom\n" + last + b"\n"
    status, lines, _ = read(data)
    _, [summary], _ = read(data, "--summary", "--json")

    assert (status, [line["timestamp"] for line in lines]) == (0, expected)
    assert summary["dayFirst"] is (last[:2] == b"13")


@pytest.mark.parametrize(
    ("data", "expected", "order"),
    [
        (b"26/03/14 10:00:01 ERROR boom\n26/03/16 10:00:02 ok\n", ["2026-03-14", "2026-03-16"], "ymd"),
        (b"14.03.26 10:00:01 ERROR boom\n16.03.26 10:00:02 ok\n", ["2026-03-14", "2026-03-16"], "dmy"),
        (b"03/14/26 10:00:01 ERROR boom\n", ["2026-03-14"], None),
        (b"25-03-09 10:00:01 ERROR boom\n25-03-10 10:00:02 ok\n", ["2025-03-09", "2025-03-10"], "ymd"),
        (b"09/03/11 10:00:01 ERROR boom\n10/03/11 10:00:02 ok\n", ["2011-03-09", "2011-03-10"], "dmy"),
    ],
)
def test_the_days_of_a_file_tell_the_order_of_short_dates(data: bytes, expected: list[str], order: str | None) -> None:
    status, lines, _ = read(data)
    _, [summary], _ = read(data, "--summary", "--json")

    assert (status, [line["timestamp"][:10] for line in lines]) == (0, expected)
    assert summary["shortDates"] == order


@pytest.mark.parametrize("more", [b"", b"13/04/2026 10:00:02 ok\n04/13/2026 10:00:02 ok\n"], ids=["none", "both"])
def test_dates_that_nothing_tells_are_in_doubt(more: bytes) -> None:
    _, lines, _ = read(b"03/04/2026 10:00:01 ERROR boom\n" + more)

    assert "day and month are in doubt: 03/04/2026" in [line.get("rejected") for line in lines]

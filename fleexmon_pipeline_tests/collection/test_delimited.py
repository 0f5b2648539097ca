"""Values below a header, CSV and the formats of web servers, become records for any chunks; no other text does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fleexmon_pipeline.collection.answers.delimited import MAX_LINE_BYTES
from fleexmon_pipeline.collection.answers.refused import NotAnAnswerError
from fleexmon_pipeline.collection.answers.splitter import Splitter
from fleexmon_pipeline.collection.records import Line, RejectedError, read

T = "2025-03-14T15:09:26Z"
IIS = "#Software: x\n#Version: 1.0\n#Date: 2025-03-14 15:00:00\n#Fields: date time cs-method cs-uri-stem sc-status\n"


def rows_of(text: str, size: int = 1_000) -> list[bytes]:
    body = text.encode()
    chunks: Iterator[bytes] = (body[start : start + size] for start in range(0, len(body), size))
    return [bytes(raw) for run in Splitter().runs(chunks) for raw in run]


def lines_of(text: str, size: int = 1_000) -> list[Line]:
    return [read(raw) for raw in rows_of(text, size)]


@pytest.mark.parametrize("size", [7, 1_000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'when_at,severity,msg\n{T},warn,"late, but ""whole"""\n{T},error,"over\ntwo lines"\n',
         [("warn", 'late, but "whole"'), ("error", "over\ntwo lines")]),
        (f"ts\tlvl\tmessage\r\n{T}\terror\tlost\r\n", [("error", "lost")]),
        ("Datum;Stufe;Meldung\n14.03.2025 15:09:26;Fehler;kaputt; ganz\n", [("error", "kaputt; ganz")]),
        (f"{IIS}2025-03-14 15:09:26 PUT /press 503\n", [("info", "PUT /press 503")]),
        ("#Fields: time cs-method cs-uri\n#Date: 14-Mar-2025 15:00:00\n15:09:26 GET /a\n", [("info", "GET /a")]),
        ("#Version: 1.0\n#Fields: date time cs-method cs-uri-stem sc-status\n2025-03-14\t15:09:26\tGET\t/b\t-\n",
         [("info", "GET /b")]),
        ("#separator \\x09\n#fields\tts\tuid\tmethod\turi\n#types\ttime\tstring\tstring\n1741964966.5\tC\tGET\t/c\n",
         [("info", "GET /c")]),
        (f"\ufefftimestamp,message\n\n{T},m\n", [("info", "m")]),
    ],
)  # fmt: skip
def test_rows_become_records_whatever_the_chunks(text: str, expected: list[tuple[str, str]], size: int) -> None:
    lines = lines_of(text, size)

    assert [(line.level, line.message) for line in lines] == expected
    assert {line.iso[:16] for line in lines} == {"2025-03-14T15:09"}


def test_the_day_goes_on_where_the_clock_goes_back_and_begins_anew_with_a_date() -> None:
    head = "#Date: 2025-03-14 22:00:00\n#Fields: time cs-method cs-uri\n"

    lines = lines_of(f"{head}23:59:59 GET /a\n00:00:01 GET /b\n{head.replace('14', '20')}22:00:01 GET /c\n")

    assert [line.iso[:19] for line in lines] == ["2025-03-14T23:59:59", "2025-03-15T00:00:01", "2025-03-20T22:00:01"]


def test_a_bad_row_costs_itself_alone() -> None:
    long = "x" * 200_000  # longer than csv takes
    raws = rows_of(f"timestamp,message\n{T},a\nonly words\n{T},{long}\n{T},b\n")

    read_rows = []
    for raw in raws:
        try:
            read_rows.append(read(raw).message)
        except RejectedError:
            read_rows.append("rejected")
    assert read_rows == ["a", "rejected", "rejected", "b"]


def test_a_row_without_an_end_is_not_held() -> None:
    body = iter([b"timestamp,message\n" + T.encode() + b",", *[b"x" * 100_000] * 50])
    held = [len(bytes(raw)) for run in Splitter().runs(body) for raw in run]

    assert held
    assert max(held) < 2 * MAX_LINE_BYTES


def test_a_header_alone_is_an_empty_answer() -> None:
    assert rows_of("timestamp,level,message\n") == rows_of(IIS) == []


@pytest.mark.parametrize(
    "text",
    [
        "Starting up, please wait\nlistening\n",
        f"Hello, world\n{T} INFO, started\n",
        "time,flies\nlike,an arrow\n",
        "name,size\na,1\n",
        "",
    ],
)
def test_other_text_is_no_table(text: str) -> None:
    with pytest.raises(NotAnAnswerError):
        rows_of(text)


def test_a_banner_before_records_is_no_header() -> None:
    assert (
        rows_of(f'time to start, all\n{{"time": "{T}", "msg": "m"}}\n')[-1]
        == json.dumps({"time": T, "msg": "m"}).encode()
    )

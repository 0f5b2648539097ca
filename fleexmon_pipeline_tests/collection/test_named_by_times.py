"""Answers whose names are times, rows line by line, titles above a header: a record each, whatever the chunks."""

from __future__ import annotations

import json

import pytest

from fleexmon_pipeline.collection.answers.refused import NotAnAnswerError
from fleexmon_pipeline.collection.records import read
from fleexmon_pipeline_tests.collection.in_chunks import split

ONE, TWO = "2025-03-14T15:09:26Z", "2025-03-14T15:09:27Z"
NAMES = '["ts","severity","body"]'
SIZES = (7, 100_000)


def lines_of(body: str, size: int) -> list[tuple[str, str]]:
    raws, broken = split(body.encode(), size)
    assert broken is None
    lines = [read(bytes(raw)) for raw in raws]
    assert {line.iso[:16] for line in lines} == {"2025-03-14T15:09"}
    return [(line.level, line.message) for line in lines]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "body",
    [
        {"logs": {ONE: "pump failed", TWO: "pump runs"}},
        {ONE: "pump failed", TWO: "pump runs"},
        {"status": "ok", "log": {"1741964966123": "pump failed", "1741964967123": "pump runs"}},
        {"lines": {ONE: ["pump failed", "pump runs"]}},
        {"blue": {ONE: "pump failed"}, "green": {TWO: "pump runs"}},
        [{ONE: "pump failed"}, {TWO: "pump runs"}],
        {"logs": {ONE: {"msg": "pump failed"}, TWO: {"msg": "pump runs"}}},
        {"blue": {"logs": {ONE: "pump failed"}}, "green": {"logs": {TWO: "pump runs"}}},
        {"blue": {"logs": [f"{ONE} pump failed"]}, "green": {"logs": [f"{TWO} pump runs"]}},
        {"times": [ONE, TWO], "lines": ["pump failed", "pump runs"]},
        {"logs": {"timestamps": [ONE, TWO], "messages": ["pump failed", "pump runs"]}},
        {"Rows": [{"Cells": [{"V": "time"}, {"V": "message"}]}, {"Cells": [{"V": ONE}, {"V": "pump failed"}]},
                  {"Cells": [{"V": TWO}, {"V": "pump runs"}]}]},
    ],
)  # fmt: skip
def test_what_stands_at_a_time_is_a_record(body: object, size: int) -> None:
    lines = [
        (level, message.removeprefix(f"{ONE} ").removeprefix(f"{TWO} "))
        for level, message in lines_of(json.dumps(body), size)
    ]

    assert lines == [("info", "pump failed"), ("info", "pump runs")]


def test_two_texts_of_one_time_are_two_records() -> None:
    assert lines_of(f'{{"logs": {{"{ONE}": "a b", "{ONE}": "c d"}}}}', 7) == [("info", "a b"), ("info", "c d")]


def test_texts_of_both_streams_are_read() -> None:
    body = json.dumps({"stdout": f"{TWO} fine\n", "stderr": f"{ONE} ERROR pump failed\n"})

    assert sorted(lines_of(body, 7)) == [("error", f"{ONE} ERROR pump failed"), ("info", f"{TWO} fine")]


@pytest.mark.parametrize("body", [{"2025-03-14": 17, "2025-03-15": 4}, {ONE: 3, TWO: 4}, {"1": "a", "2": "b"}])
def test_counts_of_days_are_no_answer(body: object) -> None:
    with pytest.raises(NotAnAnswerError):
        split(json.dumps(body).encode(), 7)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "body",
    [
        f'["at","level","msg"]\n["{ONE}","error","pump failed"]\n["{TWO}","info","fine"]\n',
        f'["at","level","msg"]\r\n["{ONE}","error","pump failed"]\r\n["{TWO}","info","fine"]',
        f'{NAMES}\n["DateTime64(3)","Bool","String"]\n["{ONE}","error","pump failed"]\n["{TWO}","info","fine"]',
        f'["{ONE}","error","pump failed"]\n["{TWO}","info","fine"]\n',
        f"ts\tseverity\tbody\nDateTime\tString\tNullable(String)\n{ONE}\terror\tpump failed\n{TWO}\tinfo\tfine\n",
        f"sep=;\nts;severity;body\n{ONE};error;pump failed\n{TWO};info;fine\n",
        f"# of ann\n# level:error\nts,severity,body\n{ONE},error,pump failed\n{TWO},info,fine\n",
        f"Logs of blue, 2 lines\n\nts,severity,body\n{ONE},error,pump failed\n{TWO},info,fine\n",
        f'"#","ts","severity","body"\n"1","{ONE}","error","pump failed"\n"2","{TWO}","info","fine"\n',
    ],
)  # fmt: skip
def test_rows_are_records_whatever_is_above_them(body: str, size: int) -> None:
    assert lines_of(body, size) == [("error", "pump failed"), ("info", "fine")]


def test_a_row_of_another_width_costs_itself() -> None:
    raws, _ = split(f'["at","level","msg"]\n["{ONE}","error","x"]\n["{ONE}"]\n["{TWO}","info","y"]\n'.encode(), 7)

    assert [json.loads(raw) if bytes(raw)[:1] == b"[" else read(bytes(raw)).message for raw in raws] == [
        "x",
        [ONE],
        "y",
    ]


def test_a_title_above_a_header_without_rows_is_no_answer() -> None:
    with pytest.raises(NotAnAnswerError):
        split(b"Logs of blue\n\nts,severity,body\n", 7)

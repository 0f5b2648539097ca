"""A record over several lines is one record; one without an end loses only itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from io import BytesIO

import pytest

from fleexmon_pipeline.collection.answers import spread_records
from fleexmon_pipeline.collection.answers.splitter import Splitter
from fleexmon_pipeline.collection.answers.spread_records import SpreadRecords
from fleexmon_pipeline.collection.reading.inputs import Form, Input

FIRST = '{"ts": "2025-03-14T15:09:26Z", "msg": "early"}'
SPREAD = '{"ts": "2025-03-14T15:09:27Z", "msg": "lost", "stack": ["a",\n"at Ledger.java:7",\n"at Main.java:1"] }'
READABLE = '{\n  "ts": "2025-03-14T15:09:28Z",\n  "error": {\n    "code": 7\n  },\n  "msg": "refused"\n}'
LAST = '{"ts": "2025-03-14T15:09:29Z", "msg": "late"}'


def split(body: bytes, size: int) -> tuple[list[str], str | None]:
    splitter = Splitter()
    chunks: Iterator[bytes] = (body[start : start + size] for start in range(0, len(body), size))
    raws = [bytes(raw) for run in splitter.runs(chunks) for raw in run]
    return [record["msg"] if (record := _object(raw)) else raw.decode() for raw in raws], splitter.broken


def _object(raw: bytes) -> dict[str, str] | None:
    try:
        return json.loads(raw)  # type: ignore[no-any-return]
    except ValueError:
        return None


@pytest.mark.parametrize("size", [7, 61, 10_000])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_record_over_several_lines_is_one(size: int, end: str) -> None:
    body = "\n".join([FIRST, SPREAD, READABLE, LAST]) + end

    assert split(body.encode(), size) == (["early", "lost", "refused", "late"], None)
    assert split("\n".join([FIRST, SPREAD]).encode(), size) == (["early", "lost"], None)


@pytest.mark.parametrize("size", [61, 10_000])
def test_a_record_without_its_end_costs_itself_alone(size: int) -> None:
    cut = '{"ts": "2025-03-14T15:09:27Z", "msg": "lo'

    assert split("\n".join([FIRST, cut, LAST, LAST, ""]).encode(), size) == (["early", cut, "late", "late"], None)
    messages, broken = split("\n".join([FIRST, cut, '"stack": [', "7"]).encode(), size)
    assert messages == ["early", cut, '"stack": [']
    assert broken == "the answer breaks off after 3 records"


def test_a_record_that_goes_on_for_long_is_given_as_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread_records, "MAX_LINES", 3)
    lines = [b'{"a": [', b"1,", b"2,", b"3]}", FIRST.encode()]
    spread = SpreadRecords()

    assert [*spread.whole(lines), *spread.rest()] == lines


def test_ends_of_objects_are_not_looked_at_for_ever() -> None:
    def seconds(count: int) -> float:
        lines = [b'{"a": [', b'{"b": {}' + b" " * 100 + b"}", *[b'  {"b": 7}'] * count]
        spread = SpreadRecords()
        began = time.process_time()
        given = [*spread.whole(lines), *spread.rest()]
        assert sorted(given) == sorted(lines)
        return time.process_time() - began

    small = min(seconds(190) for _ in range(3))
    assert seconds(1_900) < 40 * small + 0.05  # 10 if linear, 100 if not


CONFIGURATION_MANAGER = """\
<![LOG[Policy 77 was not applied
Code 0x80070005]LOG]!><time="15:09:26.535+000" date="03-14-2025" component="Ledger" context="" type="3" thread="77">
<![LOG[Next in an hour]LOG]!><time="10:09:27.535+300" date="3-14-2025" component="Ledger" type="2">"""
LOG4J = """\
<log4j:event logger="Ledger" timestamp="1741964966535" level="WARN" thread="main">
<log4j:message><![CDATA[late]]></log4j:message>
</log4j:event>
<Event xmlns="http://x/events" thread="main" level="FATAL"><Instant epochSecond="1741964967"/>
</Event>"""
JAVA = """\
<record>
  <date>2025-03-14T15:09:26.535Z</date>
  <level>SEVERE</level>
  <message>late</message>
</record>
2025-03-14 15:09:27 INFO next"""
LEGACY = "Waiting for 77 seconds  $$<LEDGER><3-14-2025 15:09:26.535+000><thread=77 (0x4D)>"
MIXED = f"2025-03-14 15:09:25 WARN a\n{READABLE}\n{SPREAD}\n"


@pytest.mark.parametrize(
    ("text", "moments", "levels"),
    [
        (CONFIGURATION_MANAGER, ["15:09:26.535", "15:09:27.535"], ["error", "warn"]),
        (LOG4J, ["15:09:26.535", "15:09:27"], ["warn", "fatal"]),
        (JAVA, ["15:09:26.535", "15:09:27"], ["error", "info"]),
        (MIXED, ["15:09:25", "15:09:28", "15:09:27"], ["warn", "info", "info"]),
        (LEGACY, ["15:09:26.535"], ["info"]),
    ],
)
def test_an_event_of_a_file_may_be_over_several_lines(text: str, moments: list[str], levels: list[str]) -> None:
    lines = [result.line for result in Input(BytesIO(text.encode()), Form.TEXT).results()]

    assert [line.level if line else "rejected" for line in lines] == levels
    assert [line.iso if line else "" for line in lines] == [
        f"2025-03-14T{moment}000+00:00" if "." in moment else f"2025-03-14T{moment}+00:00" for moment in moments
    ]

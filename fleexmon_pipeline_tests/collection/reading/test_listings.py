"""Records that a tool lists with a line for each field are read like JSON; other text is unchanged."""

from __future__ import annotations

import io

import pytest

from fleexmon_pipeline.collection.reading.inputs import Form, Input, guess
from fleexmon_pipeline.collection.reading.listings import MAX_RECORD_BYTES, listing_in

LISTINGS = {
    "PowerShell": """

TimeGenerated : 3/14/2025 3:09:26 PM
EntryType     : Error
Source        : Press
Message       : ink is low
                at gate 7: refill

TimeGenerated : 3/14/2025 3:09:27 PM
EntryType     : Information
Message       : printed
""",
    "wevtutil": """Event[0]:
  Log Name: Application
  Date: 2025-03-14T15:09:26.535
  Level: Error
  User: N/A
  Description:\x20
ink is low
at gate 7: refill

Event[1]:
  Log Name: Application
  Date: 2025-03-14T15:09:27.535
  Level: Information
  Description:\x20
printed
""",
    "mysql": """*************************** 1. row ***************************
    logged: 2025-03-14 15:09:26.535897
  severity: Error
   message: ink is low
at gate 7: refill
*************************** 2. row ***************************
    logged: 2025-03-14 15:09:27.535897
  severity: Note
   message: printed
""".replace("at gate", "  at  gate"),
    "psql": """-[ RECORD 1 ]--------
log_time | 2025-03-14 15:09:26.535+00
severity | ERROR
message  | ink is low
         | at gate 7: refill
-[ RECORD 2 ]--------
log_time | 2025-03-14 15:09:27.535+00
severity | LOG
message  | printed
""".replace("         | at gate", "  at gate"),
}  # fmt: skip
JOURNAL = """-- Logs begin at Fri 2025-03-14 --
Fri 2025-03-14 16:09:26.535897 CET [s=1f;i=7;b=2e;m=3d;t=6304ed30aa2d9;x=4c]
    PRIORITY=6
    SYSLOG_IDENTIFIER=press
    _PID=77
    MESSAGE=java.lang.IllegalStateException: ink is low
            of gate 7
Fri 2025-03-14 16:09:26.535899 CET [s=1f;i=8;b=2e;m=3d;t=2;x=4c]
    PRIORITY=6
    SYSLOG_IDENTIFIER=press
    _PID=77
    MESSAGE=\tat press.Ink.use(Ink.java:7)
Fri 2025-03-14 16:09:27.535897 CET [s=1f;i=9;b=2e;m=3d;t=3;x=4c]
    PRIORITY=3
    MESSAGE=lost
"""


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_is_its_records(name: str) -> None:
    lines = [result.line for result in Input(io.BytesIO(LISTINGS[name].encode())).results()]

    assert [(line.level, line.iso[:19]) for line in lines if line] == [
        ("error", "2025-03-14T15:09:26"), ("info", "2025-03-14T15:09:27"),
    ]  # fmt: skip
    assert [line.message.split("\n")[0] for line in lines if line] == ["ink is low", "printed"]
    assert lines[0] is not None
    assert lines[0].message.endswith("gate 7: refill")


def test_a_verbose_journal_is_read_as_its_export_with_traces_in_one() -> None:
    lines = [result.line for result in Input(io.BytesIO(JOURNAL.encode())).results()]

    assert [line and (line.level, line.message) for line in lines] == [
        ("error", "java.lang.IllegalStateException: ink is low\nof gate 7\n\tat press.Ink.use(Ink.java:7)"),
        ("error", "lost"),
    ]
    assert lines[0] is not None
    assert '"cursor":"s=1f;i=7;' in (lines[0].metadata or "")
    assert [line and line.iso[11:] for line in lines] == ["15:09:26.535897+00:00", "15:09:27.535897+00:00"]


@pytest.mark.parametrize(
    "text",
    [
        "ERROR : 2025-03-14 15:09:26 lost\nDEBUG : 2025-03-14 15:09:27 found\n",
        "Event[0] was lost\n",
        "name : press\nsize : 7\n",
        "time : 2025-03-14 15:09:26\n",
    ],
)
def test_other_text_is_no_listing(text: str) -> None:
    assert listing_in(text.encode()) is None
    assert guess(text.encode()) is Form.TEXT


def test_a_field_without_an_end_is_not_held() -> None:
    class Endless(io.RawIOBase):
        left = 40

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            self.left -= 1
            head = LISTINGS["wevtutil"].encode()[:140] if self.left == 39 else b"more\n" * 20_000
            piece = head[: len(buffer)] if self.left > 0 else b""
            buffer[: len(piece)] = piece
            return len(piece)

    (result,) = Input(io.BufferedReader(Endless())).results()

    assert len(result.raw) < 3 * MAX_RECORD_BYTES

"""The time at the start of a line of text is found after any prefix, and never in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleexmon_pipeline.collection.reading.text_times import time_in_text

MOMENT, MILLISECONDS = (
    datetime(2025, 3, 14, 15, 9, 26, tzinfo=UTC),
    datetime(2025, 3, 14, 15, 9, 26, 535_000, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-03-14T15:09:26.535Z late", MILLISECONDS),
        ("<86>1 2025-03-14T15:09:26.535Z gate sshd 77 - - late", MILLISECONDS),
        ("mar/14/2025 15:09:26 system,info late", MOMENT),
        ("[2025-03-14][15:09:26][ledger][ERROR] late", MOMENT),
        ("(W) 2025-03-14T15:09:26 - late", MOMENT),
        ("[2025.03.14-15.09.26:535][ 77]LogInit: late", MILLISECONDS),
        ("2025-03-14-16.09.26.535000+060 E77A12 LEVEL: Error", MILLISECONDS),
        ("2025-03-14-15.09.26.535000 E77A12 LEVEL: Error", MILLISECONDS),
        ("2025-03-14-15-09-26:535 [http-7] WARN late", MILLISECONDS),
        ("2025-03-14_15-09-26 late", MOMENT),
        ("20250314-15:9:26:535|Steps|late", MILLISECONDS),
        ("  77:20250314:150926.535 late", MILLISECONDS),
        ("2025-03-14\t15:09:26\tFRA2\t77\tGET", MOMENT),
        ('date=2025-03-14 time=15:09:26 devname="gate7" level="warning"', MOMENT),
        ('date=2025-03-14 time=10:09:26 devname="gate7" tz="-0500" level="warning"', MOMENT),
        ("https 2025-03-14T15:09:26.535000Z app/shop/77ab 10.0.0.9:443 0.1", MILLISECONDS),
        ("10.0.0.9 2025-03-14 15:09:26.535 UTC [77] ann@shop FATAL:  late", MILLISECONDS),
        ("77ab bucket [14/Mar/2025:15:09:26 +0000] 10.0.0.9 REST.GET", MOMENT),
        ('shop.example.net 10.0.0.9 - 77ab - [14/Mar/2025:16:09:26 +0100] "GET / HTTP/1.1" 200', MOMENT),
        ("nova.log.1.2024-01-01_00:00:00 2025-03-14 15:09:26.535 77 INFO late", MILLISECONDS),
        ("Mar 14 16:09:27 gate mysql[77]: 2025-03-14T15:09:26.535Z 77 [Note] late", MILLISECONDS),
        ("[1741964966] HOST ALERT: gate;DOWN", MOMENT),
        ("type=USER_AUTH msg=audit(1741964966.535:77): pid=7", MILLISECONDS),
        ("2 210987654321 eni-77ab 10.0.0.9 10.0.0.1 443 77 6 2 84 1741964966 1741965026 REJECT OK", MOMENT),
        ("77 node-7 action start 1741964966 1 boot", MOMENT),
        ("<Event xmlns='x'><System><TimeCreated SystemTime='2025-03-14T15:09:26.535Z'/></System>", MILLISECONDS),
        ("L 03/14/2025 - 15:09:26: late", MOMENT),
        ("2025-03-14T16:09:26+01 late", MOMENT),
        ("2025-03-14,15:09:26,10.0.0.9,GET", MOMENT),
        ("2025年3月14日 15:09:26 late", MOMENT),
        ("2025-03-14 15:09:26 4711 77 GET", MOMENT),
        ("2025-03-14 15:09:26 SENT by ann", MOMENT),
        ("2025-03-14 10:09:26 EST late", MOMENT),
        ("2025 Mar 14 16:09:26 CET: %ETHPORT-5-IF_UP: up", MOMENT),
        ("03/14/2025:15:09:26 gate7 0-PPE-1 : late", MOMENT),
        ('id=firewall time="2025-03-14 16:09:26" fw="gate7" tz=+0100 msg="late"', MOMENT),
        ("CEF:0|Acme|Gate|1|7|late|5|src=10.0.0.9 rt=1741964966535 dst=10.0.0.1", MILLISECONDS),
        ("CEF:0|Acme|Gate|1|7|late|5|rt=Mar 14 2025 15:09:26 cat=Alert", MOMENT),
        ("LEEF:1.0|Acme|Gate|1|late|devTime=Mar 14 2025 15:09:26\tusrName=ann", MOMENT),
        ("Fri Mar 14 15:09:26 UTC 2025 late", MOMENT),
        ("[3/14/25 15:09:26:535 UTC] 0000002a Ledger E   SRVE0068E: late", MILLISECONDS),
        ("[pid: 7|app: 0|req: 1/1] 10.0.0.9 () {30 vars in 400 bytes} [Fri Mar 14 15:09:26 2025] GET /a", MOMENT),
        ("RP/0/0/CPU0:2025 Mar  14 15:09:26.535 UTC: ifmgr[7]: late", MILLISECONDS),
        ("I20250314 15:09:26.535000 77 ledger.cc:41] late", MILLISECONDS),
        ("\x1b_bk;t=1741964966535\x07--- late", MILLISECONDS),
        ("[14-Mar-2025 16:09:26 Europe/Vienna] PHP Warning:  late", MOMENT),
        ("[14-Mar-2025 12:09:26 America/Argentina/Buenos_Aires] late", MOMENT),
        ("E250314 15:09:26.535000 77 kv/a.go:7 ⋮ [n1] late", MILLISECONDS),
        ("250314 15:09:26 [ERROR] late", MOMENT),
        # No time, or one of something else
        ("order 1741964966 shipped", None),
        ("the next 1741964966 orders are late", None),
        ("7 orders are due 2025-03-14 15:09:26", None),
        ("backup of ledger finished 2025-03-14 15:09:26", None),
        ("Mar 14 15:09:26 gate: expires: 2031-01-01 00:00:00", None),
        ("Mar 14 15:09:26 gate[77]: 1741964966", None),
        ("blk_17419649661741964966 added to 10.0.0.9:50010", None),
        ("E0314 15:09:26.535000 77 a.go:7] late", None),
        ("77 monkeys at 15:09", None),
        ("14/03/25 late", None),
    ],
)
def test_the_time_at_the_head_of_a_line(text: str, moment: datetime | None) -> None:
    assert time_in_text(text) == moment


@pytest.mark.parametrize("text", ["", "\0", "1" * 5_000, "1 " * 5_000, "2025-03-14 " * 500, "[" * 5_000, "a:1" * 5_000])
def test_no_text_takes_long(text: str) -> None:
    assert time_in_text(text) is None

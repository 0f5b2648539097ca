"""Which id of a line is that of its request. The lines are written as loggers write them, with ids of our own."""

from __future__ import annotations

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.patterns.forms.request_ids import MAX_SEARCHED, finder, request_of
from fleexmon_pipeline_tests.conftest import Database

UUID, OTHER = "0f1d7a52-93c4-4b57-8e6f-2f6f3c1f9a10", "77aa0c1e-5b3d-42d0-9a41-d0c52b1e6f33"
HEX, OTHER_HEX = "4c1f0d9e8b7a6c5d4e3f2a1b0c9d8e7f", "90ab12cd34ef56ab78cd90ef12ab34cd"


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (f"INFO c.s.Orders#52 TraceID: {HEX} SpanID: 1a2b3c4d5e6f7a8b [create] stored", HEX),
        (f"START RequestId: {UUID} Version: $LATEST", UUID),
        (f"2026-11-20 10:00:01 INFO nova.api [req-{UUID} admin] GET /servers", UUID),
        (f"[{UUID}] Started GET /orders for 10.0.0.9", UUID),
        (f"[10:00:01.123] [{HEX}] processing", HEX),
        ('{"request_id":"web-17-a4","msg":"done"}', "web-17-a4"),
        ("level=info correlation_id=84213-b msg=sent", "84213-b"),
        ("job_id=4711 loaded 12 rows", "4711"),
        ("run id 20261120 begins", "20261120"),
        (f"x-request-id: {OTHER} upstream=shop", OTHER),
        (f"trace={OTHER_HEX} span=1 ok", OTHER_HEX),
    ],
)
def test_ids_are_found_and_found_again_in_lines_written_alike(line: str, request_id: str) -> None:
    find = finder(line)
    assert find is not None
    assert find(line) == request_id
    other = request_id.translate(str.maketrans("0123456789", "1234567890"))
    assert find(line.replace(request_id, other) + " at last") == other
    assert find("a line without any") is None


@pytest.mark.parametrize(
    "line",
    [
        "task 3 of 5 done",
        "request took 12345 ms",
        "user_id=5533 logged in",
        "message_id=12345 device-id 4711",
        "session id: 8f14e45fceea167a5a36dedd4bea2543",
        "trace id missing",
        "GET /requests/17 200",
        f"TraceID: {'0' * 32} started",
        "the trace=on flag",
    ],
)
def test_what_is_no_id_of_a_request(line: str) -> None:
    find = finder(line)
    assert find is None or find(line) is None


def test_only_the_start_of_a_line_is_searched() -> None:
    find = finder("job_id:4711 is done")
    assert find is not None
    assert find(" " * (MAX_SEARCHED - 11) + "job_id:4711") == "4711"
    assert find(" " * MAX_SEARCHED + "job_id:4711") is None
    assert finder(" " * MAX_SEARCHED + "job_id:4711 is done") is None


RECORDS = [
    '{"trace_id": "a1b2c3d4"}',
    '{"requestId": "r-17", "traceId": "t-17"}',
    '{"trace.id": "e5", "request_id": 5}',
    '{"request_id": 5.5}',
    '{"correlationId": true}',
    '{"trace_id": null, "correlation_id": "c-1"}',
    '{"trace_id": ""}',
    '{"service": "shop"}',
    '["trace_id"]',
    "17",
]


def test_archived_records_name_the_requests_that_the_database_names(database: Database) -> None:
    def named(connection: Connection, record: str) -> object:
        asked = "SELECT COALESCE(trace_of(of::jsonb), request_of(of::jsonb)) AS id FROM (VALUES (%s)) AS given (of)"
        (row,) = connection.execute(asked.encode(), [record]).fetchall()
        return row["id"]

    with database.connect() as connection:
        assert [request_of(record) for record in RECORDS] == [named(connection, record) for record in RECORDS]
    assert request_of(None) is None

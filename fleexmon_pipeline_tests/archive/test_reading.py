"""Queries give the same lines in the same order from table and archive; unreadable days are reported."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from fleexmon_pipeline.archive.days import one_snapshot
from fleexmon_pipeline.archive.read import cold_slots
from fleexmon_pipeline.archive.storage import ArchiveError, Directory
from fleexmon_pipeline.comparison import read_origin
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.rule_model import Where
from fleexmon_pipeline.detection.text_scan import find_texts
from fleexmon_pipeline.genai.evidence import WindowPattern, sample_texts
from fleexmon_pipeline.issues.read import evidence_of
from fleexmon_pipeline.lookup.lines import (
    LineQuery,
    Position,
    UnknownLineError,
    lines_of_ids,
    neighbours,
    one_stored_line,
)
from fleexmon_pipeline.lookup.search import newest_first, search
from fleexmon_pipeline.lookup.traces import newest_of_trace, search_trace
from fleexmon_pipeline.patterns import count_lines
from fleexmon_pipeline.patterns.read_counts import read_messages
from fleexmon_pipeline.transfer.records import Kind
from fleexmon_pipeline.transfer.write import Selection, count, export
from fleexmon_pipeline.window import DAY, EPOCH, HOUR, Window
from fleexmon_pipeline_tests.archive.conftest import COLD, NOW, archive, put
from fleexmon_pipeline_tests.conftest import Database

ALL = LineQuery(EPOCH, NOW)
QUERIES = [
    ALL,
    replace(ALL, until=None),
    replace(ALL, node="green"),
    replace(ALL, levels=["error", "fatal"]),
    replace(ALL, text="order 1"),
    replace(ALL, text="K"),
    replace(ALL, text="ſ i̇"),
    replace(ALL, text="100%_\\"),
    replace(ALL, since=COLD.since + 5 * HOUR, until=COLD.since + 9 * HOUR),
    replace(ALL, since=COLD.since + 5 * HOUR, node="blue", text="SHIPPED"),
    replace(ALL, text="nowhere"),
]
LOGS: list[Kind] = ["logs"]
EXPORTS = [
    Selection(LOGS),
    Selection(LOGS, node="green", redacted=True),
    Selection(LOGS, since=COLD.since + 5 * HOUR, until=COLD.since + 9 * HOUR),
    Selection(LOGS, since=COLD.since - HOUR),
    Selection(LOGS, until=COLD.until + HOUR),
]
PATTERN = WindowPattern("p", "Order <num> shipped", COLD.since, COLD.until, rank=1, members=["p"])


def _ids(connection: Connection) -> list[uuid.UUID]:
    return [row["id"] for row in connection.execute('SELECT id FROM "LogEntry" ORDER BY timestamp, id')]


def _pages(connection: Connection, query: LineQuery, find: Callable[..., Any]) -> Iterator[Any]:
    """Every page of a search, as a browser asks for them."""
    for _ in range(200):
        found = find(connection, query)
        yield from found.lines
        if found.older is None and found.since is None:
            return
        until = found.older.at + timedelta(microseconds=1) if found.older else found.since
        query = replace(query, until=until, before=found.older)
    raise AssertionError("pages without an end")


def _everything(connection: Connection, ids: list[uuid.UUID]) -> dict[str, Any]:
    """What every reader says of these lines."""
    where = {
        "text": Where(message=("order 1", "İ")), "expression": Where(matches=("(?i)^order [0-9]*7", "x{500}")),
        "both": Where(level=("error",), message=("shipped",)),
    }  # fmt: skip
    window = Window(COLD.since - HOUR, COLD.until + HOUR)
    return {
        "logs": [list(newest_first(connection, query)) for query in QUERIES],
        "pages": [
            list(_pages(connection, query, lambda c, q: search(c, q, limit=37))) for query in QUERIES if query.until
        ],
        "traces": [
            list(_pages(connection, ALL, lambda c, q, trace=trace: search_trace(c, trace, q, limit=3)))
            for trace in ("trace-3", "3", "t-1", "none", 'a"b')
        ],
        "whole traces": [
            list(newest_of_trace(connection, trace, query)) for trace in ("trace-3", "none") for query in QUERIES
        ],
        "ids": lines_of_ids(connection, ids),
        "lines": [one_stored_line(connection, line) for line in ids[::7]],
        "near": [sorted(neighbours(connection, [line], 4).items()) for line in ids[::40]],
        "near all": sorted((of, near) for of, near in neighbours(connection, ids, 2).items()),
        "evidence": evidence_of(connection, ids, width=100, limit=20),
        "first evidence": evidence_of(connection, ids, width=100, limit=5, oldest=True),
        "rules": {
            name: (matches.counts, {key: list(lines) for key, lines in matches.lines.items()})
            for name, matches in find_texts(connection, where, window).items()
        },
        "messages": read_messages(connection, ids, window),
        "samples": sample_texts(connection, window, [PATTERN]),
        "first of trouble": read_origin._first_lines(connection, window, lambda pattern, _: pattern),
        "lines to count": list(_counted(connection, Window(COLD.since, COLD.since + HOUR))),
        "export": [_exported(connection, wanted) for wanted in EXPORTS],
        "exported": [count(connection, wanted) for wanted in EXPORTS],
    }


def _counted(connection: Connection, window: Window) -> Iterator[Any]:
    """With the requests that their records name."""
    with one_snapshot(connection), cold_slots(connection, window) as cold:
        for slot in window.slots():
            for chunk in count_lines._lines(connection, slot, cold):
                yield from chunk


def _exported(connection: Connection, wanted: Selection) -> bytes:
    with TemporaryDirectory() as made:
        manifest = export(connection, Path(made), wanted)
        assert [file.rows for file in manifest.files] == list(count(connection, wanted).values())
        return (Path(made) / "logs.ndjson").read_bytes()


def test_every_reader_says_the_same_before_and_after(full: Database, storage: Directory) -> None:
    with full.connect() as connection:
        ids = _ids(connection)
        sampled = 'SELECT %s, %s, %s, %s, 200, array_agg(id) FROM "LogEntry" WHERE length(message) < 20'
        for at in (COLD.since, COLD.until):
            connection.execute(f'INSERT INTO "LogPatternCount" {sampled}'.encode(), [at, "blue", "p", "info"])
        before = _everything(connection, ids)
        archive(full, storage)
        archive(full, storage, Window(COLD.until, COLD.until + DAY))
        assert len(_ids(connection)) == 1
        after = _everything(connection, ids)
    assert len(before["logs"][0]) == len(before["pages"][0]) == len(before["messages"]) == 211
    assert len(before["export"][0].splitlines()) == 211
    assert before["samples"]["p"]
    assert len(before["first of trouble"]) > 5
    assert {row[5] for row in before["lines to count"]} > {"trace-3", None}
    for name, said in before.items():
        assert after[name] == said, name


def test_lines_are_read_in_parts_and_none_is_left_out(
    full: Database, storage: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleexmon_pipeline.archive.read.FIRST_AT_ONCE", 2)
    monkeypatch.setattr("fleexmon_pipeline.archive.read.MAX_AT_ONCE", 30)
    with full.connect() as connection:
        before = [list(newest_first(connection, query)) for query in QUERIES]
        archive(full, storage)
        assert [list(newest_first(connection, query)) for query in QUERIES] == before


def test_lines_in_both_places_are_shown_once_in_their_order(full: Database, storage: Directory) -> None:
    with full.connect() as connection:
        ids = _ids(connection)
        before = _everything(connection, ids)
        archive(full, storage)
        for place in range(0, 200, 3):  # collected again, so that a third is in both
            at = COLD.since + timedelta(minutes=7 * place)
            trace = f'{{"trace_id": "trace-{place % 40}", "requestId": {place % 7}}}'
            level = "error" if place % 10 == 0 else "info"
            node = "blue" if place % 3 else "green"
            put(connection, at, f"Order {place} shipped", metadata=trace, node=node, level=level)
        assert len(_ids(connection)) == 2 + 67
        after = _everything(connection, ids)
    for name in ("lines", "export"):  # they know when they were stored
        assert len(before.pop(name)) == len(after.pop(name))
    assert after == before


def test_without_an_archive_duckdb_is_not_imported(full: Database) -> None:
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    code = (
        "import sys; from fleexmon_pipeline.database.connection import connect\n"
        "import fleexmon_pipeline.definitions\n"
        "from fleexmon_pipeline.lookup.search import *; from fleexmon_pipeline.window import EPOCH\n"
        f"with connect({full.url!r}) as c: print(len(list(newest_first(c, LineQuery(EPOCH, None)))))\n"
        "print('duckdb' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split("\n")[:2] == ["211", "False"]


@pytest.mark.parametrize("trouble", ["missing", "unmounted", "cut", "not set", "broken"])
def test_an_archive_that_cannot_be_read_is_never_a_day_without_lines(
    full: Database, storage: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    with full.connect() as connection:
        ids = _ids(connection)
        archive(full, storage)
        file = next((tmp_path / "archive").glob("**/*.parquet"))
        match trouble:
            case "missing":
                file.unlink()
            case "unmounted":
                (tmp_path / "archive").rename(tmp_path / "away")
            case "cut":
                file.write_bytes(file.read_bytes()[:-1])
            case "broken":
                file.write_bytes(bytes(file.stat().st_size))
            case "not set":
                monkeypatch.delenv("FLEEXMON_ARCHIVE")

        with pytest.raises(ArchiveError, match="2026-11-10") as told:
            list(newest_first(connection, ALL))
        found = search(connection, ALL, limit=100)
        assert [line.message for line in found.lines] == ["of the next day"]
        assert found.since == COLD.until
        assert found.unread is not None
        assert "2026-11-10" in found.unread
        traced = search_trace(connection, "trace-3", ALL, limit=10)
        assert (traced.lines, traced.since) == ([], COLD.until)
        assert traced.unread is not None
        evidence, unread = evidence_of(connection, ids, width=100, limit=20)
        assert len(evidence) == 2
        assert unread == str(told.value) or trouble == "broken"
        with pytest.raises(ArchiveError):
            one_stored_line(connection, ids[100])
        with pytest.raises(ArchiveError):
            find_texts(connection, {"rule": Where(message=("order",))}, Window(COLD.since, COLD.since + HOUR))
        # what is not archived is not concerned
        assert len(list(newest_first(connection, replace(ALL, since=COLD.until)))) == 1


def test_a_line_that_is_nowhere_is_unknown(full: Database, storage: Directory) -> None:
    archive(full, storage)
    with full.connect() as connection, pytest.raises(UnknownLineError):
        one_stored_line(connection, uuid.uuid4())


def test_a_search_goes_on_where_it_ended_at_a_day(
    full: Database, storage: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (COLD, Window(COLD.until, COLD.until + DAY), Window(COLD.since - DAY, COLD.since)):
        archive(full, storage, day)
    monkeypatch.setattr("fleexmon_pipeline.lookup.search.MAX_COLD_SECONDS", 0.0)
    query = replace(ALL, text="of the day before")
    with full.connect() as connection:
        found = search(connection, query, limit=10)
        assert (found.lines, found.since, found.searched) == ([], COLD.until, 15_001)
        assert [line.message for line in _pages(connection, query, lambda c, q: search(c, q, limit=10))] == [
            "of the day before"
        ]
        assert isinstance(found.older, Position) is False

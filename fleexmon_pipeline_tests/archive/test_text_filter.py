"""A text is found in an archived day exactly as in the table: with filters, without, and with broken ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.archive import text_filter, write
from fleexmon_pipeline.archive.days import ArchivedDay
from fleexmon_pipeline.archive.engine import engine
from fleexmon_pipeline.archive.files import FILES, problem_of
from fleexmon_pipeline.archive.grams import IDS, KINDS, WORDS, kept, kept_of
from fleexmon_pipeline.archive.read import ColdQuery, ColdReader
from fleexmon_pipeline.archive.storage import Directory, beside
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.lookup.lines import LineQuery
from fleexmon_pipeline.lookup.search import SQL
from fleexmon_pipeline_tests.archive.conftest import COLD, NOW
from fleexmon_pipeline_tests.conftest import Database

LINES = 6_600
HIDDEN = "Pump %_7 of BÄR\\x tripped, valve zx-81-quartz"
WILD = ["", "%", "_", "100%_\\", "K", "ſ i̇", "ΣΑΣ σας", "a\nb\tc", "語🎈é", "\\E.*(?i)[", HIDDEN, "x" * 70_000]
TEXTS = st.one_of(
    st.sampled_from(WILD), st.text(min_size=1, max_size=30), st.from_regex(r"[a-fA-F0-9-]{1,24}", fullmatch=True)
)


@dataclass(frozen=True)
class Archived:
    """A day's file, of four row groups. `rows`: as they are in the table."""

    storage: Directory
    day: ArchivedDay
    rows: list[list[Any]]

    def found(self, *texts: str, limit: int = LINES) -> list[str]:
        with engine(self.storage) as session:
            return self.read(ColdReader(session, self.storage), *texts, limit=limit)

    def read(self, reader: ColdReader, *texts: str, limit: int = LINES) -> list[str]:
        query = ColdQuery(COLD.since, COLD.until, texts=texts)
        return [str(line.id) for line in reader.newest(self.day, query, width=10, limit=limit)]

    def share(self, text: str) -> float:
        """Of the file's rows that are read."""
        rows = text_filter.rows_with(self.storage, self.day.file, self.day.sha256, text)
        return 1.0 if rows is None else sum(map(len, rows)) / LINES


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Archived:
    rnd = random.Random(5)
    words = [
        "Order",
        "order",
        "declined",
        "TIMEOUT",
        "connection refused",
        "straße",
        "10.0.0.7",
        "%",
        "_",
        "\\",
        "ſ",
        "İ",
    ]
    messages = [
        " ".join([*rnd.choices(words, k=4), f"{rnd.getrandbits(64):016x}", str(rnd.randrange(10**6))])
        for _ in range(LINES - len(WILD))
    ]
    rows: list[list[Any]] = []
    for place, message in enumerate([*messages, *WILD]):
        at, node = COLD.since + timedelta(seconds=place * 9), "blue" if place % 2 else "green"
        rows.append([str(uuid8(at, message[:99].encode(), node.encode())), at, "info", message, node, "h", None, at])
    storage = Directory(tmp_path_factory.mktemp("texts"))
    with engine(storage, on_disk=True) as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "ROW_GROUP", 2_048)
        patch.setattr(text_filter, "ROWS_AT_ONCE", 1_500)
        session.run("a day", FILES["make_line_hash"])
        session.run("a day", FILES["make_staged"])
        naive = [[v.replace(tzinfo=None) if isinstance(v, datetime) else v for v in row] for row in rows]
        session.append("staged", [[*row, None, None] for row in naive])
        session.run(
            "a day",
            "UPDATE staged SET hash = "
            'line_hash(id, timestamp, level, message, source, hostname, metadata, "createdAt", NULL)',
        )
        written = write._written(session, storage, COLD, 0, lambda _: None)
    day = ArchivedDay(
        COLD.since, "archived", written.file, [], written.lines, written.bytes, written.sha256, written.hours, NOW
    )
    return Archived(storage, day, rows)


def test_any_text_is_found_where_it_is_in_the_table(archived: Archived, database: Database) -> None:
    columns = '(id, timestamp, level, message, source, hostname, metadata, "createdAt")'

    def piece(place: int, start: int, length: int, turn: Callable[[str], str]) -> str:
        return turn(archived.rows[place][3][start : start + length])

    pieces = st.builds(
        piece, st.integers(0, LINES - 1), st.integers(0, 40), st.integers(1, 40),
        st.sampled_from([str, str.upper, str.lower, str.swapcase]),
    )  # fmt: skip
    with database.connect() as connection, engine(archived.storage) as session:
        reader = ColdReader(session, archived.storage)
        with connection.cursor() as cursor, cursor.copy(f'COPY "LogEntry" {columns} FROM STDIN'.encode()) as copy:
            for row in archived.rows:
                copy.write_row(row)

        @settings(max_examples=20)
        @given(st.one_of(pieces, TEXTS).filter(lambda text: text and "\0" not in text))
        @example(HIDDEN.upper())
        @example("ZX-81-QUARTZ")
        @example("x" * 300)
        def same(text: str) -> None:
            params = {**LineQuery(COLD.since, COLD.until, text=text).params(), "width": 10, "limit": LINES}
            stored = [str(row["id"]) for row in connection.execute(SQL["lines"], params)]
            assert archived.read(reader, text) == stored
            assert archived.read(reader, text, limit=3) == stored[:3]

        same()


def test_a_rare_text_is_looked_for_in_a_small_part_of_the_file(archived: Archived) -> None:
    ids = [row[3].split()[-2] for row in archived.rows[:200]]
    absent = [f"{number:016x}" for number in range(10**18, 10**18 + 200)]
    with_any = 2_048 / LINES  # the row group with a message that is too long to be looked into

    assert sum(map(archived.share, ids)) / len(ids) < with_any + 1.1 * 2_048 / LINES
    assert sum(map(archived.share, absent)) / len(absent) < with_any + 0.02
    assert archived.share("connection refused") == 1.0
    assert archived.share("order") == 1.0  # too short to tell


def test_lines_with_any_of_several_texts_come_once_and_newest_first(archived: Archived) -> None:
    rare, other = archived.rows[700][3][-20:], archived.rows[5_300][3][-20:]
    of_both = [row for row in archived.rows if any(text in row[3] for text in (rare, other, "valve zx-81"))]
    newest_first = [row[0] for row in sorted(of_both, key=lambda row: (row[1], row[0]), reverse=True)]

    assert len(newest_first) == 3
    assert archived.found(rare, other, "VALVE zx-81", HIDDEN, "no line has it") == newest_first
    assert archived.found(rare, other, "VALVE zx-81", limit=2) == newest_first[:2]
    assert max(map(archived.share, (rare, other))) < 2 / 3


def test_filters_that_are_not_whole_are_ignored_and_reported(archived: Archived) -> None:
    file = Path(archived.storage.place) / beside(archived.day.file)
    whole = file.read_bytes()
    start = len(text_filter.MAGIC) + 8 + int.from_bytes(whole[len(text_filter.MAGIC) :][:4], "big")
    other = whole.replace(archived.day.sha256.encode(), b"0" * 64)
    try:
        assert problem_of(archived.storage, archived.day) is None
        for broken in (
            whole[:-2_000], other, b"", whole[:start] + bytes(len(whole) - start), whole[:17] + b"\xff" * 200
        ):  # fmt: skip
            file.write_bytes(broken)
            assert len(archived.found("zx-81-quartz")) == 1
            assert "searches still work, but are slower" in str(problem_of(archived.storage, archived.day))
        file.unlink()  # as of an earlier version
        assert len(archived.found("zx-81-quartz")) == 1
        assert problem_of(archived.storage, archived.day) is None
    finally:
        file.write_bytes(whole)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8), st.data())
def test_a_text_has_a_gram_that_is_kept_of_whatever_has_the_text(texts: list[str], data: st.DataObject) -> None:
    stored = [text.encode("utf-8", "surrogatepass") for text in texts]
    found = kept(np.frombuffer(b"".join(stored), np.uint8), np.cumsum([len(text) for text in stored]))
    whole = data.draw(st.sampled_from(texts))
    start = data.draw(st.integers(0, len(whole)))
    text = whole[start : start + data.draw(st.integers(0, 40))]
    turned = "".join(c.swapcase() if c.isascii() else c for c in text)

    for kind, hashes in zip(KINDS, found, strict=True):
        own = kept_of(turned, kind)
        assert set(own.tolist()) <= set(hashes.tolist())
        assert (len(own) > 0) == (len(text.encode("utf-8", "surrogatepass")) >= kind.shortest)


def test_grams_do_not_reach_from_one_text_into_the_next() -> None:
    apart = kept(np.frombuffer(b"abcdefghijkl" * 2, np.uint8), np.array([12, 24]))
    assert [hashes.tolist() for hashes in apart] == [kept_of("abcdefghijkl", kind).tolist() for kind in (WORDS, IDS)]

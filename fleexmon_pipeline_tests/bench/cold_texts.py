"""A text in archived days: what the filters beside their files save, and what they cost.

Half of the lines are the demo shop's, half those of Loghub's sets, with numbers and ids drawn anew. Processor time, of
this process and DuckDB in it: the lowest of some tries. Without filters is as days of earlier versions are read.
"""

from __future__ import annotations

import csv
import random
import re
import resource
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from fleexmon_pipeline.archive import text_filter, write
from fleexmon_pipeline.archive.days import ArchivedDay
from fleexmon_pipeline.archive.engine import engine
from fleexmon_pipeline.archive.files import FILES
from fleexmon_pipeline.archive.read import ColdQuery, ColdReader
from fleexmon_pipeline.archive.storage import Directory, beside
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.demo import shop
from fleexmon_pipeline.window import DAY, EPOCH, Window
from fleexmon_pipeline_tests.bench.table import Row, Table
from fleexmon_pipeline_tests.loghub_nodes import data_directory, read

FIRST = datetime(2026, 6, 1, tzinfo=UTC)
WANTED = 101  # lines: of a page, and one more
SETS = ("HDFS", "HPC", "HealthApp", "Mac", "OpenSSH", "OpenStack", "Spark", "Windows")
RARE = "Reactor coolant pump tripped, valve ZX-81-Quartz stuck"
SELDOM = "Watchdog bites: kernel thread lockd hung"  # some 4 lines of 2 million
TEXTS = {
    "nowhere, 4 letters": "qqzz",
    "frequent": "block",
    "nowhere, 8 digits": "00918273",
    "seldom": SELDOM[:14].upper(),
    "one line": "zx-81-quartz",
    "nowhere, words": "no such thing was ever logged",
    "nowhere, an id": "7f3c19d2-44b1-4e0b",
}
RECENT = 200  # values that come again
VALUE = re.compile(r"(?<![0-9a-zA-Z])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,}(?![0-9a-zA-Z])|\d+")


def measure(days: int, lines: int, tries: int) -> Table:
    with TemporaryDirectory() as made:
        storage = Directory(Path(made))
        archived, costs = zip(*(_archive(storage, number, lines) for number in range(days)), strict=True)
        files = [Path(storage.url(beside(day.file))) for day in archived]
        size = sum(file.stat().st_size for file in files) / (days * lines)
        before = sum(day.bytes for day in archived) / (days * lines)
        newest = sorted(archived, key=lambda day: day.day, reverse=True)
        with_filters = {name: _seconds(storage, newest, text, tries) for name, text in TEXTS.items()}
        for file in files:
            file.unlink()
        rows: list[Row] = []
        for name, text in TEXTS.items():
            seconds, found, read_days = _seconds(storage, newest, text, tries)
            row: Row = {"text": name, "found": found, "days_read": read_days, "without": seconds}
            rows.append({**row, "with": with_filters[name][0], "ratio": with_filters[name][0] / seconds})
    return Table(
        f"a text in {days} archived days of {lines:,} lines: seconds of processor time, newest first, {WANTED} lines",
        f"{before:.1f} bytes a line, and {size:.1f} of filters; which take {min(costs):.1f} s to make",
        rows,
    )


def _archive(storage: Directory, number: int, lines: int) -> tuple[ArchivedDay, float]:
    """A day, and the seconds that its filters took."""
    day = Window(FIRST + number * DAY, FIRST + (number + 1) * DAY)
    with engine(storage, on_disk=True) as session:
        local = session.folder / "lines.csv"
        with local.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(_lines(day, number, lines))
        session.run("lines", FILES["make_line_hash"])
        session.run("lines", FILES["make_staged"])
        longest = write.MIN_LINE_BYTES
        session.run(
            "lines", FILES["stage"], {"file": str(local), "longest": longest, "buffer": longest * 2}, seconds=3_600
        )
        session.run(
            "lines",
            "UPDATE staged SET hash = "
            'line_hash(id, timestamp, level, message, source, hostname, metadata, "createdAt", NULL)',
            seconds=3_600,
        )
        written = write._written(session, storage, day, 0, lambda _: None)
        began = _processor()
        text_filter.write(session, "lines", Path(storage.url(written.file)), written.sha256, session.folder / "again")
        cost = _processor() - began
    return ArchivedDay(
        day.since, "archived", written.file, [], written.lines, written.bytes, written.sha256, written.hours, FIRST
    ), cost


def _lines(day: Window, number: int, lines: int) -> Iterator[list[object]]:
    rnd = random.Random(number)
    pages = shop.lines(1, "blue", day.since, day.since + timedelta(hours=2))
    shop_texts = [_pieces(str(record["message"])) for page in pages for record in page]
    nodes = {name: [_pieces(str(record["message"])) for record in read(name, data_directory())] for name in SETS}
    nodes |= {f"shop-{shop_number}": shop_texts for shop_number in range(len(SETS))}
    each = lines // len(nodes)
    for node, texts in nodes.items():
        recent: list[str] = []
        for place in range(each):
            message = _drawn_anew(rnd.choice(texts), recent, rnd)
            if number == 0 and node == "Mac" and place == each // 3:
                message = RARE
            elif rnd.random() < 2e-6:
                message = SELDOM
            at = day.since + (place + rnd.random()) / each * DAY
            key = uuid8(at, message[:100].encode(), node.encode())
            yield [
                key,
                at.replace(tzinfo=None),
                "info",
                message,
                node,
                "10.0.0.5:8080",
                "{}",
                at.replace(tzinfo=None),
                "",
                "",
            ]


def _pieces(text: str) -> list[str]:
    """Words and values in turn."""
    pieces, at = [], 0
    for value in VALUE.finditer(text):
        pieces += [text[at : value.start()], value[0]]
        at = value.end()
    return [*pieces, text[at:]]


def _drawn_anew(pieces: Sequence[str], recent: list[str], rnd: random.Random) -> str:
    """Half of the long values were there shortly before."""
    values = []
    for value in pieces[1::2]:
        come_again = [known for known in recent[:8] if len(known) == len(value)] if rnd.random() < 0.5 else []
        if len(value) > 3 and come_again:
            values.append(rnd.choice(come_again))
            continue
        number = rnd.getrandbits(4 * len(value))
        values.append(f"{number % 10 ** len(value)}" if value.isdigit() else f"{number:0{len(value)}x}")
        recent.insert(0, values[-1])
        del recent[RECENT:]
    return "".join(piece for pair in zip(pieces[::2], [*values, ""], strict=True) for piece in pair)


def _seconds(storage: Directory, days: Sequence[ArchivedDay], text: str, tries: int) -> tuple[float, int, int]:
    """With how many lines were found, in how many days."""

    def search() -> tuple[int, int]:
        found = read_days = 0
        with engine(storage) as session:
            reader = ColdReader(session, storage)
            for day in days:
                query = ColdQuery(EPOCH, days[0].window.until, texts=[text])
                found += len(reader.newest(day, query, width=2_000, limit=WANTED - found))
                read_days += 1
                if found == WANTED:
                    break
        return found, read_days

    return min(_timed(search) for _ in range(tries))


def _timed(search: Callable[[], tuple[int, int]]) -> tuple[float, int, int]:
    began = _processor()
    found, read_days = search()
    return _processor() - began, found, read_days


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

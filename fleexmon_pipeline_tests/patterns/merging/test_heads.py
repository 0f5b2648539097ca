"""Heads of lines, such as times, loggers and ids of requests: lines are grouped by what stands after them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from fleexmon_pipeline.patterns.merging.heads import head_of, is_only_head
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER

Head = Callable[[random.Random, int], str]  # of a line of a statement with this number

LOGGERS = ("com.acme.stock.Shelves", "com.acme.Mailer", "io.acme.web.Router", "com.acme.Jobs")
FILES = ("shelves.go", "mail/send.go", "router.go", "jobs.go")


def ids(rnd: random.Random, digits: int) -> str:
    return f"{rnd.getrandbits(4 * digits):0{digits}x}"


def clock(rnd: random.Random) -> str:
    return f"{rnd.randint(10, 23)}:{rnd.randint(10, 59)}:{rnd.randint(10, 59)}.{rnd.randint(100, 999)}"


HEADS: dict[str, Head] = {
    "time and level": lambda rnd, _: f"2026-11-20 {clock(rnd)} WARN ",
    "ids": lambda rnd, _: f"{clock(rnd)} INFO {rnd.randint(1, 9)} TraceID: {ids(rnd, 32)} SpanID: {ids(rnd, 16)} ",
    "keys": lambda rnd, _: f"at=2026-11-20T{clock(rnd)}Z level=info request_id={ids(rnd, 24)} ",
    "thread, logger": lambda rnd, n: f"[2026-11-20 {clock(rnd)}] INFO [main] {LOGGERS[n % 4]} - ",
    "Spring": lambda rnd, n: (
        f"2026-11-20 {clock(rnd)} INFO [stock,{ids(rnd, 16)}] 1 --- [pool-{n}] {LOGGERS[n % 4]} : "
    ),
    "Ruby": lambda rnd, _: f"I, [2026-11-20T{clock(rnd)} #{rnd.randint(1000, 1009)}]  INFO -- : [{ids(rnd, 32)}] ",
    "syslog": lambda rnd, _: f"Nov 20 {clock(rnd)[:8]} stock-1 shelvesd(main)[{rnd.randint(1000, 1009)}]: ",
    "Go": lambda rnd, n: f"2026/11/20 {clock(rnd)[:8]} {FILES[n % 4]}:{n + 17}: ",
    "columns": lambda rnd, n: f"2026-11-20 {clock(rnd)} UTC | STOCK | INFO | ({FILES[n % 4]}:{n} in run) | ",
    "Rust": lambda rnd, n: (
        f"2026-11-20T{clock(rnd)}Z INFO job{{kind={n} id={ids(rnd, 8)}}}: stock::{LOGGERS[n % 4][-4:]}: "
    ),
    "PostgreSQL": lambda rnd, _: f"2026-11-20 {clock(rnd)} UTC [{rnd.randint(1000, 1009)}] stock@shelves LOG:  ",
    "Android": lambda rnd, _: f"11-20 {clock(rnd)}  1702  {rnd.randint(1000, 9999)} I ShelfService: ",
    "machine": lambda rnd, _: f"- {rnd.randint(10**9, 2 * 10**9)} R{rnd.randint(10, 99)}-M1 RAS SHELF INFO ",
}
STATEMENTS = (
    "[store] [Store parcel]", "[find] [Parcel found]", "[weigh] [Scales ready]", "[label] [Printer warm]",
    "[load] [Truck full]", "[open] [Gate moves]", "belt {n} runs at {n} cm/s", "belt {n} stands",
    "courier {name} signed for parcel {n}", "gate opened by {name}", "parcel {n} lost: shelf {n} is empty",
    "shelvesFree={n}", "heaviest={n}", "lightest={n}", "oldest={n}", "{n} {n}", "retry of {name} in {n} ms",
)  # fmt: skip
NAMES = ("ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "leo", "mia", "ned")


def grouping(head: Head | None) -> list[int]:
    """Of the lines of all statements, in batches: the first line of the same pattern."""
    rnd, miner, found = random.Random(5), PatternMiner(), list[str]()
    for times in (1, 20, 20):
        batch: list[str] = []
        for number in [*range(len(STATEMENTS))] * times:
            text = STATEMENTS[number].format(n=rnd.randint(1, 9_999), name=rnd.choice(NAMES))
            batch.append((head(random.Random(len(found) + len(batch)), number) if head else "") + text)
        found += miner.identify(batch)
    patterns = [miner.resolve(pattern) for pattern in found]
    return [patterns.index(pattern) for pattern in patterns]


@pytest.fixture(scope="module")
def without_heads() -> list[int]:
    return grouping(None)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_lines_are_grouped_by_what_stands_after_their_head(head: Head, without_heads: list[int]) -> None:
    assert len(set(without_heads)) >= len(STATEMENTS) - 4  # which differ
    assert grouping(head) == without_heads


@pytest.mark.parametrize(
    ("shown", "head"),
    [
        ("* INFO parcel * stored", "* INFO"),
        ("* [ main ] com.acme.Mailer - sent *", "* [ main ] com.acme.Mailer -"),
        ("* INFO trace : * span : * [ store ] [ Store parcel ]", "* INFO trace : * span : * [ store ] ["),
        ("* [ Store parcel ] done", "* ["),
        ("parcel * stored", ""),
        ("error : shelf * is empty", "error :"),
        ("* - stock - INFO - parcel * stored", "* -"),
        ("{ level : info , text : stored }", ""),
        ("trace : * shelves = *", "trace : *"),
        ("shelves = *", ""),
        ("* INFO", ""),
    ],
)
def test_a_head_ends_where_a_line_begins_to_say_something(shown: str, head: str) -> None:
    template = tuple(PLACEHOLDER if token == "*" else token for token in shown.split())

    assert " ".join(template[: head_of(template)]).replace(PLACEHOLDER, "*") == head


def test_a_line_of_a_head_alone_says_nothing_but_one_key_does() -> None:
    assert is_only_head((PLACEHOLDER, "INFO", "trace", ":", PLACEHOLDER, "span", ":", PLACEHOLDER))
    assert is_only_head((PLACEHOLDER, "INFO", PLACEHOLDER))
    assert not is_only_head((PLACEHOLDER, "ERROR", "connect", ":", PLACEHOLDER))
    assert not is_only_head((PLACEHOLDER, "INFO", "stored"))

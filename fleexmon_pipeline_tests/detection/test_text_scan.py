"""Lines that contain a text: the scan finds the same lines as a comparison line by line."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection import text_scan
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_kinds import Threshold
from fleexmon_pipeline.detection.rule_model import text_conditions
from fleexmon_pipeline.detection.text_scan import find_texts
from fleexmon_pipeline.window import SLOT, floor
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.stored_lines import Stored, at, store
from fleexmon_pipeline_tests.stories import HOUR_OF_TEN

PIECES = (
    "timed out", "TIMED OUT", "İstanbul", "istanbul", "\u212aelvin", "kelvin",
    "ſtraße", "STRASSE", "straße", "100%", "_", "\\d", "(?i)",
    "a.b", "a\x01b", "\x01", "\n", "\t", "é", "É", "ß", "日本", "{x}",
    "|", "connect ECONNREFUSED", "x" * 1_990, "$", "^", "'", '"', "",
)  # fmt: skip
ASKED = ("timed out", "istanbul", "kelvin", "strasse", "straße", "100%", "_", "\\d", "(?i)", "a.b", "\x01", "É", "日本",
         "ECONNREFUSED", "x" * 1_990, "|", "i̇")  # fmt: skip
EXPRESSIONS = ("^timed", "out$", r"(?P<n>\d)00%", r"(?P<n>b)$", "(?i)ELVIN", "^$", r"a\x01")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


def rules_of(messages: Iterable[str], matches: Iterable[str] = ()) -> list[Threshold]:
    (like,) = (r for r in load_rules().rules if isinstance(r, Threshold) and r.name == "connection-failure")

    def rule(name: str, **where: Any) -> Threshold:
        return like.model_copy(update={"name": name, "where": like.where.model_copy(update=where)})

    found = [rule(f"text {text}", message=(text,), matches=None, level=None) for text in messages]
    return [*found, *(rule(f"matches {each}", message=None, matches=(each,), level=None) for each in matches)]


def one_by_one(rules: Sequence[Threshold], lines: Sequence[Stored]) -> dict[str, Counter[tuple[str, datetime]]]:
    return {
        rule.name: Counter(
            (line.node, floor(line.time, SLOT))
            for line in lines
            if rule.where.has_level(line.level) and rule.where.has_text(line.message)
        )
        for rule in rules
    }


def found_together(connection: Connection, rules: Sequence[Threshold]) -> dict[str, Counter[tuple[str, datetime]]]:
    return {
        name: Counter({(node, slot): n for node, slots in matches.counts.items() for slot, n in slots.items()})
        for name, matches in find_texts(connection, text_conditions(rules), HOUR_OF_TEN).items()
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("expressions", [(), EXPRESSIONS])
def test_the_same_lines_as_one_by_one(connection: Connection, seed: int, expressions: Sequence[str]) -> None:
    rnd = random.Random(seed)
    lines = [
        Stored(
            at(rnd.uniform(0, 60)) + timedelta(microseconds=rnd.randrange(9)),
            rnd.choice(("info", "error")),
            "".join(rnd.choices(PIECES, k=rnd.randrange(1, 4))),
            rnd.choice(("blue", "green")),
            pattern="p",
        )
        for _ in range(120)
    ]
    store(connection, lines)
    rules = rules_of(ASKED, expressions)

    assert found_together(connection, rules) == one_by_one(rules, lines)


def test_where_nearly_every_line_is_wanted_all_are_read(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_scan, "MAX_MESSAGES", 3)
    lines = [Stored(at(n / 10), message=f"order {n} of blue" if n % 9 else "nothing", pattern="p") for n in range(90)]
    store(connection, lines)
    rules = rules_of(("order", "nothing", "absent"))

    assert found_together(connection, rules) == one_by_one(rules, lines)


def test_the_newest_lines_are_the_evidence(connection: Connection) -> None:
    ids = store(connection, [Stored(at(n), message=f"disk {n} is full", pattern="p") for n in (1, 3, 2, 8)])
    (rule,) = rules_of(("IS FULL",))

    matches = find_texts(connection, text_conditions([rule]), HOUR_OF_TEN)[rule.name]

    assert list(matches.lines["blue", at(0)]) == [ids[0], ids[2], ids[1]]
    assert list(matches.lines["blue", at(5)]) == [ids[3]]

"""Helpers for tests of comparisons: two nodes of a made-up shop, as bursty as real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from fleexmon_pipeline.comparison.pair import Pair, pair_of
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import SLOT, Window

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WINDOW = Window(NOON, NOON + timedelta(hours=2))
PAST_DAYS = 5
ORDINARY = {
    ("request", "info"): 40.0, ("login", "info"): 12.0, ("cart", "info"): 8.0, ("stock", "debug"): 6.0,
    ("slow", "warn"): 1.5, ("declined", "error"): 0.8, ("retry", "error"): 0.4,
}  # fmt: skip
Rates = dict[tuple[str, str], float]  # pattern and level → lines a slot
Change = Callable[[str, int, Rates], Rates]  # node, slot (0: the window's first), its ordinary rates → its rates
Row = tuple[str, str, str, int, int]  # node, pattern, level, slot, lines


def as_usual(_node: str, _slot: int, rates: Rates) -> Rates:
    return rates


def lines(seed: int, change: Change = as_usual, *, days: float = PAST_DAYS, hours: float = 2) -> Iterator[Row]:
    """Poisson around a load that drifts (each node its own), with a retry storm now and then."""
    random = np.random.default_rng(seed)
    for node in ("blue", "green"):
        load = 0.0
        for slot in range(-round(days * 288), round(hours * 12)):
            load = 0.85 * load + 0.18 * random.standard_normal()
            for (pattern, level), rate in change(node, slot, dict(ORDINARY)).items():
                power = 1.5 if level == "error" else 1.0
                count = int(random.poisson(rate * np.exp(power * load)))
                if level == "error" and random.random() < 0.004:
                    count += int(random.integers(3, 9))
                if count:
                    yield node, pattern, level, slot, count


def pair(seed: int, change: Change = as_usual, *, days: float = PAST_DAYS, hours: float = 2) -> Pair:
    rows = (
        (n, p, level, slot // 6, count, 1) for n, p, level, slot, count in lines(seed, change, days=days, hours=hours)
    )
    return pair_of(rows, "blue", "green", past=round(days * 48), buckets=round(hours * 2))


def at(slot: int) -> datetime:
    return NOON + slot * SLOT


def store(connection: Connection, rows: Iterator[Row]) -> None:
    """As counts and coverage; a template is its pattern's name in words."""
    rows_ = list(rows)
    slots = sorted({row[3] for row in rows_})
    with connection.cursor() as cursor:
        cursor.executemany(
            'INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion") '
            "VALUES (%s, %s, %s, %s, %s, 1) ON CONFLICT DO NOTHING",
            [
                (p, f"the {p} of <num>", level, at(slots[0]), at(slots[-1]))
                for p, level in {(r[1], r[2]) for r in rows_}
            ],
        )
        with cursor.copy('COPY "LogPatternCount" (slot, node, pattern, level, count, samples) FROM STDIN') as copy:
            for node, pattern, level, slot, count in rows_:
                copy.write_row((at(slot), node, pattern, level, count, "{}"))
        with cursor.copy('COPY "LogCoverage" (node, slot, status, "updatedAt") FROM STDIN') as copy:
            for node in sorted({row[0] for row in rows_}):
                for slot in range(slots[0], slots[-1] + 1):
                    copy.write_row((node, at(slot), "complete", at(slot)))

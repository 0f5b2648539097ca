"""Nodes that have trouble at the same time: learnt once a day from the counts of the fortnight before, and stored.

Here: which pairs, and the rows of "NodeLinks". What follows for incidents: `incidents/relate.py`.

A load balancer logs an error when the node behind it fails, and the small errors of every day show it as well as an
outage does. So two nodes are linked when their errors and warnings, without what follows from traffic alone, come in
the same slots more often than when one of the two is shifted by hours. The loudest slots are capped and the best day is
left out, so that one outage of everything links nothing; and no shift by whole days may do as well, so that two jobs of
three in the morning do not either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from statistics import NormalDist

import numpy as np
from psycopg.types.json import Jsonb

from fleexmon_pipeline.baselines.store import HISTORY, past_made_of
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import ERROR_LEVELS
from fleexmon_pipeline.numerics import Floats
from fleexmon_pipeline.window import DAY, HOUR, SETTLED, SLOT, Window, history_day, slot_number

SQL = statements("links")
VERSION = "1"  # of what is learnt
SLOTS_A_DAY = DAY // SLOT
SLOTS_AN_HOUR = HOUR // SLOT
MIN_DAYS = 3
MAX_NODES = 300  # those with trouble in most slots; all pairs of 300 take about 5 seconds
FALSE_LINKS = 0.001  # expected among all pairs on a day, if no two nodes had anything to do with each other
LOUDEST = 0.98  # quantile of a node's trouble that a slot counts at most
MIN_EXPECTED = 0.1  # lines a slot, when a residual is scaled
NOT_WORTH_SHIFTING = 2.0  # standard deviations

Counts = Mapping[str, tuple[Floats, Floats]]  # node → lines and trouble, a slot each, from midnight in whole days


def learn_links(connection: Connection, window: Window) -> None:
    """Learn the links of the days that this window is compared with, where none are stored or the past has changed
    since. Incidents of a day whose links differ are marked to be derived again."""
    for day in sorted({history_day(slot) for slot in (window.since, window.until - SLOT)}):
        past = Window(day - HISTORY, day)
        made_of = past_made_of(connection, past, VERSION)
        stored = connection.execute(SQL["stored"], {"day": day}).fetchone()
        if stored and stored["made_of"] == made_of:
            continue
        links = [list(pair) for pair in linked(_read_counts(connection, past))]
        with connection.transaction():
            connection.execute(SQL["keep"], {"day": day, "made_of": made_of, "links": Jsonb(links)})
            if links != (stored["links"] if stored else []):
                served = {"since": day + SETTLED, "until": day + DAY + SETTLED}
                connection.execute(SQL["mark_issues"], served)


def newest_links(connection: Connection) -> list[tuple[str, str]]:
    """Those learnt last."""
    row = connection.execute(SQL["newest"]).fetchone()
    return [(one, other) for one, other in row["links"]] if row else []


def _read_counts(connection: Connection, past: Window) -> Counts:
    """In whole days, from the first whole day that has counts."""
    where = {"since": past.since, "until": past.until, "trouble": [*ERROR_LEVELS, "warn"], "limit": MAX_NODES}
    rows = connection.execute(SQL["counts"], where).fetchall()
    if not rows:
        return {}
    begin, end = slot_number(past.since), slot_number(past.until)
    first = min(min(row["slots"]) for row in rows)
    begin += -((begin - first) // SLOTS_A_DAY) * SLOTS_A_DAY  # rounds up to midnight
    counts = {}
    for row in rows:
        slots = np.array(row["slots"]) - begin
        inside = slots >= 0
        grid = np.zeros((2, end - begin))
        grid[0, slots[inside]] = np.array(row["lines"], dtype=float)[inside]
        grid[1, slots[inside]] = np.array(row["trouble"], dtype=float)[inside]
        counts[row["node"]] = (grid[0], grid[1])
    return counts


def linked(counts: Counts) -> Iterator[tuple[str, str]]:
    """The pairs, each in order of name."""
    nodes = sorted(node for node, (_, trouble) in counts.items() if trouble.any())
    pairs = [*combinations(range(len(nodes)), 2)]
    if not pairs or counts[nodes[0]][0].size < MIN_DAYS * SLOTS_A_DAY:
        return
    residuals = np.array([_residual(*counts[node]) for node in nodes])
    together = residuals @ residuals.T * np.sqrt(residuals.shape[1])  # in standard deviations, if independent
    wanted = NormalDist().inv_cdf(1 - FALSE_LINKS / len(pairs))
    for one, other in pairs:
        if together[one, other] >= NOT_WORTH_SHIFTING and _coincidence(residuals[one], residuals[other]) >= wanted:
            yield nodes[one], nodes[other]


def _residual(lines: Floats, trouble: Floats) -> Floats:
    """Trouble besides what the traffic of each slot lets expect, of length 1."""
    capped = np.minimum(trouble, max(1.0, float(np.quantile(trouble, LOUDEST))))
    expected = lines * (capped.sum() / lines.sum())
    residual: Floats = (capped - expected) / np.sqrt(np.maximum(expected, MIN_EXPECTED))
    residual -= residual.mean()
    length = float(np.sqrt(residual @ residual))
    return residual / length if length else residual


def _coincidence(one: Floats, other: Floats) -> float:
    """How far the two come together beyond what shifts by hours give, in standard deviations of these."""
    shifts = np.arange(SLOTS_AN_HOUR, one.size, SLOTS_AN_HOUR)
    shifted = np.array([_without_best_day(one * np.roll(other, shift)) for shift in shifts])
    found, spread = _without_best_day(one * other), float(shifted.std())
    if not spread or found <= shifted[shifts % SLOTS_A_DAY == 0].max():
        return 0.0
    return float((found - shifted.mean()) / spread)


def _without_best_day(product: Floats) -> float:
    days = product.reshape(-1, SLOTS_A_DAY).sum(axis=1)
    return float(days.sum() - days.max())

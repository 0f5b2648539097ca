"""Nodes that have trouble at the same time: learnt once a day from the counts of the fortnight before, and stored.

Here: the pairs, and the rows of "NodeLinks". How incidents use them: `incidents/relate.py`.

A load balancer logs an error when the node behind it fails, and everyday errors show this as well as an outage. So two
nodes are linked if their errors and warnings, adjusted for traffic, come in the same slots more often than after one of
the two is shifted by hours. The loudest slots are capped and the best day is left out, so that one outage of everything
links nothing. And the result must exceed every shift by whole days, so that two nightly jobs link nothing either.
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
VERSION = "1"  # of the learning method
SLOTS_A_DAY = DAY // SLOT
SLOTS_AN_HOUR = HOUR // SLOT
MIN_DAYS = 3
MAX_NODES = 300  # those with trouble in most slots; all pairs of 300 take about 5 seconds
FALSE_LINKS = 0.001  # expected among all pairs on a day, if all nodes were independent
LOUDEST = 0.98  # quantile of a node's trouble at which slots are capped
MIN_EXPECTED = 0.1  # lines a slot, when a residual is scaled
MIN_TO_SHIFT = 2.0  # standard deviations; pairs below it are not compared with shifts

Counts = Mapping[str, tuple[Floats, Floats]]  # node → lines and trouble by slot, in whole days from midnight


def learn_links(connection: Connection, window: Window) -> None:
    """Learn the links for the days of this window, unless they are stored and the past has not changed. If links of a
    day differ, its incidents are marked to be derived again."""
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
    """The links that were learnt last."""
    row = connection.execute(SQL["newest"]).fetchone()
    return [(one, other) for one, other in row["links"]] if row else []


def _read_counts(connection: Connection, past: Window) -> Counts:
    """Counts in whole days, from the first whole day that has any."""
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
    """The linked pairs, each in order of name."""
    nodes = sorted(node for node, (_, trouble) in counts.items() if trouble.any())
    pairs = [*combinations(range(len(nodes)), 2)]
    if not pairs or counts[nodes[0]][0].size < MIN_DAYS * SLOTS_A_DAY:
        return
    residuals = np.array([_residual(*counts[node]) for node in nodes])
    together = residuals @ residuals.T * np.sqrt(residuals.shape[1])  # in standard deviations, if independent
    threshold = NormalDist().inv_cdf(1 - FALSE_LINKS / len(pairs))
    for one, other in pairs:
        if together[one, other] >= MIN_TO_SHIFT and _coincidence(residuals[one], residuals[other]) >= threshold:
            yield nodes[one], nodes[other]


def _residual(lines: Floats, trouble: Floats) -> Floats:
    """Trouble beyond that expected from each slot's traffic, as a vector of length 1."""
    capped = np.minimum(trouble, max(1.0, float(np.quantile(trouble, LOUDEST))))
    expected = lines * (capped.sum() / lines.sum())
    residual: Floats = (capped - expected) / np.sqrt(np.maximum(expected, MIN_EXPECTED))
    residual -= residual.mean()
    length = float(np.sqrt(residual @ residual))
    return residual / length if length else residual


def _coincidence(one: Floats, other: Floats) -> float:
    """How much the two coincide beyond the mean of shifts by hours, in standard deviations of the shifts."""
    shifts = np.arange(SLOTS_AN_HOUR, one.size, SLOTS_AN_HOUR)
    shifted = np.array([_without_best_day(one * np.roll(other, shift)) for shift in shifts])
    unshifted, spread = _without_best_day(one * other), float(shifted.std())
    if not spread or unshifted <= shifted[shifts % SLOTS_A_DAY == 0].max():
        return 0.0
    return float((unshifted - shifted.mean()) / spread)


def _without_best_day(product: Floats) -> float:
    days = product.reshape(-1, SLOTS_A_DAY).sum(axis=1)
    return float(days.sum() - days.max())

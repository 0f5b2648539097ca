"""Messages of a node that come together: a response for each request, an end for each start.

Here: learning the pairs from counts alone, and measuring how many lines one message lacks: as a ratio over half an hour
and, if they come one for one, as starts without an end over hours. The rules: `detection/conditions/falls.py`.

Two messages are a pair if their counts follow each other far more closely than two messages that only share the same
traffic. So nobody has to list the pairs, and common traffic does not make a pair.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import (
    SLOTS_A_DAY,
    SlotGrid,
    but_loudest,
    group_of,
    highest,
    share_left,
    shortfall,
    trailing,
)
from fleexmon_pipeline.numerics import Flags, Floats, Ints

# Chosen by judgement.
HALF_HOUR = 6  # slots over which counts are compared
MAX_ELSEWHERE = 150  # patterns of other nodes, with the most lines
MAX_FLEET = 500  # patterns of all nodes together: 16 MB of counts over a fortnight
MAX_PATTERNS = 60  # of a node, with the most lines; all pairs of 60 over a fortnight take some milliseconds
MIN_LINES_A_DAY = 20
MIN_DAYS = 3
TOGETHER = 0.25  # maximum variance of the difference, relative to that of independent counts, on the median day
RECENT_DAYS = 2  # the lower ratio of these days is expected, so a permanent change is reported for a day or two only
MIN_SPREAD = 0.01
NORMAL_MEDIAN = 0.6745  # median of the absolute value of a normal variable
PEAK_MARGIN = 0.3  # surprise by which a pair must exceed the one that it reached on three days
NOT_UNUSUAL = 2.99
MIN_EXACT = 0.3  # a pair is never taken to stray by less, in units of chance
ONE_FOR_ONE = 0.5  # maximum drift in a day, in roots of their lines; by chance it is 1.6, and below 0.8 one day in 20
BURST = 2  # slots left out of the open runs: repeated starts of one minute may be in two slots


@dataclass(frozen=True)
class Companion:
    """The pattern that a message accompanies."""

    of: str  # that pattern
    ratio: float  # lines of the message per line of that pattern
    spread: float  # over-dispersion
    exact: float = 1.0  # how far the pair strays, in units of chance; 0 if no line is ever missing
    peaks: dict[str, float] = field(default_factory=dict)  # width → shortfall reached on three days


@dataclass(frozen=True)
class Start:
    """The pattern that begins the runs that a message ends, one for one."""

    of: str  # that pattern
    open: dict[str, float] = field(default_factory=dict)  # width → starts without an end, reached on three days


def learn_companions(
    rows: Mapping[str, Ints], known: Flags, beside: Mapping[str, Ints] | None = None
) -> dict[str, Companion]:
    """Pattern → its companion, from lines by slot of whole days. `beside`: possible companions; None: `rows`."""
    days = len(known) // SLOTS_A_DAY
    if days < MIN_DAYS:
        return {}
    whole = known[: days * SLOTS_A_DAY].reshape(days, -1, HALF_HOUR).all(axis=2)
    enough = MIN_LINES_A_DAY * float(known.sum()) / SLOTS_A_DAY
    names, others = (
        sorted((name for name, row in of.items() if row.sum() >= enough), key=lambda name: -int(of[name].sum()))
        for of in (rows, rows if beside is None else beside)
    )
    names, others = names[:MAX_PATTERNS], others[: MAX_PATTERNS if beside is None else MAX_ELSEWHERE]
    if not names or not others:
        return {}
    halves, of_others = (
        np.array([of[name][: days * SLOTS_A_DAY] for name in listed], float)
        .reshape(len(listed), days, -1, HALF_HOUR)
        .sum(axis=3)
        * whole
        for listed, of in ((names, rows), (others, rows if beside is None else beside))
    )
    lines, other_lines = halves.sum(axis=2).T, of_others.sum(axis=2).T  # days x patterns
    products = np.einsum("idh,jdh->dij", halves, of_others)
    valid = np.minimum(lines[:, :, None], other_lines[:, None, :]) >= MIN_LINES_A_DAY / 2
    counted = valid.sum(axis=0) >= MIN_DAYS
    counted &= np.array([[name != other for other in others] for name in names])
    if not counted.any():
        return {}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = lines[:, :, None] / other_lines[:, None, :]  # lines of the first for each of the second
        squares, other_squares = ((values**2).sum(axis=2).T for values in (halves, of_others))
        apart = squares[:, :, None] - 2 * ratio * products + ratio**2 * other_squares[:, None, :]
        # 1 where they are independent; of an exact ratio, rounding may leave less than 0.
        apart = np.maximum(apart, 0.0) / (lines[:, :, None] * (1 + ratio))
    apart, ratio = (np.where(valid, values, np.nan) for values in (apart, ratio))
    typical = np.full(counted.shape, np.inf)
    typical[counted] = np.nanmedian(apart[:, counted], axis=0)
    learnt = {}
    for place, other in enumerate(typical.argmin(axis=1).tolist()):
        if typical[place, other] <= TOGETHER:
            of_days = ratio[:, place, other]
            of_days = of_days[~np.isnan(of_days)]
            stray = float(np.median(np.abs(np.log(of_days) - np.median(np.log(of_days))))) / NORMAL_MEDIAN
            lowest = float(of_days[-RECENT_DAYS:].min())
            exact = round(float(typical[place, other]) ** 0.5, 3)
            learnt[names[place]] = Companion(others[other], lowest, max(stray**2, MIN_SPREAD), exact)
    return learnt


def learn_starts(rows: Mapping[str, Ints], known: Flags) -> dict[str, Start]:
    """Pattern → the start of its runs, from lines by slot of whole days.

    At any time, starts and ends differ only by the open runs. The counts of two unrelated messages drift apart, even if
    both come equally often. An end may come hours later.
    """
    days = len(known) // SLOTS_A_DAY
    whole = known[: days * SLOTS_A_DAY].reshape(days, SLOTS_A_DAY).all(axis=1)
    if whole.sum() < MIN_DAYS:
        return {}
    names = sorted(rows, key=lambda name: (-int(rows[name].sum()), name))[:MAX_PATTERNS]
    table = np.array([rows[name][: days * SLOTS_A_DAY] for name in names], np.int64)
    table = table.reshape(len(names), days, SLOTS_A_DAY)[:, whole]
    of_day = np.median(table.sum(axis=2), axis=1)
    learnt = {}
    for place, name in enumerate(names):
        if of_day[place] < MIN_LINES_A_DAY:
            continue
        near = np.abs(of_day - of_day[place]) <= ONE_FOR_ONE * np.sqrt(of_day + of_day[place])
        near[place] = False
        others = np.flatnonzero(near)
        if not len(others):
            continue
        apart = np.cumsum(table[others] - table[place], axis=2)
        drift = np.median(np.ptp(apart, axis=2), axis=1) / np.sqrt(of_day[others] + of_day[place])
        best = int(drift.argmin())
        if drift[best] <= ONE_FOR_ONE:
            learnt[name] = Start(names[int(others[best])])
    return learnt


def open_runs(ends: Ints, starts: Ints, known: Flags, width: int) -> Floats:
    """Starts without an end in the `width` slots up to each slot's end, except in the two consecutive slots with the
    most; 0 if a slot is not known."""
    apart = starts - ends
    burst = np.maximum(highest(trailing(apart, BURST), width), 0.0)
    return np.where(trailing(known, width) == width, np.maximum(trailing(apart, width) - burst, 0.0), 0.0)


def frequent(lines: Mapping[str, int], days: float) -> set[str]:
    """The messages of a fleet that others may come with, of those with so many lines in so many days."""
    enough = {name: count for name, count in lines.items() if count >= MIN_LINES_A_DAY * days}
    return set(sorted(enough, key=lambda name: (-enough[name], name))[:MAX_FLEET])


def fleet_lines(grids: Iterable[SlotGrid], names: Collection[str]) -> dict[str, Ints]:
    """Lines of these messages at all nodes by slot, of grids that have the same slots."""
    fleet: dict[str, Ints] = {}
    for grid in grids if names else ():
        for name, row in lines_of_rest(grid).items():
            if name in names:
                fleet[name] = fleet[name] + row if name in fleet else row
    return fleet


def with_fleet(grid: SlotGrid, grids: Iterable[SlotGrid], counterparts: Mapping[str, Companion]) -> SlotGrid:
    """The grid with the lines of all nodes that its counterparts need; none in slots of which it knows nothing."""
    names = {name for pair in counterparts.items() for name in (pair[0], pair[1].of)}
    fleet = {name: row * grid.known for name, row in fleet_lines(grids, names).items()}
    return replace(grid, fleet=fleet) if fleet else grid


def lines_of_rest(grid: SlotGrid) -> dict[str, Ints]:
    """Lines of each pattern that are neither failures nor debug lines, by slot."""
    return grid.patterns({level for _, level in grid.keys if group_of(level) == "rest"})


def expected_and_missing(companion: Companion, row: Ints, of: Ints, width: int) -> tuple[Floats, Floats]:
    """A message's lines expected from its companion in the `width` slots up to each slot's end, and how many of them
    are missing. Both without the slots in which most are missing, because a minute of repeated requests is normal. A
    response may come in the next slot.

    row, of: lines by slot of the message and of its companion.
    """
    missing = np.full(len(row), np.inf)
    for lag in (0, 1):
        short = companion.ratio * np.concatenate([np.zeros(lag), of[: len(of) - lag]]) - row
        missing = np.minimum(missing, np.minimum(but_loudest(short, width), trailing(short, width)))
    return companion.ratio * trailing(of, width) * share_left(width), np.maximum(missing, 0.0)


def shortfalls(
    companions: Mapping[str, Companion], rows: Mapping[str, Ints], width: int
) -> Iterator[tuple[str, Floats]]:
    """How far each message is below the lines expected from its companion. Messages without any line in `rows` are
    left out: a release may have reworded them."""
    for name, companion in companions.items():
        if name in rows and companion.of in rows:
            expected, missing = expected_and_missing(companion, rows[name], rows[companion.of], width)
            events = max(companion.ratio, 1.0)  # if each end logs three lines, they are one event
            short = shortfall(np.maximum(expected - missing, 0.0) / events, expected / events, companion.spread)
            short = short / min(max(companion.exact, MIN_EXACT), 1.0)
            peak = companion.peaks.get(str(width), 0.0)
            yield name, np.where(short > peak + PEAK_MARGIN, short, np.minimum(short, NOT_UNUSUAL))


def excess(
    starts: Mapping[str, Start], rows: Mapping[str, Ints], known: Flags, width: int
) -> Iterator[tuple[str, Floats]]:
    """Of each message that ends runs, the open ones beyond those that were reached before."""
    for name, start in starts.items():
        if name in rows and start.of in rows and str(width) in start.open:
            left = open_runs(rows[name], rows[start.of], known, width)
            yield name, np.maximum(left - start.open[str(width)], 0.0)


Pair = TypeVar("Pair", Companion, Start)


def carry_over(companions: dict[str, Pair], name: str, root: str) -> None:
    """Transfer the pairs of pattern `name`, which was merged, to the pattern `root` that it became."""
    if name in companions:
        companions.setdefault(root, companions[name])
    for other, companion in list(companions.items()):
        if companion.of == name:
            companions[other] = replace(companion, of=root)

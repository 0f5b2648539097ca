"""Which node began an incident, where the truth is known: the product's ranking beside two that take five lines each.

Of the second world, whose incidents name the node at fault first and those that feel it after it, and of replays.
The window: from a quarter of an hour before the incident until half an hour after its beginning.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from fleexmon_pipeline.baselines.rates import lines_an_event
from fleexmon_pipeline.comparison.origin import (
    LEVEL_WEIGHTS,
    Key,
    PastCount,
    PastSteps,
    SlotCount,
    Volume,
    log_step,
    rank,
)
from fleexmon_pipeline.window import DAY, HOUR, SLOT
from fleexmon_pipeline_tests.bench.comparison import LIFE
from fleexmon_pipeline_tests.bench.replay import CACHE, resolved
from fleexmon_pipeline_tests.bench.replays import SLOT_SECONDS, Replay, Setting, replay, script, slot_number
from fleexmon_pipeline_tests.bench.table import Table

DEPLOYS = LIFE[0]
HARD = Setting("hard", ())
BEFORE, AFTER, PAST = 3, 6, 7 * (DAY // SLOT)  # slots
DAY_SLOTS, HOUR_SLOTS = DAY // SLOT, HOUR // SLOT
SINGLE = frozenset({"error", "fatal"})
ONE_NODE, SEVERAL = "(of one node)", "(of several nodes)"
NOT_NAMED = 99
PastCounts = Mapping[Key, PastCount]
Figures = tuple[list[SlotCount], dict[Key, PastCount], dict[str, Volume]]


def measure(seeds: Sequence[int], settings: Sequence[Setting] = (DEPLOYS,), cache: Path = CACHE) -> Table:
    table = Table("origin: the node that began an incident", "share of incidents in which it is named first / among 3")
    for setting in [setting for setting in settings if script(setting.world)]:
        places: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for seed in seeds:
            for kind, node, figures in incidents(replay(seed, setting, cache)):
                for how, ranking in RANKINGS.items():
                    names = ranking(*figures)
                    place = names.index(node) if node in names else NOT_NAMED
                    for what in (kind, *([] if kind == ONE_NODE else [SEVERAL])):
                        places[what][how].append(place)
        for kind, by_how in sorted(places.items()):
            shares = {
                how: f"{sum(p < 1 for p in of) / len(of):.2f}/{sum(p < 3 for p in of) / len(of):.2f}"
                for how, of in by_how.items()
            }
            table.rows.append({"world": setting.name, "kind": kind, "incidents": len(by_how["product"]), **shares})
    return table


def incidents(made: Replay) -> Iterator[tuple[str, str, Figures]]:
    """Kind, the node at fault, and what was seen."""
    for one in made.truth["incidents"]:
        begin = slot_number(datetime.fromisoformat(one["start"]))
        several = len(one.get("nodes", ())) > 1
        if begin - BEFORE > made.first + DAY_SLOTS:
            kind = one["kind"] if several else ONE_NODE
            yield kind, one["node"], figures(made, begin - BEFORE, begin + AFTER)


def figures(made: Replay, since: int, until: int) -> Figures:
    """As `comparison.read_origin` reads them."""
    past = max(since - PAST, made.first)
    first, last = (bisect_left(made.rows, (slot,)) for slot in (past, until))
    seen: list[SlotCount] = []
    counts: Counter[tuple[Key, int]] = Counter()
    totals: Counter[tuple[str, int]] = Counter()
    for slot, node, own, level, lines in made.rows[first:last]:
        totals[node, slot] += lines
        if level in LEVEL_WEIGHTS:
            pattern = resolved(made, own, until - 1)
            if slot < since:
                counts[(node, pattern, level), slot] += lines
            else:
                seen.append(
                    SlotCount(
                        node, pattern, level, slot, lines, made.began.get((slot, node, own, level), slot * SLOT_SECONDS)
                    )
                )
    sums: defaultdict[Key, list[int]] = defaultdict(lambda: [0, 0])
    for (key, _), lines in counts.items():
        sums[key][0] += lines
        sums[key][1] += lines**2
    steps, of_past = _steps(made, past, since, until)
    after = {
        (slot, node, resolved(made, own, until - 1), level): before
        for (slot, node, own, level), before in made.after.items()
        if since <= slot < until
    }
    seen = [
        replace(one, step=steps.get(key), after=after.get(key))
        for one in seen
        for key in [(one.slot, one.node, one.pattern, one.level)]
    ]
    usual = {key: PastCount(lines, squares, of_past.get(key)) for key, (lines, squares) in sums.items()}
    return seen, usual, {node: _volume(totals, node, past, since, until) for node in made.nodes}


def _steps(
    made: Replay, past: int, since: int, until: int
) -> tuple[dict[tuple[int, str, str, str], float], dict[Key, PastSteps]]:
    """Of the window by slot, node, pattern and level; of the past."""
    first, last = (bisect_left(made.durations, (slot,)) for slot in (past, until))
    of_window: dict[tuple[int, str, str, str], float] = {}
    before: defaultdict[Key, list[float]] = defaultdict(list)
    for slot, node, own, level, _, average, _, steps in made.durations[first:last]:
        if steps:
            key = node, resolved(made, own, until - 1), level
            if slot < since:
                before[key].append(log_step(average))
            else:
                of_window[slot, *key] = average
    return of_window, {
        key: PastSteps(len(logs), sum(logs), sum(one**2 for one in logs)) for key, logs in before.items()
    }


def _volume(totals: Mapping[tuple[str, int], int], node: str, past: int, since: int, until: int) -> Volume:
    slots = range(since, until)
    hour = [totals.get((node, slot), 0) for slot in range(max(since - HOUR_SLOTS, past), since)]
    last_hour = sum(hour) / max(len(hour), 1)
    days = [
        slot for day in range(1, 8) for slot in range(since - day * DAY_SLOTS, until - day * DAY_SLOTS) if slot >= past
    ]
    by_clock = sum(totals.get((node, slot), 0) for slot in days) / max(len(days), 1)
    of_past = np.array([totals.get((node, slot), 0) for slot in range(past, since)], np.int64)
    return Volume(
        slots,
        [totals.get((node, slot), 0) for slot in slots],
        [min(last_hour, by_clock)] * len(slots),
        since - past,
        bool((of_past == 0).any()),
        lines_an_event(of_past, np.ones(len(of_past), bool)),
    )


# -- rankings -------------------------------------------------------------------------------------------------------


def _product(seen: Sequence[SlotCount], usual: PastCounts, volumes: Mapping[str, Volume]) -> list[str]:
    return [suspect.node for suspect in rank(seen, usual, volumes, slot_seconds=SLOT_SECONDS)]


def _most_new_errors(seen: Sequence[SlotCount], usual: PastCounts, volumes: Mapping[str, Volume]) -> list[str]:
    known = {pattern for _, pattern, _ in usual}
    new: Counter[str] = Counter()
    for one in seen:
        if one.level in SINGLE and one.pattern not in known:
            new[one.node] += one.lines
    return [node for node, _ in new.most_common()]


def _largest_ratio(seen: Sequence[SlotCount], usual: PastCounts, volumes: Mapping[str, Volume]) -> list[str]:
    errors: Counter[str] = Counter()
    for one in seen:
        errors[one.node] += one.lines if one.level in SINGLE else 0
    rates: Counter[str] = Counter()
    for (node, _, level), own in usual.items():
        rates[node] += own.lines if level in SINGLE else 0
    ratio = {node: errors[node] / (rates[node] / max(volumes[node].past_slots, 1) + 0.1) for node in volumes}
    return sorted((node for node in ratio if errors[node]), key=lambda node: -ratio[node])


RANKINGS: dict[str, Callable[[Sequence[SlotCount], PastCounts, Mapping[str, Volume]], list[str]]] = {
    "product": _product, "most_new_errors": _most_new_errors, "largest_ratio": _largest_ratio,
}  # fmt: skip

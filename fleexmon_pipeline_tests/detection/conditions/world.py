"""Made-up nodes for the tests of conditions: ten days and a half of ordinary traffic, changed by each test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import SlotGrid
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_model import Detector, all_series
from fleexmon_pipeline.numerics import Flags, Ints
from fleexmon_pipeline.window import slot_number, slot_start
from fleexmon_pipeline_tests.stories import TEN

RULES = [rule for rule in load_rules().rules if isinstance(rule, Detector)]
SERIES = all_series(RULES)
A_DAY, AN_HOUR = 288, 12
DAYS = 10
SLOTS = DAYS * A_DAY + 14 * AN_HOUR
FIRST = slot_number(TEN) // A_DAY * A_DAY - DAYS * A_DAY
NOW = DAYS * A_DAY + 10 * AN_HOUR  # ten o'clock of the day that is evaluated
READ_BACK = 60  # slots

Rows = dict[tuple[str, str], Ints]


def traffic(rate: float = 40.0, seed: int = 1, *, slots: int = SLOTS, first_hour: float = 0.0) -> Rows:
    """Lines a slot that follow the day: half of `rate` at night, one and a half times at noon."""
    rnd = np.random.default_rng(seed)
    clock = (np.arange(slots) / AN_HOUR + first_hour) % 24
    mean = rate * (1 - 0.5 * np.cos(2 * np.pi * (clock - 2) / 24))
    return {
        ("served", "info"): rnd.poisson(mean * 0.7).astype(np.int64),
        ("opened", "info"): rnd.poisson(mean * 0.29).astype(np.int64),
        ("declined", "error"): rnd.poisson(mean * 0.01).astype(np.int64),
    }


def silent(slots: int = SLOTS) -> Rows:
    return {key: np.zeros(slots, np.int64) for key in traffic(slots=1)}


def row(rows: Rows, pattern: str, level: str) -> Ints:
    return rows.setdefault((pattern, level), np.zeros_like(rows["served", "info"]))


def scaled(rows: Rows, share: float, begin: int, end: int) -> Rows:
    """The same, with this share of the lines between two slots."""
    rnd = np.random.default_rng(7)
    changed = {key: lines.copy() for key, lines in rows.items()}
    for lines in changed.values():
        lines[begin:end] = rnd.binomial(lines[begin:end], share)
    return changed


def added(rows: Rows, more: Rows, begin: int, end: int) -> Rows:
    """The same, with another node's lines between two slots besides."""
    changed = {key: lines.copy() for key, lines in rows.items()}
    for key, lines in more.items():
        changed[key][begin:end] += lines[begin:end]
    return changed


def node(rows: Rows, name: str = "blue", known: Flags | None = None) -> SlotGrid:
    counts = np.stack(list(rows.values()))
    known = np.ones(counts.shape[1], bool) if known is None else known
    return SlotGrid(name, FIRST, known, known & (counts.sum(axis=0) == 0), list(rows), counts * known)


def part(whole: SlotGrid, begin: int, end: int) -> SlotGrid:
    places = slice(begin, end)
    return SlotGrid(
        whole.node, whole.first + begin, whole.known[places], whole.empty[places], whole.keys, whole.counts[:, places]
    )


def learnt(whole: SlotGrid, begin: int, end: int) -> Baseline | None:
    """Of these slots. Learning is most of what a test costs, and most begin with the same ten days."""
    if end <= begin:
        return None
    past = part(whole, begin, end)
    key = repr((past.first, past.keys)).encode() + past.known.tobytes() + past.counts.tobytes()
    if key not in _LEARNT:
        _LEARNT[key] = learn(past, SERIES)
    return _LEARNT[key]


_LEARNT: dict[bytes, Baseline | None] = {}


def hits(
    whole: SlotGrid,
    others: Sequence[SlotGrid] = (),
    *,
    since: int = NOW - AN_HOUR,
    until: int = SLOTS,
    known_from: int = 0,
    first_seen: Mapping[str, int] | None = None,
    templates: Mapping[str, str] | None = None,
    budget: Mapping[str, float] | None = None,
) -> set[tuple[str, int]]:
    """Rules that fire between two slots, each with the slots (counted from NOW) at whose end it does.

    known_from: the slot in which the node was first polled. first_seen: slots of this grid.
    """
    past_until = (since - 3 * AN_HOUR) // A_DAY * A_DAY  # a baseline serves from three o'clock on
    baseline = learnt(whole, known_from, past_until)
    begin = since - READ_BACK
    grid = part(whole, begin, until)
    observation = Observation(
        grid,
        baseline,
        FIRST + known_from,
        templates or {pattern: pattern for pattern, _ in grid.keys},
        {pattern: FIRST + slot for pattern, slot in (first_seen or {}).items()},
        others=[part(other, begin, until) for other in others],
        budget=budget or {},
    )
    ends = [slot_start(FIRST + slot + 1) for slot in range(since, until)]
    return {(rule.name, hit.slot + begin - NOW) for rule, hit in evaluate_node(RULES, observation, ends)}


def fired(whole: SlotGrid, others: Sequence[SlotGrid] = (), **bounds: int) -> set[str]:
    return {rule for rule, _ in hits(whole, others, **bounds)}  # type: ignore[arg-type]

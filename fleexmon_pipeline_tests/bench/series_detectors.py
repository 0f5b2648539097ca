"""Detectors of single series with one interface: times and values in, a score of each value out.

Here: ours, the product's rules, and what ours must beat. What they are measured on: `nab.py`, `series.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import erfc, sqrt

import numpy as np

from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import grid
from fleexmon_pipeline.baselines.store import HISTORY
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.detection.observe import READ_BACK
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_kinds import Rate, Silence
from fleexmon_pipeline.detection.rule_model import Detector, all_series
from fleexmon_pipeline.numerics import Flags, Floats, Ints
from fleexmon_pipeline.series import score as series_score
from fleexmon_pipeline.series.score import score
from fleexmon_pipeline.series.tail import decades
from fleexmon_pipeline.window import SETTLED, SLOT, slot_start

Detect = Callable[[Ints, Floats], Floats]
DAY_SECONDS, DAYS_BACK = 86_400, 7
SLOT_SECONDS = int(SLOT.total_seconds())
A_DAY = DAY_SECONDS // SLOT_SECONDS
MIN_PAST = 6
GAUSSIAN_WINDOW, GAUSSIAN_STEP = 6_400, 100  # of NAB's own baseline
ALARMS_PER_DAY = 0.01
USUAL_LINES = 40.0  # a slot: what the first day of a series is scaled to, for rules that count lines


def ours(times: Ints, values: Floats) -> Floats:
    return score(times, values).anomaly_score


def windowed_gaussian(_: Ints, values: Floats) -> Floats:
    """NAB's own: the tail of a normal distribution over the last 6,400 values, renewed every 100."""
    result = np.zeros(len(values))
    begin, end = 0, 0
    mean, deviation = 0.0, 1.0
    for at, value in enumerate(values.tolist()):
        if at:
            result[at] = 1 - 0.5 * erfc(abs(value - mean) / deviation / sqrt(2))
        if end - begin < GAUSSIAN_WINDOW:
            end = at + 1
        elif at + 1 - end == GAUSSIAN_STEP:
            begin, end = begin + GAUSSIAN_STEP, at + 1
        else:
            continue
        window = values[begin:end]
        mean, deviation = float(window.mean()), float(window.std()) or 1e-6
    return result


def windowed_z(times: Ints, values: Floats) -> Floats:
    """Standard deviations from the mean of the last 24 hours."""
    begins = np.searchsorted(times, times - DAY_SECONDS)
    sums, squares = (np.concatenate([[0.0], np.cumsum(each)]) for each in (values, values**2))
    at = np.arange(len(values))
    count = np.maximum(at - begins, 1)
    mean = (sums[at] - sums[begins]) / count
    variance = np.maximum((squares[at] - squares[begins]) / count - mean**2, 0)
    return np.where(at - begins >= MIN_PAST, np.abs(values - mean) / np.sqrt(variance + 1e-12), 0.0)


def seasonal_z(times: Ints, values: Floats) -> Floats:
    """Robust deviations from the median of the same time of the last 7 days and its neighbours."""
    past = _same_times(times, values)
    result = np.zeros(len(values))
    usable = (~np.isnan(past)).sum(axis=0) >= MIN_PAST
    middle = np.nanmedian(past[:, usable], axis=0)
    spread = 1.4826 * np.nanmedian(np.abs(past[:, usable] - middle), axis=0)
    floor = np.maximum(0.1 * np.abs(middle), 1e-9)
    result[usable] = np.abs(values[usable] - middle) / np.maximum(spread, floor)
    return result


def seasonal_poisson(times: Ints, values: Floats) -> Floats:
    """The root of a Poisson count's deviance from the mean of the same time of the last 7 days and its neighbours."""
    past, counts = _same_times(times, values), np.maximum(values, 0)
    result = np.zeros(len(values))
    usable = (~np.isnan(past)).sum(axis=0) >= MIN_PAST
    mean, count = np.maximum(np.nanmean(past[:, usable], axis=0), 0.05), counts[usable]
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(count > 0, count * np.log(count / mean), 0.0)
    result[usable] = np.sqrt(2 * np.maximum(own - count + mean, 0))
    return result


def _same_times(times: Ints, values: Floats) -> Floats:
    """A row for each day back and neighbour; not a number where no value stands within 10 minutes of that time."""
    rows = []
    for back in range(1, DAYS_BACK + 1):
        nearest = np.clip(np.searchsorted(times, times - back * DAY_SECONDS), 0, len(times) - 1)
        near = np.abs(times[nearest] - times + back * DAY_SECONDS) <= 2 * SLOT_SECONDS
        rows += [np.where(near, values[np.clip(nearest + offset, 0, len(times) - 1)], np.nan) for offset in (-1, 0, 1)]
    return np.array(rows)


def shipped_rules() -> Iterator[Detector]:
    for rule in load_rules().rules:
        if isinstance(rule, Detector) and rule.enabled:
            yield rule


def volume_rules() -> list[Detector]:
    """Those that watch all that a node logs."""
    return [
        rule
        for rule in shipped_rules()
        if isinstance(rule, Silence)
        or (isinstance(rule, Rate) and (not rule.where.level or "info" in rule.where.level))
    ]


def judged(rules: Sequence[Detector], first: int, known: Flags, lines: Sequence[tuple[str, str, Ints]]) -> Flags:
    """Day by day, as `read_observations` and `evaluate` do with what is stored: pattern, level and counts, from slot
    `first` on."""
    slots, series = len(known), all_series(rules)
    total = np.sum([counts for _, _, counts in lines], axis=0)
    rows = [
        (first + int(slot), pattern, level, int(counts[slot]))
        for pattern, level, counts in lines
        for slot in np.flatnonzero(counts * known)
    ]
    templates = {pattern: pattern for pattern, _, _ in lines}
    empty, flags = (total == 0) & known, np.zeros(slots, bool)
    for day in range(A_DAY, slots, A_DAY):
        begin, until = day + SETTLED // SLOT, min(day + SETTLED // SLOT + A_DAY, slots)
        since, past = begin - READ_BACK // SLOT, slice(max(0, day - HISTORY // SLOT), day)
        before = grid("node", first + past.start, day - past.start, rows, known[past], empty[past])
        now = grid("node", first + since, until - since, rows, known[since:until], empty[since:until])
        observation = Observation(now, learn(before, series), first, templates, dict.fromkeys(templates, first))
        ends = [slot_start(first + slot + 1) for slot in range(begin, until)]
        for _, hit in evaluate_node(rules, observation, ends):
            flags[since + hit.slot] = True
    return flags


def shipped(times: Ints, values: Floats) -> Floats:
    """The rules on volume and silence. Values stand for lines a slot, at 40 a slot on the first day."""
    slots = times // SLOT_SECONDS
    step = max(1, int(np.median(np.diff(slots))))
    usual = float(np.mean(np.abs(values[times < times[0] + DAY_SECONDS]))) or 1.0
    counts, known = (
        np.zeros(int(slots[-1] - slots[0]) + step, np.int64),
        np.zeros(int(slots[-1] - slots[0]) + step, bool),
    )
    for offset in range(step):  # a value of a longer interval holds for each of its slots
        counts[slots - slots[0] + offset] = np.round(np.maximum(values, 0) * USUAL_LINES / usual)
        known[slots - slots[0] + offset] = True
    flags = judged(volume_rules(), int(slots[0]), known, [("series", "info", counts)])
    return np.asarray(flags[slots - slots[0]].astype(float))


def self_calibrated(detect: Detect) -> Detect:
    """By the tail of its own earlier scores."""
    return lambda times, values: decades(detect(times, values))


def held(detect: Detect) -> Detect:
    """As ours does: what continues within 12 hours is one alarm."""
    return lambda times, values: series_score.held(times, detect(times, values), 0.0)


DETECTORS: dict[str, Detect] = {
    "series.score": ours,
    "shipped rules": held(shipped),
    "windowed Gaussian": windowed_gaussian,
    "windowed z": held(windowed_z),
    "seasonal z, self-calibrated": held(self_calibrated(seasonal_z)),
    "seasonal Poisson": held(seasonal_poisson),
}
OWN_THRESHOLD = {"series.score": 1 / (1 + ALARMS_PER_DAY), "shipped rules": 1.0}

"""The Numenta Anomaly Benchmark: 58 public series with labelled windows, scored exactly as NAB does.

Here: the data, NAB's scorer and the table. Detectors to compare with: `series_detectors.py`. The scorer gives the same
as NAB's own to its result files: windowed Gaussian 39.65, Numenta HTM 70.10, ARTime 74.85, random cut forest 51.72.

A detection in a window counts 1 at its start, falling to 0 at its end, by the best point in it; a window without
a detection costs 1; each point outside costs 0.11, less just after a window. The first 15 % of a series (at most 750
rows) do not count. 0 is a detector that never fires, 100 one that is perfect. As for every published figure, one
threshold for all series is the best one in hindsight; `own` is the threshold that the detector states itself.

What was chosen by NAB was chosen on the half of its files whose names hash to an even number; the other half is
reported apart, at the threshold that is best on the first.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from math import floor
from pathlib import Path

import numpy as np

from fleexmon_pipeline.numerics import Floats, Ints
from fleexmon_pipeline_tests.bench.series_detectors import DETECTORS, OWN_THRESHOLD
from fleexmon_pipeline_tests.bench.table import Row, Table

PROBATION, MAX_PROBATION_ROWS = 0.15, 5000
PROFILES = {"standard": (0.11, 1.0), "low FP": (0.22, 1.0), "low FN": (0.11, 2.0)}  # weights of false and missed
ABOVE_ALL = np.inf  # a threshold that no score reaches


@dataclass(frozen=True)
class Labelled:
    """`windows`: first and last row of each anomaly."""

    name: str
    times: Ints
    values: Floats
    windows: list[tuple[int, int]]

    @property
    def category(self) -> str:
        return self.name.split("/")[0]

    @property
    def tuned(self) -> bool:
        return int(sha256(self.name.encode()).hexdigest(), 16) % 2 == 0

    @property
    def scored_from(self) -> int:
        """The first row behind probation, as NAB rounds it."""
        length = len(self.values)
        return int(np.ceil(min(floor(PROBATION * length), PROBATION * MAX_PROBATION_ROWS)))


def folder() -> Path | None:
    """NAB's data, searched for upward from here; None where the outside material is not."""
    for up in Path(__file__).resolve().parents:
        if (found := up / "shared" / "data" / "nab").is_dir():
            return found
    return None


def load(root: Path) -> list[Labelled]:
    labels = json.loads((root / "combined_windows.json").read_text())
    return [_load(root / "data" / name, name, windows) for name, windows in sorted(labels.items())]


def _load(path: Path, name: str, windows: Sequence[tuple[str, str]]) -> Labelled:
    with path.open(newline="") as file:
        rows = [(_seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
    times = np.array([time for time, _ in rows], np.int64)
    listed = times.tolist()
    limits = [(listed.index(_seconds(begin)), listed.index(_seconds(end))) for begin, end in windows]
    return Labelled(name, times, np.array([value for _, value in rows]), limits)


def _seconds(stamp: str) -> int:
    return int(datetime.fromisoformat(f"{stamp}+00:00").timestamp())


@dataclass(frozen=True)
class Curve:
    """The normalised score at each threshold, descending."""

    thresholds: Floats
    scores: Floats

    @property
    def best(self) -> tuple[float, float]:
        at = int(np.argmax(self.scores))
        return float(self.thresholds[at]), float(self.scores[at])

    def at(self, threshold: float) -> float:
        return float(self.scores[np.flatnonzero(self.thresholds >= threshold)[-1]])


def curve(series: Sequence[Labelled], scores: Mapping[str, Floats], profile: str = "standard") -> Curve:
    """What the score would be at every threshold: each point adds its cost, or what it improves its window by."""
    false_weight, missed_weight = PROFILES[profile]
    thresholds, gains, to_miss, windows = [np.empty(0)], [np.empty(0)], 0.0, 0
    for one in series:
        weights, window_of = _weights(one)
        scored = np.arange(len(one.values)) >= one.scored_from
        outside = scored & (window_of < 0)
        thresholds.append(scores[one.name][outside])
        gains.append(weights[outside] * false_weight)
        windows += len(one.windows)
        for number in range(len(one.windows)):
            inside = scored & (window_of == number)
            if inside.any():
                to_miss += missed_weight
                order = np.argsort(-scores[one.name][inside], kind="stable")
                best = np.maximum.accumulate(np.concatenate([[-missed_weight], weights[inside][order]]))
                thresholds.append(scores[one.name][inside][order])
                gains.append(np.diff(best))
    all_thresholds, all_gains = np.concatenate(thresholds), np.concatenate(gains)
    order = np.argsort(-all_thresholds, kind="stable")
    descending, totals = all_thresholds[order], np.cumsum(all_gains[order])
    last = np.append(descending[1:] != descending[:-1], True)
    points = np.concatenate([[0.0], totals[last]])
    return Curve(np.concatenate([[ABOVE_ALL], descending[last]]), 100 * points / (windows + to_miss))


def _weights(one: Labelled) -> tuple[Floats, Ints]:
    """What a detection is worth at each row before weighing, and the number of its window, or -1."""
    rows = len(one.values)
    at = np.arange(rows)
    weights, window_of = np.full(rows, -1.0), np.full(rows, -1)
    for number, (begin, end) in enumerate(one.windows):
        width = end - begin + 1
        inside = slice(begin, end + 1)
        weights[inside] = _sigmoid((at[inside] - end - 1) / width) / _sigmoid(np.array(-1.0))
        window_of[inside] = number
        following = one.windows[number + 1][0] if number + 1 < len(one.windows) else rows
        weights[end + 1 : following] = _sigmoid((at[end + 1 : following] - end) / (width - 1))
    return weights, window_of


def _sigmoid(position: Floats) -> Floats:
    return np.where(position > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(position, 3))) - 1)


def measure(root: Path | None = None) -> Table:
    table = Table(
        "nab: 58 public series, 116 windows",
        "NAB's score at the best threshold, by profile and half; windows found and false alarms there; at its own",
    )
    root = root or folder()
    if root is None:
        raise FileNotFoundError("shared/data/nab is not here")
    series = load(root)
    tuned, other = ([one for one in series if one.tuned is half] for half in (True, False))
    kinds = sorted({one.category for one in series if one.windows})
    for name, detect in DETECTORS.items():
        scores = {one.name: detect(one.times, one.values) for one in series}
        standard = curve(series, scores)
        threshold, best = standard.best
        tuned_threshold, tuned_best = curve(tuned, scores).best
        row: Row = {"detector": name, "standard": best}
        row |= {each.replace(" ", "_"): curve(series, scores, each).best[1] for each in PROFILES if each != "standard"}
        row |= {"tuned_half": tuned_best, "other_half": curve(other, scores).at(tuned_threshold)}
        row |= _found(series, scores, threshold, "")
        own = OWN_THRESHOLD.get(name)
        row["own_threshold"] = f"{standard.at(own):.1f}" if own else "-"
        row |= _found(series, scores, own, "own ") if own else {"own_found": "-", "own_false_a_series": "-"}
        row |= {kind: curve([one for one in series if one.category == kind], scores).at(threshold) for kind in kinds}
        table.rows.append(row)
    return table


def _found(series: Sequence[Labelled], scores: Mapping[str, Floats], threshold: float, prefix: str) -> Row:
    found = false = total = 0
    for one in series:
        flags = scores[one.name] >= threshold
        flags[: one.scored_from] = False
        for begin, end in one.windows:
            total += 1
            found += bool(flags[begin : end + 1].any())
            flags[begin : end + 1] = False
        false += int(flags.sum())
    prefix = prefix.replace(" ", "_")
    return {f"{prefix}found": f"{found}/{total}", f"{prefix}false_a_series": false / len(series)}

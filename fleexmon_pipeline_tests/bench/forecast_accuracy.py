"""Forecasts of hourly counts beside naive ones and AutoETS: MASE and CRPS, on series that nobody tuned on.

Here: the series (NAB's traffic and tweets, the two generators), the origins, and the figures. Our forecasts come from
the function that the stage calls; AutoETS from statsforecast, installed under `build/` where the index has it.

MASE: the mean absolute error over that of the same hour a day before, in the history. CRPS: twice the mean pinball loss
of the 10 %, 50 % and 90 % quantiles, over the same; of a naive forecast, which has no interval, the absolute error.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fleexmon_pipeline.forecasting.hourly_series import HourlySeries
from fleexmon_pipeline.numerics import Floats
from fleexmon_pipeline.window import DAY, HOUR, SLOT, slot_start
from fleexmon_pipeline_tests.bench import auto_ets, lives, nab, replay
from fleexmon_pipeline_tests.bench.replays import Replay, script
from fleexmon_pipeline_tests.bench.replays import replay as made
from fleexmon_pipeline_tests.bench.table import Row, Table

STATSFORECAST = "2.1.1"
HOME = Path(__file__).parents[2] / "build" / f"statsforecast-{STATSFORECAST}"
HISTORY = 14 * 24  # hours before the first origin, where a series has more
MIN_HISTORY = 7 * 24
EVERY = 29  # hours from one origin to the next: all hours of the day in turn
MAX_ORIGINS = 12  # of a series
HORIZON = auto_ets.HORIZON
TAILS = (0.1, 0.5, 0.9)


class Hourly(NamedTuple):
    group: str
    first: datetime
    values: Floats


class Guess(NamedTuple):
    """By horizon: the ends of the 80 % interval and the value; all the same where there is no interval."""

    low: Floats
    value: Floats
    high: Floats


def measure(seeds: Sequence[int]) -> Table:
    table = Table("forecasts: hourly counts, 1 to 12 hours ahead", "errors over those of the same hour a day before")
    origins = [(series, end) for series in _all(seeds) for end in _origins(series) if _can_be_judged(series, end)]
    theirs = _auto_ets([series.values[:end] for series, end in origins])
    if not theirs:
        table.note += f"; statsforecast {STATSFORECAST} could not be installed here, so AutoETS is left out"
    errors: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for place, (series, end) in enumerate(origins):
        actual, scale = series.values[end : end + HORIZON], _scale(series.values[:end])
        guesses = {"ours": _ours(series, end), **_naive(series.values[:end])}
        if theirs:
            guesses["AutoETS"] = theirs[place]
        for name, guess in guesses.items():
            assert guess is not None
            errors[series.group, name].append(
                (float(np.abs(guess.value - actual).mean() / scale), _crps(guess, actual) / scale)
            )
    for (group, name), both in sorted(errors.items()):
        mase, crps = np.array(both).mean(axis=0)
        row: Row = {
            "series": group,
            "forecast": name,
            "origins": len(both),
            "mase": f"{mase:.3f}",
            "crps": f"{crps:.3f}",
        }
        table.rows.append(row)
    return table


def _all(seeds: Sequence[int]) -> Iterator[Hourly]:
    if (root := nab.folder()) is not None:
        for one in nab.load(root):
            if one.category in ("realTraffic", "realTweets"):
                yield from _of_nab(one)
    for world, setting in (("replay", replay.HARD), ("life", lives.LIVES[0]), ("life", lives.LIVES[1])):
        if script(world) is not None:
            for seed in seeds:
                yield from _of_replay(setting.name, made(seed, setting, replay.CACHE))


def _of_nab(one: nab.Labelled) -> Iterator[Hourly]:
    """Sums by hour; an hour without rows is not known. Speeds and occupancies are summed like counts."""
    hours = one.times // 3600
    values = np.full(int(hours[-1] - hours[0]) + 1, np.nan)
    for hour in np.unique(hours):
        values[hour - hours[0]] = one.values[hours == hour].sum()
    yield Hourly(f"NAB {one.category}", datetime.fromtimestamp(int(hours[0]) * 3600, UTC), values[1:-1])


def _of_replay(name: str, world: Replay) -> Iterator[Hourly]:
    for node in world.nodes:
        slots = np.zeros(world.slots)
        for slot, own, _, _, count in world.rows:
            if own == node:
                slots[slot - world.first] += count
        came = np.flatnonzero(slots)
        if len(came) and came[0] >= DAY // SLOT:
            slots[: came[0]] = np.nan  # a node that is added later does not answer before, so its hours are not known
        whole = len(slots) // (HOUR // SLOT) * (HOUR // SLOT)
        yield Hourly(name, slot_start(world.first), slots[:whole].reshape(-1, HOUR // SLOT).sum(axis=1))


def _origins(series: Hourly) -> list[int]:
    first = min(HISTORY, max(len(series.values) // 2, MIN_HISTORY))
    ends = list(range(first, len(series.values) - HORIZON, EVERY))
    return ends[:: max(len(ends) // MAX_ORIGINS, 1)][:MAX_ORIGINS]


def _can_be_judged(series: Hourly, end: int) -> bool:
    actual = series.values[end : end + HORIZON]
    return _scale(series.values[:end]) > 0 and not np.isnan(actual).any() and _ours(series, end) is not None


def _scale(past: Floats) -> float:
    misses = np.abs(past[24:] - past[:-24])
    return float(np.nanmean(misses)) if (~np.isnan(misses)).sum() >= 24 else 0.0


def _ours(series: Hourly, end: int) -> Guess | None:
    hourly = HourlySeries(series.first, series.values[:end], share=False)
    found = hourly.forecasts(series.first + timedelta(hours=end), tuple(range(1, HORIZON + 1)))
    if len(found) < HORIZON:
        return None
    low, value, high = np.array([(one.low, one.value, one.high) for one in found]).T
    return Guess(low, value, high)


def _naive(past: Floats) -> dict[str, Guess]:
    past = np.where(np.isnan(past), np.nanmedian(past), past)
    found = {"last hour": np.full(HORIZON, past[-1]), "a day before": past[-24 : -24 + HORIZON]}
    if len(past) >= 7 * 24:
        found["a week before"] = past[-168 : -168 + HORIZON]
    return {name: Guess(values, values, values) for name, values in found.items()}


def _crps(guess: Guess, actual: Floats) -> float:
    losses = [
        np.maximum(tail * (actual - quantile), (tail - 1) * (actual - quantile)).mean()
        for tail, quantile in zip(TAILS, guess, strict=True)
    ]
    return 2 * float(np.mean(losses))


def _auto_ets(series: Sequence[Floats]) -> list[Guess]:
    """[] where statsforecast cannot be installed."""
    if not HOME.is_dir():
        wanted = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--target",
            str(HOME),
        ]
        if subprocess.run([*wanted, f"statsforecast=={STATSFORECAST}"], check=False).returncode:
            return []
    since_known = (values[int(np.argmax(~np.isnan(values))) :][-HISTORY * 2 :] for values in series)
    filled = [np.where(np.isnan(values), np.nanmedian(values), values).tolist() for values in since_known]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(filled, file)
        file.flush()
        command = [sys.executable, auto_ets.__file__, file.name]
        answer = subprocess.run(command, env={"PYTHONPATH": str(HOME)}, check=True, capture_output=True, text=True)
    return [Guess(*map(np.array, (low, value, high))) for value, low, high in json.loads(answer.stdout)]

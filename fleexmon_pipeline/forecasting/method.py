"""The forecast of one hourly series: a value and an 80 % interval for each of the coming hours.

Here: arithmetic, without a database. Which series, and where forecasts are kept: `forecasts.py`. Why this method, and
how well it does: docs/decisions/0015.

There are several ways to say what an hour will have: the median of the same hour of the days before (weekends
separately where there are enough of them), so that an incident, or a day of them, does not move it; the same hour of
the last three days, or of the last one, which follow a level that has changed. What the last hours had beyond that
persists as far as it did in the past. The forecast is the mean of the ways, each weighted by how well it did of late.
The interval is what forecasts of the past fortnight would have missed by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from fleexmon_pipeline.numerics import Floats, is_weekend
from fleexmon_pipeline.window import EPOCH, HOUR

SEASON_DAYS = 14  # whose same hours make up the normal
ERROR_HOURS = 14 * 24  # whose misses make up the interval; with the season before them 28 days are read
MIN_MISSES = 24  # about two days of history; with fewer nothing is forecast
MIN_DAYS_OF_KIND = 3  # weekend days (or weekdays) with that hour, to use them alone
MIN_DAYS = 3  # with that hour; with fewer the median hour of the day before stands in
RECENT = (0.5, 0.3, 0.2)  # weights of the last hours, newest first
LEVEL_HOURS = 24  # whose mean is what a level that has changed has beyond the normal
RECENT_DAYS = 3  # that follow a new level sooner than a fortnight
POWER = 8  # of the mean miss of a way, by whose inverse it is weighted: the best one counts most
HALF_LIFE = 48  # hours after which a miss counts half
MIN_HEARD = 0.5  # of the misses that the way has which was followed longest, to be heard at all
TAIL = 0.1  # on both sides of the 80 % interval
MAX_HORIZON = 12  # hours; the season of an hour is a day old, so up to 23 nothing later than the origin is used
MAX_DEVIATIONS = 4  # beyond which values are winsorised, by judgement, not by experiment
DEVIATION = 1.4826  # standard deviations of a normal variable per median absolute deviation


@dataclass(frozen=True)
class Forecast:
    horizon: int  # hours: 1 is the hour that begins now
    value: float
    low: float
    high: float
    last_hour: float | None  # this and the next are the naive forecasts
    day_before: float | None


class _Way(NamedTuple):
    """One way to say what an hour will have, up to an origin."""

    normal: Floats  # of every hour, those to come included
    beyond: Floats  # what each hour of the past had beyond it
    recent: Floats  # what the hours up to each one had beyond it


class HourlySeries:
    """`values`: one each hour from `first` on (UTC), nan where not known; counts, or shares of lines."""

    def __init__(self, first: datetime, values: Floats, *, share: bool) -> None:
        self.first, self.values, self.share = first, values, share
        # Counts vary in proportion to themselves, shares of few errors like counts of these.
        self._scaled = np.sqrt(values) if share else np.log1p(values)
        self._normals = _normals(self._scaled, (first - EPOCH) // HOUR)
        self._beyond = [self._scaled - normal[: len(values)] for normal in self._normals]

    def beyond(self, end: datetime, hours: int) -> Floats:
        """How far each of the last `hours` before `end` is from its normal, in logs (square roots of shares); nan where
        not known."""
        last = (end - self.first) // HOUR
        return self._beyond[0][last - hours : last]

    def forecasts(self, end: datetime, horizons: tuple[int, ...]) -> list[Forecast]:
        """As of `end`, the end of an hour, from the values before it alone. [] where too little is known.

        Raises ValueError for a horizon that the method cannot see.
        """
        if max(horizons) > MAX_HORIZON:
            raise ValueError(f"forecasts reach {MAX_HORIZON} hours, not {max(horizons)}")
        last = (end - self.first) // HOUR
        if last < 1 or np.isnan(self._scaled[last - 1]):
            return []
        ways = list(self._ways(last))
        forecasts = []
        for horizon in horizons:
            target = last - 1 + horizon
            made = [_said(way, target, horizon) for way in ways]
            heard = [one for one in made if one is not None]
            if not heard:
                continue
            expected, misses = _weighted([value for value, _ in heard], np.array([of_way for _, of_way in heard]))
            low, middle, high = np.quantile(misses, [TAIL, 0.5, 1 - TAIL])
            value = self._unscaled(expected + middle)
            low, high = self._bounds(self._unscaled(expected + low), self._unscaled(expected + high))
            forecasts.append(
                Forecast(horizon, value, low, high, _known(self.values, last - 1), _known(self.values, target - 24))
            )
        return forecasts

    def _ways(self, last: int) -> Iterator[_Way]:
        """Those of which something is known at hour `last`."""
        since = max(0, last - ERROR_HOURS)
        for place, (normal, all_beyond) in enumerate(zip(self._normals, self._beyond, strict=True)):
            beyond = all_beyond[since:last]
            if not np.isnan(beyond[-1]):
                tamed = _tamed(beyond)
                yield _Way(normal, beyond, _recent(tamed))
                if not place:
                    yield _Way(normal, beyond, _level(tamed))

    def _unscaled(self, value: float) -> float:
        value = max(0.0, float(value))
        return min(1.0, value**2) if self.share else float(np.expm1(value))

    def _bounds(self, low: float, high: float) -> tuple[float, float]:
        """Outward to what is counted and shown: whole lines, tenths of a percent."""
        step = 1000.0 if self.share else 1.0
        return float(np.floor(low * step) / step), float(np.ceil(high * step) / step)


def _said(way: _Way, target: int, horizon: int) -> tuple[float, Floats] | None:
    """What a way says of the target, and by how much it missed in the past as far ahead; nan where that is unknown."""
    then, misses = way.recent[:-horizon], way.beyond[horizon:]
    both = ~(np.isnan(then) | np.isnan(misses))
    if both.sum() < MIN_MISSES or np.isnan(way.normal[target]):
        return None
    carried = _carry(then[both], misses[both])
    return float(way.normal[target] + carried * way.recent[-1]), np.where(both, misses - carried * then, np.nan)


def _weighted(said: list[float], misses: Floats) -> tuple[float, Floats]:
    """The mean of what the ways say, and what it would have missed by: the more a way missed of late, the less it
    counts."""
    known = ~np.isnan(misses)
    counts = known * 0.5 ** (np.arange(misses.shape[1])[::-1] / HALF_LIFE)
    heard = counts.sum(axis=1)
    of_late = (np.abs(np.where(known, misses, 0.0)) * counts).sum(axis=1) / heard
    weights = np.where(heard >= MIN_HEARD * heard.max(), np.maximum(of_late, 1e-6) ** -float(POWER), 0.0)
    weights /= weights.sum()
    of_hour = (known * weights[:, None]).sum(axis=0)
    mixed = (np.where(known, misses, 0.0) * weights[:, None]).sum(axis=0)
    return float(weights @ np.array(said)), mixed[of_hour > 0] / of_hour[of_hour > 0]


def _normals(scaled: Floats, first: int) -> list[Floats]:
    """What may be taken for normal, for every hour of the series and MAX_HORIZON after it: by the fortnight, by the
    last three days, by the day before."""
    few = np.full((RECENT_DAYS, len(scaled) + MAX_HORIZON), np.nan)
    for row, back in zip(few, range(24, 24 * RECENT_DAYS + 1, 24), strict=True):
        row[back : back + len(scaled)] = scaled[: max(len(row) - back, 0)]
    return [_normal(scaled, first), _median(few), few[0]]


def _normal(scaled: Floats, first: int) -> Floats:
    """For every hour of the series and MAX_HORIZON after it, from values at least a day older."""
    hours = len(scaled) + MAX_HORIZON
    padded = np.full(SEASON_DAYS * 24 + hours, np.nan)
    padded[SEASON_DAYS * 24 : SEASON_DAYS * 24 + len(scaled)] = scaled
    days = np.arange(1, SEASON_DAYS + 1)
    places = np.arange(hours)[None, :] - 24 * days[:, None]
    before = padded[places + SEASON_DAYS * 24]
    same_kind = is_weekend((first + places) // 24) == is_weekend((first + np.arange(hours)) // 24)[None, :]
    of_kind = np.where(same_kind, before, np.nan)
    alone = (~np.isnan(of_kind)).sum(axis=0) >= MIN_DAYS_OF_KIND
    normal = _median(np.where(alone[None, :], of_kind, before))
    few = (~np.isnan(before)).sum(axis=0) < MIN_DAYS
    # A day before itself: the hours from 24 + 12 to 24 before the target, and 12 after those, are all older than a day.
    of_day = _median(padded[np.arange(hours)[None, :] + SEASON_DAYS * 24 - np.arange(24, 48)[:, None]])
    return np.where(few, of_day, normal)


def _median(rows: Floats) -> Floats:
    """Of each column, ignoring nan; nan where there is nothing else. numpy's own warns about that case and is slow."""
    ordered = np.sort(rows, axis=0)
    known = (~np.isnan(rows)).sum(axis=0)
    columns = np.arange(rows.shape[1])
    low = ordered[np.maximum(known - 1, 0) // 2, columns]
    median: Floats = (low + ordered[np.minimum(known // 2, len(rows) - 1), columns]) / 2
    return median


def _tamed(beyond: Floats) -> Floats:
    """Winsorised at four deviations, so that one burst does not decide what persists."""
    known = beyond[~np.isnan(beyond)]
    if not len(known):
        return beyond
    limit = max(MAX_DEVIATIONS * DEVIATION * float(np.median(np.abs(known))), 1e-9)
    return np.clip(beyond, -limit, limit)


def _recent(beyond: Floats) -> Floats:
    """At each hour, the weighted mean of it and the known hours before it; nan where it is not known."""
    total, weight = np.zeros(len(beyond)), np.zeros(len(beyond))
    for back, share in enumerate(RECENT):
        moved = np.concatenate([np.full(back, np.nan), beyond[: len(beyond) - back]])[: len(beyond)]
        known = ~np.isnan(moved)
        total += np.where(known, share * moved, 0.0)
        weight += np.where(known, share, 0.0)
    return np.where(np.isnan(beyond), np.nan, total / np.maximum(weight, 1e-9))


def _level(beyond: Floats) -> Floats:
    """At each hour, the mean of it and the known hours of the day before it; nan where it is not known."""
    known = ~np.isnan(beyond)
    total, hours = (np.cumsum(values) for values in (np.where(known, beyond, 0.0), known.astype(float)))
    for sums in (total, hours):
        sums[LEVEL_HOURS:] -= sums[:-LEVEL_HOURS].copy()
    return np.where(known, total / np.maximum(hours, 1.0), np.nan)


def _carry(recent: Floats, later: Floats) -> float:
    """How much of what was beyond the normal persisted later: from none to all of it."""
    squares = float(recent @ recent)
    return min(1.0, max(0.0, float(recent @ _tamed(later)) / squares)) if squares > 0 else 0.0


def _known(values: Floats, place: int) -> float | None:
    return None if place < 0 or place >= len(values) or np.isnan(values[place]) else float(values[place])

"""The forecast of one hourly series: a value and an 80 % interval for each of the coming hours.

Here: arithmetic, without a database. Which series, and where forecasts are kept: `forecasts.py`. Why this method, and
how well it does: docs/decisions/0015.

The forecast is an ensemble. Each member has a normal value for every hour: the median of the same hour of the past
fortnight (weekends separately where there are enough of them), which an incident of a day does not move; or the same
hour of the last three days, or of the last day, which follow a new level sooner. A residual is what an hour had beyond
its normal. A member forecasts the normal plus the share of the recent residual that persisted in the past. The ensemble
is the mean of its members, weighted by their recent errors. The interval comes from the ensemble's errors in the past
fortnight.
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
ERROR_HOURS = 14 * 24  # whose errors make up the interval; with the season before them 28 days are read
MIN_PAST_ERRORS = 24  # about two days of history; with fewer nothing is forecast
MIN_DAYS_OF_KIND = 3  # weekend days (or weekdays) with that hour, to use them alone
MIN_DAYS = 3  # with that hour; with fewer the median hour of the day before stands in
RECENT = (0.5, 0.3, 0.2)  # weights of the last hours, newest first
LEVEL_HOURS = 24  # whose mean residual is that of a level that has changed
RECENT_DAYS = 3  # that follow a new level sooner than a fortnight
POWER = 8  # a member's weight is its mean error to the power of minus this: the best one counts most
HALF_LIFE = 48  # hours after which an error counts half
MIN_ERROR_SHARE = 0.5  # of the errors that the member with the most has; with fewer a member gets no weight
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


class _Member(NamedTuple):
    """One member of the ensemble, as of an origin."""

    normal: Floats  # of every hour, those to come included
    residuals: Floats  # of each past hour
    recent: Floats  # mean residual of the hours up to each past hour


class HourlySeries:
    """`values`: one each hour from `first` on (UTC), nan where not known; counts, or shares of lines."""

    def __init__(self, first: datetime, values: Floats, *, share: bool) -> None:
        self.first, self.values, self.share = first, values, share
        # Counts vary in proportion to themselves, shares of few errors like counts of these.
        self._scaled = np.sqrt(values) if share else np.log1p(values)
        self._normals = _normals(self._scaled, (first - EPOCH) // HOUR)
        self._residuals = [self._scaled - normal[: len(values)] for normal in self._normals]

    def residuals(self, end: datetime, hours: int) -> Floats:
        """Of each of the last `hours` before `end`, in logs (square roots of shares); nan where not known."""
        last = (end - self.first) // HOUR
        return self._residuals[0][last - hours : last]

    def forecasts(self, end: datetime, horizons: tuple[int, ...]) -> list[Forecast]:
        """As of `end`, the end of an hour, from the values before it alone. [] where too little is known.

        Raises ValueError for a horizon that the method cannot see.
        """
        if max(horizons) > MAX_HORIZON:
            raise ValueError(f"forecasts reach {MAX_HORIZON} hours, not {max(horizons)}")
        last = (end - self.first) // HOUR
        if last < 1 or np.isnan(self._scaled[last - 1]):
            return []
        members = list(self._members(last))
        forecasts = []
        for horizon in horizons:
            target = last - 1 + horizon
            by_member = [result for member in members if (result := _forecast_of(member, target, horizon)) is not None]
            if not by_member:
                continue
            expected, errors = _mean([value for value, _ in by_member], np.array([errors for _, errors in by_member]))
            low, middle, high = np.quantile(errors, [TAIL, 0.5, 1 - TAIL])
            value = self._unscaled(expected + middle)
            low, high = self._bounds(self._unscaled(expected + low), self._unscaled(expected + high))
            forecasts.append(
                Forecast(
                    horizon, value, low, high, _value_at(self.values, last - 1), _value_at(self.values, target - 24)
                )
            )
        return forecasts

    def _members(self, last: int) -> Iterator[_Member]:
        """Those that know the residual of the hour before `last`."""
        since = max(0, last - ERROR_HOURS)
        for place, (normal, all_residuals) in enumerate(zip(self._normals, self._residuals, strict=True)):
            residuals = all_residuals[since:last]
            if not np.isnan(residuals[-1]):
                winsorised = _winsorised(residuals)
                yield _Member(normal, residuals, _recent(winsorised))
                if not place:
                    yield _Member(normal, residuals, _level(winsorised))

    def _unscaled(self, value: float) -> float:
        value = max(0.0, float(value))
        return min(1.0, value**2) if self.share else float(np.expm1(value))

    def _bounds(self, low: float, high: float) -> tuple[float, float]:
        """Outward to what is counted and shown: whole lines, tenths of a percent."""
        step = 1000.0 if self.share else 1.0
        return float(np.floor(low * step) / step), float(np.ceil(high * step) / step)


def _forecast_of(member: _Member, target: int, horizon: int) -> tuple[float, Floats] | None:
    """A member's forecast of the hour `target`, and its errors at this horizon in the past (nan: not known). None with
    too little history."""
    before, after = member.recent[:-horizon], member.residuals[horizon:]
    both_known = ~(np.isnan(before) | np.isnan(after))
    if both_known.sum() < MIN_PAST_ERRORS or np.isnan(member.normal[target]):
        return None
    share = _persistent_share(before[both_known], after[both_known])
    errors = np.where(both_known, after - share * before, np.nan)
    return float(member.normal[target] + share * member.recent[-1]), errors


def _mean(values: list[float], errors: Floats) -> tuple[float, Floats]:
    """The mean of the members' forecasts, weighted by their recent `errors` (a row for each member), and the errors
    that the same mean would have had in the past."""
    known = ~np.isnan(errors)
    discounts = known * 0.5 ** (np.arange(errors.shape[1])[::-1] / HALF_LIFE)
    history = discounts.sum(axis=1)
    mean_error = (np.abs(np.where(known, errors, 0.0)) * discounts).sum(axis=1) / history
    has_enough = history >= MIN_ERROR_SHARE * history.max()
    weights = np.where(has_enough, np.maximum(mean_error, 1e-6) ** -float(POWER), 0.0)
    weights /= weights.sum()
    weight_of_hour = (known * weights[:, None]).sum(axis=0)
    total = (np.where(known, errors, 0.0) * weights[:, None]).sum(axis=0)
    weighed = weight_of_hour > 0
    return float(weights @ np.array(values)), total[weighed] / weight_of_hour[weighed]


def _normals(scaled: Floats, first: int) -> list[Floats]:
    """The normals of the members, for every hour of the series and MAX_HORIZON after it: by the fortnight, by the last
    three days, by the day before."""
    days_before = np.full((RECENT_DAYS, len(scaled) + MAX_HORIZON), np.nan)
    for row, back in zip(days_before, range(24, 24 * RECENT_DAYS + 1, 24), strict=True):
        row[back : back + len(scaled)] = scaled[: max(len(row) - back, 0)]
    return [_normal(scaled, first), _median(days_before), days_before[0]]


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
    enough_of_kind = (~np.isnan(of_kind)).sum(axis=0) >= MIN_DAYS_OF_KIND
    normal = _median(np.where(enough_of_kind[None, :], of_kind, before))
    too_few = (~np.isnan(before)).sum(axis=0) < MIN_DAYS
    # A day before itself: the hours from 24 + 12 to 24 before the target, and 12 after those, are all older than a day.
    of_day = _median(padded[np.arange(hours)[None, :] + SEASON_DAYS * 24 - np.arange(24, 48)[:, None]])
    return np.where(too_few, of_day, normal)


def _median(rows: Floats) -> Floats:
    """The median of each column, ignoring nan; nan for a column of nan. numpy's own warns there, and is slow."""
    ordered = np.sort(rows, axis=0)
    counts = (~np.isnan(rows)).sum(axis=0)
    columns = np.arange(rows.shape[1])
    low = ordered[np.maximum(counts - 1, 0) // 2, columns]
    median: Floats = (low + ordered[np.minimum(counts // 2, len(rows) - 1), columns]) / 2
    return median


def _winsorised(residuals: Floats) -> Floats:
    """Cut at four deviations, so that one burst does not decide what persists."""
    known = residuals[~np.isnan(residuals)]
    if not len(known):
        return residuals
    limit = max(MAX_DEVIATIONS * DEVIATION * float(np.median(np.abs(known))), 1e-9)
    return np.clip(residuals, -limit, limit)


def _recent(residuals: Floats) -> Floats:
    """The weighted mean of each hour's residual and those of the hours before it; nan where the hour's own is nan."""
    total, weight = np.zeros(len(residuals)), np.zeros(len(residuals))
    for back, share in enumerate(RECENT):
        moved = np.concatenate([np.full(back, np.nan), residuals[: len(residuals) - back]])[: len(residuals)]
        known = ~np.isnan(moved)
        total += np.where(known, share * moved, 0.0)
        weight += np.where(known, share, 0.0)
    return np.where(np.isnan(residuals), np.nan, total / np.maximum(weight, 1e-9))


def _level(residuals: Floats) -> Floats:
    """The mean residual of each hour and the day before it; nan where the hour's own is nan."""
    known = ~np.isnan(residuals)
    total, hours = (np.cumsum(values) for values in (np.where(known, residuals, 0.0), known.astype(float)))
    for sums in (total, hours):
        sums[LEVEL_HOURS:] -= sums[:-LEVEL_HOURS].copy()
    return np.where(known, total / np.maximum(hours, 1.0), np.nan)


def _persistent_share(before: Floats, after: Floats) -> float:
    """The share of the residuals `before` that was still there `after`, by least squares: 0 to 1."""
    squares = float(before @ before)
    return min(1.0, max(0.0, float(before @ _winsorised(after)) / squares)) if squares > 0 else 0.0


def _value_at(values: Floats, place: int) -> float | None:
    return None if place < 0 or place >= len(values) or np.isnan(values[place]) else float(values[place])

"""How much a pattern's frequency differs between two nodes, in standard deviations, and how much it normally differs.

Here: the statistics. Lines come in bursts, so the variance of a count is that of a negative binomial over buckets,
learnt from the past. Comparing the past with itself (an A/A test) shows how far that model is off, and the thresholds
allow for it. The method and its bounds: docs/decisions/0016. The other numbers are by judgement, not by experiment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import GROUPS
from fleexmon_pipeline.comparison.pair import SERIOUS, Pair, Side, has_no_work, idle
from fleexmon_pipeline.numerics import Flags, Floats, deviance, dispersion, excess_variance

MIN_SPREAD, MAX_SPREAD = 0.02, 5.0
PRIOR_EXPECTED = 20.0  # lines: with fewer expected, a pattern's spread is mostly that of its level
DEFAULT_SPREAD = 0.3  # of a level in which no pattern has PRIOR_EXPECTED lines
CONTINUITY = 0.5  # lines added to counts that are divided
SURE_SHIFT = 9  # a standing difference below three standard deviations (squared here) is taken for chance
NORMAL_95 = 1.96  # 95 % of a normal distribution are within so many standard deviations
MIN_TESTED = 5  # lines on both nodes together
MAX_PAST_BUCKETS = 8  # in a window of the past: longer windows would be too few
MIN_PAST_WINDOWS = 20
SERIOUS_EFFECT, MILD_EFFECT = 1.5, 2.0  # times as frequent; smaller effects are not worth anyone's time
FALSE_FAILS = 0.05  # at most this share of the windows in which nothing was wrong fails
FALSE_MARGINALS = 0.10
MIN_SERIOUS, MIN_MILD, MIN_UNKNOWN = 3.5, 3.5, 3.0  # deviations, deviations, and -log10 of a probability


@dataclass(frozen=True)
class Calibration:
    """What normally differs between the two nodes, learnt from their past."""

    spread: Floats  # by row: over-dispersion of a bucket
    shift: Floats  # by row: the standing difference, as log of how many times as many lines the candidate has
    inflation: dict[str, float] = field(default_factory=lambda: dict.fromkeys(GROUPS, 1.0))  # divides deviations
    serious: float = MIN_SERIOUS  # threshold of deviations, for errors
    mild: float = MIN_MILD  # for other levels
    unknown: float = MIN_UNKNOWN  # threshold of `unknown_score`
    windows: int = 0  # past windows that were compared; with fewer than MIN_PAST_WINDOWS nothing is calibrated

    @property
    def calibrated(self) -> bool:
        return self.windows >= MIN_PAST_WINDOWS


@dataclass(frozen=True)
class Measured:
    """By row of `Pair.keys`."""

    deviations: Floats  # deviations, divided by the inflation; positive: the candidate has more
    effect: Floats  # times as frequent on the candidate, standing differences allowed for
    expected: Floats  # lines of the candidate, if it logged like the baseline
    errors: float  # deviations of all errors together
    errors_effect: float  # their effect


def scale_of(baseline: Floats, candidate: Floats) -> float:
    """Lines of the candidate per line of the baseline: a weighted median over patterns, robust to floods and gaps."""
    both = (baseline >= MIN_TESTED) & (candidate >= MIN_TESTED)
    if not both.any():
        return float((candidate.sum() + 1) / (baseline.sum() + 1))
    ratio = candidate[both] / baseline[both]
    weight = np.minimum(baseline[both], candidate[both])
    order = np.argsort(ratio)
    total = np.cumsum(weight[order])
    return float(ratio[order][np.searchsorted(total, total[-1] / 2)])


def _share_of_squares(side: Side) -> float:
    """The factor from the spread of a bucket to that of the window: 1/n for n buckets with equally many lines."""
    lines = side.lines.sum(axis=0).astype(np.float64)
    return float((lines**2).sum() / lines.sum() ** 2) if lines.any() else 1.0


def _signed_deviations(b: Floats, c: Floats, exposure: Floats, spread_b: Floats, spread_c: Floats) -> Floats:
    """Signed roots of likelihood ratios: one rate for both nodes, against one for each. About standard normal.

    `exposure`: how many lines the candidate would have per line of the baseline; positive results: it has more.
    """
    rate = (b + c) / (1 + exposure)
    for _ in range(8):  # five iterations settle three digits
        weight_b, weight_c = 1 / (1 + spread_b * rate), 1 / (1 + spread_c * rate * exposure)
        rate = (weight_b * b + weight_c * c) / (weight_b + weight_c * exposure)
    expected_b, expected_c = np.maximum(rate, 1e-9), np.maximum(rate * exposure, 1e-9)
    ratio = deviance(b, expected_b, spread_b) + deviance(c, expected_c, spread_c)
    return np.asarray(np.sign(c - b * exposure) * np.sqrt(ratio))


def measure(
    pair: Pair, baseline: Side, candidate: Side, calibration: Calibration, *, also_by_hour: bool = True
) -> Measured:
    """Compare two sides, row by row.

    `also_by_hour`: a pattern below warnings does not differ either if both nodes log it equally often per hour, however
    much traffic each has (a health check).
    """
    groups = pair.groups
    b, c = baseline.totals, candidate.totals
    exposure = scale_of(b, c) * np.exp(calibration.shift)
    squares_b, squares_c = _share_of_squares(baseline), _share_of_squares(candidate)
    deviations = _signed_deviations(b, c, exposure, calibration.spread * squares_b, calibration.spread * squares_c)
    if also_by_hour:
        by_hour = np.full(len(b), candidate.lines.shape[1] / max(baseline.lines.shape[1], 1))
        hourly = _signed_deviations(b, c, by_hour, calibration.spread * squares_b, calibration.spread * squares_c)
        same = (groups == "rest") & ((np.abs(hourly) < np.abs(deviations)) | (np.sign(hourly) != np.sign(deviations)))
        deviations = np.where(same, np.where(np.sign(hourly) == np.sign(deviations), hourly, 0.0), deviations)
    inflation = np.array([calibration.inflation[name] for name in groups.tolist()] or [1.0])
    tested = (b + c) >= MIN_TESTED
    errors, errors_effect = _errors_together(b, c, exposure, calibration, groups == "error", squares_b, squares_c)
    return Measured(
        deviations=np.where(tested, deviations / inflation[: len(deviations)], 0.0),
        effect=(c + CONTINUITY) / (b * exposure + CONTINUITY),
        expected=b * exposure,
        errors=errors,
        errors_effect=errors_effect,
    )


def _errors_together(
    b: Floats, c: Floats, exposure: Floats, calibration: Calibration, error: Flags, squares_b: float, squares_c: float
) -> tuple[float, float]:
    """Deviations and effect of the sum of all errors: many errors that are each a little more frequent add up."""
    if not error.any() or (b[error].sum() + c[error].sum()) < MIN_TESTED:
        return 0.0, 1.0
    lines = (b + c)[error]
    sum_b, sum_c = np.array([b[error].sum()]), np.array([c[error].sum()])
    mean_exposure = np.array([float((exposure[error] * lines).sum() / lines.sum())])
    mean_spread = (calibration.spread[error] * lines).sum() / lines.sum()
    spreads = np.array([mean_spread * squares_b]), np.array([mean_spread * squares_c])
    deviations = float(_signed_deviations(sum_b, sum_c, mean_exposure, *spreads)[0])
    effect = float(((sum_c + CONTINUITY) / (sum_b * mean_exposure + CONTINUITY))[0])
    return deviations / calibration.inflation["error"], effect


def unknown_score(candidate: Side, others: list[Side]) -> Floats:
    """-log10 of the probability that all slots of a pattern are in this window by chance; 0 if other sides have it too.

    Counted in slots, not in lines, so that a retry storm of a minute is one event.
    """
    elsewhere = np.sum([other.totals for other in others], axis=0)
    lines = sum(other.line_count for other in others)
    share = max(candidate.line_count, 1) / max(candidate.line_count + lines, 1)
    slots = candidate.slots.sum(axis=1)
    return np.asarray(np.where((elsewhere == 0) & (slots > 0), -slots * np.log10(min(share, 0.5)), 0.0))


# -- the past -------------------------------------------------------------------------------------------------------


def calibrate(pair: Pair) -> Calibration:
    """Learn spread, standing differences, and thresholds that the past, compared with itself, seldom exceeds."""
    undisturbed = _undisturbed(pair)
    windows = list(_past_windows(pair))
    calibration = Calibration(_spread(pair), _shift(pair), windows=len(windows))
    if not calibration.calibrated:
        return calibration
    groups = pair.groups
    sizes: dict[str, list[Floats]] = {name: [] for name in GROUPS}
    for b, c in windows:
        deviations = measure(pair, b, c, calibration, also_by_hour=False).deviations
        for name in GROUPS:
            sizes[name].append(np.abs(deviations[(groups == name) & (deviations != 0)]))
    inflation = {name: _inflation(np.concatenate(sizes[name])) for name in GROUPS}
    calibration = replace(calibration, inflation=inflation)
    serious, mild, unknown = np.array([_verdict_figures(pair, b, c, calibration, undisturbed) for b, c in windows]).T
    return replace(
        calibration,
        serious=max(MIN_SERIOUS, _threshold_exceeded_by(serious, FALSE_FAILS / 2)),
        mild=max(MIN_MILD, _threshold_exceeded_by(mild, FALSE_MARGINALS)),
        unknown=max(MIN_UNKNOWN, _threshold_exceeded_by(unknown, FALSE_FAILS / 2)),
    )


def _undisturbed(pair: Pair) -> list[Side]:
    return [side.without(pair.disturbed) for side in (pair.past_baseline, pair.past_candidate)]


def _inflation(sizes: Floats) -> float:
    """How much wider than normal the deviations of the past are: consecutive buckets are correlated."""
    return max(1.0, float(np.quantile(sizes, 0.95)) / NORMAL_95) if len(sizes) >= MIN_PAST_WINDOWS else 1.0


def _threshold_exceeded_by(scores: Floats, share: float) -> float:
    """A threshold just above the score that only this share of the scores exceeds."""
    return float(np.sort(scores)[::-1][int(share * len(scores))]) * 1.001


def _past_windows(pair: Pair) -> Iterator[tuple[Side, Side]]:
    """Both nodes in undisturbed windows of the past; if one was idle, the busier node and its next window."""
    width = min(pair.buckets, MAX_PAST_BUCKETS)
    last: Side | None = None
    for until in range(pair.past_baseline.lines.shape[1], width - 1, -width):
        if pair.disturbed.intersection(range(until - width, until)):
            last = None
            continue
        b, c = (side.part(until - width, until) for side in (pair.past_baseline, pair.past_candidate))
        busier = b if b.line_count >= c.line_count else c
        if not has_no_work(b, c) and not has_no_work(c, b):
            yield b, c
        elif last is not None and not idle(busier, last) and not idle(last, busier):
            yield busier, last
        last = busier


def _verdict_figures(
    pair: Pair, b: Side, c: Side, calibration: Calibration, undisturbed: list[Side]
) -> tuple[float, float, float]:
    """What a verdict on this window of the past would depend on, whichever side is the candidate.

    Highest deviation of errors, of other levels, and highest `unknown_score` of errors.
    """
    measured = measure(pair, b, c, calibration)
    groups = pair.groups
    size, effect = np.abs(measured.deviations), np.maximum(measured.effect, 1 / measured.effect)
    serious = size[(groups == "error") & (effect >= SERIOUS_EFFECT)].max(initial=0.0)
    if max(measured.errors_effect, 1 / measured.errors_effect) >= SERIOUS_EFFECT:
        serious = max(serious, abs(measured.errors))
    mild = size[(groups != "error") & (effect >= MILD_EFFECT)].max(initial=0.0)
    error = np.array([level in SERIOUS for _, level in pair.keys])
    unknown = 0.0
    for own in (b, c):  # without the window's own lines: a pattern is as unknown as it was then
        elsewhere = np.sum([side.totals for side in undisturbed], axis=0) - own.totals
        only = error & (elsewhere <= 0)
        lines = max(sum(side.line_count for side in undisturbed) - own.line_count, 0)
        share = min(max(own.line_count, 1) / max(own.line_count + lines, 1), 0.5)
        unknown = max(unknown, float((-own.slots.sum(axis=1)[only] * np.log10(share)).max(initial=0.0)))
    return float(serious), float(mild), unknown


def _spread(pair: Pair) -> Floats:
    """Over-dispersion of each row's buckets, by moments; that of a rare pattern is drawn towards its level's median."""
    excess, squares = np.zeros(len(pair.keys)), np.zeros(len(pair.keys))
    for side in [*_undisturbed(pair), pair.baseline, pair.candidate]:
        bucket_totals = side.lines.sum(axis=0).astype(np.float64)
        if not bucket_totals.any():
            continue
        mean = np.outer(side.totals / bucket_totals.sum(), bucket_totals)
        sums = excess_variance(np.square(side.lines - mean), mean)
        excess, squares = excess + sums[0], squares + sums[1]
    sides = (pair.past_baseline, pair.past_candidate, pair.baseline, pair.candidate)
    expected = np.sum([side.totals for side in sides], axis=0)
    spreads: Floats = np.full(len(pair.keys), MIN_SPREAD)
    groups = pair.groups
    for name in GROUPS:
        rows: Flags = groups == name
        if not rows.any():
            continue
        single = dispersion(excess[rows], squares[rows], MIN_SPREAD, MAX_SPREAD)
        frequent = expected[rows] >= PRIOR_EXPECTED
        common = float(np.median(single[frequent])) if frequent.any() else DEFAULT_SPREAD
        trust = expected[rows] / (expected[rows] + PRIOR_EXPECTED)
        spreads[rows] = trust * single + (1 - trust) * common
    return spreads


def _shift(pair: Pair) -> Floats:
    """Standing differences: a nightly job that runs on one of two nodes is not new.

    0 where the past does not prove a difference, or one node had no traffic.
    """
    baseline, candidate = _undisturbed(pair)
    if idle(baseline, candidate) or idle(candidate, baseline):
        return np.zeros(len(pair.keys))
    b, c = baseline.totals, candidate.totals
    ratio = np.log((c + CONTINUITY) / ((b + CONTINUITY) * scale_of(b, c)))
    squares = _share_of_squares(baseline) + _share_of_squares(candidate)
    variance = 1 / (b + CONTINUITY) + 1 / (c + CONTINUITY) + _spread(pair) * squares
    return np.asarray(ratio * np.clip(1 - SURE_SHIFT * variance / np.maximum(ratio**2, 1e-9), 0, 1))

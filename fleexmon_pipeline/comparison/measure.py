"""How far apart a pattern's frequencies on two nodes are, in deviations, and how far apart they normally are.

Here: the statistics. Lines come in bursts, so totals say little: the variance is that of a negative binomial over
buckets, learnt from the past, and what remains is measured by comparing the past with itself (A/A). The method and its
bounds: docs/decisions/0016; other numbers are by judgement, not by experiment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from fleexmon_pipeline.baselines.slot_grid import GROUPS
from fleexmon_pipeline.comparison.pair import SERIOUS, Pair, Side, idle, without_work
from fleexmon_pipeline.numerics import Flags, Floats, deviance, dispersion, excess_variance

MIN_SPREAD, MAX_SPREAD = 0.02, 5.0
PRIOR_EXPECTED = 20.0  # lines: a pattern that expects fewer borrows its spread from its level
DEFAULT_SPREAD = 0.3  # of a level without such a pattern
CONTINUITY = 0.5  # lines added to counts that are divided
SURE_SHIFT = 9  # variances, three deviations: a standing difference must be as sure
NORMAL_95 = 1.96  # deviations that hold 95 % of a normal distribution
MIN_TESTED = 5  # lines on both nodes together
MAX_PAST_BUCKETS = 8  # of a window of the past: there would be too few longer ones
MIN_PAST_WINDOWS = 20
SERIOUS_EFFECT, MILD_EFFECT = 1.5, 2.0  # times as frequent: less is not worth anyone's time
FALSE_FAILS = 0.05  # share of the windows in which nothing was wrong, at most
FALSE_MARGINALS = 0.10
MIN_SERIOUS, MIN_MILD, MIN_UNKNOWN = 3.5, 3.5, 3.0  # deviations; the last -log10 of a chance


@dataclass(frozen=True)
class Calibration:
    """What normally differs between the two nodes, learnt from their past."""

    spread: Floats  # by row: over-dispersion of a bucket
    shift: Floats  # by row: log of how many times as much the candidate has always had
    inflation: dict[str, float] = field(default_factory=lambda: dict.fromkeys(GROUPS, 1.0))
    serious: float = MIN_SERIOUS
    mild: float = MIN_MILD
    unknown: float = MIN_UNKNOWN
    windows: int = 0  # of the past that were compared; with fewer than MIN_PAST_WINDOWS nothing is calibrated

    @property
    def calibrated(self) -> bool:
        return self.windows >= MIN_PAST_WINDOWS


@dataclass(frozen=True)
class Measured:
    """By row of `Pair.keys`."""

    apart: Floats  # deviations, divided by the inflation; positive: the candidate has more
    effect: Floats  # times as frequent on the candidate, apart from standing differences
    expected: Floats  # lines the candidate would have had
    errors: float  # all errors together
    errors_effect: float


def scale_of(baseline: Floats, candidate: Floats) -> float:
    """Lines of the candidate for one of the baseline: a weighted median, which floods and gaps do not move."""
    both = (baseline >= MIN_TESTED) & (candidate >= MIN_TESTED)
    if not both.any():
        return float((candidate.sum() + 1) / (baseline.sum() + 1))
    ratio = candidate[both] / baseline[both]
    weight = np.minimum(baseline[both], candidate[both])
    order = np.argsort(ratio)
    total = np.cumsum(weight[order])
    return float(ratio[order][np.searchsorted(total, total[-1] / 2)])


def _share_of_squares(side: Side) -> float:
    """The factor from the spread of a bucket to that of the whole window: 1 for one bucket, 1/n for n even ones."""
    lines = side.lines.sum(axis=0).astype(np.float64)
    return float((lines**2).sum() / lines.sum() ** 2) if lines.any() else 1.0


def _apart(b: Floats, c: Floats, exposure: Floats, spread_b: Floats, spread_c: Floats) -> Floats:
    """Signed root of the likelihood ratio of one rate for both nodes against one each. `exposure`: the candidate's per
    one of the baseline's."""
    rate = (b + c) / (1 + exposure)
    for _ in range(8):  # settles to three digits in five
        heavy_b, heavy_c = 1 / (1 + spread_b * rate), 1 / (1 + spread_c * rate * exposure)
        rate = (heavy_b * b + heavy_c * c) / (heavy_b + heavy_c * exposure)
    expected_b, expected_c = np.maximum(rate, 1e-9), np.maximum(rate * exposure, 1e-9)
    ratio = deviance(b, expected_b, spread_b) + deviance(c, expected_c, spread_c)
    return np.asarray(np.sign(c - b * exposure) * np.sqrt(ratio))


def measure(
    pair: Pair, baseline: Side, candidate: Side, calibration: Calibration, *, hours_too: bool = True
) -> Measured:
    """`hours_too`: a pattern below warnings that is as frequent by the hour (a health check) does not differ."""
    groups = pair.groups
    b, c = baseline.totals, candidate.totals
    exposure = scale_of(b, c) * np.exp(calibration.shift)
    squares_b, squares_c = _share_of_squares(baseline), _share_of_squares(candidate)
    apart = _apart(b, c, exposure, calibration.spread * squares_b, calibration.spread * squares_c)
    if hours_too:
        by_hour = np.full(len(b), candidate.lines.shape[1] / max(baseline.lines.shape[1], 1))
        hourly = _apart(b, c, by_hour, calibration.spread * squares_b, calibration.spread * squares_c)
        same = (groups == "rest") & ((np.abs(hourly) < np.abs(apart)) | (np.sign(hourly) != np.sign(apart)))
        apart = np.where(same, np.where(np.sign(hourly) == np.sign(apart), hourly, 0.0), apart)
    inflation = np.array([calibration.inflation[name] for name in groups.tolist()] or [1.0])
    tested = (b + c) >= MIN_TESTED
    error = groups == "error"
    together, effect = 0.0, 1.0
    if error.any() and (b[error].sum() + c[error].sum()) >= MIN_TESTED:
        sums = np.array([b[error].sum()]), np.array([c[error].sum()])
        heavy = (calibration.spread * (b + c))[error].sum() / (b + c)[error].sum()
        one = np.array([float((exposure[error] * (b + c)[error]).sum() / (b + c)[error].sum())])
        apart_together = _apart(*sums, one, np.array([heavy * squares_b]), np.array([heavy * squares_c]))
        together = float(apart_together[0]) / calibration.inflation["error"]
        effect = float(((sums[1] + CONTINUITY) / (sums[0] * one + CONTINUITY))[0])
    return Measured(
        np.where(tested, apart / inflation[: len(apart)], 0.0),
        (c + CONTINUITY) / (b * exposure + CONTINUITY),
        b * exposure,
        together,
        effect,
    )


def unknown_chance(candidate: Side, others: list[Side]) -> Floats:
    """-log10 of the chance that all slots of a pattern lie in this window by luck; 0 where other sides have it too.

    Slots instead of lines, so that a retry storm of a minute is one event.
    """
    elsewhere = np.sum([other.totals for other in others], axis=0)
    lines = sum(other.every for other in others)
    share = max(candidate.every, 1) / max(candidate.every + lines, 1)
    slots = candidate.slots.sum(axis=1)
    return np.asarray(np.where((elsewhere == 0) & (slots > 0), -slots * np.log10(min(share, 0.5)), 0.0))


# -- the past -------------------------------------------------------------------------------------------------------


def learn(pair: Pair) -> Calibration:
    """Spread, standing differences, and thresholds that the past, compared with itself, seldom exceeds."""
    quiet = _quiet(pair)
    windows = list(_past_windows(pair))
    calibration = Calibration(_spread(pair), _shift(pair), windows=len(windows))
    if not calibration.calibrated:
        return calibration
    groups = pair.groups
    sizes: dict[str, list[Floats]] = {name: [] for name in GROUPS}
    for b, c in windows:
        apart = measure(pair, b, c, calibration, hours_too=False).apart
        for name in GROUPS:
            sizes[name].append(np.abs(apart[(groups == name) & (apart != 0)]))
    inflation = {name: _inflation(np.concatenate(sizes[name])) for name in GROUPS}
    calibration = replace(calibration, inflation=inflation)
    serious, mild, unknown = np.array([_score(pair, b, c, calibration, quiet) for b, c in windows]).T
    return replace(
        calibration,
        serious=max(MIN_SERIOUS, _exceeded_by(serious, FALSE_FAILS / 2)),
        mild=max(MIN_MILD, _exceeded_by(mild, FALSE_MARGINALS)),
        unknown=max(MIN_UNKNOWN, _exceeded_by(unknown, FALSE_FAILS / 2)),
    )


def _quiet(pair: Pair) -> list[Side]:
    return [side.but(pair.disturbed) for side in (pair.past_baseline, pair.past_candidate)]


def _inflation(sizes: Floats) -> float:
    """How much wider than a normal variable the past is: buckets that follow each other are alike."""
    return max(1.0, float(np.quantile(sizes, 0.95)) / NORMAL_95) if len(sizes) >= MIN_PAST_WINDOWS else 1.0


def _exceeded_by(scores: Floats, share: float) -> float:
    """Just above the score that only this share of the scores exceeds."""
    return float(np.sort(scores)[::-1][int(share * len(scores))]) * 1.001


def _past_windows(pair: Pair) -> Iterator[tuple[Side, Side]]:
    """Both nodes in undisturbed windows of the past; where one was idle, the busier node against its next window."""
    width = min(pair.buckets, MAX_PAST_BUCKETS)
    last: Side | None = None
    for until in range(pair.past_baseline.lines.shape[1], width - 1, -width):
        if pair.disturbed.intersection(range(until - width, until)):
            last = None
            continue
        b, c = (side.part(until - width, until) for side in (pair.past_baseline, pair.past_candidate))
        busier = b if b.every >= c.every else c
        if not without_work(b, c) and not without_work(c, b):
            yield b, c
        elif last is not None and not idle(busier, last) and not idle(last, busier):
            yield busier, last
        last = busier


def _score(pair: Pair, b: Side, c: Side, calibration: Calibration, quiet: list[Side]) -> tuple[float, float, float]:
    """The figures behind the verdict, whichever of the two were the candidate."""
    measured = measure(pair, b, c, calibration)
    groups = pair.groups
    size, effect = np.abs(measured.apart), np.maximum(measured.effect, 1 / measured.effect)
    serious = size[(groups == "error") & (effect >= SERIOUS_EFFECT)].max(initial=0.0)
    if max(measured.errors_effect, 1 / measured.errors_effect) >= SERIOUS_EFFECT:
        serious = max(serious, abs(measured.errors))
    mild = size[(groups != "error") & (effect >= MILD_EFFECT)].max(initial=0.0)
    error = np.array([level in SERIOUS for _, level in pair.keys])
    unknown = 0.0
    for mine in (b, c):  # without the lines of the window itself: a pattern is as unknown as it was then
        elsewhere = np.sum([side.totals for side in quiet], axis=0) - mine.totals
        only = error & (elsewhere <= 0)
        lines = max(sum(side.every for side in quiet) - mine.every, 0)
        share = min(max(mine.every, 1) / max(mine.every + lines, 1), 0.5)
        unknown = max(unknown, float((-mine.slots.sum(axis=1)[only] * np.log10(share)).max(initial=0.0)))
    return float(serious), float(mild), unknown


def _spread(pair: Pair) -> Floats:
    """Over-dispersion of each row's buckets, by moments; rare patterns borrow from their level."""
    excess, squares = np.zeros(len(pair.keys)), np.zeros(len(pair.keys))
    for side in [*_quiet(pair), pair.baseline, pair.candidate]:
        every = side.lines.sum(axis=0).astype(np.float64)
        if not every.any():
            continue
        mean = np.outer(side.totals / every.sum(), every)
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
        heavy = expected[rows] >= PRIOR_EXPECTED
        common = float(np.median(single[heavy])) if heavy.any() else DEFAULT_SPREAD
        trust = expected[rows] / (expected[rows] + PRIOR_EXPECTED)
        spreads[rows] = trust * single + (1 - trust) * common
    return spreads


def _shift(pair: Pair) -> Floats:
    """How much more of a pattern the candidate has always had: a nightly job that runs on one of two nodes is not new.

    Only where the past is sure of it, and both had traffic.
    """
    baseline, candidate = _quiet(pair)
    if idle(baseline, candidate) or idle(candidate, baseline):
        return np.zeros(len(pair.keys))
    b, c = baseline.totals, candidate.totals
    ratio = np.log((c + CONTINUITY) / ((b + CONTINUITY) * scale_of(b, c)))
    squares = _share_of_squares(baseline) + _share_of_squares(candidate)
    variance = 1 / (b + CONTINUITY) + 1 / (c + CONTINUITY) + _spread(pair) * squares
    return np.asarray(ratio * np.clip(1 - SURE_SHIFT * variance / np.maximum(ratio**2, 1e-9), 0, 1))

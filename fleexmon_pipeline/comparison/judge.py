"""The verdict: what of the candidate's patterns is unknown, missing, of unexpected frequency, and what follows.

Here: from figures to words. The figures: `measure.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import erfc, sqrt
from typing import Literal

import numpy as np

from fleexmon_pipeline.comparison.measure import (
    ENOUGH_PAST,
    FALSE_FAILS,
    MILD_EFFECT,
    SERIOUS_EFFECT,
    Usual,
    learn,
    measure,
    unknown_chance,
)
from fleexmon_pipeline.comparison.pair import MIN_LINES, SERIOUS, Pair, Side, against_before, idle
from fleexmon_pipeline.numerics import Floats
from fleexmon_pipeline.wording import counted

Verdict = Literal["pass", "marginal", "fail", "inconclusive"]
Status = Literal["unknown", "missing", "unexpected frequency", "known"]

FALSE_DISCOVERIES = 0.05  # of the patterns that are called different, at most, on average
MIN_BUCKETS = 2
MAX_GONE = 0.2  # of the baseline's lines, whose patterns the candidate has none of
_WEIGHTS: Mapping[Verdict, int] = {"fail": 0, "marginal": 1, "pass": 2, "inconclusive": 2}
_STATES: Mapping[Status, int] = {"unknown": 0, "missing": 1, "unexpected frequency": 1, "known": 2}


@dataclass(frozen=True)
class Compared:
    """One pattern at one level."""

    pattern: str
    level: str
    status: Status
    baseline: int  # lines
    candidate: int
    expected: float  # lines that the candidate would have had, from the baseline's
    chance: float  # that it is so by luck, corrected for how many patterns were looked at
    weight: Verdict  # what it asks for: fail, marginal, or pass


@dataclass(frozen=True)
class Outcome:
    verdict: Verdict
    reasons: list[str]
    patterns: list[Compared]  # what stands out first
    lines: tuple[int, int]  # baseline and candidate
    usual: Usual
    before: bool  # the baseline's lines are of before the window, in which it was idle


def compare(pair: Pair, *, baseline: str, candidate: str, known_before: Collection[str] = ()) -> Outcome:
    """`known_before`: patterns that some node had before the past that `pair` holds; rare, but not unknown."""
    earlier = against_before(pair)
    before = _was_busy(pair) and not idle(earlier.baseline, earlier.candidate)
    pair = earlier if before else pair
    usual = learn(pair)
    lacking = _lacking(pair, baseline, candidate)
    found = measure(pair, pair.baseline, pair.candidate, usual)
    others = [pair.baseline, pair.past_baseline, pair.past_candidate]
    unknown = unknown_chance(pair.candidate, others)
    unknown = np.where(np.isin([name for name, _ in pair.keys], list(known_before)), 0.0, unknown)
    chances = np.array([erfc(abs(each) / sqrt(2)) for each in found.apart])
    chances = corrected(np.where(unknown > 0, np.minimum(10.0**-unknown, 1.0), chances))
    b, c = pair.baseline.totals, pair.candidate.totals
    patterns = []
    for row in np.flatnonzero(b + c):
        pattern, level = pair.keys[row]
        counts = int(b[row]), int(c[row])
        sure = chances[row] <= FALSE_DISCOVERIES
        if unknown[row] > 0:
            status, weight = _unknown(level, sure and bool(unknown[row] >= usual.unknown), lacking)
        else:
            far, effect = float(found.apart[row]), float(found.effect[row])
            status, weight = _known(level, counts, far if sure and not lacking else 0.0, effect, usual)
        expected, chance = float(found.expected[row]), float(chances[row])
        patterns.append(Compared(pattern, level, status, *counts, expected, chance, weight))
    patterns.sort(key=_order)
    lines = (pair.baseline.every, pair.candidate.every)
    outcome = Outcome("pass", [], patterns, lines, usual, before)
    errors = not lacking and found.errors >= usual.serious and found.errors_effect >= SERIOUS_EFFECT
    told = _errors(pair, baseline, candidate) if errors else None
    verdict, reasons = _verdict(outcome, lacking, told, baseline, candidate)
    return replace(outcome, verdict=verdict, reasons=reasons)


def corrected(chances: Floats) -> Floats:
    """Benjamini and Hochberg: the false discovery rate at which each would just be called different."""
    if not len(chances):
        return chances
    order = np.argsort(chances)
    ranked = chances[order] * len(chances) / np.arange(1, len(chances) + 1)
    found = np.empty_like(chances)
    found[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return found


def _was_busy(pair: Pair) -> bool:
    """The candidate has the traffic and the baseline none: the colours were switched."""
    return pair.candidate.every >= MIN_LINES and idle(pair.baseline, pair.candidate)


def _unknown(level: str, certain: bool, lacking: str | None) -> tuple[Status, Verdict]:
    """A new error fails, also of a node that is idle; new info lines come with every deployment."""
    if certain and level in SERIOUS:
        return "unknown", "fail"
    return "unknown", "marginal" if certain and level == "warn" and not lacking else "pass"


def _known(level: str, counts: tuple[int, int], far: float, effect: float, usual: Usual) -> tuple[Status, Verdict]:
    bad, more = level in SERIOUS, effect >= 1
    times = effect if more else 1 / effect
    if abs(far) < (usual.serious if bad else usual.mild) or times < (SERIOUS_EFFECT if bad else MILD_EFFECT):
        return "known", "pass"
    status: Status = "missing" if counts[1] == 0 else "unexpected frequency"
    if bad:  # fewer errors are good news
        return status, ("fail" if usual.calibrated else "marginal") if more else "pass"
    return status, "marginal"


def _order(each: Compared) -> tuple[int, int, float, int, str]:
    lines = each.candidate + each.baseline
    return _WEIGHTS[each.weight], _STATES[each.status], each.chance, -lines, each.pattern


def _lacking(pair: Pair, baseline: str, candidate: str) -> str | None:
    """Why frequencies cannot be compared; None where they can."""
    if pair.buckets < MIN_BUCKETS:
        return "the window is too short: bursts last 15 to 30 minutes, and it takes two such stretches at least"
    b, c = pair.baseline, pair.candidate
    for node, side, other in ((candidate, c, b), (baseline, b, c)):
        if side.every < MIN_LINES:
            return f"too little data: {node} has {counted(side.every, 'line')}, and it takes {MIN_LINES}"
        if idle(side, other):
            return f"{node} is idle: {counted(b.every, 'line')} of {baseline}, {c.every:,} of {candidate}"
    return None


def _verdict(
    outcome: Outcome, lacking: str | None, errors: str | None, baseline: str, candidate: str
) -> tuple[Verdict, list[str]]:
    serious, mild = (
        {
            status: [each for each in outcome.patterns if each.weight == weight and each.status == status]
            for status in _STATES
        }
        for weight in ("fail", "marginal")
    )
    gone = sum(each.baseline for each in mild["missing"]) / max(outcome.lines[0], 1)
    told = [
        (serious["unknown"], f"never seen before: {_lines(serious['unknown'])}"),
        (
            serious["unexpected frequency"],
            f"far more frequent than expected: {_lines(serious['unexpected frequency'])}",
        ),
        (mild["unknown"], f"never seen before, as {'a warning' if len(mild['unknown']) == 1 else 'warnings'}"),
        (mild["missing"], f"of {baseline} missing at {candidate}, {gone:.0%} of its lines"),
        (mild["unexpected frequency"], "of unexpected frequency"),
    ]
    reasons = [
        f"{counted(len(each), 'error' if each[0].weight == 'fail' else 'pattern')} {words}"
        for each, words in told
        if each
    ]
    reasons += [errors] if errors else []
    wrong = any(serious.values()) or gone >= MAX_GONE or bool(errors and outcome.usual.calibrated)
    if outcome.before:
        reasons.append(f"{baseline} was idle in this window, so its lines of before it are compared")
    if lacking and not wrong:
        return "inconclusive", [lacking, *reasons]
    if lacking:
        reasons.append(f"frequencies were not compared: {lacking}")
    verdict: Verdict = "fail" if wrong else "marginal" if errors or any(mild.values()) else "pass"
    if verdict == "pass":
        new = sum(each.status == "unknown" for each in outcome.patterns)
        also = f"; {counted(new, 'pattern')} new, of no weight" if new else ""
        reasons.insert(0, f"no error is new or more frequent, and no pattern stands out{also}")
    return verdict, [*reasons, _calibration(outcome.usual)]


def _calibration(usual: Usual) -> str:
    if usual.calibrated:
        return f"calibrated by {usual.windows} quiet windows of the past, of which at most {FALSE_FAILS:.0%} would fail"
    return (
        f"not calibrated: {counted(usual.windows, 'quiet window')} of the past, and it takes {ENOUGH_PAST}; "
        "until then a frequency alone fails nothing"
    )


def _errors(pair: Pair, baseline: str, candidate: str) -> str:
    def share(side: Side) -> float:
        lines = side.totals[[level in SERIOUS for _, level in pair.keys]].sum()
        return float(lines / max(side.every, 1))

    return (
        f"errors are {share(pair.candidate):.1%} of the lines of {candidate}, {share(pair.baseline):.1%} of {baseline}"
    )


def _lines(named: list[Compared]) -> str:
    return counted(sum(each.candidate for each in named), "line")

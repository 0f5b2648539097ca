"""The verdict: which patterns of the candidate are unknown, missing or of unexpected frequency, and what follows.

Here: from figures to words. The figures: `measure.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import erfc, sqrt
from typing import Literal

import numpy as np

from fleexmon_pipeline.comparison.measure import (
    FALSE_FAILS,
    MILD_EFFECT,
    MIN_PAST_WINDOWS,
    SERIOUS_EFFECT,
    Calibration,
    learn,
    measure,
    unknown_chance,
)
from fleexmon_pipeline.comparison.pair import (
    MIN_LINES,
    MIN_UNSHARED,
    SERIOUS,
    Pair,
    Side,
    against_before,
    against_itself,
    idle,
    unshared,
    without_work,
)
from fleexmon_pipeline.comparison.renamed import lacked, renames
from fleexmon_pipeline.numerics import Floats
from fleexmon_pipeline.wording import counted

Verdict = Literal["pass", "marginal", "fail", "inconclusive"]
Reference = Literal["node", "before", "itself", "none"]
Status = Literal["unknown", "missing", "unexpected frequency", "reworded", "known"]

FALSE_DISCOVERIES = 0.05  # share of the patterns called different, at most, on average
MIN_BUCKETS = 2
MAX_GONE = 0.2  # share of the baseline's lines that are of patterns missing from the candidate
_WEIGHTS: Mapping[Verdict, int] = {"fail": 0, "marginal": 1, "pass": 2, "inconclusive": 2}
_STATES: Mapping[Status, int] = {"unknown": 0, "missing": 1, "unexpected frequency": 1, "reworded": 2, "known": 3}


@dataclass(frozen=True)
class Compared:
    """One pattern at one level."""

    pattern: str
    level: str
    status: Status
    baseline: int  # lines
    candidate: int
    expected: float  # lines of the candidate, going by the baseline's
    chance: float  # that it is luck, corrected for the number of patterns
    weight: Verdict  # what it argues for: fail, marginal, or pass


@dataclass(frozen=True)
class Outcome:
    verdict: Verdict
    reasons: list[str]
    patterns: list[Compared]  # those that stand out first
    lines: tuple[int, int]  # baseline and candidate
    calibration: Calibration
    before: bool  # the baseline's lines are from before the window, in which it was idle
    itself: bool = False  # the candidate is compared with its own lines from right before the window
    renamed: int = 0  # patterns that were reworded, and are compared as one with what they replace


def compare(
    pair: Pair, *, baseline: str, candidate: str, known_before: Collection[str] = (), templates: Mapping[str, str] = {}
) -> Outcome:
    """`known_before`: patterns that some node had before the past that `pair` holds; they are rare, but not unknown.
    `templates`: by pattern; without them nothing is recognised as reworded."""
    pair, reference = _reference(pair)
    other, baseline = baseline, f"{candidate} before the window" if reference == "itself" else baseline
    calibration = learn(pair)
    replaced = renames(pair, templates, calibration) if reference != "none" else {}
    if replaced:
        pair = pair.merged(replaced)
        calibration = learn(pair)
    reworded = set(replaced.values())
    lacking = _lacking(pair, reference, baseline, candidate)
    measured = measure(pair, pair.baseline, pair.candidate, calibration)
    others = [pair.baseline, pair.past_baseline, pair.past_candidate]
    unknown = unknown_chance(pair.candidate, others)
    unknown = np.where(np.isin([name for name, _ in pair.keys], list(known_before)), 0.0, unknown)
    chances = np.array([erfc(abs(deviations) / sqrt(2)) for deviations in measured.apart])
    chances = corrected(np.where(unknown > 0, np.minimum(10.0**-unknown, 1.0), chances))
    b, c = pair.baseline.totals, pair.candidate.totals
    starts = pair.candidate.only_at_start
    patterns = []
    for row in np.flatnonzero(b + c):
        pattern, level = pair.keys[row]
        counts = int(b[row]), int(c[row])
        sure = chances[row] <= FALSE_DISCOVERIES
        if unknown[row] > 0:
            status, weight = _unknown(level, sure and bool(unknown[row] >= calibration.unknown), lacking)
        else:
            comparable = sure and not lacking and not (starts[row] and level not in SERIOUS)
            far, effect = float(measured.apart[row]), float(measured.effect[row])
            status, weight = _known(level, counts, far if comparable else 0.0, effect, calibration)
            status = "reworded" if row in reworded and status == "known" else status
        expected, chance = float(measured.expected[row]), float(chances[row])
        patterns.append(Compared(pattern, level, status, *counts, expected, chance, weight))
    patterns.sort(key=_order)
    lines = (pair.baseline.every, pair.candidate.every)
    outcome = Outcome(
        "pass", [], patterns, lines, calibration, reference == "before", reference == "itself", len(replaced)
    )
    errors = not lacking and measured.errors >= calibration.serious and measured.errors_effect >= SERIOUS_EFFECT
    error_reason = _errors(pair, baseline, candidate) if errors else None
    verdict, reasons = _verdict(outcome, lacking, error_reason, baseline, candidate)
    if reference == "itself":
        reasons.append(f"{other} does other work, so {candidate} is compared with its own lines before the window")
    return replace(outcome, verdict=verdict, reasons=reasons)


def corrected(chances: Floats) -> Floats:
    """Benjamini and Hochberg: the false discovery rate at which each pattern would just be called different."""
    if not len(chances):
        return chances
    order = np.argsort(chances)
    ranked = chances[order] * len(chances) / np.arange(1, len(chances) + 1)
    rates = np.empty_like(chances)
    rates[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return rates


def _reference(pair: Pair) -> tuple[Pair, Reference]:
    """What the candidate is compared with: the other node; that node before the window, where the colours were
    switched; itself, where the other one does other work. None where the candidate has nothing to do."""
    if pair.candidate.every >= MIN_LINES and without_work(pair.baseline, pair.candidate):
        earlier = against_before(pair)
        if not without_work(earlier.baseline, earlier.candidate):
            return earlier, "before"
        return _itself(pair)
    if lacked(pair) < MAX_GONE:
        return pair, "node"
    return _itself(pair) if unshared(pair.recent_candidate, pair.recent_baseline) >= MIN_UNSHARED else (pair, "none")


def _itself(pair: Pair) -> tuple[Pair, Reference]:
    itself = against_itself(pair)
    return (pair, "none") if idle(itself.baseline, itself.candidate) else (itself, "itself")


def _unknown(level: str, certain: bool, lacking: str | None) -> tuple[Status, Verdict]:
    """A new error fails, even on an idle node; new info lines come with every deployment."""
    if certain and level in SERIOUS:
        return "unknown", "fail"
    return "unknown", "marginal" if certain and level == "warn" and not lacking else "pass"


def _known(
    level: str, counts: tuple[int, int], far: float, effect: float, calibration: Calibration
) -> tuple[Status, Verdict]:
    bad, more = level in SERIOUS, effect >= 1
    times = effect if more else 1 / effect
    if abs(far) < (calibration.serious if bad else calibration.mild) or times < (
        SERIOUS_EFFECT if bad else MILD_EFFECT
    ):
        return "known", "pass"
    status: Status = "missing" if counts[1] == 0 else "unexpected frequency"
    if bad:  # fewer errors are good news
        return status, ("fail" if calibration.calibrated else "marginal") if more else "pass"
    return status, "marginal"


def _order(compared: Compared) -> tuple[int, int, float, int, str]:
    lines = compared.candidate + compared.baseline
    return _WEIGHTS[compared.weight], _STATES[compared.status], compared.chance, -lines, compared.pattern


def _lacking(pair: Pair, reference: Reference, baseline: str, candidate: str) -> str | None:
    """Why frequencies cannot be compared; None where they can."""
    if pair.buckets < MIN_BUCKETS:
        return (
            "the window is too short: at least two spans of 15 to 30 minutes are needed, because bursts last that long"
        )
    b, c = pair.baseline, pair.candidate
    for node, side, other in ((candidate, c, b), (baseline, b, c)):
        if side.every < MIN_LINES:
            return f"too little data: {node} has {counted(side.every, 'line')}; at least {MIN_LINES} are needed"
        if idle(side, other):
            return f"{node} is idle: {counted(b.every, 'line')} of {baseline}, {c.every:,} of {candidate}"
    if reference == "none":
        return f"{candidate} and {baseline} do different work, and did so before the window too"
    return None


def _verdict(
    outcome: Outcome, lacking: str | None, errors: str | None, baseline: str, candidate: str
) -> tuple[Verdict, list[str]]:
    serious, mild = (
        {
            status: [one for one in outcome.patterns if one.weight == weight and one.status == status]
            for status in _STATES
        }
        for weight in ("fail", "marginal")
    )
    gone = sum(pattern.baseline for pattern in mild["missing"]) / max(outcome.lines[0], 1)
    texts = [
        (serious["unknown"], f"never seen before ({_lines(serious['unknown'])})"),
        (
            serious["unexpected frequency"],
            f"far more frequent than expected ({_lines(serious['unexpected frequency'])})",
        ),
        (mild["unknown"], f"never seen before, as {'a warning' if len(mild['unknown']) == 1 else 'warnings'}"),
        (mild["missing"], f"of {baseline} missing on {candidate} ({gone:.0%} of the lines of {baseline})"),
        (mild["unexpected frequency"], "more or less frequent than expected"),
    ]
    reasons = [
        f"{counted(len(patterns), 'error' if patterns[0].weight == 'fail' else 'pattern')} {text}"
        for patterns, text in texts
        if patterns
    ]
    reasons += [errors] if errors else []
    wrong = any(serious.values()) or gone >= MAX_GONE or bool(errors and outcome.calibration.calibrated)
    if outcome.renamed:
        reasons.append(f"{counted(outcome.renamed, 'pattern')} reworded, each compared with the pattern it replaces")
    if outcome.before:
        reasons.append(f"{baseline} was idle in this window, so its lines before the window are compared")
    if lacking and not wrong:
        return "inconclusive", [lacking, *reasons]
    if lacking:
        reasons.append(f"frequencies were not compared: {lacking}")
    verdict: Verdict = "fail" if wrong else "marginal" if errors or any(mild.values()) else "pass"
    if verdict == "pass":
        new = sum(pattern.status == "unknown" for pattern in outcome.patterns)
        also = f" ({counted(new, 'new pattern')} without effect on the verdict)" if new else ""
        reasons.insert(0, f"no new or more frequent errors, and no pattern stands out{also}")
    return verdict, [*reasons, _calibration(outcome.calibration)]


def _calibration(calibration: Calibration) -> str:
    if calibration.calibrated:
        windows = f"{calibration.windows} quiet past windows"
        return f"calibrated on {windows}, so that at most {FALSE_FAILS:.0%} of them would fail"
    return (
        f"not calibrated: {counted(calibration.windows, 'quiet past window')}, at least {MIN_PAST_WINDOWS} needed. "
        "Until then a more frequent pattern alone does not fail the comparison"
    )


def _errors(pair: Pair, baseline: str, candidate: str) -> str:
    def share(side: Side) -> float:
        lines = side.totals[[level in SERIOUS for _, level in pair.keys]].sum()
        return float(lines / max(side.every, 1))

    of_candidate, of_baseline = share(pair.candidate), share(pair.baseline)
    return f"errors are {of_candidate:.1%} of the lines of {candidate} and {of_baseline:.1%} of those of {baseline}"


def _lines(patterns: list[Compared]) -> str:
    return counted(sum(pattern.candidate for pattern in patterns), "line")

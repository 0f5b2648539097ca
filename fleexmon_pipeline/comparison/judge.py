"""The verdict: which patterns of the candidate are unknown, missing or unexpectedly frequent, and what follows.

Here: from statistics to a verdict and its reasons. The statistics: `measure.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    Measured,
    calibrate,
    measure,
    unknown_score,
)
from fleexmon_pipeline.comparison.pair import (
    MIN_LINES,
    MIN_UNSHARED,
    SERIOUS,
    Pair,
    Side,
    against_before,
    against_itself,
    has_no_work,
    idle,
    unshared,
)
from fleexmon_pipeline.comparison.renamed import renames, share_of_other_work
from fleexmon_pipeline.numerics import Floats
from fleexmon_pipeline.wording import counted

Verdict = Literal["pass", "marginal", "fail", "inconclusive"]
Reference = Literal["node", "before", "itself", "none"]
Status = Literal["unknown", "missing", "unexpected frequency", "reworded", "known"]

FALSE_DISCOVERIES = 0.05  # false discovery rate: the average share of patterns that are wrongly called different
MIN_BUCKETS = 2
MAX_MISSING_SHARE = 0.2  # share of the baseline's lines whose patterns the candidate lacks
_VERDICT_ORDER: Mapping[Verdict, int] = {"fail": 0, "marginal": 1, "pass": 2, "inconclusive": 2}
_STATUS_ORDER: Mapping[Status, int] = {"unknown": 0, "missing": 1, "unexpected frequency": 1, "reworded": 2, "known": 3}


@dataclass(frozen=True)
class ComparedPattern:
    """One pattern at one level."""

    pattern: str
    level: str
    status: Status
    baseline: int  # lines
    candidate: int
    expected: float  # lines of the candidate, from those of the baseline
    p_value: float  # corrected for the number of patterns
    verdict: Verdict  # of this pattern alone: fail, marginal or pass


@dataclass(frozen=True)
class Outcome:
    verdict: Verdict
    reasons: list[str]
    patterns: list[ComparedPattern]  # those that stand out first
    lines: tuple[int, int]  # baseline and candidate
    calibration: Calibration
    reference: Reference
    reworded: int = 0  # patterns that are compared as one with the pattern they replace


def compare(
    pair: Pair, *, baseline: str, candidate: str, known_before: Collection[str] = (), templates: Mapping[str, str] = {}
) -> Outcome:
    """Compare the candidate's window with its reference.

    `known_before`: patterns that some node had before the past that `pair` holds; they are rare, but not unknown.
    `templates`: by pattern; without them no pattern is recognised as reworded.
    """
    other_node = baseline
    pair, reference = _reference(pair)
    if reference == "itself":
        baseline = f"{candidate} before the window"
    calibration = calibrate(pair)
    replaced = renames(pair, templates, calibration) if reference != "none" else {}
    if replaced:
        pair = pair.merged(replaced)
        calibration = calibrate(pair)
    not_comparable = _why_not_comparable(pair, reference, baseline, candidate)
    measured = measure(pair, pair.baseline, pair.candidate, calibration)
    patterns = _compared_patterns(
        pair, measured, calibration, known_before, set(replaced.values()), comparable=not_comparable is None
    )
    lines = (pair.baseline.line_count, pair.candidate.line_count)
    outcome = Outcome("pass", [], patterns, lines, calibration, reference, len(replaced))
    more_errors = measured.errors >= calibration.serious and measured.errors_effect >= SERIOUS_EFFECT
    errors_reason = _errors_reason(pair, baseline, candidate) if more_errors and not not_comparable else None
    verdict, reasons = _verdict(outcome, not_comparable, errors_reason, baseline, candidate)
    if reference == "itself":
        reasons.append(f"{other_node} does other work, so {candidate} is compared with its own lines before the window")
    return replace(outcome, verdict=verdict, reasons=reasons)


def _compared_patterns(
    pair: Pair,
    measured: Measured,
    calibration: Calibration,
    known_before: Collection[str],
    reworded: Collection[int],
    *,
    comparable: bool,
) -> list[ComparedPattern]:
    """Every pattern that has lines in the window, those that stand out first.

    `reworded`: rows of `Pair.keys`; `comparable`: whether frequencies can be compared at all.
    """
    others = [pair.baseline, pair.past_baseline, pair.past_candidate]
    unknown = unknown_score(pair.candidate, others)
    unknown = np.where(np.isin([name for name, _ in pair.keys], list(known_before)), 0.0, unknown)
    p_values = np.array([erfc(abs(deviation) / sqrt(2)) for deviation in measured.deviations])
    p_values = corrected_p_values(np.where(unknown > 0, np.minimum(10.0**-unknown, 1.0), p_values))
    b, c = pair.baseline.totals, pair.candidate.totals
    only_at_start = pair.candidate.only_at_start
    patterns = []
    for row in np.flatnonzero(b + c):
        pattern, level = pair.keys[row]
        counts = int(b[row]), int(c[row])
        significant = bool(p_values[row] <= FALSE_DISCOVERIES)
        if unknown[row] > 0:
            certain = significant and bool(unknown[row] >= calibration.unknown)
            status, verdict = _status_of_unknown(level, certain=certain, comparable=comparable)
        else:
            differs = significant and comparable and not (only_at_start[row] and level not in SERIOUS)
            deviation = float(measured.deviations[row]) if differs else 0.0
            status, verdict = _status_of_known(level, counts, deviation, float(measured.effect[row]), calibration)
            status = "reworded" if row in reworded and status == "known" else status
        expected, p_value = float(measured.expected[row]), float(p_values[row])
        patterns.append(ComparedPattern(pattern, level, status, *counts, expected, p_value, verdict))
    return sorted(patterns, key=_order)


def corrected_p_values(p_values: Floats) -> Floats:
    """Benjamini and Hochberg: the false discovery rate at which each pattern would just be called different."""
    if not len(p_values):
        return p_values
    order = np.argsort(p_values)
    ranked = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    rates = np.empty_like(p_values)
    rates[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return rates


def _reference(pair: Pair) -> tuple[Pair, Reference]:
    """Choose what the candidate is compared with.

    The other node; that node before the window, if traffic was switched away from it; the candidate itself, if the
    other node does other work. "none" if the candidate did nothing before the window that it could be compared with.
    """
    if pair.candidate.line_count >= MIN_LINES and has_no_work(pair.baseline, pair.candidate):
        earlier = against_before(pair)
        if not has_no_work(earlier.baseline, earlier.candidate):
            return earlier, "before"
        return _against_itself(pair)
    if share_of_other_work(pair) < MAX_MISSING_SHARE:
        return pair, "node"
    different = unshared(pair.recent_candidate, pair.recent_baseline) >= MIN_UNSHARED
    return _against_itself(pair) if different else (pair, "none")


def _against_itself(pair: Pair) -> tuple[Pair, Reference]:
    itself = against_itself(pair)
    return (pair, "none") if idle(itself.baseline, itself.candidate) else (itself, "itself")


def _status_of_unknown(level: str, *, certain: bool, comparable: bool) -> tuple[Status, Verdict]:
    """A new error fails, even on an idle node; new info lines come with every deployment."""
    if certain and level in SERIOUS:
        return "unknown", "fail"
    return "unknown", "marginal" if certain and level == "warn" and comparable else "pass"


def _status_of_known(
    level: str, counts: tuple[int, int], deviation: float, effect: float, calibration: Calibration
) -> tuple[Status, Verdict]:
    """`counts`: lines of the baseline and the candidate; `effect`: how many times as frequent it is."""
    is_error, is_more = level in SERIOUS, effect >= 1
    threshold = calibration.serious if is_error else calibration.mild
    min_effect = SERIOUS_EFFECT if is_error else MILD_EFFECT
    if abs(deviation) < threshold or max(effect, 1 / effect) < min_effect:
        return "known", "pass"
    status: Status = "missing" if counts[1] == 0 else "unexpected frequency"
    if not is_error:
        return status, "marginal"
    if not is_more:  # fewer errors are good news
        return status, "pass"
    return status, "fail" if calibration.calibrated else "marginal"


def _order(compared: ComparedPattern) -> tuple[int, int, float, int, str]:
    lines = compared.candidate + compared.baseline
    return (
        _VERDICT_ORDER[compared.verdict], _STATUS_ORDER[compared.status], compared.p_value, -lines, compared.pattern,
    )  # fmt: skip


def _why_not_comparable(pair: Pair, reference: Reference, baseline: str, candidate: str) -> str | None:
    """Why frequencies cannot be compared; None if they can."""
    if pair.buckets < MIN_BUCKETS:
        return (
            "the window is too short: at least two spans of 15 to 30 minutes are needed, because bursts last that long"
        )
    b, c = pair.baseline, pair.candidate
    for node, side, other in ((candidate, c, b), (baseline, b, c)):
        if side.line_count < MIN_LINES:
            return f"too little data: {node} has {counted(side.line_count, 'line')}; at least {MIN_LINES} are needed"
        if idle(side, other):
            return f"{node} is idle: {counted(b.line_count, 'line')} of {baseline}, {c.line_count:,} of {candidate}"
    if reference == "none":
        return f"{candidate} and {baseline} do different work, and did so before the window too"
    return None


def _verdict(
    outcome: Outcome, not_comparable: str | None, errors_reason: str | None, baseline: str, candidate: str
) -> tuple[Verdict, list[str]]:
    failing, marginal = (_by_status(outcome.patterns, verdict) for verdict in ("fail", "marginal"))
    missing_share = sum(pattern.baseline for pattern in marginal["missing"]) / max(outcome.lines[0], 1)
    reasons = _pattern_reasons(failing, marginal, missing_share, baseline, candidate)
    reasons += [errors_reason] if errors_reason else []
    if outcome.reworded:
        reasons.append(f"{counted(outcome.reworded, 'pattern')} reworded, each compared with the pattern it replaces")
    if outcome.reference == "before":
        reasons.append(f"{baseline} was idle in this window, so its lines before the window are compared")
    errors_fail = errors_reason is not None and outcome.calibration.calibrated
    fails = any(failing.values()) or missing_share >= MAX_MISSING_SHARE or errors_fail
    if not_comparable and not fails:
        return "inconclusive", [not_comparable, *reasons]
    if not_comparable:
        reasons.append(f"frequencies were not compared: {not_comparable}")
    verdict: Verdict = "fail" if fails else "marginal" if errors_reason or any(marginal.values()) else "pass"
    if verdict == "pass":
        new = sum(pattern.status == "unknown" for pattern in outcome.patterns)
        also = f" ({counted(new, 'new pattern')} without effect on the verdict)" if new else ""
        reasons.insert(0, f"no new or more frequent errors, and no pattern stands out{also}")
    return verdict, [*reasons, _calibration_reason(outcome.calibration)]


def _by_status(patterns: Sequence[ComparedPattern], verdict: str) -> dict[Status, list[ComparedPattern]]:
    """The patterns with this verdict."""
    return {
        status: [pattern for pattern in patterns if (pattern.verdict, pattern.status) == (verdict, status)]
        for status in _STATUS_ORDER
    }


def _pattern_reasons(
    failing: Mapping[Status, list[ComparedPattern]],
    marginal: Mapping[Status, list[ComparedPattern]],
    missing_share: float,
    baseline: str,
    candidate: str,
) -> list[str]:
    new_errors, more_errors = failing["unknown"], failing["unexpected frequency"]
    new_warnings, missing = marginal["unknown"], marginal["missing"]
    texts = [
        (new_errors, f"never seen before ({_lines(new_errors)})"),
        (more_errors, f"far more frequent than expected ({_lines(more_errors)})"),
        (new_warnings, f"never seen before, as {'a warning' if len(new_warnings) == 1 else 'warnings'}"),
        (missing, f"of {baseline} missing on {candidate} ({missing_share:.0%} of the lines of {baseline})"),
        (marginal["unexpected frequency"], "more or less frequent than expected"),
    ]
    return [
        f"{counted(len(patterns), 'error' if patterns[0].verdict == 'fail' else 'pattern')} {text}"
        for patterns, text in texts
        if patterns
    ]


def _calibration_reason(calibration: Calibration) -> str:
    if calibration.calibrated:
        windows = f"{calibration.windows} quiet past windows"
        return f"calibrated on {windows}, so that at most {FALSE_FAILS:.0%} of them would fail"
    return (
        f"not calibrated: {counted(calibration.windows, 'quiet past window')}, at least {MIN_PAST_WINDOWS} needed. "
        "Until then a more frequent pattern alone does not fail the comparison"
    )


def _errors_reason(pair: Pair, baseline: str, candidate: str) -> str:
    def share(side: Side) -> float:
        lines = side.totals[[level in SERIOUS for _, level in pair.keys]].sum()
        return float(lines / max(side.line_count, 1))

    of_candidate, of_baseline = share(pair.candidate), share(pair.baseline)
    return f"errors are {of_candidate:.1%} of the lines of {candidate} and {of_baseline:.1%} of those of {baseline}"


def _lines(patterns: list[ComparedPattern]) -> str:
    return counted(sum(pattern.candidate for pattern in patterns), "line")

"""Patterns that look missing and are not: a new version reworded them, or the candidate never logged them.

Here: which unknown pattern replaces which missing one, by words, level and frequency; and how much of the baseline's
work the candidate did not do before the window either. The verdict: `judge.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

import numpy as np

from fleexmon_pipeline.comparison.measure import CONTINUITY, Calibration, scale_of
from fleexmon_pipeline.comparison.pair import MIN_UNSHARED, SERIOUS, Pair
from fleexmon_pipeline.numerics import Flags, Floats

# By judgement, not by experiment.
MIN_SIMILARITY, MIN_ERROR_SIMILARITY = 0.6, 0.8  # of words, in order; one word can be all that tells two errors apart
MAX_RATIO = 3.0  # of the new pattern's frequency and that of the one it replaces, either way
MAX_TRIED = 100  # missing patterns, and new ones: those with most lines, as the words of every two are compared
MIN_EXPECTED = 3.0  # lines: with fewer expected, more than 5 % of the windows have none by chance
_FAILURE = re.compile(
    r"(?i)\b(?:fail|error|exception|abort|reject|refus|den(?:y|ied)|declin|invalid|timed? ?out|unable|cannot|could not|"
    r"can't|not |no |without|lost|gave up|giv(?:e|es|ing) up|skip|drop|expired|unavailable|missing)"
)


def renames(pair: Pair, templates: Mapping[str, str], calibration: Calibration) -> dict[int, int]:
    """Missing row → new row that replaces it, each at most once, the most similar first."""
    b, c = pair.baseline.totals, pair.candidate.totals
    expected = b * scale_of(b, c) * np.exp(calibration.shift)
    missing = _most_frequent((c == 0) & (expected >= MIN_EXPECTED), b)
    new = _most_frequent((b == 0) & (c > 0) & (pair.past_baseline.totals == 0), c)
    words = {row: templates.get(pair.keys[row][0], "").split() for row in (*missing, *new)}
    candidates: list[tuple[float, float, int, int]] = []
    for new_row in new:
        level = pair.keys[new_row][1]
        for old_row in missing:
            log_ratio = abs(float(np.log((c[new_row] + CONTINUITY) / (expected[old_row] + CONTINUITY))))
            if level == pair.keys[old_row][1] and log_ratio <= np.log(MAX_RATIO):
                similarity = _similarity(words[new_row], words[old_row])
                if similarity >= (MIN_ERROR_SIMILARITY if level in SERIOUS else MIN_SIMILARITY):
                    candidates.append((-similarity, log_ratio, new_row, old_row))
    replaced: dict[int, int] = {}
    for _, _, new_row, old_row in sorted(candidates):
        if old_row not in replaced and new_row not in replaced.values():
            replaced[old_row] = new_row
    return replaced


def _most_frequent(rows: Flags, lines: Floats) -> list[int]:
    candidates: list[int] = np.flatnonzero(rows).tolist()
    return sorted(candidates, key=lambda row: (-lines[row], row))[:MAX_TRIED]


def _similarity(new: Sequence[str], old: Sequence[str]) -> float:
    """The share of their words that two templates have in common, in order.

    0 if they share placeholders only, or if the new one reports a failure and the old one does not.
    """
    if not any(word in old for word in new if "<" not in word):
        return 0.0
    if 2 * (Counter(new) & Counter(old)).total() < MIN_SIMILARITY * (len(new) + len(old)):
        return 0.0  # too few in any order; much cheaper to find than the order
    if _FAILURE.search(" ".join(new)) and not _FAILURE.search(" ".join(old)):
        return 0.0
    return SequenceMatcher(None, new, old, autojunk=False).ratio()


def share_of_other_work(pair: Pair) -> float:
    """The share of the baseline's lines that are of work which the candidate does not do, and did not do before.

    By patterns that the baseline had right before the window and the candidate had not. 0 if the candidate has taken up
    most of that work since.
    """
    recent_b, recent_c = pair.recent_baseline.totals, pair.recent_candidate.totals
    b, c = pair.baseline.totals, pair.candidate.totals
    not_done_before = (recent_c == 0) & (recent_b * scale_of(recent_b, recent_c) >= MIN_EXPECTED)
    lines = float(b[not_done_before].sum())
    lines_not_done_yet = float(b[not_done_before & (c == 0)].sum())
    return 0.0 if lines_not_done_yet < MIN_UNSHARED * lines else lines_not_done_yet / max(pair.baseline.line_count, 1)

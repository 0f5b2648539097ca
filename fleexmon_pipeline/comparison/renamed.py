"""What a new version merely says in other words, and what a node never said: neither is a loss.

Here: which unknown pattern is a missing one reworded, by its shape, level and share; and how much of the baseline's
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
MIN_ALIKE, MIN_ALIKE_ERROR = 0.6, 0.8  # of the words of both templates, in order; one word of an error may be all of it
MAX_TIMES = 3.0  # as frequent as what it replaces; the merged pattern is then compared by its frequency
MAX_TRIED = 100  # of the missing and of the new patterns, those with most lines: words of each pair are compared
MIN_EXPECTED = 3.0  # lines: with fewer, having none is luck in more than 5 % of the windows
_FAILURE = re.compile(
    r"(?i)\b(?:fail|error|exception|abort|reject|refus|den(?:y|ied)|declin|invalid|timed? ?out|unable|cannot|could not|"
    r"can't|not |no |without|lost|gave up|giv(?:e|es|ing) up|skip|drop|expired|unavailable|missing)"
)


def renames(pair: Pair, templates: Mapping[str, str], calibration: Calibration) -> dict[int, int]:
    """Row of the baseline alone → row of the candidate alone that replaces it, each at most once, most alike first."""
    b, c = pair.baseline.totals, pair.candidate.totals
    expected = b * scale_of(b, c) * np.exp(calibration.shift)
    gone = _heaviest((c == 0) & (expected >= MIN_EXPECTED), b)
    come = _heaviest((b == 0) & (c > 0) & (pair.past_baseline.totals == 0), c)
    words = {row: templates.get(pair.keys[row][0], "").split() for row in (*gone, *come)}
    alike: list[tuple[float, float, int, int]] = []
    for new in come:
        for old in gone:
            times = abs(float(np.log((c[new] + CONTINUITY) / (expected[old] + CONTINUITY))))
            if pair.keys[new][1] == pair.keys[old][1] and times <= np.log(MAX_TIMES):
                share = _alike(words[new], words[old])
                if share >= (MIN_ALIKE_ERROR if pair.keys[new][1] in SERIOUS else MIN_ALIKE):
                    alike.append((-share, times, new, old))
    replaced: dict[int, int] = {}
    for _, _, new, old in sorted(alike):
        if old not in replaced and new not in replaced.values():
            replaced[old] = new
    return replaced


def _heaviest(rows: Flags, lines: Floats) -> list[int]:
    places: list[int] = np.flatnonzero(rows).tolist()
    return sorted(places, key=lambda row: (-lines[row], row))[:MAX_TRIED]


def _alike(one: Sequence[str], other: Sequence[str]) -> float:
    """How many of their words two templates share, in order. Placeholders alone make none alike, and what begins to
    tell of a failure says something else."""
    if not any(word in other for word in one if "<" not in word):
        return 0.0
    if 2 * (Counter(one) & Counter(other)).total() < MIN_ALIKE * (len(one) + len(other)):
        return 0.0  # in whatever order
    if _FAILURE.search(" ".join(one)) and not _FAILURE.search(" ".join(other)):
        return 0.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def lacked(pair: Pair) -> float:
    """The share of the baseline's lines whose patterns the candidate has neither in the window nor had right before it,
    though the baseline had them then. 0 where the candidate has taken up most of such work since."""
    recent_b, recent_c = pair.recent_baseline.totals, pair.recent_candidate.totals
    b, c = pair.baseline.totals, pair.candidate.totals
    before = (recent_c == 0) & (_expected(recent_b, recent_c) >= MIN_EXPECTED)
    of_these = float(b[before].sum())
    still = float(b[before & (c == 0)].sum())
    return 0.0 if still < MIN_UNSHARED * of_these else still / max(pair.baseline.every, 1)


def _expected(b: Floats, c: Floats) -> Floats:
    return b * scale_of(b, c)

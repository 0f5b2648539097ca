"""How likely it is that a share of lines climbs, rather than that there is a burst or nothing; and where it leads.

Here: arithmetic on quarters of an hour, without a database and without a decision. The decision: `crossing.py`; why
this way, and how well it does: docs/decisions/0015.

Each of many ramps (when it began, how steep it is) is weighed by how well it explains the counts of the last hours
beyond the normal; so is each burst (from when to when, how high). The mean over all ramps is the evidence for a ramp,
whatever its parameters, and likewise for bursts. The coming hours follow from the weights of the ramps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleexmon_pipeline.numerics import Floats

BINS = 48  # quarters of an hour, 12 hours
A_BIN, AN_HOUR = 3, 12  # slots of 5 minutes
# Hours ago: quarters of an hour apart where the beginning can still be told, hours where it cannot.
BEGAN = np.concatenate([np.arange(0.5, 6.01, 0.25), np.arange(7.0, 12.01)])
# Hours from nothing to the threshold. Anything faster crosses before anyone has read about it.
TAKES = np.geomspace(1.25, 24, 16)
LEVELS = np.geomspace(0.1, 6, 12)  # of a burst, in thresholds
RESTLESS = 0.1  # variance of a quarter's share beyond chance, in its squares: a third up or down is nothing
BLIP = 2.5  # standard deviations beyond the hour around it; a blip of a minute is neither ramp nor burst

_MIDDLES = (np.arange(-BINS, 0) + 0.5) / 4  # hours before now
# Began by takes by bin, in thresholds.
_CLIMB = np.maximum(0.0, _MIDDLES + BEGAN[:, None])[:, None, :] / TAKES[None, :, None]
_FROM, _TO = np.triu_indices(BINS + 1, 1)


@dataclass(frozen=True)
class Evidence:
    """`ramp`, `burst`: log of how much better than the normal they explain the counts. `weights`: began by takes."""

    ramp: float
    burst: float
    weights: Floats  # their sum is 1

    @property
    def began(self) -> float:
        """Hours ago: the median over the weights."""
        return float(BEGAN[np.searchsorted(np.cumsum(self.weights.sum(axis=1)), 0.5).clip(max=len(BEGAN) - 1)])


def without_blips(slots: Floats) -> Floats:
    """Counts of slots, each at most what the hour around it makes likely."""
    around = np.ones(AN_HOUR + 1)
    around[AN_HOUR // 2] = 0.0
    mean = np.convolve(slots, around, "same") / np.convolve(np.ones(len(slots)), around, "same")
    capped: Floats = np.minimum(slots, np.ceil(mean + BLIP * np.sqrt(mean) + 1))
    return capped


def weigh(errors: Floats, lines: Floats, normal: Floats, stray: float, threshold: float) -> Evidence:
    """From BINS quarters, oldest first; 0 of 0 where nothing is known. `normal`: the share each would have, above 0;
    `stray`: variance of its counts as a multiple of chance's."""
    mean = np.convolve(errors, np.ones(5), "same") / np.convolve(np.ones(BINS), np.ones(5), "same")
    sure = 1 / (stray + RESTLESS * mean)
    rates = normal + threshold * _CLIMB
    ramps = np.sum(sure * (errors * np.log(rates / normal) - lines * (rates - normal)), axis=-1)
    beyond = threshold * LEVELS[:, None]
    gains = np.cumsum(sure * (errors * np.log1p(beyond / normal) - lines * beyond), axis=1)
    gains = np.concatenate([np.zeros((len(LEVELS), 1)), gains], axis=1)
    bursts = gains[:, _TO] - gains[:, _FROM]
    weights = np.exp(ramps - ramps.max())
    return Evidence(_log_mean(ramps), _log_mean(bursts), weights / weights.sum())


def crossed_by(evidence: Evidence, hours: int, normal: float, lines: float, stray: float, threshold: float) -> Floats:
    """The chance that one of the next 1, 2, ... `hours` hours has a share above the threshold, if there is a ramp.

    `lines`: of each hour; `normal`: their normal share.
    """
    ahead = np.arange(1, hours + 1) - 0.5
    rates = normal + threshold * (BEGAN[:, None, None] + ahead) / TAKES[None, :, None]
    below = 1 - _normal((rates - threshold) / np.sqrt(stray * rates / lines))
    chances: Floats = 1 - np.sum(evidence.weights[:, :, None] * np.cumprod(below, axis=-1), axis=(0, 1))
    return chances


def _log_mean(logs: Floats) -> float:
    most = float(logs.max())
    return most + float(np.log(np.exp(logs - most).mean()))


def _normal(z: Floats) -> Floats:
    """The normal distribution, within 0.0003 (numpy has none)."""
    chance: Floats = 0.5 * (1 + np.tanh(0.7978845608 * (z + 0.044715 * z**3)))
    return chance

"""Values in lines that have always varied and are now constant: a sensor that hangs, a request that is repeated.

Normal variety: `baselines/values/variety.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.expectation import limit, share_needed
from fleexmon_pipeline.baselines.slot_grid import trailing
from fleexmon_pipeline.baselines.values.variety import stands_still, variety
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.rule_kinds import Stuck
from fleexmon_pipeline.window import DAY, SLOT


def stuck(rule: Stuck, observation: Observation) -> Iterator[Hit]:
    """Constant values. Among several windows, yields the longest; among several values, the first."""
    baseline, grid = observation.baseline, observation.grid
    if baseline is None or not grid.varieties:
        return
    has_history = observation.has_history(rule.history / DAY)
    if not has_history.any():
        return
    alarms = observation.alarms(rule.name, rule.stuck.false_alarms) / len(rule.stuck.at_least)
    best: dict[tuple[str, int], Hit] = {}
    for within, at_least in sorted(rule.stuck.at_least.items()):
        series = Series(rule.where.level, "variety", within // SLOT)
        if series.name not in baseline.limits:
            continue
        needed = limit(baseline, series, alarms)
        width, recent = series.width, max(series.width // 3, 1)
        for (name, group), of_pattern in grid.varieties.items():
            learnt = baseline.patterns.get(name, {}).get(group) if group in series.groups else None
            if learnt is None or not learnt.variety:
                continue
            still = stands_still(of_pattern, learnt.variety, width)
            for field, surprise in sorted(still, key=lambda one: one[0], reverse=True):
                lowest = learnt.variety[f"{field}/{width}"]
                share, compared = variety(of_pattern, field, width)
                lately, compared_lately = variety(of_pattern, field, recent)
                holds = has_history & (compared >= at_least) & (compared_lately > 0)
                holds &= surprise >= needed
                holds &= (share <= rule.stuck.below * lowest) & (lately <= rule.stuck.below * lowest)
                if not holds.any():
                    continue
                lines = trailing(np.sum([row for (pattern, _), row in zip(grid.keys, grid.counts, strict=True)
                                         if pattern == name], axis=0), width)  # fmt: skip
                for slot in np.flatnonzero(holds).tolist():
                    of_budget = share_needed(baseline, series, alarms, float(surprise[slot]))
                    best[name, slot] = Hit(slot, name, int(lines[slot]), None, width, field=field, of_budget=of_budget)
    yield from sorted(best.values(), key=lambda hit: hit.slot)

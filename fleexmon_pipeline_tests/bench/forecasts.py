"""Forecasts on replays with a known truth: do intervals hold, and are ramps announced before they cross a threshold?

From counts in memory, through the functions that the stage calls for each node and hour. Tuned on seeds 0 to 11:
report on others.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_kinds import Ratio
from fleexmon_pipeline.forecasting.forecasts import HORIZONS, NodeSeries, first_crossed
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.window import HOUR, SLOT
from fleexmon_pipeline_tests.bench.replays import Setting, generate, lines_of, script, slot_number
from fleexmon_pipeline_tests.bench.table import Row, Table

FROM_DAY = 3  # there is history to forecast from
GRACE = 6  # hours: announcements no farther apart are one issue
LONG = 2.0  # hours that a ramp takes to cross, to be announced at all


@dataclass(frozen=True)
class Announcement:
    seed: int
    node: str
    hour: int  # at whose end it was made
    during: str  # kind of incident, or "calm"
    low: float
    high: float
    actual: int | None

    @property
    def came_true(self) -> bool:
        return self.actual is not None


@dataclass
class Scores:
    node_days: float = 0.0
    announced: list[Announcement] = field(default_factory=list)
    firsts: list[Announcement] = field(default_factory=list)  # one per issue
    ramps: list[tuple[float, float | None]] = field(
        default_factory=list
    )  # hours it takes; hours announced ahead, None: not announced
    held: Counter[str] = field(default_factory=Counter)
    forecast: Counter[str] = field(default_factory=Counter)

    def row(self, what: str, seeds: int) -> Row:
        long = [before for takes, before in self.ramps if takes >= LONG]
        ahead = [before for before in long if before is not None]
        short = [before for takes, before in self.ramps if takes < LONG]
        came = sum(first.came_true for first in self.firsts)
        return {
            "what": what,
            "seeds": seeds,
            "long_ramps_told": f"{len(ahead)} of {len(long)}",
            "before_h": f"{median(ahead):.1f}" if ahead else "-",
            "short_ramps_told": f"{sum(before is not None for before in short)} of {len(short)}",
            "issues": len(self.firsts),
            "came_true": came,
            "wrong_a_node_day": f"{(len(self.firsts) - came) / self.node_days:.4f}",
            "each_hour_in_interval": _share(
                sum(one.came_true and one.low <= (one.actual or 0) for one in self.announced), len(self.announced)
            ),
            "lines_held": _share(self.held["lines"], self.forecast["lines"]),
            "error_rates_held": _share(self.held["error-rate"], self.forecast["error-rate"]),
        }


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


def measure(seeds: Sequence[int], settings: Sequence[Setting]) -> Table:
    table = Table(
        "forecasts: intervals, and ramps announced before they cross", "through the stage's functions, from memory"
    )
    for setting in settings:
        scores = Scores()
        for seed in seeds:
            _add(scores, seed, *counted(seed, setting))
        table.rows.append(scores.row(setting.name, len(seeds)))
        wrong = Counter(first.during for first in scores.firsts if not first.came_true)
        table.note += f"\n  {setting.name}: wrong during {dict(wrong)}"
    return table


def counted(seed: int, setting: Setting) -> tuple[dict[str, Any], pd.DataFrame]:
    """The truth, and lines by (node, slot) and level, as from `slot_series`."""
    source = script()
    if source is None:
        raise FileNotFoundError("shared/replay/incident_replay.py is not here")
    with tempfile.TemporaryDirectory(prefix="fleexmon-replay-") as made:
        generate(source, seed, setting, Path(made))
        truth: dict[str, Any] = json.loads((Path(made) / "incidents.json").read_text())
        begin, end = (datetime.fromisoformat(truth[name]) for name in ("start", "end"))
        slots = pd.date_range(begin, end, freq=SLOT, inclusive="left")
        frames = []
        for node in truth["nodes"]:
            counts = np.zeros((len(slots), len(LEVELS)), np.int64)
            for slot, _, level, *_ in lines_of(Path(made) / f"{node}.ndjson", node):
                counts[slot - slot_number(begin), LEVELS.index(level)] += 1
            frames.append(pd.DataFrame(counts, index=slots, columns=[*LEVELS]))
    frame = pd.concat(frames, keys=truth["nodes"], names=["node", "hour"])
    return truth, frame.assign(lines=frame.sum(axis=1), covered=True)


def _add(scores: Scores, seed: int, truth: dict[str, Any], slots: pd.DataFrame) -> None:
    (rule,) = (rule for rule in load_rules().rules if rule.name == "high-error-rate" and isinstance(rule, Ratio))
    hourly = slots.groupby([pd.Grouper(level="node"), pd.Grouper(level="hour", freq="h")]).sum().assign(covered=True)
    for node in truth["nodes"]:
        hours = hourly.loc[node]
        series = NodeSeries(node, hours, slots.loc[node], {})
        incidents = [incident for incident in truth["incidents"] if incident["node"] == node]
        announced: list[Announcement] = []
        for hour in range(FROM_DAY * 24, len(hours) - max(HORIZONS)):
            for row in series.forecasts(series.first + hour * HOUR, [rule]):
                if row["figures"] is None:
                    _held(scores, row, hours)
                    continue
                end = series.first + hour * HOUR
                actual, _ = first_crossed(hourly, node, end, row["horizon"], row["figures"].obj)
                during = [one["kind"] for one in incidents if _begins(one) < end <= _ends(one) + HOUR]
                announced.append(
                    Announcement(seed, node, hour, (during or ["calm"])[0], row["low"], row["high"], actual)
                )
        scores.node_days += (len(hours) - FROM_DAY * 24 - max(HORIZONS)) / 24
        scores.announced += announced
        scores.firsts += _one_per_issue(announced)
        scores.ramps += _ramps(hours, incidents, rule, announced)


def _held(scores: Scores, row: dict[str, Any], hours: pd.DataFrame) -> None:
    subject, of_hour = row["subject"], hours.loc[pd.Timestamp(row["hour"])]
    if subject == "error-rate" and of_hour["lines"]:
        actual = (of_hour["error"] + of_hour["fatal"]) / of_hour["lines"]
    elif subject == "lines":
        actual = of_hour["lines"]
    else:
        return
    scores.forecast[subject] += 1
    scores.held[subject] += bool(row["low"] <= actual <= row["high"])


def _one_per_issue(announced: Sequence[Announcement]) -> Iterator[Announcement]:
    last = -GRACE - 1
    for announcement in announced:
        if announcement.hour - last > GRACE:
            yield announcement
        last = announcement.hour


def _ramps(
    hours: pd.DataFrame, incidents: Sequence[dict[str, Any]], rule: Ratio, announced: Sequence[Announcement]
) -> Iterator[tuple[float, float | None]]:
    """A ramp crosses in the middle of the first hour of which more than the threshold are errors; those that never do
    are skipped. An announcement counts if it was made before that hour begins."""
    first = hours.index[0].to_pydatetime()
    above = (hours["error"] + hours["fatal"] > rule.ratio.more_than * hours["lines"]) & (
        hours["lines"] > rule.ratio.total_more_than
    )
    for incident in incidents:
        if incident["kind"] == "slow_ramp":
            begin, end = ((moment(incident) - first) / HOUR for moment in (_begins, _ends))
            crossed = next((hour for hour in range(int(begin), int(end) + 1) if above.iloc[hour]), None)
            if crossed is not None:
                hours_before = [one.hour for one in announced if begin < one.hour <= crossed]
                yield crossed + 0.5 - begin, crossed + 0.5 - min(hours_before) if hours_before else None


def _begins(incident: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(incident["start"])


def _ends(incident: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(incident["end"])

"""The kinds of rules: what each counts, needs and shows.

Here: one class per kind, which pydantic checks. What all rules have: `rule_model.py`; parameters: `rule_parameters.py`;
when a rule fires: `conditions/by_kind.py`, `divergence.py` and `forecasting/predictors.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import field_validator, model_validator

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR
from fleexmon_pipeline.detection.rule_model import (
    AnyLevels,
    Bare,
    Detector,
    DetectorBase,
    Levels,
    LevelsAndText,
    NoSamples,
    OfLines,
    PatternLines,
    Predictor,
    Where,
)
from fleexmon_pipeline.detection.rule_parameters import (
    Apart,
    Coming,
    Diverging,
    Falling,
    Growing,
    Jump,
    NewPattern,
    NodeCount,
    NodeRatio,
    Open,
    OpenIssues,
    Past,
    PatternCount,
    Replacing,
    Rising,
    Still,
    Unusual,
)
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.window import HOUR, SLOT
from fleexmon_pipeline.wording import percent

GATE_ALARMS = 0.003  # a day and node: how often chance alone may cross a threshold and be reported


class Ratio(Detector, OfLines, Bare):
    """The share of a node's lines that match `where`."""

    figures = frozenset({"node", "count", "total", "rate", "threshold", "within", "top_pattern"})
    kind: Literal["ratio"]
    where: Levels
    ratio: NodeRatio

    @property
    def width(self) -> int:
        return self.ratio.within // SLOT

    @property
    def threshold(self) -> float:
        return self.ratio.more_than

    def threshold_text(self) -> str:
        return percent(self.threshold)

    @property
    def false_alarms(self) -> float:
        return 0.0 if self.bare else GATE_ALARMS

    def series(self) -> list[Series]:
        return [Series(self.where.level, "node", self.width)]


class Repeated(Detector, OfLines, Bare):
    """One pattern of a node, again and again."""

    figures = frozenset({"node", "count", "threshold", "within", "pattern", "template"})
    kind: Literal["repeated"]
    where: Levels
    count: PatternCount

    @property
    def width(self) -> int:
        return self.count.within // SLOT

    @property
    def per_pattern(self) -> bool:
        return True

    @property
    def threshold(self) -> int:
        return self.count.more_than

    @property
    def false_alarms(self) -> float:
        return 0.0 if self.bare else GATE_ALARMS

    def series(self) -> list[Series]:
        return [Series(self.where.level, "pattern", self.width)]


class Threshold(Detector, OfLines, Bare):
    """The number of a node's lines that match `where`. Texts are compared with the lines themselves."""

    figures = frozenset({"node", "count", "threshold", "within", "top_pattern"})
    kind: Literal["threshold"]
    where: Where
    count: NodeCount

    @field_validator("where")
    @classmethod
    def _names_some_lines(cls, where: Where) -> Where:
        if where.level is None and not where.has_words:
            raise ValueError("level, message or matches is needed: without them every line would count")
        return where

    @property
    def width(self) -> int:
        return self.count.within // SLOT

    @property
    def threshold(self) -> int:
        return self.count.more_than

    @property
    def false_alarms(self) -> float:
        return 0.0 if self.bare or self.where.has_words else GATE_ALARMS

    def series(self) -> list[Series]:
        return [] if self.where.has_words else [Series(self.where.level, "node", self.width)]


class Rate(Detector, OfLines):
    """More lines of a node, or of one of its patterns, than expected over one of several windows."""

    figures = frozenset({"node", "count", "expected", "times", "within", "pattern", "template", "top_pattern"})
    kind: Literal["rate"]
    where: PatternLines = PatternLines()
    rate: Unusual
    history: Past = timedelta(days=3)

    @model_validator(mode="after")
    def _texts_are_of_patterns(self) -> Rate:
        if self.has_texts and not self.per_pattern:
            raise ValueError("matches needs `per: pattern`: a node's lines are counted without their texts")
        if self.rate.capped and (self.per_pattern or not self.of_failures):
            raise ValueError("capped needs `per: node` and levels above info: warn, error, fatal")
        return self

    @property
    def has_texts(self) -> bool:
        return self.where.matches is not None

    @property
    def of_failures(self) -> bool:
        """Whether it counts no everyday lines."""
        return self.has_texts or (self.where.level is not None and "info" not in self.where.level)

    @property
    def look_back(self) -> int:
        return HOUR // SLOT if self.of_failures else super().look_back  # errors are expected by the load alone

    @property
    def width(self) -> int:
        return max(self.rate.at_least) // SLOT

    @property
    def per_pattern(self) -> bool:
        return self.rate.per == "pattern"

    @property
    def false_alarms(self) -> float:
        return self.rate.false_alarms

    def series(self) -> list[Series]:
        return [self.series_of(within // SLOT) for within in self.rate.at_least]

    def series_of(self, width: int) -> Series:
        return Series(self.where.level, self.rate.per, width, capped=self.rate.capped)


class Drop(Detector, OfLines):
    """Fewer lines of a node than expected, and no other node has them instead."""

    figures = frozenset({"node", "count", "expected", "share", "within"})
    absence = True
    kind: Literal["drop"]
    where: AnyLevels = AnyLevels()
    drop: Falling
    history: Past = timedelta(days=3)
    samples: NoSamples = ()

    @property
    def width(self) -> int:
        return max(self.drop.at_least) // SLOT

    @property
    def false_alarms(self) -> float:
        return self.drop.false_alarms

    def series(self) -> list[Series]:
        return [Series(self.where.level, "node", within // SLOT, falls=True) for within in self.drop.at_least]


class Beside(Detector):
    """Fewer lines of a message than those of the message that it comes with let expect: responses for requests."""

    figures = frozenset({"node", "count", "expected", "share", "within", "pattern", "template", "companion"})
    absence = True
    kind: Literal["companion"]
    companion: Apart
    history: Past = timedelta(days=3)
    samples: NoSamples = ()

    @property
    def width(self) -> int:
        return max(self.companion.at_least) // SLOT

    @property
    def per_pattern(self) -> bool:
        return True

    @property
    def false_alarms(self) -> float:
        return self.companion.false_alarms

    def series(self) -> list[Series]:
        return [Series(None, "companion", within // SLOT, falls=True) for within in self.companion.at_least]


class Unfinished(Detector):
    """Runs that start and do not end: of two messages that come one for one, one piles up over hours."""

    figures = frozenset({"node", "count", "expected", "share", "within", "pattern", "template", "companion"})
    absence = True
    kind: Literal["unfinished"]
    unfinished: Open
    history: Past = timedelta(days=3)
    samples: NoSamples = ()

    @property
    def width(self) -> int:
        return max(self.unfinished.at_least) // SLOT

    @property
    def per_pattern(self) -> bool:
        return True

    def series(self) -> list[Series]:
        return [Series(None, "start", within // SLOT, falls=True) for within in self.unfinished.at_least]


class Missed(Detector):
    """A message that comes by the clock and has not come."""

    figures = frozenset({"node", "pattern", "template", "within"})
    absence = True
    kind: Literal["missed"]
    samples: NoSamples = ()

    @property
    def per_pattern(self) -> bool:
        return True


class Value(Detector, OfLines):
    """Durations in the lines of some pattern of a node that have grown."""

    figures = frozenset({"node", "count", "figure", "value", "expected", "times", "within", "pattern", "template"})
    kind: Literal["value"]
    where: AnyLevels = AnyLevels()
    value: Growing
    history: Past = timedelta(days=3)
    samples: NoSamples = ()

    @property
    def width(self) -> int:
        return max(self.value.at_least) // SLOT

    @property
    def false_alarms(self) -> float:
        return self.value.false_alarms

    def series(self) -> list[Series]:
        widths = [within // SLOT for within in self.value.at_least]
        return [Series(self.where.level, per, width) for width in widths for per in ("duration", "durations")]


class Stuck(Detector, OfLines):
    """Values in the lines of a pattern that have always varied and do not."""

    figures = frozenset({"node", "count", "within", "pattern", "template", "field"})
    kind: Literal["stuck"]
    where: AnyLevels = AnyLevels()
    stuck: Still
    history: Past = timedelta(days=3)
    samples: NoSamples = ()

    @property
    def width(self) -> int:
        return max(self.stuck.at_least) // SLOT

    @property
    def per_pattern(self) -> bool:
        return True

    def series(self) -> list[Series]:
        return [Series(self.where.level, "variety", within // SLOT) for within in self.stuck.at_least]


class Instead(Detector, OfLines):
    """A message that comes instead of a part of another one that begins alike."""

    figures = frozenset({"node", "count", "expected", "times", "within", "pattern", "template", "companion"})
    kind: Literal["instead"]
    where: AnyLevels = AnyLevels()
    instead: Replacing
    history: Past = timedelta(days=3)
    samples: NoSamples = ()

    @property
    def width(self) -> int:
        return max(self.instead.at_least) // SLOT

    @property
    def per_pattern(self) -> bool:
        return True

    def series(self) -> list[Series]:
        return [Series(self.where.level, "pattern", within // SLOT) for within in self.instead.at_least]


class New(Detector, OfLines):
    """A pattern that no node has had before."""

    figures = frozenset({"node", "count", "within", "pattern", "template"})
    kind: Literal["new"]
    where: LevelsAndText
    new: NewPattern
    history: Past = timedelta(days=1)

    @property
    def width(self) -> int:
        return self.new.within // SLOT

    @property
    def per_pattern(self) -> bool:
        return True


class Silence(Detector):
    """A node that responds but has no lines when it should."""

    figures = frozenset({"node", "within"})
    absence = True
    kind: Literal["silence"]
    samples: NoSamples = ()


class Divergence(DetectorBase):
    """A node whose lines, since a deployment, differ from the live node's."""

    figures = frozenset({
        "node", "version", "baseline", "verdict", "reason", "reasons", "since", "within", "count", "template",
        "command",
    })  # fmt: skip
    kind: Literal["divergence"]
    divergence: Diverging = Diverging()
    samples: NoSamples = ()


class Trend(Predictor, OfLines, Bare):
    """The share of a node's lines that match `where`: the last hours against as many before."""

    figures = frozenset({"node", "count", "total", "rate", "rate_before", "threshold", "hours"})
    kind: Literal["trend"]
    where: Levels
    trend: Rising

    @property
    def hours_before(self) -> int:
        return 2 * self.trend.hours - 1

    def series(self) -> list[Series]:
        return [Series(self.where.level, "node", self.trend.hours * SLOTS_AN_HOUR)]


class Spike(Predictor, Bare):
    """A node's lines of an hour against the mean of the hours before."""

    figures = frozenset({"node", "count", "mean", "times", "threshold", "hours"})
    kind: Literal["spike"]
    spike: Jump
    samples: NoSamples = ()

    @property
    def hours_before(self) -> int:
        return self.spike.hours

    def series(self) -> list[Series]:
        return [Series(LEVELS[1:], "node", SLOTS_AN_HOUR)]  # debug lines come and go with a setting


class Backlog(Predictor):
    """Issues that are open at once."""

    figures = frozenset({"count", "threshold"})
    replayable = False
    kind: Literal["backlog"]
    backlog: OpenIssues
    samples: NoSamples = ()


class Forecast(Predictor):
    """When the share of a node's lines will exceed what a `ratio` rule allows; levels and threshold are that rule's."""

    figures = frozenset({
        "node", "count", "total", "rate", "usual", "threshold", "hours", "interval", "climbed", "at", "rule",
    })  # fmt: skip
    replayable = False
    kind: Literal["forecast"]
    forecast: Coming
    samples: NoSamples = ()

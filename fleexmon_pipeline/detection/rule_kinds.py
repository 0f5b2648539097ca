"""The kinds of rules, one pydantic class each: parameters, history, and the figures that texts may use.

Common to all rules: `rule_model.py`; parameters: `rule_parameters.py`; when a rule fires: `conditions/by_kind.py`,
`divergence.py` and `forecasting/predictors.py`.
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
    BacklogParameters,
    CompanionParameters,
    DivergenceParameters,
    DropParameters,
    ForecastParameters,
    InsteadParameters,
    NewParameters,
    NodeCount,
    NodeRatio,
    Past,
    PatternCount,
    RateParameters,
    SpikeParameters,
    StuckParameters,
    TrendParameters,
    UnfinishedParameters,
    ValueParameters,
)
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.window import HOUR, SLOT
from fleexmon_pipeline.wording import percent

GATE_ALARMS = 0.003  # per day and node: how often a threshold may be crossed by chance and reported


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
    """One pattern of a node that is repeated."""

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
    """The number of a node's lines that match `where`. Texts are searched in the lines themselves."""

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
    rate: RateParameters
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
        """Whether it counts only failures, not everyday lines."""
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
    """Fewer lines of a node than expected, and no other node took them over."""

    figures = frozenset({"node", "count", "expected", "share", "within"})
    absence = True
    kind: Literal["drop"]
    where: AnyLevels = AnyLevels()
    drop: DropParameters
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


class Companion(Detector):
    """Fewer lines of a message than expected from its companion: responses for requests."""

    figures = frozenset({"node", "count", "expected", "share", "within", "pattern", "template", "companion"})
    absence = True
    kind: Literal["companion"]
    companion: CompanionParameters
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
        return [self.series_of(within // SLOT) for within in self.companion.at_least]

    def series_of(self, width: int) -> Series:
        return Series(None, "companion" if self.companion.at == "node" else "counterpart", width, falls=True)


class Unfinished(Detector):
    """Runs that start and do not end: of two messages that come one for one, the second falls behind for hours."""

    figures = frozenset({"node", "count", "expected", "share", "within", "pattern", "template", "companion"})
    absence = True
    kind: Literal["unfinished"]
    unfinished: UnfinishedParameters
    history: Past = timedelta(days=3)
    samples: NoSamples = ()

    @property
    def width(self) -> int:
        return max(self.unfinished.at_least) // SLOT

    @property
    def per_pattern(self) -> bool:
        return True

    @property
    def false_alarms(self) -> float:
        return self.unfinished.false_alarms

    def series(self) -> list[Series]:
        return [Series(None, "start", within // SLOT) for within in self.unfinished.at_least]


class Missed(Detector):
    """A scheduled message that did not come."""

    figures = frozenset({"node", "pattern", "template", "within"})
    absence = True
    kind: Literal["missed"]
    samples: NoSamples = ()

    @property
    def per_pattern(self) -> bool:
        return True


class Value(Detector, OfLines):
    """Durations in a node's lines that have grown."""

    figures = frozenset(
        {"node", "count", "figure", "measured", "value", "expected", "times", "within", "pattern", "template"}
    )
    kind: Literal["value"]
    where: AnyLevels = AnyLevels()
    value: ValueParameters
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
    """Values in the lines of a pattern that have always varied and are now constant."""

    figures = frozenset({"node", "count", "within", "pattern", "template", "field"})
    kind: Literal["stuck"]
    where: AnyLevels = AnyLevels()
    stuck: StuckParameters
    history: Past = timedelta(days=3)
    samples: NoSamples = ()

    @property
    def width(self) -> int:
        return max(self.stuck.at_least) // SLOT

    @property
    def per_pattern(self) -> bool:
        return True

    @property
    def false_alarms(self) -> float:
        return self.stuck.false_alarms

    def series(self) -> list[Series]:
        return [Series(self.where.level, "variety", within // SLOT) for within in self.stuck.at_least]


class Instead(Detector, OfLines):
    """A message that partly replaces another one with the same beginning."""

    figures = frozenset({"node", "count", "expected", "times", "within", "pattern", "template", "companion"})
    kind: Literal["instead"]
    where: AnyLevels = AnyLevels()
    instead: InsteadParameters
    history: Past = timedelta(days=3)
    samples: NoSamples = ()

    @property
    def width(self) -> int:
        return max(self.instead.at_least) // SLOT

    @property
    def per_pattern(self) -> bool:
        return True

    @property
    def false_alarms(self) -> float:
        return self.instead.false_alarms

    def series(self) -> list[Series]:
        return [Series(self.where.level, "pattern", within // SLOT) for within in self.instead.at_least]


class New(Detector, OfLines):
    """A pattern that no node has had before."""

    figures = frozenset({"node", "count", "within", "pattern", "template"})
    kind: Literal["new"]
    where: LevelsAndText
    new: NewParameters
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
    divergence: DivergenceParameters = DivergenceParameters()
    samples: NoSamples = ()


class Trend(Predictor, OfLines, Bare):
    """The share of a node's lines that match `where`: the last hours compared with as many before."""

    figures = frozenset({"node", "count", "total", "rate", "rate_before", "threshold", "hours"})
    kind: Literal["trend"]
    where: Levels
    trend: TrendParameters

    @property
    def hours_before(self) -> int:
        return 2 * self.trend.hours - 1

    def series(self) -> list[Series]:
        return [Series(self.where.level, "node", self.trend.hours * SLOTS_AN_HOUR)]


class Spike(Predictor, Bare):
    """A node's lines in an hour compared with the mean of the hours before."""

    figures = frozenset({"node", "count", "mean", "times", "threshold", "hours"})
    kind: Literal["spike"]
    spike: SpikeParameters
    samples: NoSamples = ()

    @property
    def hours_before(self) -> int:
        return self.spike.hours

    def series(self) -> list[Series]:
        return [Series(LEVELS[1:], "node", SLOTS_AN_HOUR)]  # without debug lines, which depend on a setting


class Backlog(Predictor):
    """The number of open issues."""

    figures = frozenset({"count", "threshold"})
    replayable = False
    kind: Literal["backlog"]
    backlog: BacklogParameters
    samples: NoSamples = ()


class Forecast(Predictor):
    """The time when a node will cross the threshold of a `ratio` rule. Uses that rule's levels and threshold."""

    figures = frozenset({
        "node", "count", "total", "rate", "usual", "threshold", "hours", "interval", "climbed", "at", "rule",
    })  # fmt: skip
    replayable = False
    kind: Literal["forecast"]
    forecast: ForecastParameters
    samples: NoSamples = ()

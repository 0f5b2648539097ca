"""What a rule is: the kinds and their texts, as pydantic checks them.

Here: which lines a rule counts, and all that code elsewhere asks of a kind. Parameters of the kinds:
`rule_parameters.py`. Files, line numbers and samples: `rule_files.py`. When a rule fires: `conditions/by_kind.py`,
`divergence.py` and `forecasting/predictors.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, PrivateAttr, field_validator

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR
from fleexmon_pipeline.detection.rule_parameters import (
    Coming,
    Diverging,
    Duration,
    Expression,
    Falling,
    Jump,
    Lasting,
    Literals,
    Name,
    NewPattern,
    NodeCount,
    NodeRatio,
    OpenIssues,
    Past,
    PatternCount,
    Rising,
    Strict,
    Unusual,
    compiled,
)
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.levels import LEVELS, Level, read_level
from fleexmon_pipeline.window import HOUR, SLOT
from fleexmon_pipeline.wording import percent


class AnyLevels(Strict):
    """Which lines, by level; all lines without one. Levels mean what collection reads them as: ERR, 50 and severe are
    `error`."""

    level: Annotated[tuple[Level, ...], Field(min_length=1)] | None = None

    def has_level(self, word: str) -> bool:
        return self.level is None or read_level(word) in self.level

    def has_text(self, text: str) -> bool:  # noqa: ARG002  the same question as to Where
        return True


class Levels(AnyLevels):
    """The same for rules that must name a level."""

    level: Annotated[tuple[Level, ...], Field(min_length=1)]


class Where(AnyLevels):
    """Which lines, by level and by text."""

    message: Annotated[tuple[Literals, ...], Field(min_length=1)] | None = None  # any of them, in any case
    matches: Annotated[tuple[Expression, ...], Field(min_length=1)] | None = None  # or any of these, as RE2 reads them

    @property
    def has_words(self) -> bool:
        """Whether only the lines themselves show which of them match."""
        return self.message is not None or self.matches is not None

    def has_text(self, text: str) -> bool:
        if not self.has_words:
            return True
        lower = text.lower()
        if any(literal.lower() in lower for literal in self.message or ()):
            return True
        return any(compiled(expression).search(text) is not None for expression in self.matches or ())


class Sample(Strict):
    level: str
    message: str
    fires: Annotated[bool, Field(strict=True)]


Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Escalate = dict[Literal["count", "rate", "times"], dict[Severity, Figure]]


WORDING = {"title", "description", "recommendation", "runbook", "samples"}  # may change without a new version


KINDS: dict[str, type[Rule]] = {}  # `kind` in a file → its class; filled by the classes themselves


class Rule(Strict):
    """What every rule has, and what its kind answers about itself.

    Texts may name the figures of their kind in braces: `{count}`, `{template:.50}`.
    """

    figures: ClassVar[frozenset[str]] = frozenset()
    absence: ClassVar[bool] = False  # about missing lines: no evidence, and other rules are held back on silent nodes
    replayable: ClassVar[bool] = True  # a backtest can evaluate it; False if it needs stored forecasts or issues

    kind: str
    source: Literal["detector", "predictor"]
    name: Name
    enabled: Annotated[bool, Field(strict=True)] = True
    mode: Literal["active", "shadow"] = "active"  # shadow: matches are stored and make no issue
    type: Name | None = None  # LogIssue.type, where it is not the name
    severity: Severity
    escalate: Escalate = Field(default_factory=dict)  # figure → severity → the value it starts at
    labels: dict[Name, Annotated[str, Field(max_length=200)]] = Field(default_factory=dict)
    nodes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] | None = None  # None: all
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(min_length=1)]
    recommendation: str | None = None
    runbook: Name | None = None
    grace: Duration
    samples: tuple[Sample, ...] = ()

    @property
    def lines(self) -> AnyLevels:
        """The lines that the rule counts; all of them for kinds without `where`."""
        return AnyLevels()

    def series(self) -> list[Series]:
        """The series whose limits a baseline must know."""
        return []

    def is_about(self, node: str) -> bool:
        return self.nodes is None or node in self.nodes

    def severity_of(self, figures: Mapping[str, float]) -> Severity:
        """The rule's severity, or a worse one that the figures have reached."""
        worst = self.severity
        for figure, steps in self.escalate.items():
            for severity, start in steps.items():
                if figures.get(figure, 0.0) >= start and severity.rank > worst.rank:
                    worst = severity
        return worst

    _version: str = PrivateAttr(default="")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for kind in get_args(cls.model_fields["kind"].annotation):  # none for the bases, whose `kind` is any string
            KINDS[kind] = cls

    def model_post_init(self, context: Any) -> None:
        del context
        meaning = self.model_dump(mode="json", exclude=WORDING)
        self._version = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """A hash of what the rule means: everything but its wording."""
        return self._version

    @field_validator("title", "description", "recommendation")
    @classmethod
    def _names_known_figures(cls, text: str | None) -> str | None:
        for _, figure, form, conversion in string.Formatter().parse(text or ""):
            if figure is not None and figure not in cls.figures:
                raise ValueError(f"{{{figure}}} is unknown here; this kind has {', '.join(sorted(cls.figures))}")
            if conversion or (form and not re.fullmatch(r"\.\d{1,3}", form)):
                raise ValueError(f"{{{figure}:{form}}}: only a length is allowed here, for example {{{figure}:.50}}")
        return text

    def fill(self, text: str, figures: Mapping[str, str]) -> str:
        """`text` with its figures, each on one line: a template may hold line breaks."""
        shown = {name: " ".join(figure.replace("\0", "").split()) for name, figure in figures.items()}
        return text.format_map(shown).strip()


class DetectorBase(Rule):
    """Rules that `detected_issues` evaluates."""

    source: Literal["detector"] = "detector"
    for_: Lasting = Field(default=timedelta(), alias="for")  # how long the condition must have held
    grace: Duration = timedelta(hours=1)


class Detector(DetectorBase):
    """Rules about one node's lines, evaluated slot by slot. `conditions/by_kind.py` has the condition of each kind."""

    @property
    def width(self) -> int:
        """Slots of the longest window that the rule looks at."""
        return 1

    @property
    def look_back(self) -> int:
        """Slots before its window that decide too: the four hours that it is compared with."""
        return 4 * HOUR // SLOT

    @property
    def per_pattern(self) -> bool:
        """Whether it fires for single patterns of a node, not for the node as a whole."""
        return False

    @property
    def threshold(self) -> float | None:
        """The figure that must be exceeded, for kinds that have one."""
        return None

    def threshold_text(self) -> str:
        return str(self.threshold)


class Predictor(Rule):
    """Rules that `predictions` evaluates."""

    source: Literal["predictor"] = "predictor"
    grace: Duration = timedelta(hours=6)

    @property
    def hours_before(self) -> int:
        """Hours it needs before the hour that is evaluated."""
        return 0


class OfLines(Rule):
    """Kinds that say which lines they count. Each narrows `where` to what its condition can use."""

    where: AnyLevels

    @property
    def lines(self) -> AnyLevels:
        return self.where


class Bare(Rule):
    """A threshold that somebody guessed. With `history`, it fires only if the figure is also improbable."""

    history: Past = timedelta(days=7)
    bare: Annotated[bool, Field(strict=True)] = False  # always fire at the bare threshold


NoSamples = Annotated[tuple[Sample, ...], Field(max_length=0)]  # of kinds that are not about single lines


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

    def series(self) -> list[Series]:
        return [] if self.where.has_words else [Series(self.where.level, "node", self.width)]


class LevelsAndText(Levels):
    """Lines of named levels, of patterns whose template has one of these expressions."""

    matches: Annotated[tuple[Expression, ...], Field(min_length=1)] | None = None  # as RE2 reads them

    def has_text(self, text: str) -> bool:
        return self.matches is None or any(compiled(expression).search(text) is not None for expression in self.matches)


class Rate(Detector, OfLines):
    """More lines of a node, or of one of its patterns, than expected over one of several windows."""

    figures = frozenset({"node", "count", "expected", "times", "within", "pattern", "template", "top_pattern"})
    kind: Literal["rate"]
    where: AnyLevels = AnyLevels()
    rate: Unusual
    history: Past = timedelta(days=3)

    @property
    def of_failures(self) -> bool:
        """Whether it counts no everyday lines."""
        return self.where.level is not None and "info" not in self.where.level

    @property
    def look_back(self) -> int:
        return HOUR // SLOT if self.of_failures else super().look_back  # errors are expected by the load alone

    @property
    def width(self) -> int:
        return max(self.rate.at_least) // SLOT

    @property
    def per_pattern(self) -> bool:
        return self.rate.per == "pattern"

    def series(self) -> list[Series]:
        return [Series(self.where.level, self.rate.per, within // SLOT) for within in self.rate.at_least]


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

    def series(self) -> list[Series]:
        return [Series(self.where.level, "node", within // SLOT, falls=True) for within in self.drop.at_least]


class Missed(Detector):
    """A message that comes by the clock and has not come."""

    figures = frozenset({"node", "pattern", "template", "within"})
    absence = True
    kind: Literal["missed"]
    samples: NoSamples = ()

    @property
    def per_pattern(self) -> bool:
        return True


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


def all_series(rules: Iterable[Rule]) -> set[Series]:
    """The series of all rules, predictors and disabled ones included: they share baselines, learnt once a day."""
    return {series for rule in rules for series in rule.series()}


def text_conditions(rules: Iterable[Rule]) -> dict[str, Where]:
    """Rule → its lines, of the rules that look for texts."""
    return {rule.name: rule.lines for rule in rules if isinstance(rule.lines, Where) and rule.lines.has_words}


def counted_levels(rules: Iterable[Rule]) -> dict[str, list[Level]]:
    """Rule → the levels that it counts; without rules that count all levels."""
    return {rule.name: list(rule.lines.level) for rule in rules if rule.lines.level}

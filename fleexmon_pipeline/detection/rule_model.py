"""What a rule is: the kinds and their texts, as pydantic checks them.

Here: which lines a rule is about, and what each kind is. Their parameters: `rule_parameters.py`. Files, line numbers
and samples: `rule_files.py`. What fires: `evaluate.py`, `divergence.py` and `forecasting/predictors.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, field_validator

from fleexmon_pipeline.detection.rule_parameters import (
    Coming,
    Diverging,
    Duration,
    Expression,
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
from fleexmon_pipeline.levels import Level, read_level


class Where(Strict):
    """Which lines. Levels are compared as collection understands them: ERR, 50 and severe are `error`."""

    level: Annotated[tuple[Level, ...], Field(min_length=1)] | None = None
    message: Annotated[tuple[Literals, ...], Field(min_length=1)] | None = None  # any of them, in any case
    matches: Annotated[tuple[Expression, ...], Field(min_length=1)] | None = None  # or any of these, as RE2 reads them

    def has_level(self, word: str) -> bool:
        return self.level is None or read_level(word) in self.level

    @property
    def has_words(self) -> bool:
        """Whether lines must be read to know which it is about."""
        return self.message is not None or self.matches is not None

    def has_text(self, text: str) -> bool:
        if not self.has_words:
            return True
        lower = text.lower()
        if any(literal.lower() in lower for literal in self.message or ()):
            return True
        return any(compiled(expression).search(text) is not None for expression in self.matches or ())


class Levels(Strict):
    """Which lines, for what is judged by counts alone."""

    level: Annotated[tuple[Level, ...], Field(min_length=1)]

    def has_level(self, word: str) -> bool:
        return read_level(word) in self.level

    def has_text(self, text: str) -> bool:  # noqa: ARG002  the same question as to Where
        return True


class AnyLevels(Strict):
    level: Annotated[tuple[Level, ...], Field(min_length=1)] | None = None

    def has_level(self, word: str) -> bool:
        return self.level is None or read_level(word) in self.level

    def has_text(self, text: str) -> bool:  # noqa: ARG002  the same question as to Where
        return True


class Sample(Strict):
    level: str
    message: str
    fires: Annotated[bool, Field(strict=True)]


Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Escalate = dict[Literal["count", "rate", "times"], dict[Severity, Figure]]


WORDING = {"title", "description", "recommendation", "runbook", "samples"}  # may change without a new version


class RuleBase(Strict):
    """What every rule has. Texts may name the figures of their kind in braces: `{count}`, `{template:.50}`."""

    figures: ClassVar[frozenset[str]] = frozenset()

    name: Name
    enabled: Annotated[bool, Field(strict=True)] = True
    mode: Literal["active", "shadow"] = "active"  # shadow: what it would say is written down, and makes no issue
    type: Name | None = None  # LogIssue.type, where it is not the name
    severity: Severity
    escalate: Escalate = Field(default_factory=dict)  # figure → severity → from which value on
    labels: dict[Name, Annotated[str, Field(max_length=200)]] = Field(default_factory=dict)
    nodes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] | None = None  # None: all
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(min_length=1)]
    recommendation: str | None = None
    runbook: Name | None = None
    grace: Duration
    samples: tuple[Sample, ...] = ()

    def is_about(self, node: str) -> bool:
        return self.nodes is None or node in self.nodes

    def severity_of(self, figures: Mapping[str, float]) -> Severity:
        """The severity, or a worse one that the figures have reached."""
        worst = self.severity
        for figure, steps in self.escalate.items():
            for severity, least in steps.items():
                if figures.get(figure, 0.0) >= least and severity.rank > worst.rank:
                    worst = severity
        return worst

    _version: str = PrivateAttr(default="")

    def model_post_init(self, context: Any) -> None:
        del context
        meaning = self.model_dump(mode="json", exclude=WORDING)
        self._version = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """A hash of what the rule means as it was read: everything but its wording."""
        return self._version

    @field_validator("title", "description", "recommendation")
    @classmethod
    def _names_known_figures(cls, text: str | None) -> str | None:
        for _, figure, form, conversion in string.Formatter().parse(text or ""):
            if figure is not None and figure not in cls.figures:
                raise ValueError(f"{{{figure}}} is not known here; known are {', '.join(sorted(cls.figures))}")
            if conversion or (form and not re.fullmatch(r"\.\d{1,3}", form)):
                raise ValueError(f"{{{figure}:{form}}}: the one form known is the first characters, {{{figure}:.50}}")
        return text

    def fill(self, text: str, figures: Mapping[str, str]) -> str:
        """`text` with its figures, on one line: a template may hold line breaks."""
        shown = {name: " ".join(figure.replace("\0", "").split()) for name, figure in figures.items()}
        return text.format_map(shown).strip()


class DetectorBase(RuleBase):
    source: Literal["detector"] = "detector"
    for_: Lasting = Field(default=timedelta(), alias="for")  # how long the condition must have held
    grace: Duration = timedelta(hours=1)


class Bare(RuleBase):
    """A threshold that is somebody's guess. With `history` it holds only where the figure is improbable as well."""

    history: Past = timedelta(days=7)
    bare: Annotated[bool, Field(strict=True)] = False  # hold at the bare threshold for good


class Ratio(DetectorBase, Bare):
    """The share of a node's lines that are `where`."""

    figures = frozenset({"node", "count", "total", "rate", "threshold", "within", "top_pattern"})
    kind: Literal["ratio"]
    where: Levels
    ratio: NodeRatio


class Repeated(DetectorBase, Bare):
    """One pattern of a node, again and again."""

    figures = frozenset({"node", "count", "threshold", "within", "pattern", "template"})
    kind: Literal["repeated"]
    where: Levels
    count: PatternCount


class Threshold(DetectorBase, Bare):
    """The number of a node's lines that are `where`. Texts are compared with the lines themselves."""

    figures = frozenset({"node", "count", "threshold", "within", "top_pattern"})
    kind: Literal["threshold"]
    where: Where
    count: NodeCount

    @field_validator("where")
    @classmethod
    def _says_which(cls, where: Where) -> Where:
        if where.level is None and not where.has_words:
            raise ValueError("level, message or matches is needed: without them every line would count")
        return where


class Rate(DetectorBase):
    """More than usual: of a node's lines, or of one of its patterns, over one of several windows."""

    figures = frozenset({"node", "count", "expected", "times", "within", "pattern", "template", "top_pattern"})
    kind: Literal["rate"]
    where: AnyLevels = AnyLevels()
    rate: Unusual
    history: Past = timedelta(days=3)


class New(DetectorBase):
    """A pattern that no node ever had."""

    figures = frozenset({"node", "count", "within", "pattern", "template"})
    kind: Literal["new"]
    where: Levels
    new: NewPattern
    history: Past = timedelta(days=1)


class Silence(DetectorBase):
    """A node that answers and has nothing to say, where it should."""

    figures = frozenset({"node", "within"})
    kind: Literal["silence"]
    samples: Annotated[tuple[Sample, ...], Field(max_length=0)] = ()


class Divergence(DetectorBase):
    """A node that says something else since a deployment than the live node does."""

    figures = frozenset({
        "node", "version", "baseline", "verdict", "reason", "reasons", "since", "within", "count", "template",
        "command",
    })  # fmt: skip
    kind: Literal["divergence"]
    divergence: Diverging = Diverging()
    samples: Annotated[tuple[Sample, ...], Field(max_length=0)] = ()


class Predictor(RuleBase):
    source: Literal["predictor"] = "predictor"
    grace: Duration = timedelta(hours=6)


class Trend(Predictor, Bare):
    """The share of a node's lines that are `where`, in the last hours against as many before."""

    figures = frozenset({"node", "count", "total", "rate", "rate_before", "threshold", "hours"})
    kind: Literal["trend"]
    where: Levels
    trend: Rising


class Spike(Predictor, Bare):
    """A node's lines of an hour against the mean of the hours before."""

    figures = frozenset({"node", "count", "mean", "times", "threshold", "hours"})
    kind: Literal["spike"]
    spike: Jump
    samples: Annotated[tuple[Sample, ...], Field(max_length=0)] = ()


class Backlog(Predictor):
    """Issues that are open at once."""

    figures = frozenset({"count", "threshold"})
    kind: Literal["backlog"]
    backlog: OpenIssues
    samples: Annotated[tuple[Sample, ...], Field(max_length=0)] = ()


class Forecast(Predictor):
    """When the share of a node's lines will be more than a `ratio` rule allows, by that rule's levels and threshold."""

    figures = frozenset({
        "node", "count", "total", "rate", "usual", "threshold", "hours", "interval", "climbed", "at", "rule",
    })  # fmt: skip
    kind: Literal["forecast"]
    forecast: Coming
    samples: Annotated[tuple[Sample, ...], Field(max_length=0)] = ()


Detector = Ratio | Repeated | Threshold | Rate | New | Silence  # of one node's lines, slot by slot
Rule = Detector | Divergence | Trend | Spike | Backlog | Forecast
KINDS: dict[str, type[Rule]] = {
    "ratio": Ratio,
    "repeated": Repeated,
    "threshold": Threshold,
    "rate": Rate,
    "new": New,
    "silence": Silence,
    "divergence": Divergence,
    "trend": Trend,
    "spike": Spike,
    "backlog": Backlog,
    "forecast": Forecast,
}


def counted_levels(rules: Iterable[Rule]) -> dict[str, list[Level]]:
    """Rule → the levels of a node's lines that it counts; rules that count all levels are left out."""
    return {
        rule.name: list(rule.where.level)
        for rule in rules
        if isinstance(rule, Ratio | Threshold | Rate | Trend) and rule.where.level
    }

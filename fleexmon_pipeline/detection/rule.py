"""What a rule is: the kinds, their parameters and their texts, as pydantic checks them.

Here: the schema, and which lines a rule is about. Files, line numbers and samples: `rules.py`. What fires:
`evaluate.py` and `forecasting/predictors.py`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import re2
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
)

from fleexmon_pipeline.collection.records import read_level
from fleexmon_pipeline.detection.occurrence import Severity
from fleexmon_pipeline.window import DAY, HOUR, SLOT

Level = Literal["debug", "info", "warn", "error", "fatal"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warn", "error", "fatal")

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def _duration(value: object) -> timedelta:
    match = re.fullmatch(r"(\d{1,4})([mhd])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration; examples: 15m, 1h, 1d")
    return int(match[1]) * _UNITS[match[2]]


def _in_slots(value: timedelta) -> timedelta:
    if not SLOT <= value <= DAY or value % SLOT:
        raise ValueError("counts are kept in slots of 5 minutes: a multiple of 5m, from 5m to 1d")
    return value


def _whole_slots(value: timedelta) -> timedelta:
    if value > 6 * HOUR or value % SLOT:
        raise ValueError("a multiple of 5m, up to 6h")
    return value


def _days(value: timedelta) -> timedelta:
    if not DAY <= value <= 14 * DAY:
        raise ValueError("what is usual is learnt from the last 14 days: from 1d to 14d")
    return value


def _share(value: object) -> float:
    match = re.fullmatch(r"(\d{1,2}(?:\.\d{1,4})?)\s?%", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a percentage below 100; examples: 5%, 0.5%")
    return float(Decimal(match[1]) / 100)  # the very double that 1/20 is: 5 of 100 lines are not more than 5%


def _literal(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("a text to look for has at least one visible character and no NUL")
    return text


@cache
def compiled(expression: str) -> Any:
    """By RE2: time linear in the text, whatever the expression. (?i) makes it blind to case."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return re2.compile(expression, options)


def _expression(text: str) -> str:
    try:
        compiled(text)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        told = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"{text!r} is no expression that RE2 takes: {told}") from None
    if "\0" in text or not text:
        raise ValueError("an expression is not empty and has no NUL")
    return text


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Lasting = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_whole_slots)]
Past = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_days)]
Within = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_in_slots)]
Share = Annotated[float, BeforeValidator(_share)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Hours = Annotated[int, Field(strict=True, ge=1, le=24)]
Factor = Annotated[float, Field(strict=True, ge=1, le=1000, allow_inf_nan=False)]
Alarms = Annotated[float, Field(strict=True, gt=0, le=10, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Literals = Annotated[str, AfterValidator(_literal)]
Expression = Annotated[str, Field(max_length=1000), AfterValidator(_expression)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Where(_Strict):
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


class Levels(_Strict):
    """Which lines, for what is judged by counts alone."""

    level: Annotated[tuple[Level, ...], Field(min_length=1)]

    def has_level(self, word: str) -> bool:
        return read_level(word) in self.level

    def has_text(self, text: str) -> bool:  # noqa: ARG002  the same question as to Where
        return True


class AnyLevels(_Strict):
    level: Annotated[tuple[Level, ...], Field(min_length=1)] | None = None

    def has_level(self, word: str) -> bool:
        return self.level is None or read_level(word) in self.level

    def has_text(self, text: str) -> bool:  # noqa: ARG002  the same question as to Where
        return True


class Sample(_Strict):
    level: str
    message: str
    fires: Annotated[bool, Field(strict=True)]


class _NodeCount(_Strict):
    more_than: Whole
    within: Within
    per: Literal["node"] = "node"


class _PatternCount(_Strict):
    more_than: Whole
    within: Within
    per: Literal["pattern"] = "pattern"  # of one node


class _NodeRatio(_Strict):
    more_than: Share
    total_more_than: Whole  # lines: three of which one is an error say nothing
    within: Within
    per: Literal["node"] = "node"


class _Unusual(_Strict):
    """More lines than a node's past lets expect, of the time of day and the load."""

    per: Literal["node", "pattern"]
    at_least: Annotated[dict[Within, Annotated[int, Field(strict=True, ge=1)]], Field(min_length=1)]  # window → lines
    times: Factor = 1.0  # what is expected
    false_alarms: Alarms = 0.01  # a day and node, by what its past was like


class _NewPattern(_Strict):
    at_least: Annotated[int, Field(strict=True, ge=1)] = 1
    within: Within = timedelta(minutes=30)
    wary: Annotated[bool, Field(strict=True)] = True  # a second line, of nodes that have unknown ones every few days


class _Rising(_Strict):
    hours: Hours  # compared with as many before
    times: Factor
    more_than: Share


class _Jump(_Strict):
    hours: Hours  # whose mean is what the hour is compared with
    times: Factor
    more_than: Whole


class _OpenIssues(_Strict):
    more_than: Whole
    open_for: Lasting = timedelta()  # at least: an incident opens several at once, and most are over within the hour


def _rank(severity: Severity) -> int:
    return list(Severity).index(severity)


Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Escalate = dict[Literal["count", "rate", "times"], dict[Severity, Figure]]


class RuleBase(_Strict):
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
                if figures.get(figure, 0.0) >= least and _rank(severity) > _rank(worst):
                    worst = severity
        return worst

    _version: str = PrivateAttr(default="")

    def model_post_init(self, context: Any) -> None:
        self._version = (context or {}).get("version", "")

    @property
    def version(self) -> str:
        """A hash of the file that the rule was read from."""
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
    ratio: _NodeRatio


class Repeated(DetectorBase, Bare):
    """One pattern of a node, again and again."""

    figures = frozenset({"node", "count", "threshold", "within", "pattern", "template"})
    kind: Literal["repeated"]
    where: Levels
    count: _PatternCount


class Threshold(DetectorBase, Bare):
    """The number of a node's lines that are `where`. Texts are compared with the lines themselves."""

    figures = frozenset({"node", "count", "threshold", "within", "top_pattern"})
    kind: Literal["threshold"]
    where: Where
    count: _NodeCount

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
    rate: _Unusual
    history: Past = timedelta(days=3)


class New(DetectorBase):
    """A pattern that no node ever had."""

    figures = frozenset({"node", "count", "within", "pattern", "template"})
    kind: Literal["new"]
    where: Levels
    new: _NewPattern
    history: Past = timedelta(days=1)


class Silence(DetectorBase):
    """A node that answers and has nothing to say, where it should."""

    figures = frozenset({"node", "within"})
    kind: Literal["silence"]
    samples: Annotated[tuple[Sample, ...], Field(max_length=0)] = ()


class Predictor(RuleBase):
    source: Literal["predictor"] = "predictor"
    grace: Duration = timedelta(hours=6)


class Trend(Predictor, Bare):
    """The share of a node's lines that are `where`, in the last hours against as many before."""

    figures = frozenset({"node", "count", "total", "rate", "rate_before", "threshold", "hours"})
    kind: Literal["trend"]
    where: Levels
    trend: _Rising


class Spike(Predictor, Bare):
    """A node's lines of an hour against the mean of the hours before."""

    figures = frozenset({"node", "count", "mean", "times", "threshold", "hours"})
    kind: Literal["spike"]
    spike: _Jump
    samples: Annotated[tuple[Sample, ...], Field(max_length=0)] = ()


class Backlog(Predictor):
    """Issues that are open at once."""

    figures = frozenset({"count", "threshold"})
    kind: Literal["backlog"]
    backlog: _OpenIssues
    samples: Annotated[tuple[Sample, ...], Field(max_length=0)] = ()


Detector = Ratio | Repeated | Threshold | Rate | New | Silence
Rule = Ratio | Repeated | Threshold | Rate | New | Silence | Trend | Spike | Backlog
KINDS: dict[str, type[Rule]] = {
    "ratio": Ratio,
    "repeated": Repeated,
    "threshold": Threshold,
    "rate": Rate,
    "new": New,
    "silence": Silence,
    "trend": Trend,
    "spike": Spike,
    "backlog": Backlog,
}

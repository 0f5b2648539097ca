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
from typing import Annotated, Any, ClassVar, Literal

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
from fleexmon_pipeline.window import DAY, SLOT

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


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Past = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_days)]
Within = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_in_slots)]
Share = Annotated[float, BeforeValidator(_share)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Hours = Annotated[int, Field(strict=True, ge=1, le=24)]
Factor = Annotated[float, Field(strict=True, ge=1, le=1000, allow_inf_nan=False)]
Alarms = Annotated[float, Field(strict=True, gt=0, le=10, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Literals = Annotated[str, AfterValidator(_literal)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Where(_Strict):
    """Which lines. Levels are compared as collection understands them: ERR, 50 and severe are `error`."""

    level: Annotated[tuple[Level, ...], Field(min_length=1)] | None = None
    message: Annotated[tuple[Literals, ...], Field(min_length=1)] | None = None  # any of them, in any case

    def has_level(self, word: str) -> bool:
        return self.level is None or read_level(word) in self.level

    def has_text(self, text: str) -> bool:
        if self.message is None:
            return True
        lower = text.lower()
        return any(literal.lower() in lower for literal in self.message)


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


class RuleBase(_Strict):
    """What every rule has. Texts may name the figures of their kind in braces: `{count}`, `{template:.50}`."""

    figures: ClassVar[frozenset[str]] = frozenset()

    name: Name
    enabled: Annotated[bool, Field(strict=True)] = True
    type: Name | None = None  # LogIssue.type, where it is not the name
    severity: Severity
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(min_length=1)]
    recommendation: str | None = None
    runbook: Name | None = None
    grace: Duration
    samples: tuple[Sample, ...] = ()

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
    grace: Duration = timedelta(hours=1)


class Bare(DetectorBase):
    """A threshold that is somebody's guess. With `history` it holds only where the figure is improbable as well."""

    history: Past = timedelta(days=7)
    bare: Annotated[bool, Field(strict=True)] = False  # hold at the bare threshold for good


class Ratio(Bare):
    """The share of a node's lines that are `where`."""

    figures = frozenset({"node", "count", "total", "rate", "threshold", "within", "top_pattern"})
    kind: Literal["ratio"]
    where: Levels
    ratio: _NodeRatio


class Repeated(Bare):
    """One pattern of a node, again and again."""

    figures = frozenset({"node", "count", "threshold", "within", "pattern", "template"})
    kind: Literal["repeated"]
    where: Levels
    count: _PatternCount


class Threshold(Bare):
    """The number of a node's lines that are `where`. Texts are compared with the lines themselves."""

    figures = frozenset({"node", "count", "threshold", "within", "top_pattern"})
    kind: Literal["threshold"]
    where: Where
    count: _NodeCount

    @field_validator("where")
    @classmethod
    def _says_which(cls, where: Where) -> Where:
        if where.level is None and where.message is None:
            raise ValueError("level or message is needed: without them every line would count")
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


class Trend(Predictor):
    """The share of a node's lines that are `where`, in the last hours against as many before."""

    figures = frozenset({"node", "count", "total", "rate", "rate_before", "threshold", "hours"})
    kind: Literal["trend"]
    where: Levels
    trend: _Rising


class Spike(Predictor):
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

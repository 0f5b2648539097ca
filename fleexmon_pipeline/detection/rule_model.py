"""Base classes of rules, checked by pydantic: selected lines, texts, version, and the interface of a kind.

The kinds: `rule_kinds.py`; their parameters: `rule_parameters.py`; files, line numbers and samples: `rule_files.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, PrivateAttr, SerializerFunctionWrapHandler, field_validator, model_serializer

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.detection.rule_parameters import (
    Duration,
    Expression,
    Lasting,
    Literals,
    Name,
    Past,
    Strict,
    compiled,
)
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.levels import Level, read_level
from fleexmon_pipeline.window import HOUR, SLOT
from fleexmon_pipeline.wording import cut_at_word, one_line


class AnyLevels(Strict):
    """Selects lines by level; without a level, all lines. Levels are read as in collection: ERR, 50 and severe are
    `error`."""

    level: Annotated[tuple[Level, ...], Field(min_length=1)] | None = None

    def has_level(self, word: str) -> bool:
        return self.level is None or read_level(word) in self.level

    def has_text(self, text: str) -> bool:  # noqa: ARG002  the interface of Where
        return True


class Levels(AnyLevels):
    """Selects lines by level, which is required."""

    level: Annotated[tuple[Level, ...], Field(min_length=1)]


class Where(AnyLevels):
    """Selects lines by level and text."""

    message: Annotated[tuple[Literals, ...], Field(min_length=1)] | None = None  # any of these texts, in any case
    matches: Annotated[tuple[Expression, ...], Field(min_length=1)] | None = None  # or any of these RE2 expressions

    @property
    def has_words(self) -> bool:
        """Whether lines must be read to know which of them match."""
        return self.message is not None or self.matches is not None

    def has_text(self, text: str) -> bool:
        if not self.has_words:
            return True
        lower = text.lower()
        if any(literal.lower() in lower for literal in self.message or ()):
            return True
        return any(compiled(expression).search(text) is not None for expression in self.matches or ())


class PatternLines(AnyLevels):
    """Selects patterns whose template matches one of these RE2 expressions; without them, all patterns."""

    matches: Annotated[tuple[Expression, ...], Field(min_length=1)] | None = None

    def has_text(self, text: str) -> bool:
        return _has_any(self.matches, text)

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out an empty `matches`, so that rules without expressions keep their version."""
        fields: dict[str, Any] = handler(self)
        return fields if self.matches else {name: value for name, value in fields.items() if name != "matches"}


class LevelsAndText(Levels):
    """Selects lines by level, and by patterns whose template matches one of these RE2 expressions."""

    matches: Annotated[tuple[Expression, ...], Field(min_length=1)] | None = None

    def has_text(self, text: str) -> bool:
        return _has_any(self.matches, text)


def _has_any(expressions: tuple[str, ...] | None, text: str) -> bool:
    return expressions is None or any(compiled(expression).search(text) is not None for expression in expressions)


class Sample(Strict):
    level: str
    message: str
    fires: Annotated[bool, Field(strict=True)]


Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Escalate = dict[Literal["count", "rate", "times"], dict[Severity, Figure]]


WORDING = {"what", "title", "description", "recommendation", "runbook", "samples"}  # may change without a new version


MAX_TITLE = 100  # characters that a mail client shows of a subject
MESSAGES = ("template", "top_pattern", "reason")  # figures that are texts of messages
MIN_MESSAGE = 12  # characters of a message that a title always shows
NodeLabels = Mapping[str, Mapping[str, str]]  # node → label → value
NO_PATTERN = "no pattern yet"  # stands in texts for a missing message


def _on_one_line(figures: Mapping[str, str]) -> dict[str, str]:
    return {name: " ".join(figure.replace("\0", "").split()) for name, figure in figures.items()}


KINDS: dict[str, type[Rule]] = {}  # `kind` in a file → its class; filled by the classes themselves


class Rule(Strict):
    """The keys of every rule, and the properties of its kind.

    Texts may contain figures of the kind in braces: `{count}`, `{template:.50}`.
    """

    figures: ClassVar[frozenset[str]] = frozenset()
    absence: ClassVar[bool] = False  # about missing lines, so that there are no lines as evidence
    replayable: ClassVar[bool] = True  # a backtest can evaluate it; False if it needs stored forecasts or issues

    kind: str
    source: Literal["detector", "predictor"]
    name: Name
    enabled: Annotated[bool, Field(strict=True)] = True
    mode: Literal["active", "shadow"] = "active"  # shadow: matches are stored and make no issue
    type: Name | None = None  # LogIssue.type, if it is not the name
    severity: Severity
    escalate: Escalate = Field(default_factory=dict)  # figure → severity → the value it starts at
    labels: dict[Name, Annotated[str, Field(max_length=200)]] = Field(default_factory=dict)
    nodes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] | None = None  # None: all
    what: Annotated[str, Field(min_length=1, max_length=60)] | None = None  # for titles of incidents; default: the name
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(min_length=1)]
    recommendation: str | None = None
    runbook: Name | None = None
    grace: Duration
    samples: tuple[Sample, ...] = ()

    @property
    def lines(self) -> AnyLevels:
        """The lines that the rule counts; all lines for kinds without `where`."""
        return AnyLevels()

    def series(self) -> list[Series]:
        """The series whose limits the baseline must contain."""
        return []

    def is_about(self, node: str) -> bool:
        """Whether `nodes` contains the node's name, or one of its labels such as `role=api`."""
        return self.nodes is None or not self._names_and_labels(node).isdisjoint(self.nodes)

    def _names_and_labels(self, node: str) -> set[str]:
        return {node, *(f"{label}={value}" for label, value in self._node_labels.get(node, {}).items())}

    def bind(self, node_labels: NodeLabels) -> None:
        """Set the nodes' labels. They are no part of the rule, because they may change independently."""
        self._node_labels = node_labels

    def severity_of(self, figures: Mapping[str, float]) -> Severity:
        """The rule's severity, or a worse one that the figures reach by `escalate`."""
        worst = self.severity
        for figure, steps in self.escalate.items():
            for severity, start in steps.items():
                if figures.get(figure, 0.0) >= start and severity.rank > worst.rank:
                    worst = severity
        return worst

    _version: str = PrivateAttr(default="")
    _node_labels: NodeLabels = PrivateAttr(default_factory=dict)

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
        """A hash of everything in the rule except its wording."""
        return self._version

    @field_validator("what", "title", "description", "recommendation")
    @classmethod
    def _names_known_figures(cls, text: str | None) -> str | None:
        for _, figure, form, conversion in string.Formatter().parse(text or ""):
            if figure is not None and figure not in cls.figures:
                raise ValueError(f"{{{figure}}} is unknown here; this kind has {', '.join(sorted(cls.figures))}")
            if conversion or (form and not re.fullmatch(r"\.\d{1,3}", form)):
                raise ValueError(f"{{{figure}:{form}}}: only a length is allowed here, for example {{{figure}:.50}}")
        return text

    def fill(self, text: str, figures: Mapping[str, str]) -> str:
        """`text` with its figures, each on one line: a template may contain line breaks."""
        return text.format_map(_on_one_line(figures)).strip()

    def fill_title(self, figures: Mapping[str, str]) -> str:
        """The title with its figures, cut at a word to MAX_TITLE characters. Messages are cut first. Without a message,
        `: {template}` is left out."""
        title, shown = self.title, _on_one_line(figures)
        messages = {
            name: one_line(shown[name], most=MAX_TITLE * 2)
            for name in MESSAGES
            if f"{{{name}" in title and name in shown
        }
        for name, message in messages.items():
            if message in ("", NO_PATTERN):
                title = title.replace(f": {{{name}}}", "")
        if messages:
            room = max(MAX_TITLE - len(title.format_map(shown | dict.fromkeys(messages, ""))), MIN_MESSAGE)
            shown |= {name: cut_at_word(text, most=room // len(messages)) for name, text in messages.items()}
        return cut_at_word(title.format_map(shown).strip(), most=MAX_TITLE)

    def fill_what(self, figures: Mapping[str, str]) -> str:
        """The problem in a few words: `High error rate`."""
        return self.fill(self.what, figures) if self.what else self.name.replace("-", " ").capitalize()


class DetectorBase(Rule):
    """Rules that `detected_issues` evaluates."""

    source: Literal["detector"] = "detector"
    for_: Lasting = Field(default=timedelta(), alias="for")  # how long the condition must have held
    grace: Duration = timedelta(hours=1)


class Detector(DetectorBase):
    """Rules about one node's lines, evaluated slot by slot. `conditions/by_kind.py` has the condition of each kind."""

    @property
    def width(self) -> int:
        """Slots of the rule's longest window."""
        return 1

    @property
    def look_back(self) -> int:
        """Slots before the window that it is compared with: four hours."""
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

    @property
    def false_alarms(self) -> float:
        """Its weight in the budget of false alarms. If the budget equals all weights: alarms per day and node."""
        return 0.0


class Predictor(Rule):
    """Rules that `predictions` evaluates."""

    source: Literal["predictor"] = "predictor"
    grace: Duration = timedelta(hours=6)

    @property
    def hours_before(self) -> int:
        """Hours it needs before the hour that is evaluated."""
        return 0


class OfLines(Rule):
    """Kinds with `where`. Each kind restricts it to what its condition supports."""

    where: AnyLevels

    @property
    def lines(self) -> AnyLevels:
        return self.where


class Bare(Rule):
    """Kinds with a fixed threshold. Once a node has `history`, they fire only if the figure is also improbable."""

    history: Past = timedelta(days=7)
    bare: Annotated[bool, Field(strict=True)] = False  # fire at the threshold alone, without that condition


NoSamples = Annotated[tuple[Sample, ...], Field(max_length=0)]  # for kinds that no single line can prove


def all_series(rules: Iterable[Rule]) -> set[Series]:
    """The series of all rules, also of predictors and disabled rules: all share the baselines of a day."""
    return {series for rule in rules for series in rule.series()}


def text_conditions(rules: Iterable[Rule]) -> dict[str, Where]:
    """Rule → its condition, for rules that search text."""
    return {rule.name: rule.lines for rule in rules if isinstance(rule.lines, Where) and rule.lines.has_words}


def counted_levels(rules: Iterable[Rule]) -> dict[str, list[Level]]:
    """Rule → the levels that it counts. Rules that count all levels are left out."""
    return {rule.name: list(rule.lines.level) for rule in rules if rule.lines.level}

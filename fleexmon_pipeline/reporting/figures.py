"""What a day's digest says: its shapes, plain numbers.

Here: what there is to say. Counted in `day.py`; how it looks: `markdown.py`, `html.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from fleexmon_pipeline.forecasting.record import Announced, Total

State = Literal["no-data", "incomplete", "attention", "healthy"]


@dataclass(frozen=True)
class Verdict:
    """`sentence` stands alone; `things` are what it counts, most urgent first."""

    state: State
    sentence: str
    things: tuple[str, ...]


@dataclass(frozen=True)
class Volume:
    """Lines of a stretch of time; errors are of level error and fatal. `error_rate` is None without lines."""

    lines: float
    errors: float
    warnings: float
    error_rate: float | None


@dataclass(frozen=True)
class Coverage:
    """5-minute slots by what is known of them. `pending`: not due yet; `missing` counts those without a row too."""

    complete: int = 0
    empty: int = 0
    partial: int = 0
    missing: int = 0
    pending: int = 0
    stored: int = 0  # lines
    rejected: int = 0  # records

    @property
    def known(self) -> int:
        return self.complete + self.empty

    @property
    def due(self) -> int:
        return self.known + self.partial + self.missing

    def uncounted(self, lines: float) -> int:
        """Stored lines beyond these, which were counted."""
        return max(0, self.stored - int(lines))


@dataclass(frozen=True)
class NodeFigures:
    """One node's day; `hours` has the worst status of each of the 24 hours, "unknown" before it was ever asked.

    `before_covered`: the share of the day before, 0 to 1, that its lines tell of.
    """

    node: str
    volume: Volume
    before: Volume
    before_covered: float
    coverage: Coverage
    hours: tuple[str, ...]


@dataclass(frozen=True)
class HourFigures:
    """`heard`: at least one node answered in it. False: a zero means nothing; None: the hour is still to come."""

    hour: datetime
    lines: int
    errors: int
    warnings: int
    heard: bool | None


@dataclass(frozen=True)
class PatternFigures:
    pattern: str
    template: str
    level: str
    count: int
    before: int  # the day before
    nodes: tuple[str, ...]
    first_seen: datetime | None


@dataclass(frozen=True)
class IssueFigures:
    id: str
    type: str
    severity: str
    title: str
    source: str
    nodes: tuple[str, ...]
    detected_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    muted: bool  # by a person, at the day's end


@dataclass(frozen=True)
class Issues:
    """Open: at the day's end, not now. The lists are the newest of what the numbers count."""

    open: int
    muted: int  # of the open ones: counted, and left out of what is urgent
    open_by_severity: dict[str, int]
    urgent: int  # high and critical of the open ones
    urgent_listed: tuple[IssueFigures, ...]
    new: int
    new_listed: tuple[IssueFigures, ...]
    resolved: int
    resolved_listed: tuple[IssueFigures, ...]


@dataclass(frozen=True)
class GenAIUse:
    calls: int
    failures: int
    tokens_in: int
    tokens_out: int
    cost: float | None = None  # at the prices set when it was asked; None where none were


@dataclass(frozen=True)
class Forecasts:
    """How the forecasts for the day's hours did, by kind; and the crossings announced during it."""

    did: tuple[Total, ...]
    announced: tuple[Announced, ...]


@dataclass(frozen=True)
class Figures:
    """A day in numbers. `week` is the mean of those `week_days` of the 7 days before that have lines at all.

    `before_covered`: the share of the day before, 0 to 1, that is known, of all nodes together. Of a day that is not
    over, `before` and `week` are those days up to the same time.
    """

    day: date
    as_of: datetime | None  # set while the day is not over: what is said holds up to then
    verdict: Verdict
    total: Volume
    before: Volume
    before_covered: float
    week: Volume
    week_days: int
    uncounted: int  # stored lines that analysis has not counted yet
    coverage: Coverage
    nodes: tuple[NodeFigures, ...]
    hours: tuple[HourFigures, ...]
    top_errors: tuple[PatternFigures, ...]
    new_patterns: int
    new_error_patterns: int
    new_listed: tuple[PatternFigures, ...]
    issues: Issues
    genai: GenAIUse
    forecasts: Forecasts

"""The content of a day's digest: types that hold plain numbers.

Here: the types. Counting: `day.py`; display: `markdown.py`, `html.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from fleexmon_pipeline.forecasting.record import Announced, Total

URGENT = ("critical", "high")  # severities that are reported at once
MIN_COVERED = 0.8  # of a day to compare with; with less there is no comparison

State = Literal["no-data", "incomplete", "attention", "healthy"]


@dataclass(frozen=True)
class Verdict:
    """`sentence` is complete in itself; `things` are the items that it names, most urgent first."""

    state: State
    sentence: str
    things: tuple[str, ...]


@dataclass(frozen=True)
class Volume:
    """Lines in a window; errors have level error or fatal. `error_rate` is None without lines."""

    lines: float
    errors: float
    warnings: float
    error_rate: float | None


@dataclass(frozen=True)
class Coverage:
    """5-minute slots by status. `pending`: not due yet; `missing` includes slots without a row."""

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
        """Stored lines that are not among these counted `lines`."""
        return max(0, self.stored - int(lines))


@dataclass(frozen=True)
class NodeFigures:
    """One node's day; `hours` has the worst status of each of the 24 hours, "unknown" before the node was first polled.

    `before_covered`: the share of the day before, 0 to 1, that is covered.
    """

    node: str
    volume: Volume
    before: Volume
    before_covered: float
    coverage: Coverage
    hours: tuple[str, ...]


@dataclass(frozen=True)
class HourFigures:
    """`heard`: whether a node responded. False: a zero means unknown; None: the hour has not ended yet."""

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
    muted: bool  # by a person, at the end of the day


@dataclass(frozen=True)
class IncidentFigures:
    """An incident that touches the day. `ended` is None if it was open at the end of the day; `changes` are texts."""

    id: str
    title: str
    severity: str
    nodes: tuple[str, ...]
    started_at: datetime
    last_seen_at: datetime
    ended: datetime | None
    began_with: str | None
    changes: tuple[str, ...]
    lines: int
    errors: int
    usual_errors: float | None
    acknowledged: str | None
    assignee: str | None
    muted: bool  # all of its issues, at the end of the day
    issues: tuple[IssueFigures, ...]  # those that touch the day, from first to last


@dataclass(frozen=True)
class Incidents:
    """`open`: at the end of the day, not now; `listed`: open and severe ones first."""

    open: int
    urgent: int  # open, high or critical, not muted
    new: int
    ended: int
    listed: tuple[IncidentFigures, ...]
    total: int


@dataclass(frozen=True)
class Issues:
    """Open: at the end of the day, not now. The lists hold the newest of the issues that the numbers count."""

    open: int
    muted: int  # open and muted: counted as open, not as urgent
    open_by_severity: dict[str, int]
    urgent: int  # open, high or critical, not muted
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
    cost: float | None = None  # at the prices set at the time of the call; None if none were set


@dataclass(frozen=True)
class Forecasts:
    """The accuracy of forecasts for the day's hours, by kind, and the crossings announced during the day."""

    did: tuple[Total, ...]
    announced: tuple[Announced, ...]


@dataclass(frozen=True)
class Figures:
    """A day in numbers. `week` is the mean of the `week_days` of the 7 days before that have lines and are covered.

    `before_covered`: the share of the day before, 0 to 1, that is covered, over all nodes. If the day is not over,
    `before` and `week` also end at the same time of day.
    """

    day: date
    as_of: datetime | None  # set while the day is not over: the figures cover the time up to then
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
    incidents: Incidents
    issues: Issues
    genai: GenAIUse
    forecasts: Forecasts

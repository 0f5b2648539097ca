"""How forecasts did: precision and calibration of the last 30 days, and whether they can be trusted.

Here: figures from scored rows, and the decision. Scoring: `forecasts.py`. Event time throughout: the record as of a
moment rests on hours that were over by then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.forecasting.forecasts import CROSSING, ERROR_RATE
from fleexmon_pipeline.window import DAY, HOUR, Window

_SQL = statements("forecasting")
DAYS = 30
MIN_SCORED = 200  # rows of a node: two days. With fewer, chance would stop and restart issues
MIN_COVERAGE = 0.65  # of an 80 % interval
MIN_CROSSINGS = 5
MIN_PRECISION = 1 / 3


@dataclass(frozen=True)
class Record:
    """Of one node and subject. Errors are means of |actual - value| over the same rows; None where no row compares."""

    node: str
    subject: str
    scored: int
    held: int  # within the 80 % interval
    error: float | None
    naive_error: float | None  # of the better of "as the last hour" and "as the day before"
    came_true: int  # of crossings: at any time, even before the interval

    @property
    def is_crossing(self) -> bool:
        return self.subject.startswith(CROSSING)

    @property
    def coverage(self) -> float:
        return self.held / self.scored

    @property
    def precision(self) -> float:
        return self.came_true / self.scored

    @property
    def against_naive(self) -> float | None:
        """Error as a share of the naive one: below 1 is better. None where both are zero."""
        if self.error is None or self.naive_error is None or (not self.naive_error and not self.error):
            return None
        return self.error / self.naive_error if self.naive_error else float("inf")


def read_records(connection: Connection, until: datetime, *, node: str | None = None, days: int = DAYS) -> list[Record]:
    """Of the forecasts for hours that were over at `until` and no more than `days` before it."""
    rows = connection.execute(_SQL["record"], {"since": until - days * DAY, "until": until, "node": node})
    return [
        Record(
            row["node"], row["subject"], row["scored"], row["held"], row["error"],
            None if row["error"] is None else min(row["last_hour_error"], row["day_before_error"]), row["came_true"],
        )
        for row in rows
    ]  # fmt: skip


def why_not_trusted(records: Sequence[Record], rule: str) -> str | None:
    """Why forecasts of a node, by its records, make no issues about the threshold of `rule`; None where they do.

    An interval that is too wide needs no test here: what is not sure to cross is not announced at all.
    """
    for record in records:
        if record.subject == ERROR_RATE and record.scored >= MIN_SCORED:
            against = record.against_naive
            if against is not None and against >= 1:
                return f"the error of error-rate forecasts is {against:.2f} times that of the naive forecast"
            if record.coverage < MIN_COVERAGE:
                return f"only {record.coverage:.0%} of error rates were within the 80 % interval"
        if (
            record.subject == f"{CROSSING}{rule}"
            and record.scored >= MIN_CROSSINGS
            and record.precision < MIN_PRECISION
        ):
            return f"only {record.came_true} of {record.scored} announced crossings came true"
    return None


def not_trusted(records: Sequence[Record], rules: Sequence[str]) -> list[tuple[str, str]]:
    """Node and why, for the nodes whose forecasts make no issues for one of the `rules`."""
    reasons_of: dict[tuple[str, str], None] = {}  # in this order, without repeats
    for node in sorted({record.node for record in records}):
        own = [record for record in records if record.node == node]
        reasons = [reason for rule in rules if (reason := why_not_trusted(own, rule))]
        reasons_of.update({(node, reason): None for reason in reasons})
    return list(reasons_of)


@dataclass(frozen=True)
class Total:
    """Records of one kind of subject, over all nodes."""

    kind: str
    scored: int
    coverage: float
    against_naive: float | None  # the median over nodes and subjects
    precision: float | None  # of crossings


def totals(records: Sequence[Record]) -> list[Total]:
    """By kind: `lines`, `error-rate`, `level`, `pattern`, `crossing`."""
    kinds: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        kinds[record.subject.split(":", 1)[0]].append(record)
    by_kind = []
    for kind, own in sorted(kinds.items()):
        scored = sum(record.scored for record in own)
        ratios = [ratio for record in own if (ratio := record.against_naive) is not None]
        came_true = sum(record.came_true for record in own)
        by_kind.append(
            Total(
                kind, scored, sum(record.held for record in own) / scored, median(ratios) if ratios else None,
                came_true / scored if own[0].is_crossing else None,
            )
        )  # fmt: skip
    return by_kind


@dataclass(frozen=True)
class Announced:
    """An announced threshold crossing; hours count from `made_at`. `came_true`: None while not known."""

    made_at: datetime
    node: str
    rule: str
    hours: float
    low: float
    high: float
    actual: float | None
    came_true: bool | None


def announced(connection: Connection, window: Window) -> list[Announced]:
    """The first of each node and rule in the day `window`: it is announced again every hour until it comes true."""
    first: dict[tuple[str, str], Announced] = {}
    for row in connection.execute(_SQL["crossings"], {"since": window.since, "until": window.until - HOUR}):
        announcement = Announced(
            row["made_at"], row["node"], row["subject"].removeprefix(CROSSING), row["value"], row["low"], row["high"],
            row["actual"], None if row["hit"] is None else row["actual"] is not None,
        )  # fmt: skip
        first.setdefault((announcement.node, announcement.rule), announcement)
    return list(first.values())


def problems(records: Sequence[Record], rules: Sequence[str]) -> list[tuple[str, str]]:
    """Node and sentence, for forecasts that make no issues, and for other intervals that hold too rarely."""
    texts = [(node, f"forecasts make no issues: {reason}") for node, reason in not_trusted(records, rules)]
    for record in records:
        enough = record.scored >= MIN_SCORED and not record.is_crossing and record.subject != ERROR_RATE
        if enough and record.coverage < MIN_COVERAGE:
            texts.append((record.node, f"only {record.coverage:.0%} of {record.subject} within the 80 % interval"))
    return texts


def table(records: Sequence[Record]) -> str:
    """As Markdown."""
    rows = [
        f"| {total.kind} | {total.scored:,} | {total.coverage:.0%} | "
        f"{'' if total.against_naive is None else f'{total.against_naive:.2f}'} | "
        f"{'' if total.precision is None else f'{total.precision:.0%}'} |"
        for total in totals(records)
    ]
    head = [
        "| forecast | scored | in 80 % interval | error / naive error | came true |",
        "|---|--:|--:|--:|--:|",
    ]
    return "\n".join([*head, *rows])

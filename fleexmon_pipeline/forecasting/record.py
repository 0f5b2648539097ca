"""How forecasts did: precision and calibration of the last 30 days, and whether they are worth believing.

Here: figures from scored rows, and the judgement. Scoring: `forecasts.py`. Event time throughout: what is said as of a
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
MIN_SCORED = 200  # rows of a node: two days. With fewer, chance would stop and start issues
MIN_COVERAGE = 0.65  # of an 80 % interval
MIN_CROSSINGS = 5
MIN_PRECISION = 1 / 3


@dataclass(frozen=True)
class Record:
    """Of one node and subject. Errors are means of |actual - value|, on the same rows; None where nothing compares."""

    node: str
    subject: str
    scored: int
    held: int  # within the 80 % interval
    error: float | None
    naive_error: float | None  # of the better of "as the last hour" and "as the day before"
    came_true: int  # of crossings: at all, sooner than the interval too

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
        """Error as a share of the naive one: below 1 is better. None where both are nothing."""
        if self.error is None or self.naive_error is None or (not self.naive_error and not self.error):
            return None
        return self.error / self.naive_error if self.naive_error else float("inf")


def read_records(connection: Connection, until: datetime, *, node: str | None = None, days: int = DAYS) -> list[Record]:
    """Of the forecasts for hours that were over at `until` and not older than `days`."""
    rows = connection.execute(_SQL["record"], {"since": until - days * DAY, "until": until, "node": node})
    return [
        Record(
            row["node"], row["subject"], row["scored"], row["held"], row["error"],
            None if row["error"] is None else min(row["last_hour_error"], row["day_before_error"]), row["came_true"],
        )
        for row in rows
    ]  # fmt: skip


def useless(records: Sequence[Record], rule: str) -> str | None:
    """Why forecasts of a node (these are its records) make no issues that `rule` will be crossed; None: they do.

    An interval that is too wide needs no test here: what is not sure to cross is not said at all.
    """
    for record in records:
        if record.subject == ERROR_RATE and record.scored >= MIN_SCORED:
            against = record.against_naive
            if against is not None and against >= 1:
                return f"error-rate forecasts miss by {against:.2f} times what the naive forecast misses by"
            if record.coverage < MIN_COVERAGE:
                return f"only {record.coverage:.0%} of error rates came within the 80 % interval"
        if (
            record.subject == f"{CROSSING}{rule}"
            and record.scored >= MIN_CROSSINGS
            and record.precision < MIN_PRECISION
        ):
            return f"only {record.came_true} of {record.scored} announced crossings came true"
    return None


def stopped(records: Sequence[Record], rules: Sequence[str]) -> list[tuple[str, str]]:
    """Node and why, of the nodes whose forecasts make no issues of one of the `rules`."""
    found: dict[tuple[str, str], None] = {}  # in this order, each once
    for node in sorted({record.node for record in records}):
        own = [record for record in records if record.node == node]
        reasons = [reason for rule in rules if (reason := useless(own, rule))]
        found.update({(node, reason): None for reason in reasons})
    return list(found)


@dataclass(frozen=True)
class Total:
    """Records of one kind of subject, all nodes together."""

    kind: str
    scored: int
    coverage: float
    against_naive: float | None  # the median of the nodes' and subjects'
    precision: float | None  # of crossings


def totals(records: Sequence[Record]) -> list[Total]:
    """By kind: `lines`, `error-rate`, `level`, `pattern`, `crossing`."""
    kinds: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        kinds[record.subject.split(":", 1)[0]].append(record)
    found = []
    for kind, own in sorted(kinds.items()):
        scored = sum(record.scored for record in own)
        ratios = [ratio for record in own if (ratio := record.against_naive) is not None]
        came_true = sum(record.came_true for record in own)
        found.append(
            Total(
                kind, scored, sum(record.held for record in own) / scored, median(ratios) if ratios else None,
                came_true / scored if own[0].is_crossing else None,
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Announced:
    """A threshold said to be crossed; hours count from `made_at`. `came_true`: None while that is not known."""

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
    found: dict[tuple[str, str], Announced] = {}
    for row in connection.execute(_SQL["crossings"], {"since": window.since, "until": window.until - HOUR}):
        said = Announced(
            row["made_at"], row["node"], row["subject"].removeprefix(CROSSING), row["value"], row["low"], row["high"],
            row["actual"], None if row["hit"] is None else row["actual"] is not None,
        )  # fmt: skip
        found.setdefault((said.node, said.rule), said)
    return list(found.values())


def problems(records: Sequence[Record], rules: Sequence[str]) -> list[tuple[str, str]]:
    """Node and sentence: whose forecasts make no issues, and whose intervals hold too seldom all the same."""
    found = [(node, f"forecasts make no issues: {reason}") for node, reason in stopped(records, rules)]
    for record in records:
        enough = record.scored >= MIN_SCORED and not record.is_crossing and record.subject != ERROR_RATE
        if enough and record.coverage < MIN_COVERAGE:
            found.append((record.node, f"only {record.coverage:.0%} of {record.subject} within the 80 % interval"))
    return found


def table(records: Sequence[Record]) -> str:
    """As Markdown."""
    rows = [
        f"| {each.kind} | {each.scored:,} | {each.coverage:.0%} | "
        f"{'' if each.against_naive is None else f'{each.against_naive:.2f}'} | "
        f"{'' if each.precision is None else f'{each.precision:.0%}'} |"
        for each in totals(records)
    ]
    head = [
        "| forecast | scored | in 80 % interval | error / naive error | came true |",
        "|---|--:|--:|--:|--:|",
    ]
    return "\n".join([*head, *rows])

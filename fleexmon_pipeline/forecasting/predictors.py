"""Predictor rules over an hour: what will become a problem if it continues.

Here: the conditions of the kinds `trend`, `spike` and `backlog`. The series they use: `series.py`; how a rule is
written: `detection/rule_kinds.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.evaluate import improbable
from fleexmon_pipeline.detection.firing import Firing, occurrence
from fleexmon_pipeline.detection.rule_kinds import Backlog, Spike, Trend
from fleexmon_pipeline.detection.rule_model import Bare, Predictor, Rule
from fleexmon_pipeline.forecasting.series import hourly_series
from fleexmon_pipeline.issues.occurrence import Occurrence, Subject
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.patterns.read_counts import read_counts, read_samples
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline.wording import percent

if TYPE_CHECKING:
    import pandas as pd

LISTED_ISSUES = 20  # of a backlog, in metadata


def predict(connection: Connection, rules: Sequence[Rule], hour: Window, *, now_end: datetime) -> list[Occurrence]:
    """Occurrences of the predictor rules in one hour, as of its end, or of `now_end` (the end of the ended slots) if
    that is earlier.

    Their slot is the last one before that end. In the current hour:
    - `spike` compares the lines so far with whole hours: what is already too many will not become fewer;
    - `trend` is not evaluated: the rate of a few minutes is mostly chance;
    - `backlog` counts what is open at `now_end`.

    A node is skipped where an hour that is compared was not collected in full, and where there is nothing to compare
    with: an hour without data is neither calm nor healthy. [] before the first slot has ended. Detectors and disabled
    rules are skipped. Ordered by rule and subject.
    """
    end = min(hour.until, now_end)
    active = [rule for rule in rules if rule.enabled and isinstance(rule, Predictor) and rule.kind in CONDITIONS]
    if end < hour.since + SLOT or not active:
        return []
    if hour.length != HOUR:
        raise ValueError(f"predictions look at one hour, not at {hour}")
    since = hour.since - HOUR * max(rule.hours_before for rule in active)
    past = Past(connection, hourly_series(connection, Window(since, end)), hour, end)
    occurrences: list[Occurrence] = []
    for rule in active:
        result = CONDITIONS[rule.kind](rule, past)
        firings = result.firings
        if firings and isinstance(rule, Bare):
            unusual = improbable(connection, rules, rule, end)
            firings = [firing for firing in firings if firing.subject.node in unusual]
        if result.compared is None:
            occurrences += (occurrence(rule, firing) for firing in firings)
        elif firings:
            nodes = [firing.subject.node or "" for firing in firings]
            counts = read_counts(connection, result.compared)
            samples = read_samples(connection, counts, result.compared, nodes=nodes, levels=result.levels)
            slots = result.compared.length // SLOT
            occurrences += (occurrence(rule, firing, samples.newest(firing.subject, end, slots)) for firing in firings)
    return sorted(occurrences, key=lambda occurrence: (occurrence.rule, str(occurrence.subject)))


@dataclass(frozen=True)
class Past:
    """What conditions are evaluated on: the hourly series up to `end`, in `hour`."""

    connection: Connection
    series: pd.DataFrame
    hour: Window
    end: datetime


@dataclass(frozen=True)
class Found:
    """What a condition found, and which lines it compared: those are the evidence. None: it is not about lines."""

    firings: list[Firing]
    compared: Window | None = None
    levels: Sequence[str] = ()


def _per_node(series: pd.DataFrame, hours: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Nodes whose last `hours` hours were all collected in full, with these hours, oldest first."""
    for node, frame in series.groupby(level="node", sort=True):
        last = frame.iloc[-hours:]
        if last["covered"].all():
            yield str(node), last


def _trend(rule: Trend, past: Past) -> Found:
    firings = list(_rising(rule, past.series, past.end)) if past.end == past.hour.until else []
    return Found(firings, Window(past.hour.until - HOUR * rule.trend.hours, past.end), rule.where.level)


def _rising(rule: Trend, series: pd.DataFrame, end: datetime) -> Iterator[Firing]:
    hours, times, threshold = rule.trend.hours, rule.trend.times, rule.trend.more_than
    for node, frame in _per_node(series, 2 * hours):
        errors, lines = frame[list(rule.where.level)].sum(axis=1), frame["lines"]
        old_errors, old_lines = int(errors.iloc[:hours].sum()), int(lines.iloc[:hours].sum())
        new_errors, new_lines = int(errors.iloc[hours:].sum()), int(lines.iloc[hours:].sum())
        if not old_lines or not new_lines:
            continue  # an idle node has no rate; green at rest is normal
        # Multiplied out, so that 3 of 100 is not more than 1.5 times 2 of 100, whatever floats round to.
        if new_errors * old_lines <= times * old_errors * new_lines or new_errors / new_lines <= threshold:
            continue
        rate, before = new_errors / new_lines, old_errors / old_lines
        figures = {
            "errors": new_errors, "total": new_lines, "rate": rate, "rateBefore": before, "threshold": threshold,
            "times": times, "hours": hours,
        }  # fmt: skip
        shown = {
            "node": node, "count": f"{new_errors:,}", "total": f"{new_lines:,}", "rate": percent(rate),
            "rate_before": percent(before), "threshold": percent(threshold), "hours": str(hours),
        }  # fmt: skip
        yield Firing(Subject(node), end, new_errors, shown, figures)


def _spike(rule: Spike, past: Past) -> Found:
    return Found(list(_jumps(rule, past.series, past.end)), Window(past.hour.since, past.end), LEVELS)


def _jumps(rule: Spike, series: pd.DataFrame, end: datetime) -> Iterator[Firing]:
    hours, times, threshold = rule.spike.hours, rule.spike.times, rule.spike.more_than
    for node, frame in _per_node(series, hours + 1):
        before, lines = int(frame["lines"].iloc[:-1].sum()), int(frame["lines"].iloc[-1])
        if not before:
            continue  # or a node that takes over the traffic would always be a spike
        if lines * hours <= times * before or lines <= threshold:
            continue
        mean = before / hours
        figures = {"lines": lines, "mean": mean, "threshold": threshold, "times": times, "hours": hours}
        shown = {
            "node": node, "count": f"{lines:,}", "mean": f"{mean:,.0f}", "times": f"{lines / mean:.1f}",
            "threshold": str(threshold), "hours": str(hours),
        }  # fmt: skip
        yield Firing(Subject(node), end, lines, shown, figures)


def _backlog(rule: Backlog, past: Past) -> Found:
    """About all nodes. Predictions are not counted, or a backlog would feed itself."""
    bounds = {"end": past.end, "found_by": past.end - rule.backlog.open_for}
    issues = past.connection.execute(statements("forecasting")["open_issues"], bounds).fetchall()
    if len(issues) <= rule.backlog.more_than:
        return Found([])
    figures = {
        "count": len(issues),
        "threshold": rule.backlog.more_than,
        "bySeverity": dict(Counter(row["severity"] for row in issues)),
        "issues": [str(row["id"]) for row in issues[:LISTED_ISSUES]],
    }
    shown = {"count": str(len(issues)), "threshold": str(rule.backlog.more_than)}
    return Found([Firing(Subject(), past.end, len(issues), shown, figures)])


# Any: each condition takes the class of its own kind.
CONDITIONS: dict[str, Callable[[Any, Past], Found]] = {"trend": _trend, "spike": _spike, "backlog": _backlog}

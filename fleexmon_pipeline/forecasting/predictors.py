"""Predictor rules over an hour: what will become a problem if it continues.

Here: the conditions of the kinds `trend`, `spike` and `backlog`. The series they use: `series.py`; how a rule is
written: `detection/rule_model.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import pandas as pd

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.evaluate import improbable
from fleexmon_pipeline.detection.firing import Firing, occurrence
from fleexmon_pipeline.detection.rule_model import Backlog, Rule, Spike, Trend
from fleexmon_pipeline.forecasting.series import hourly_series
from fleexmon_pipeline.issues.occurrence import Occurrence, Subject
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.patterns.read_counts import read_counts, read_samples
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline.wording import percent

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
    active = [rule for rule in rules if rule.enabled and isinstance(rule, Trend | Spike | Backlog)]
    if end < hour.since + SLOT or not active:
        return []
    if hour.length != HOUR:
        raise ValueError(f"predictions look at one hour, not at {hour}")
    since = hour.since - HOUR * max(rule.hours_before for rule in active)
    series = hourly_series(connection, Window(since, end))
    occurrences: list[Occurrence] = []
    for rule in active:
        match rule:
            case Trend():
                firings = list(_trend(rule, series, end)) if end == hour.until else []
                compared, levels = Window(hour.until - HOUR * rule.trend.hours, end), rule.where.level
            case Spike():
                firings = list(_spike(rule, series, end))
                compared, levels = Window(hour.since, end), LEVELS
            case Backlog():
                occurrences += (occurrence(rule, firing) for firing in _backlog(connection, rule, end))
                continue
        if firings:
            unusual = improbable(connection, rules, rule, end)
            firings = [firing for firing in firings if firing.subject.node in unusual]
        if firings:
            nodes = [firing.subject.node or "" for firing in firings]
            counts = read_counts(connection, compared)
            samples = read_samples(connection, counts, compared, nodes=nodes, levels=levels)
            slots = compared.length // SLOT
            occurrences += (occurrence(rule, firing, samples.newest(firing.subject, end, slots)) for firing in firings)
    return sorted(occurrences, key=lambda occurrence: (occurrence.rule, str(occurrence.subject)))


def _per_node(series: pd.DataFrame, hours: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Nodes whose last `hours` hours were all collected in full, with these hours, oldest first."""
    for node, frame in series.groupby(level="node", sort=True):
        last = frame.iloc[-hours:]
        if last["covered"].all():
            yield str(node), last


def _trend(rule: Trend, series: pd.DataFrame, end: datetime) -> Iterator[Firing]:
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
            "node": node, "count": str(new_errors), "total": str(new_lines), "rate": percent(rate),
            "rate_before": percent(before), "threshold": percent(threshold), "hours": str(hours),
        }  # fmt: skip
        yield Firing(Subject(node), end, new_errors, shown, figures)


def _spike(rule: Spike, series: pd.DataFrame, end: datetime) -> Iterator[Firing]:
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
            "node": node, "count": str(lines), "mean": f"{mean:,.0f}", "times": f"{lines / mean:.1f}",
            "threshold": str(threshold), "hours": str(hours),
        }  # fmt: skip
        yield Firing(Subject(node), end, lines, shown, figures)


def _backlog(connection: Connection, rule: Backlog, end: datetime) -> Iterator[Firing]:
    """About all nodes. Predictions are not counted, or a backlog would feed itself."""
    bounds = {"end": end, "found_by": end - rule.backlog.open_for}
    issues = connection.execute(statements("forecasting")["open_issues"], bounds).fetchall()
    if len(issues) <= rule.backlog.more_than:
        return
    figures = {
        "count": len(issues),
        "threshold": rule.backlog.more_than,
        "bySeverity": dict(Counter(row["severity"] for row in issues)),
        "issues": [str(row["id"]) for row in issues[:LISTED_ISSUES]],
    }
    shown = {"count": str(len(issues)), "threshold": str(rule.backlog.more_than)}
    yield Firing(Subject(), end, len(issues), shown, figures)

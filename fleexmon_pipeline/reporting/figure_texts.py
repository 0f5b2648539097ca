"""Texts of figures, the same in Markdown and HTML."""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.forecasting.record import Announced
from fleexmon_pipeline.incidents import sentences
from fleexmon_pipeline.reporting.figures import (
    MIN_COVERED,
    Figures,
    IncidentFigures,
    IssueFigures,
    NodeFigures,
    PatternFigures,
    Volume,
)  # fmt: skip
from fleexmon_pipeline.wording import counted, short_duration

FULLY_COVERED = 0.99  # of a day's slots; a missing slot or two changes no figure
LABELS = (("Lines", "lines"), ("Errors", "errors"), ("Warnings", "warnings"))


def number(value: float) -> str:
    """`12,345`, `12.5`; no decimals from 100."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}".removesuffix(".0")


def rate(value: float | None) -> str:
    """`3.1%`; `–` if there were no lines."""
    return "–" if value is None else f"{value:.1%}"


def moment(value: datetime | None) -> str:
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M}"


def change(now: float, then: float) -> str:
    """`+25%`; `new` if it was zero; `=` below half a percent."""
    if now == then:
        return "="
    if not then:
        return "new"
    shown = f"{(now - then) / then:+,.0%}"
    return "=" if shown in ("+0%", "-0%") else shown


def volume_rows(figures: Figures) -> list[tuple[str, str, str, str, str]]:
    """Rows of label, the day, the day before, the change, the mean of the week."""
    week, comparable = figures.week_days > 0, figures.before_covered >= MIN_COVERED
    rows = [
        (label, number(getattr(figures.total, name)), number(getattr(figures.before, name)),
         change(getattr(figures.total, name), getattr(figures.before, name)) if comparable else "–",
         number(getattr(figures.week, name)) if week else "–")
        for label, name in LABELS
    ]  # fmt: skip
    now, then, mean = (rate(volume.error_rate) for volume in (figures.total, figures.before, figures.week))
    return [*rows, ("Error rate", now, then, points(figures.total, figures.before) if comparable else "–", mean)]


def points(now: Volume, then: Volume) -> str:
    """The change of the error rate in percentage points: `+1.2 pp`."""
    if now.error_rate is None or then.error_rate is None:
        return "–"
    return f"{(now.error_rate - then.error_rate) * 100:+.1f} pp"


def partly(covered: float) -> str:
    """` (91% covered)`, or empty: a partly covered day has fewer lines for that reason alone."""
    if covered >= FULLY_COVERED:
        return ""
    return f" ({int(covered * 100)}% covered{'' if covered >= MIN_COVERED else ': no comparison'})"


def lines_change(node: NodeFigures) -> str:
    """`+25%`, `+25% (91% covered)`, `– (61% covered: no comparison)`"""
    shown = change(node.volume.lines, node.before.lines) if node.before_covered >= MIN_COVERED else "–"
    return shown + partly(node.before_covered)


def by_then(figures: Figures) -> str:
    """` by 00:20`, or empty: a day that is not over is compared with the same part of other days."""
    return f" by {figures.as_of:%H:%M}" if figures.as_of else ""


def before_label(figures: Figures) -> str:
    return f"Day before{by_then(figures)}{partly(figures.before_covered)}"


def week_label(figures: Figures) -> str:
    if not figures.week_days:
        return "Mean of 7 days (no data)"
    days = "7 days" if figures.week_days == 7 else f"{figures.week_days} of 7 days"
    return f"Mean of {days}{by_then(figures)}"


def severities(figures: Figures) -> str:
    """`1 critical, 3 medium`, or empty."""
    return ", ".join(f"{count} {severity}" for severity, count in figures.issues.open_by_severity.items())


def muted(figures: Figures) -> str:
    """`, 2 of them muted`, or empty."""
    return f", {figures.issues.muted:,} of them muted" if figures.issues.muted else ""


def incidents(figures: Figures) -> str:
    """`2 open at the end of the day, 1 new, 3 ended.`"""
    totals = figures.incidents
    return f"{totals.open:,} open at the end of the day, {totals.new:,} new, {totals.ended:,} ended."


def course(incident: IncidentFigures) -> str:
    """When, where, how long, and whether it has ended: `10:05 to 10:40 on blue (35 min), ended`."""
    began, last = incident.started_at, incident.last_seen_at
    until = f"{last:%H:%M}" if began.date() == last.date() else moment(last)
    where = f" on {', '.join(incident.nodes[:4])} {more(4, len(incident.nodes))}".rstrip() if incident.nodes else ""
    end = "ended" if incident.ended else "still open at the end of the day"
    return f"{moment(began)} to {until}{where} ({short_duration(last - began)}), {end}"


def cost(incident: IncidentFigures) -> str:
    """`412 errors in 3,120 lines (3 expected from the day before)`"""
    return sentences.errors(incident.errors, incident.lines, incident.usual_errors)


def issues_of(incident: IncidentFigures) -> list[tuple[str, str]]:
    """Severity and text of its issues. Those of one type on the same nodes with the same message become one."""
    groups: dict[tuple[str, tuple[str, ...], str], list[IssueFigures]] = {}
    for issue in incident.issues:
        groups.setdefault((issue.type, issue.nodes, issue.title.rpartition(" (")[0] or issue.title), []).append(issue)
    return [
        (
            group[-1].severity,
            (f"{len(group)} issues, the latest: " if len(group) > 1 else "") + group[-1].title
            + (" (muted)" if all(issue.muted for issue in group) else ""),
        )
        for group in groups.values()
    ]  # fmt: skip


def people(incident: IncidentFigures) -> str:
    """`Acknowledged by ann. Assigned to bob.`, or empty."""
    parts = [
        f"Acknowledged by {incident.acknowledged}." if incident.acknowledged else "",
        f"Assigned to {incident.assignee}." if incident.assignee else "",
        "Muted." if incident.muted else "",
    ]
    return " ".join(filter(None, parts))


def is_quiet(figures: Figures) -> bool:
    """Whether there is nothing to report."""
    announced_today = figures.forecasts.announced
    return figures.verdict.state == "healthy" and not figures.incidents.total and not announced_today


def genai(figures: Figures) -> str:
    use = figures.genai
    if not use.calls:
        return "No GenAI calls."
    return (
        f"{counted(use.calls, 'call')}, {use.failures:,} of them failed; "
        f"{use.tokens_in:,} tokens in, {use.tokens_out:,} tokens out"
        + ("." if use.cost is None else f"; cost {use.cost:,.4f} at the configured prices.")
    )


def forecasts(figures: Figures) -> str:
    """How accurate the day's forecasts were, one clause per kind. Announced crossings are listed separately."""
    clauses = [
        f"{kind.kind} {kind.coverage:.0%} of {kind.scored:,}"
        + ("" if kind.against_naive is None else f" ({kind.against_naive:.2f} of the naive error)")
        for kind in figures.forecasts.did
        if kind.precision is None
    ]
    return f"Within the 80 % interval: {'; '.join(clauses)}." if clauses else "No forecasts were due."


def announced(crossing: Announced) -> str:
    """`high-error-rate in about 3 h (2-4 h), forecast at 2026-11-20 09:00: happened after 3 h`"""
    within = f"{crossing.low:.0f}-{crossing.high:.0f}" if crossing.low < crossing.high else f"{crossing.low:.0f}"
    if crossing.actual is not None:
        outcome = f"happened after {crossing.actual:.0f} h"
    else:
        outcome = "not known yet" if crossing.came_true is None else "did not happen"
    forecast = f"forecast at {moment(crossing.made_at)}: {outcome}"
    return f"{crossing.rule} in about {crossing.hours:.0f} h ({within} h), {forecast}"


def no_errors(figures: Figures) -> str:
    return "No errors in this day's lines." if figures.total.lines else "No lines, so errors are unknown."


def trend(pattern: PatternFigures, figures: Figures) -> str:
    """The change against the day before; `–` if too little of that day is covered on the pattern's nodes."""
    shares = [node.before_covered for node in figures.nodes if node.node in pattern.nodes]
    comparable = bool(shares) and sum(shares) / len(shares) >= MIN_COVERED
    return change(pattern.count, pattern.before) if comparable else "–"


def more(shown: int, total: int) -> str:
    """`and 3 more`, or empty."""
    return f"and {total - shown:,} more" if total > shown else ""

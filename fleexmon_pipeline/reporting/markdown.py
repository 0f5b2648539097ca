"""A day's digest as GitHub Markdown: an issue's title and body.

Here: order and tables. All text from log lines or people is escaped by `escape.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from fleexmon_pipeline.reporting import figure_texts
from fleexmon_pipeline.reporting.escape import code, mermaid, prose
from fleexmon_pipeline.reporting.figures import Figures, IncidentFigures, PatternFigures
from fleexmon_pipeline.wording import one_line

MAX_CHARACTERS = 60_000  # GitHub rejects a body of more than 65,536
MAX_LISTED = 20  # nodes, and announced crossings
MAX_TITLE = 120
MAX_ISSUES = 8  # of an incident
MAX_TEMPLATE = 110  # characters of a template in a table

_ICONS = {"healthy": "✅", "attention": "🔶", "incomplete": "⚠️", "no-data": "⬜"}


def title(day: date) -> str:
    return f"[Monitoring Digest] {day:%Y-%m-%d}"


def render(figures: Figures, ui_url: str | None = None) -> str:
    """The digest, always under 60,000 characters: every list is bounded, and so is every text in it. A day on which
    nothing happened is three lines. `ui_url`: where people open the UI."""
    verdict = f"{_ICONS[figures.verdict.state]} **{prose(figures.verdict.sentence)}**"
    if figure_texts.is_quiet(figures):
        return "\n\n".join([verdict, _one_line(figures), _page(figures, ui_url)]) + "\n"
    sections = [
        verdict,
        *_incidents(figures, ui_url),
        _table(
            ("", f"{figures.day}", figure_texts.before_label(figures), "Change", figure_texts.week_label(figures)),
            figure_texts.volume_rows(figures),
        ),
        *_charts(figures),
        *_nodes(figures),
        *_patterns("Top errors", figures.top_errors, figures, figure_texts.no_errors(figures)),
        *_patterns(
            f"New patterns: {figures.new_patterns:,}, {figures.new_error_patterns:,} of them errors",
            figures.new_listed,
            figures,
            "",
        ),
        *_forecasts(figures),
        f"## GenAI\n\n{figure_texts.genai(figures)}",
    ]
    text = "\n\n".join(sections) + "\n"
    if len(text) > MAX_CHARACTERS:
        raise AssertionError(f"the digest of {figures.day} has {len(text):,} characters")
    return text


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["--:" if _numeric(name) else "---" for name in head[1:]], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _numeric(name: str) -> bool:
    return name not in ("Pattern", "Nodes", "Level", "First seen", "Id")


def _charts(figures: Figures) -> list[str]:
    """Only numbers and node names reach Mermaid. Empty without lines."""
    if not figures.total.lines:
        return []
    hours = ", ".join(f'"{hour.hour:%H}"' for hour in figures.hours)
    nodes = mermaid(", ".join(f"{n.node} {figure_texts.number(n.volume.errors)}" for n in figures.nodes[:4]), most=80)
    charts = []
    for label, values in (
        (f"Errors per hour: {nodes}", [hour.errors for hour in figures.hours]),
        ("Lines per hour", [hour.lines for hour in figures.hours]),
    ):
        top = max(*values, 4)
        bars = ", ".join(map(str, values))
        charts.append(
            f'```mermaid\nxychart-beta\n  title "{label}"\n  x-axis [{hours}]\n  y-axis 0 --> {top}\n'
            f"  bar [{bars}]\n```"
        )
    return charts


def _nodes(figures: Figures) -> list[str]:
    if not figures.nodes:
        return ["## Nodes\n\nNo node was polled."]
    rows = [
        (
            code(node.node, most=60), figure_texts.number(node.volume.lines), figure_texts.number(node.volume.errors),
            figure_texts.rate(node.volume.error_rate), figure_texts.lines_change(node),
            *(f"{count:,}" for count in (node.coverage.complete, node.coverage.empty, node.coverage.partial,
                                         node.coverage.missing, node.coverage.rejected)),
        )
        for node in figures.nodes[:MAX_LISTED]
    ]  # fmt: skip
    head = ("Node", "Lines", "Errors", "Error rate", "Lines vs day before", "Complete", "Empty", "Partial", "Missing",
            "Rejected")  # fmt: skip
    more = figure_texts.more(len(rows), len(figures.nodes))
    note = "Complete, empty, partial and missing count slots of 5 minutes; rejected counts records."
    return [f"## Nodes\n\n{_table(head, rows)}\n\n{more and more + '. '}{note}"]


def _patterns(heading: str, patterns: Sequence[PatternFigures], figures: Figures, none: str) -> list[str]:
    if not patterns:
        return [f"## {heading}\n\n{none}"] if none else []
    rows = [
        (
            f"{pattern.count:,}", figure_texts.trend(pattern, figures), one_line(pattern.level, most=10),
            code(pattern.template, most=MAX_TEMPLATE), _names(pattern.nodes), figure_texts.moment(pattern.first_seen),
            code(pattern.pattern, most=20),
        )
        for pattern in patterns
    ]  # fmt: skip
    return [f"## {heading}\n\n{_table(('Count', 'Change', 'Level', 'Pattern', 'Nodes', 'First seen', 'Id'), rows)}"]


def _forecasts(figures: Figures) -> list[str]:
    """Empty without forecasts: the first days have no history to forecast from."""
    if not figures.forecasts.did and not figures.forecasts.announced:
        return []
    listed = [
        f"- {code(crossing.node, most=40)}: {prose(figure_texts.announced(crossing), most=200)}"
        for crossing in figures.forecasts.announced[:MAX_LISTED]
    ]
    did = prose(figure_texts.forecasts(figures), most=600)
    return ["\n\n".join(["## Forecasts", did, "\n".join(listed)]).rstrip()]


def _incidents(figures: Figures, ui_url: str | None) -> list[str]:
    totals = figures.incidents
    if not totals.total:
        return ["## Incidents\n\nNone."]
    parts = [f"## Incidents\n\n{figure_texts.incidents(figures)}"]
    parts += [_incident(incident, ui_url) for incident in totals.listed]
    if more := figure_texts.more(len(totals.listed), totals.total):
        parts.append(f"{more}: `fleexmon incidents list --status all --since {figures.day}`")
    return ["\n\n".join(parts)]


def _incident(incident: IncidentFigures, ui_url: str | None) -> str:
    severity = one_line(incident.severity, most=10) if incident.severity.isalpha() else "unknown"
    where_to_look = f"`fleexmon incidents show {incident.id[:18]}`"
    if ui_url:
        where_to_look += f" or {ui_url}/fleexmon/incidents/{incident.id}"
    changes = "; ".join(code(change, most=100) for change in incident.changes)
    sentences = [
        f"{prose(figure_texts.course(incident), most=300)}. {figure_texts.cost(incident)}.",
        f"Began with: {code(incident.began_with, most=MAX_TEMPLATE)}." if incident.began_with else "",
        f"Shortly before: {changes}." if incident.changes else "",
        prose(figure_texts.people(incident), most=200),
        f"Details: {where_to_look}",
    ]
    issue_lines = figure_texts.issues_of(incident)
    issues = [
        f"- {one_line(severity, most=10) if severity.isalpha() else 'unknown'}: {code(text, most=MAX_TITLE)}"
        for severity, text in issue_lines[:MAX_ISSUES]
    ]
    more = figure_texts.more(len(issues), len(issue_lines))
    listed = "\n".join([*issues, *([f"- {more}"] if more else [])])
    heading = f"### {severity}: {code(incident.title, most=MAX_TITLE)}"
    return "\n\n".join([heading, " ".join(filter(None, sentences)), listed]).rstrip()


def _one_line(figures: Figures) -> str:
    """All figures of a quiet day."""
    nodes = ", ".join(
        f"{code(node.node, most=40)} {figure_texts.number(node.volume.lines)}" for node in figures.nodes[:MAX_LISTED]
    )
    change = figure_texts.volume_rows(figures)[0][3]
    against = f" ({change} against the day before)" if change != "–" else ""
    errors = f"{figure_texts.number(figures.total.errors)} errors"
    return f"{figure_texts.number(figures.total.lines)} lines{against}, {errors}; lines by node: {nodes}."


def _page(figures: Figures, ui_url: str | None) -> str:
    command = f"`fleexmon digest --date {figures.day} --html digest.html` writes the whole page"
    return f"{command}; {ui_url}/fleexmon/digests/{figures.day} shows it." if ui_url else f"{command}."


def _names(nodes: Sequence[str]) -> str:
    shown = ", ".join(code(node, most=40) for node in nodes[:4]) or "–"
    return f"{shown} {figure_texts.more(4, len(nodes))}".rstrip()

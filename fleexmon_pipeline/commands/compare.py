"""`fleexmon compare`: compare the patterns of a candidate node with those of a reference node."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleexmon_pipeline.commands.options import TIMES, Json
from fleexmon_pipeline.commands.screen.clock import Clock, readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import ended_slots
from fleexmon_pipeline.comparison.judge import ComparedPattern, Verdict
from fleexmon_pipeline.comparison.read import (
    COLOURS,
    MAX_WINDOW,
    Comparison,
    compare_nodes,
    known_nodes,
    live_node,
)
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.settings import live_node as configured_live_node
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import iso_text, one_line

EXIT: dict[Verdict, int] = {"pass": 0, "marginal": 0, "fail": 1, "inconclusive": 3}
MAX_ROWS, MAX_KNOWN_ROWS = 30, 8  # of the table; --json prints all
_COLOURS: dict[Verdict, str] = {"pass": "green", "marginal": "yellow", "fail": "red", "inconclusive": "cyan"}


app = typer.Typer(add_completion=False)


@app.command()
def compare(
    since: Annotated[str, typer.Option("--from", help=f"When the candidate was deployed: {TIMES}.")],
    until: Annotated[str | None, typer.Option("--to", help="End, in the same formats.", show_default="now")] = None,
    baseline: Annotated[str | None, typer.Option(help="The reference node.", show_default="the live node")] = None,
    candidate: Annotated[
        str | None, typer.Option(help="The node to evaluate.", show_default="the other of blue and green")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare a candidate node with a reference node: pass, marginal, fail or inconclusive.

    Each pattern is compared as a share of the node's own lines. The thresholds follow from how much the two nodes
    differed in quiet windows of the week before. The live node is LIVE_NODE, else whichever of blue and green has the
    traffic.

    Exit status 0 for pass and marginal, 1 for fail, 2 for an unusable option, 3 for inconclusive.
    """
    now = datetime.now(UTC)
    advice = "compare the hours after a deployment"
    window = ended_slots(("--from", "--to"), since, until, now=now, most=MAX_WINDOW, advice=advice)
    with open_database("comparing") as connection:
        sides = sides_of(connection, window, baseline, candidate, configured_live_node(os.environ))
        comparison = compare_nodes(connection, window, *sides)
    if as_json:
        print_json(as_document(comparison))
    else:
        show(Console(), comparison, readers_clock(now))
    raise typer.Exit(EXIT[comparison.outcome.verdict])


def sides_of(
    connection: Connection, window: Window, baseline: str | None, candidate: str | None, live: str | None
) -> tuple[str, str]:
    """Baseline and candidate. Defaults: the live one of blue and green, and the other. Raises CommandError."""
    node_names = known_nodes(connection)
    if not node_names:
        raise CommandError(
            "no node has responded yet, so there is nothing to compare. `fleexmon up` collects; "
            "`fleexmon nodes` shows the state."
        )
    for option, name in (("--baseline", baseline), ("--candidate", candidate), ("LIVE_NODE", live)):
        if name is not None and name not in node_names:
            raise CommandError(
                f'{option}: "{one_line(name, most=60)}" is not a node. Known nodes: {", ".join(node_names)}.'
            )
    if baseline is None:
        reference = live_node(connection, window, node_names, live) or next(
            (node for node in COLOURS if node in node_names), None
        )
        baseline = reference if reference != candidate else _other(reference, node_names)
        if baseline is None:
            raise CommandError("--baseline: it is not known which node is live; name it here or in LIVE_NODE.")
    if candidate is None:
        candidate = _other(baseline, node_names)
        if candidate is None:
            raise CommandError(f"--candidate is needed. Known nodes: {', '.join(node_names)}.")
    if baseline == candidate:
        raise CommandError(f"--candidate: {candidate} would be compared with itself; name another node.")
    return baseline, candidate


def _other(node: str | None, known: list[str]) -> str | None:
    """The other colour."""
    others = [name for name in COLOURS if name != node and name in known]
    return others[0] if node in COLOURS and others else None


def as_document(comparison: Comparison) -> dict[str, Any]:
    outcome = comparison.outcome
    return {
        "verdict": outcome.verdict,
        "reasons": outcome.reasons,
        "window": {"since": iso_text(comparison.window.since), "until": iso_text(comparison.window.until)},
        "baseline": {
            "node": comparison.candidate if outcome.reference == "itself" else comparison.baseline,
            "lines": outcome.lines[0],
            "before": outcome.reference in ("before", "itself"),
        },
        "candidate": {"node": comparison.candidate, "lines": outcome.lines[1]},
        "calibration": {
            "windows": outcome.calibration.windows,
            "calibrated": outcome.calibration.calibrated,
            "serious": round(outcome.calibration.serious, 2),
            "mild": round(outcome.calibration.mild, 2),
            "unknown": round(outcome.calibration.unknown, 2),
        },
        "patterns": [
            {
                "pattern": pattern.pattern,
                "level": pattern.level,
                "status": pattern.status,
                "weight": pattern.verdict,
                "baseline": pattern.baseline,
                "candidate": pattern.candidate,
                "expected": round(pattern.expected, 1),
                "chance": float(f"{pattern.p_value:.3g}"),
                "template": comparison.templates[pattern.pattern],
                "evidence": [str(id_) for id_ in comparison.evidence.get((pattern.pattern, pattern.level), ())],
            }
            for pattern in outcome.patterns
        ],
    }


def show(console: Console, comparison: Comparison, clock: Clock) -> None:
    outcome = comparison.outcome
    console.print(
        Text.assemble(
            (outcome.verdict.upper(), f"bold {_COLOURS[outcome.verdict]}"),
            f"  {comparison.candidate} against {comparison.baseline}, {clock.window(comparison.window)}: "
            f"{outcome.lines[1]:,} lines against {outcome.lines[0]:,}",
        )
    )
    for reason in outcome.reasons:
        console.print(Text(f"- {reason}"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading, side in (
        ("status", "left"), ("level", "left"), (comparison.baseline, "right"), (comparison.candidate, "right"),
        ("expected", "right"), ("by chance", "right"),
    ):  # fmt: skip
        table.add_column(Text(heading), justify=side, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("pattern", overflow="fold")
    standing_out = [pattern for pattern in outcome.patterns if pattern.status != "known"]
    shown = standing_out[:MAX_ROWS] or sorted(outcome.patterns, key=_lines, reverse=True)[:MAX_KNOWN_ROWS]
    for pattern in shown:
        style = _COLOURS[pattern.verdict] if pattern.verdict != "pass" else ""
        cells = (
            pattern.status, pattern.level, f"{pattern.baseline:,}", f"{pattern.candidate:,}",
            f"{pattern.expected:,.0f}",
            _chance(pattern), _template(comparison, pattern),
        )  # fmt: skip
        table.add_row(*(Text(cell) for cell in cells), style=style)
    console.print(table)
    if rest := len(outcome.patterns) - len(shown):
        console.print(Text(f"and {rest} more {'known patterns' if len(standing_out) <= MAX_ROWS else 'patterns'}"))
    weighty = [
        pattern
        for pattern in shown
        if pattern.verdict != "pass" and comparison.evidence.get((pattern.pattern, pattern.level))
    ]
    if weighty:
        console.print(Text("\nEvidence: pattern, its newest row of LogEntry (--json prints all)", style="bold"))
        for pattern in weighty:
            row = comparison.evidence[pattern.pattern, pattern.level][0]
            line = f"{pattern.pattern}  {row}  {_template(comparison, pattern)}"
            console.print(Text(line), no_wrap=True, overflow="ellipsis")


def _template(comparison: Comparison, pattern: ComparedPattern) -> str:
    return one_line(comparison.templates[pattern.pattern], most=200)


def _chance(pattern: ComparedPattern) -> str:
    return "–" if pattern.status == "known" and pattern.p_value > 0.5 else f"{pattern.p_value:.2g}"


def _lines(pattern: ComparedPattern) -> int:
    return pattern.baseline + pattern.candidate

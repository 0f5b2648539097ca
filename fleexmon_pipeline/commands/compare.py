"""`fleexmon compare`: a candidate against a baseline, in a terminal or as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleexmon_pipeline.commands.times import moment_of
from fleexmon_pipeline.comparison.judge import Compared, Verdict
from fleexmon_pipeline.comparison.read import (
    COLOURS,
    MAX_WINDOW,
    Comparison,
    NothingToCompareError,
    compare_nodes,
    known_nodes,
    live_node,
)
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.settings import Environment
from fleexmon_pipeline.settings import live_node as said_live
from fleexmon_pipeline.window import SLOT, Window, ceil, floor
from fleexmon_pipeline.wording import iso_text, one_line

EXIT: dict[Verdict, int] = {"pass": 0, "marginal": 0, "fail": 1, "inconclusive": 3}
MOST_ROWS, MOST_KNOWN = 30, 8  # of the table; JSON has all
_COLOURS: dict[Verdict, str] = {"pass": "green", "marginal": "yellow", "fail": "red", "inconclusive": "cyan"}


def run_compare(
    write: Callable[[str], object], console: Console, baseline: str | None, candidate: str | None,
    since: str, until: str | None, environment: Environment, *, as_json: bool, now: datetime,
) -> int:  # fmt: skip
    """Returns the exit status. Raises typer.BadParameter."""
    window = window_of(since, until, now=now)
    with connect(database_url()) as connection:
        sides = sides_of(connection, window, baseline, candidate, said_live(environment))
        try:
            found = compare_nodes(connection, window, *sides)
        except NothingToCompareError as error:
            raise typer.BadParameter(f"--from/--to: {error}") from None
    if as_json:
        write(msgspec.json.encode(as_document(found)).decode())
    else:
        show(console, found)
    return EXIT[found.outcome.verdict]


def window_of(since: str, until: str | None, *, now: datetime) -> Window:
    """Whole slots that have ended. Raises typer.BadParameter."""
    begin = floor(moment_of("--from", since, now=now), SLOT)
    end = moment_of("--to", until, now=now) if until else now
    if end <= begin:
        raise typer.BadParameter(f"--to: {end:%Y-%m-%d %H:%M} UTC is not after --from, {begin:%Y-%m-%d %H:%M} UTC.")
    window = Window(begin, ceil(end, SLOT)).ended(now)
    if not window:
        raise typer.BadParameter(
            f"--from: {begin:%Y-%m-%d %H:%M} UTC: no whole 5 minutes have passed since. Examples: --from 2h"
        )
    if window.length > MAX_WINDOW:
        raise typer.BadParameter(
            f"--from/--to: {window} UTC is more than {MAX_WINDOW.days} days; take the time after a deployment."
        )
    return window


def sides_of(
    connection: Connection, window: Window, baseline: str | None, candidate: str | None, live: str | None
) -> tuple[str, str]:
    """Baseline and candidate; what is not said is the live colour and the other one. Raises typer.BadParameter."""
    known = known_nodes(connection)
    if not known:
        raise typer.BadParameter(
            "no node has answered yet: there is nothing to compare. `fleexmon up` collects, `fleexmon nodes` tells."
        )
    for option, name in (("--baseline", baseline), ("--candidate", candidate), ("LIVE_NODE", live)):
        if name is not None and name not in known:
            raise typer.BadParameter(f'{option}: "{one_line(name, most=60)}" is no node. Known: {", ".join(known)}')
    if baseline is None:
        found = live_node(connection, window, known, live) or next((each for each in COLOURS if each in known), None)
        baseline = found if found != candidate else _other(found, known)
        if baseline is None:
            raise typer.BadParameter("--baseline: which node is live is not known; name it here or in LIVE_NODE.")
    if candidate is None:
        candidate = _other(baseline, known)
        if candidate is None:
            raise typer.BadParameter(f"--candidate: is needed. Known: {', '.join(known)}")
    if baseline == candidate:
        raise typer.BadParameter(f"--candidate: {candidate} would be compared with itself.")
    return baseline, candidate


def _other(node: str | None, known: list[str]) -> str | None:
    """The other colour."""
    others = [each for each in COLOURS if each != node and each in known]
    return others[0] if node in COLOURS and others else None


def as_document(found: Comparison) -> dict[str, Any]:
    outcome = found.outcome
    return {
        "verdict": outcome.verdict,
        "reasons": outcome.reasons,
        "window": {"since": iso_text(found.window.since), "until": iso_text(found.window.until)},
        "baseline": {"node": found.baseline, "lines": outcome.lines[0], "before": outcome.before},
        "candidate": {"node": found.candidate, "lines": outcome.lines[1]},
        "calibration": {
            "windows": outcome.calibration.windows,
            "calibrated": outcome.calibration.calibrated,
            "serious": round(outcome.calibration.serious, 2),
            "mild": round(outcome.calibration.mild, 2),
            "unknown": round(outcome.calibration.unknown, 2),
        },
        "patterns": [
            {
                "pattern": each.pattern,
                "level": each.level,
                "status": each.status,
                "weight": each.weight,
                "baseline": each.baseline,
                "candidate": each.candidate,
                "expected": round(each.expected, 1),
                "chance": float(f"{each.chance:.3g}"),
                "template": found.templates[each.pattern],
                "evidence": [str(id_) for id_ in found.evidence.get((each.pattern, each.level), ())],
            }
            for each in outcome.patterns
        ],
    }


def show(console: Console, found: Comparison) -> None:
    outcome = found.outcome
    console.print(
        Text.assemble(
            (outcome.verdict.upper(), f"bold {_COLOURS[outcome.verdict]}"),
            f"  {found.candidate} against {found.baseline}, {found.window} UTC: "
            f"{outcome.lines[1]:,} lines against {outcome.lines[0]:,}",
        )
    )
    for reason in outcome.reasons:
        console.print(Text(f"- {reason}"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading, side in (
        ("status", "left"), ("level", "left"), (found.baseline, "right"), (found.candidate, "right"),
        ("expected", "right"), ("by luck", "right"),
    ):  # fmt: skip
        table.add_column(Text(heading), justify=side, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("pattern", overflow="fold")
    standing_out = [each for each in outcome.patterns if each.status != "known"]
    shown = standing_out[:MOST_ROWS] or sorted(outcome.patterns, key=_lines, reverse=True)[:MOST_KNOWN]
    for each in shown:
        style = _COLOURS[each.weight] if each.weight != "pass" else ""
        cells = (
            each.status, each.level, f"{each.baseline:,}", f"{each.candidate:,}", f"{each.expected:,.0f}",
            _chance(each), _template(found, each),
        )  # fmt: skip
        table.add_row(*(Text(cell) for cell in cells), style=style)
    console.print(table)
    if rest := len(outcome.patterns) - len(shown):
        console.print(Text(f"and {rest} more {'known patterns' if len(standing_out) <= MOST_ROWS else 'patterns'}"))
    weighty = [each for each in shown if each.weight != "pass" and found.evidence.get((each.pattern, each.level))]
    if weighty:
        console.print(Text("\nEvidence: pattern, its newest row of LogEntry (all with --json)", style="bold"))
        for each in weighty:
            told = f"{each.pattern}  {found.evidence[each.pattern, each.level][0]}  {_template(found, each)}"
            console.print(Text(told), no_wrap=True, overflow="ellipsis")


def _template(found: Comparison, each: Compared) -> str:
    return one_line(found.templates[each.pattern], most=200)


def _chance(each: Compared) -> str:
    return "–" if each.status == "known" and each.chance > 0.5 else f"{each.chance:.2g}"


def _lines(each: Compared) -> int:
    return each.baseline + each.candidate

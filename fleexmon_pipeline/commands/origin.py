"""`fleexmon origin`: rank the nodes where an incident may have begun."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleexmon_pipeline.commands.options import TIMES, Json
from fleexmon_pipeline.commands.screen.clock import Clock, readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.commands.times import ended_slots
from fleexmon_pipeline.comparison.origin import Sign
from fleexmon_pipeline.comparison.read_origin import MAX_WINDOW, Origin, find_origin
from fleexmon_pipeline.window import DAY
from fleexmon_pipeline.wording import counted, duration, iso_text, one_line

MAX_SIGNS = 3  # per node in the table; --json prints all

app = typer.Typer(add_completion=False)


@app.command()
def origin(
    since: Annotated[str, typer.Option(help=f"Start, shortly before the incident: {TIMES}.")] = "1h",
    until: Annotated[str | None, typer.Option(help="End, in the same formats.", show_default="now")] = None,
    as_json: Json = False,
) -> None:
    """Rank the nodes by how likely an incident began there, with the evidence.

    The strongest evidence is a pattern that no node had in the week before. Then come patterns far above the node's own
    rate, and nodes that fell silent. Evidence that many nodes share, or that began later, counts less.

    Exit status 0 if a node stands out, 2 for an unusable option, 3 if none does.
    """
    now = datetime.now(UTC)
    advice = "choose the incident's first hours"
    window = ended_slots(("--since", "--until"), since, until, now=now, most=MAX_WINDOW, advice=advice)
    with open_database("looking for the origin") as connection:
        result = find_origin(connection, window)
    if as_json:
        print_json(as_document(result))
    else:
        _show(Console(), result, readers_clock(now))
    raise typer.Exit(0 if result.suspects else 3)


def as_document(found: Origin) -> dict[str, Any]:
    return {
        "window": {"since": iso_text(found.window.since), "until": iso_text(found.window.until)},
        "nodes": [
            {
                "node": suspect.node,
                "share": round(suspect.share, 3),
                "signs": [
                    {
                        "kind": sign.kind,
                        "began": iso_text(_moment(sign), "seconds"),
                        "pattern": sign.pattern,
                        "level": sign.level,
                        "template": found.templates.get(sign.pattern or "", sign.pattern),
                        "lines": sign.lines,
                        "expected": round(sign.expected, 1),
                        "nodes": sign.nodes,
                        **_steps(sign),
                    }
                    for sign in suspect.signs
                ],
            }
            for suspect in found.suspects
        ],
    }


def _steps(sign: Sign) -> dict[str, float | str]:
    if sign.step is None or sign.normal_step is None:
        return {}
    steps = {"stepMs": round(sign.step, 1), "normalStepMs": round(sign.normal_step, 1)}
    return steps | ({} if sign.lines_of is None else {"linesOf": sign.lines_of})


def _show(console: Console, found: Origin, clock: Clock) -> None:
    if not found.suspects:
        console.print(Text(f"No node stands out in {clock.window(found.window)}."))
        return
    if found.past < DAY:
        console.print(Text(f"Only {duration(found.past)} of history before the window, so many patterns look new."))
    began = "began" if clock.zone is UTC else f"began ({clock.name})"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading, side in (
        ("node", "left"),
        ("share", "right"),
        (began, "left"),
        ("lines", "right"),
    ):
        table.add_column(heading, justify=side, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("sign", overflow="fold")
    for suspect in found.suspects:
        for place, sign in enumerate(suspect.signs[:MAX_SIGNS]):
            node, share = (suspect.node, f"{suspect.share:.0%}") if not place else ("", "")
            figures = clock.second_of_day(_moment(sign)), f"{sign.lines:,}", f"{sign.expected:,.1f}"
            cells = (node, share, *figures, _text(found, sign))
            table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    hidden = sum(max(len(suspect.signs) - MAX_SIGNS, 0) for suspect in found.suspects)
    if hidden:
        console.print(Text(f"and {counted(hidden, 'weaker sign')} (--json prints all)"))


def _text(found: Origin, sign: Sign) -> str:
    if sign.pattern is None:
        return "silent" if sign.kind == "silent" else "fewer lines than normal"
    template = one_line(found.templates.get(sign.pattern, sign.pattern), most=200)
    if sign.step is not None and sign.normal_step is not None:
        late = f"{sign.step:,.0f} ms after {'a line of this node' if sign.lines_of else 'the previous line'}"
        whose = f" of {sign.lines_of}" if sign.lines_of else _shared(sign)
        return f"slower {sign.level}{whose}, {late} of the request, normally {sign.normal_step:,.0f} ms: {template}"
    return f"{sign.kind} {sign.level}{_shared(sign)}: {template}"


def _shared(sign: Sign) -> str:
    return f" on {sign.nodes} nodes" if sign.nodes > 1 else ""


def _moment(sign: Sign) -> datetime:
    return datetime.fromtimestamp(sign.began, UTC)

"""`fleexmon shadow`: show what rules in shadow mode would have reported, to decide whether to promote or drop one.

Here: options and printing. The data: `lookup/shadow.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from fleexmon_pipeline.commands.options import TIMES, Json
from fleexmon_pipeline.commands.screen.clock import Clock, readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.hints import hint_at_rules
from fleexmon_pipeline.commands.screen.listing import SEVERITIES, Column, Row, listing
from fleexmon_pipeline.commands.screen.terminal import is_read_by_a_person, show
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.commands.times import parse_time
from fleexmon_pipeline.lookup.shadow import ShadowRule, ShadowSubject, shadow_rules, shadow_subjects
from fleexmon_pipeline.wording import counted, inert_line

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Show what rules in shadow mode would have reported."
)
Since = Annotated[str, typer.Option(help=f"Only occurrences since: {TIMES}.")]


@app.command("list")
def shadow_list(since: Since = "30d", as_json: Json = False) -> None:
    """List rules in shadow mode: at least how many issues each would have opened, on how many days, how severe."""
    now = datetime.now(UTC)
    begin = parse_time("--since", since, now=now)
    with open_database("reading shadow rules") as connection:
        rows = shadow_rules(connection, since=begin)
    if as_json:
        print_json(rows)
    else:
        show(*_rules(rows, readers_clock(now)))


@app.command("show")
def shadow_show(
    rule: Annotated[str, typer.Argument(help="A rule's name: see `fleexmon shadow list`.")],
    since: Since = "30d",
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the latest.")] = 100,
    as_json: Json = False,
) -> None:
    """Show what one rule would have reported, newest first. Each entry would have been at least one issue."""
    now = datetime.now(UTC)
    begin = parse_time("--since", since, now=now)
    with open_database("reading shadow rules") as connection:
        rows = shadow_subjects(connection, rule, since=begin, limit=limit)
        if not rows:
            hint_at_rules(rule)
    if as_json:
        print_json(rows)
    else:
        show(*_subjects(rows, readers_clock(now)))


def _rules(rows: Sequence[ShadowRule], clock: Clock) -> Iterator[RenderableType]:
    heads = (
        Column("issues", right=True), Column("slots", right=True), Column("days", right=True),
        Column("worst", styles=SEVERITIES), Column("first"), Column("last"),
    )  # fmt: skip
    yield from listing(
        heads,
        [
            Row(
                (
                    f"{row.subjects:,}", f"{row.slots:,}", f"{row.days:,}", inert_line(row.worst),
                    clock.minute(row.first), clock.minute(row.last),
                ),
                inert_line(row.rule),
            )
            for row in rows
        ],
        title="rule",
    )  # fmt: skip
    none = "no rule in shadow mode fired. To try a rule, give it `mode: shadow`"
    yield Text(counted(len(rows), "rule") + clock.note if rows else none)


def _subjects(rows: Sequence[ShadowSubject], clock: Clock) -> Iterator[RenderableType]:
    heads = (
        Column("severity", styles=SEVERITIES), Column("first"), Column("last"), Column("slots", right=True),
        Column("lines", right=True), Column("nodes"),
    )  # fmt: skip
    yield from listing(
        heads,
        [
            Row(
                (
                    inert_line(row.severity), clock.minute(row.first), clock.minute(row.slot), f"{row.slots:,}",
                    f"{row.affected:,}", inert_line(", ".join(map(str, row.nodes)) or "all nodes"),
                ),
                inert_line(row.title),
            )
            for row in rows
        ],
    )  # fmt: skip
    yield Text(counted(len(rows), "issue") + (clock.note if is_read_by_a_person() else ""))

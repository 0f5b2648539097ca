"""`fleexmon rejected`: list records that could not become log lines, and retry them after a fix."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from psycopg.rows import class_row

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection.rejected import Chosen, Retried, retry
from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import TIMES, Json
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.hints import hint_at_nodes
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.commands.times import parse_optional_time
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import counted, inert_line

_MAX_PAYLOAD = 160  # characters; --json prints all that is stored

app = typer.Typer(add_completion=False, no_args_is_help=True, help="List rejected records, or retry them.")

OfNode = Annotated[str | None, typer.Option("--node", help="Only records of this node.")]
Since = Annotated[str | None, typer.Option("--since", help=f"Start: {TIMES}.", show_default="all")]
Until = Annotated[str | None, typer.Option("--until", help="End, in the same formats.", show_default="all")]
Reason = Annotated[
    str | None, typer.Option("--reason", help='Only records rejected for this reason, or a part of it: "no time".')
]


@dataclass(frozen=True)
class RejectedRecord:
    id: UUID
    node: str
    hostname: str
    reason: str
    payload: str
    windowStart: datetime  # noqa: N815  as the columns and JSON keys are named
    windowEnd: datetime  # noqa: N815
    run: str | None


@app.command("list")
def rejected_list(
    node: OfNode = None,
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many records, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """List rejected records, newest first: window, node, reason and payload. Then a count per reason."""
    chosen = _chosen(node, since, until, reason, now=datetime.now(UTC))
    sql = statements("rejected")
    with open_database("reading rejected records") as connection:
        with connection.cursor(row_factory=class_row(RejectedRecord)) as cursor:
            records = cursor.execute(sql["rejected"], {**chosen.parameters(), "limit": limit}).fetchall()
        rows = connection.execute(sql["reasons"], chosen.parameters()).fetchall()
        if not rows:
            hint_at_nodes(connection, node)
    if as_json:
        print_json(records)
        return
    for record in records:
        window = Window(record.windowStart, record.windowEnd)
        typer.echo(f"{window}  {record.node:<8}  {_cut(record.reason)}\n    {_cut(record.payload)}")
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons[row["reason"]] += row["records"]
    shown = f"; the newest {len(records):,} are shown" if reasons.total() > len(records) else ""
    typer.echo(f"{counted(reasons.total(), 'rejected record')}{_by_reason(reasons)}{shown}")


@app.command("retry")
def rejected_retry(
    node: OfNode = None,
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Read rejected records again, after an update or a fix, and store those that can now be read.

    A retried line gets the same id as a collected one, so collecting its hour again stores nothing twice. The catch-up
    sensor then analyzes the hours.
    """
    now = datetime.now(UTC)
    chosen = _chosen(node, since, until, reason, now=now)
    oldest = now - timedelta(days=settings.retention_days())
    url = existing_database_url()
    with waiting("reading rejected records again"):
        retried = retry(lambda: connect(url), chosen, now=now, oldest=oldest, dry_run=dry_run)
    if as_json:
        print_json(
            {
                "records": retried.records, "stored": retried.stored, "known": retried.known,
                "hours": sorted(retried.hours), "remain": dict(retried.stay), "dry_run": dry_run,
            }
        )  # fmt: skip
    else:
        typer.echo(summary(retried, dry_run=dry_run))


def _chosen(node: str | None, since: str | None, until: str | None, reason: str | None, *, now: datetime) -> Chosen:
    since_time = parse_optional_time("--since", since, now=now)
    return Chosen(node, since_time, parse_optional_time("--until", until, now=now), reason)


def summary(retried: Retried, *, dry_run: bool) -> str:
    """`3 of 12 rejected records became lines of 1 hour; the catch-up sensor will analyze it. 9 remain: 9 no time.`"""
    if not retried.records:
        return "no rejected record matches"
    text = f"{retried.stored:,} of {counted(retried.records, 'rejected record')} "
    text += "would become lines" if dry_run else "became lines"
    if retried.stored:
        text += f" of {counted(len(retried.hours), 'hour')}"
        text += "" if dry_run else "; the catch-up sensor will analyze them in a few minutes"
    if retried.known:
        text += f"; {retried.known:,} {'are' if dry_run else 'were'} stored already, collected since"
    text += f". {retried.stay.total():,} {'would remain' if dry_run else 'remain'}{_by_reason(retried.stay)}."
    return text + (" Nothing was changed (--dry-run)." if dry_run else "")


def _by_reason(reasons: Counter[str]) -> str:
    counts = "; ".join(f"{count:,} {_cut(reason)}" for reason, count in reasons.most_common() if count)
    return f": {counts}" if counts else ""


def _cut(text: str) -> str:
    return inert_line(text[:_MAX_PAYLOAD]) + ("…" if len(text) > _MAX_PAYLOAD else "")

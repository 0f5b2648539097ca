"""`fleexmon rejected`: its words and options."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

from datetime import UTC, datetime
from typing import Annotated

import typer

from fleexmon_pipeline.command_line.mistakes import refusing
from fleexmon_pipeline.command_line.options import Json

app = typer.Typer(no_args_is_help=True, help="Records of the nodes that could not become log lines.")

RejectedNode = Annotated[str | None, typer.Option("--node", help="Only this node's.")]
RejectedSince = Annotated[
    str | None, typer.Option("--since", help="Windows from then on: 2h, 3d ago, or a UTC time. Default: all.")
]
RejectedUntil = Annotated[str | None, typer.Option("--until", help="Windows before; the same forms. Default: all.")]
RejectedReason = Annotated[
    str | None, typer.Option("--reason", help='Only for this reason, or a part of it: "no time".')
]


@app.command("list")
def rejected_list(
    node: RejectedNode = None,
    since: RejectedSince = None,
    until: RejectedUntil = None,
    reason: RejectedReason = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many; the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """Rejected records, the newest first: window, node, reason, what the node sent; then how many of each reason."""
    from fleexmon_pipeline.commands.rejected import chosen_by, print_rejected

    with refusing():
        chosen = chosen_by(node, since, until, reason, now=datetime.now(UTC))
        print_rejected(typer.echo, chosen, limit, as_json=as_json)


@app.command("retry")
def rejected_retry(
    node: RejectedNode = None,
    since: RejectedSince = None,
    until: RejectedUntil = None,
    reason: RejectedReason = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of them, and change nothing.")
    ] = False,
) -> None:
    """Read rejected records again, after an update or a fix: what can be read now becomes log lines.

    Each line is stored in the hour of its own time, with the id that collecting it again would give it, so doing both
    doubles nothing. The hours are then analysed by the catch-up sensor.
    """
    from fleexmon_pipeline.commands.rejected import chosen_by, retry_rejected

    with refusing():
        now = datetime.now(UTC)
        retry_rejected(typer.echo, chosen_by(node, since, until, reason, now=now), dry_run=dry_run, now=now)

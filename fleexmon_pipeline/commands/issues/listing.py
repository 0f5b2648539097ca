"""A list of issues: for a pipe, one per line; for a person, with headings, colours and fitting titles.

Here: order and wording. The data: `issues/read.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from rich.console import RenderableType
from rich.text import Text

from fleexmon_pipeline.commands.screen.clock import Clock
from fleexmon_pipeline.commands.screen.listing import SEVERITIES, Column, Row, listing
from fleexmon_pipeline.commands.screen.terminal import is_read_by_a_person
from fleexmon_pipeline.issues.read import IssueSummary, Status
from fleexmon_pipeline.wording import counted, inert_line

SHORT_ID = 18  # characters of an id: its time in ms, which several issues may share, and 12 bits of its hash
_MAX_NODES = 24  # characters of all node names


def issue_list(
    rows: Sequence[IssueSummary], muted: Collection[UUID], status: Status, *, limit: int, clock: Clock
) -> Iterator[RenderableType]:
    """The list, and a line that counts."""
    if is_read_by_a_person():
        heads = (
            Column("severity", styles=SEVERITIES), Column("state"), Column("last seen"),
            Column("nodes"), Column("id", style="dim"),
        )  # fmt: skip
        yield from listing(heads, [_row(row, muted, clock) for row in rows])
    else:
        yield from (Text(_line(row, muted)) for row in rows)
    count = counted(len(rows), "issue" if status == "all" else f"{status} issue")
    quiet = sum(row.id in muted for row in rows)
    yield Text(
        count + (" or more" if len(rows) == limit else "") + (f", {quiet} of them muted" if quiet else "") + clock.note
    )


def _row(row: IssueSummary, muted: Collection[UUID], clock: Clock) -> Row:
    nodes = inert_line(", ".join(map(str, row.nodes)) or "all nodes")
    cells = (
        row.severity, _state(row, muted), clock.minute(row.resolved_at or row.updated_at),
        nodes if len(nodes) <= _MAX_NODES else f"{nodes[: _MAX_NODES - 1]}…", str(row.id)[:SHORT_ID],
    )  # fmt: skip
    return Row(cells, inert_line(row.title), "dim" if row.id in muted else "")


def _line(row: IssueSummary, muted: Collection[UUID]) -> str:
    seen = f"{_minute(row.detected_at)} – {_minute(row.resolved_at or row.updated_at)}"
    return (
        f"{str(row.id)[:SHORT_ID]}  {row.severity:<8}  {_state(row, muted):<8}  {seen}  "
        f"{', '.join(row.nodes) or 'all nodes':<12}  {inert_line(row.title)}"
    )


def _state(row: IssueSummary, muted: Collection[UUID]) -> str:
    return "muted" if row.id in muted else row.status or "unknown"


def _minute(moment: datetime) -> str:
    return f"{moment:%m-%d %H:%M}"

"""List stored patterns, the most frequent first.

Here: options and printing. The data: `lookup/patterns.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from fleexmon_pipeline.commands.screen.clock import Clock, readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.hints import hint_at_nodes
from fleexmon_pipeline.commands.screen.listing import LEVELS, Column, Row, listing
from fleexmon_pipeline.commands.screen.terminal import show
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import parse_time
from fleexmon_pipeline.levels import Level
from fleexmon_pipeline.lookup.lines import at_least
from fleexmon_pipeline.lookup.patterns import CountedPattern, PatternFilter, known_from, list_patterns
from fleexmon_pipeline.patterns.labels import Label, read_labels
from fleexmon_pipeline.window import SLOT, Window, ceil, floor
from fleexmon_pipeline.wording import counted, one_line

_MAX_TEMPLATE = 300  # characters


@dataclass(frozen=True)
class WantedPatterns:
    since: str
    until: str | None
    node: str | None
    level: Level | None
    text: str | None
    new: bool
    limit: int

    def window(self, now: datetime) -> Window:
        """Whole slots. Raises CommandError."""
        until = now if self.until is None else parse_time("--until", self.until, now=now)
        window = Window(floor(parse_time("--since", self.since, now=now), SLOT), ceil(until, SLOT))
        if not window:
            raise CommandError(f'--until: is not after --since, "{self.since}". Examples: --since 7d --until 1d')
        return window


def list_stored(wanted: WantedPatterns, *, as_json: bool) -> None:
    now = datetime.now(UTC)
    window = wanted.window(now)
    chosen = PatternFilter(
        wanted.node, at_least(wanted.level) if wanted.level else None, wanted.text, window.since if wanted.new else None
    )
    with open_database("counting patterns") as connection:
        rows, total = list_patterns(connection, window, chosen, limit=wanted.limit)
        comparable = known_from(connection, window.since - window.length)
        labels = read_labels(connection)
        if not rows:
            hint_at_nodes(connection, wanted.node)
    if as_json:
        print_json(
            {
                "since": window.since, "until": window.until, "total": total, "comparable": comparable,
                "patterns": [_document(row, labels.get(row.id)) for row in rows],
            }
        )  # fmt: skip
    else:
        clock = readers_clock(now)
        show(*_page(rows, labels, clock, comparable=comparable), Text(_count(rows, total, window, clock)))


def _document(row: CountedPattern, label: Label | None) -> dict[str, Any]:
    return {
        "id": row.id, "template": row.template, "level": row.level, "lines": row.lines, "before": row.before,
        "firstSeen": row.first_seen, "lastSeen": row.last_seen,
        "name": label.name if label else None, "ignored": bool(label and label.ignored),
    }  # fmt: skip


def _page(
    rows: Sequence[CountedPattern], labels: Mapping[str, Label], clock: Clock, *, comparable: bool
) -> Iterator[RenderableType]:
    heads = (
        Column("lines", right=True), Column("before", right=True), Column("level", styles=LEVELS),
        Column("first seen"), Column("last seen"), Column("id", style="dim"),
    )  # fmt: skip
    shown = []
    for row in rows:
        label = labels.get(row.id)
        signs = (f"[{one_line(label.name, most=80)}] " if label.name else "") if label else ""
        signs += "(ignored) " if label and label.ignored else ""
        cells = (
            f"{row.lines:,}", f"{row.before:,}" if comparable else "?", row.level, clock.minute(row.first_seen),
            clock.minute(row.last_seen), row.id,
        )  # fmt: skip
        shown.append(
            Row(cells, signs + one_line(row.template, most=_MAX_TEMPLATE), "dim" if "(ignored)" in signs else "")
        )
    yield from listing(heads, shown, title="template")


def _count(rows: Sequence[CountedPattern], total: int, window: Window, clock: Clock) -> str:
    shown = f", the {len(rows):,} most frequent shown" if total > len(rows) else ""
    span = f"{clock.full_minute(window.since)} to {clock.full_minute(window.until, named=True)}"
    return f"{counted(total, 'pattern')}{shown}; lines from {span}, and before: the window of the same length before it"

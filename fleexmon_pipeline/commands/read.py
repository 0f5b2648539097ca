"""`fleexmon read`: show each record of a file as the line that would be stored, or why not; or a summary.

Here: options, printing and counting. How a file is read: `collection/reading/inputs.py`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.collection.reading.date_order import DateWatcher
from fleexmon_pipeline.collection.reading.inputs import Form, Input, Result, UnreadableError
from fleexmon_pipeline.collection.rejected import kind_of
from fleexmon_pipeline.collection.times.orders import DateOrder
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.levels import LEVELS

MAX_RECORD_CHARACTERS = 2_000  # shown of a rejected record
MAX_REASONS = 20  # in a summary; the rest is one number
MAX_KINDS = 1_000  # reasons and fields kept in memory

Write = Callable[[str], object]

app = typer.Typer(add_completion=False)


@app.command()
def read(
    file: Annotated[str, typer.Argument(help="A file of log records, also .gz or .zst, or - for standard input.")],
    form: Annotated[
        Form | None,
        typer.Option("--as", help="The program that wrote the file.", show_default="JSON of a node, else text lines"),
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print a readable summary instead of records.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON document. Records are always JSON lines.")
    ] = False,
) -> None:
    """Show how collection would read a file of log records. Needs no database and writes nothing.

    Prints one JSON line per record: {"timestamp", "level", "message", "metadata"}, or {"rejected", "record"}.

    Exit status 1 if no record could be read or the file is truncated, 2 if it is not a log.
    """
    name = "standard input" if file == "-" else file
    with sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
        records = Input(stream, form, dates=DateWatcher(datetime.now(UTC)))
        try:
            if summary:
                with waiting("reading records"):
                    counts = counted_records(records.results())
                lines = counts.levels.total()
                counts.dates = records.dates.order if records.dates.order.assumed else None
                (print_summary_document if as_json else print_summary)(sys.stdout.write, counts)
            else:
                lines = print_records(sys.stdout.write, records.results())
        except UnreadableError as error:
            raise CommandError(f"{name}: {error}") from None
    if records.broken:
        typer.echo(f"fleexmon: {name}: {records.broken}. The records before that are shown.", err=True)
    elif not lines:
        typer.echo(f"fleexmon: {name}: no record could be read. The reasons are shown; see also --as.", err=True)
    if records.broken or not lines:
        raise typer.Exit(1)


def print_records(write: Write, results: Iterable[Result]) -> int:
    """A JSON line per record. Returns the number of lines that could be read."""
    lines = 0
    for result in results:
        line = result.line
        if line is None:
            text = result.raw.decode("utf-8", "backslashreplace")[:MAX_RECORD_CHARACTERS]
            write(json.dumps({"rejected": result.reason, "record": text}, ensure_ascii=False) + "\n")
            continue
        lines += 1
        fields = {"timestamp": line.iso, "level": line.level, "message": line.message}
        start = json.dumps(fields, ensure_ascii=False)[:-1]
        write(f'{start}, "metadata": {line.metadata or "{}"}}}\n')
    return lines


@dataclass
class Summary:
    levels: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    origins: tuple[Counter[str], Counter[str], Counter[str]] = field(
        default_factory=lambda: (Counter(), Counter(), Counter())
    )
    first: str = ""
    last: str = ""
    dates: DateOrder | None = None  # how ambiguous dates were read, if there are any

    def add(self, result: Result) -> None:
        line = result.line
        if line is None:
            _count(self.reasons, kind_of(result.reason))
            return
        self.levels[line.level] += 1
        self.first = min(self.first or line.iso, line.iso)
        self.last = max(self.last, line.iso)
        for counter, name in zip(self.origins, result.origins or (), strict=False):
            _count(counter, name)


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < MAX_KINDS else "others"] += 1


def counted_records(results: Iterable[Result]) -> Summary:
    summary = Summary()
    for result in results:
        summary.add(result)
    return summary


def print_summary_document(write: Write, summary: Summary) -> None:
    names = ("time", "level", "message")
    document = {
        "lines": summary.levels.total(), "rejected": summary.reasons.total(),
        "first": summary.first or None, "last": summary.last or None,
        "dayFirst": summary.dates.day_first if summary.dates else None,
        "shortDates": summary.dates.short if summary.dates else None,
        "levels": dict(summary.levels),
        "takenFrom": {name: dict(counter) for name, counter in zip(names, summary.origins, strict=True)},
        "reasons": dict(summary.reasons),
    }  # fmt: skip
    write(f"{json.dumps(document, ensure_ascii=False)}\n")


def print_summary(write: Write, summary: Summary) -> None:
    """Counts by level, by field and by reason, for people."""
    lines, rejected = summary.levels.total(), summary.reasons.total()
    write(f"{lines + rejected:,} records: {lines:,} lines, {rejected:,} rejected\n")
    if lines:
        levels = [(level, summary.levels[level]) for level in reversed(LEVELS) if summary.levels[level]]
        order = _read_as(summary.dates)
        write(f"\nTime     {summary.first} to {summary.last}{order}\nLevel    {_list(levels)}\n\nTaken from\n")
        for name, counter in zip(("time", "level", "message"), summary.origins, strict=True):
            write(f"  {name:<8} {_list(counter.most_common())}\n")
    if rejected:
        write("\nRejected\n")
        shown = summary.reasons.most_common(MAX_REASONS)
        for reason, count in shown:
            write(f"  {count:>9,}  {reason[:200]}\n")
        if others := rejected - sum(count for _, count in shown):
            write(f"  {others:>9,}  other reasons\n")


def _read_as(dates: DateOrder | None) -> str:
    if dates is None:
        return ""
    first = {"ymd": "year", "dmy": "day", "mdy": "month"}.get(dates.short or "")
    first = first or {None: None, True: "day", False: "month"}[dates.day_first]
    return f"; dates have the {first} first" if first else "; some dates are ambiguous: read as the latest past date"


def _list(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in islice(counts, MAX_REASONS))

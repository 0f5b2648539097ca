"""`fleexmon archive`: list, verify, restore and write cold days in files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.archive.days import ArchivedDay, all_days, one_day
from fleexmon_pipeline.archive.files import problem_of
from fleexmon_pipeline.archive.storage import ArchiveError, beside, configured_storage, storage_of
from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import DryRun, Json
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.lookup.archive import archive_state, problems_of
from fleexmon_pipeline.retention.cold_days import archive_day, is_cold, restore_day, would_remove
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import counted

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List, verify, restore or write archived days of log lines."
)

Day = Annotated[str, typer.Argument(help="A UTC day such as 2026-11-20.")]


@app.command("list")
def archive_list(as_json: Json = False) -> None:
    """List archived days, newest first: state, lines, bytes, bytes per line and file. Then problems and pending days.

    Bytes include the day's file and its filters for text search. Orphaned files, left by a run that died, are listed
    too; they are never read.
    """
    with open_database("reading archived days") as connection:
        state = archive_state(connection, os.environ, now=datetime.now(UTC))
        problems = problems_of(state)
    unnamed: list[str] = []
    sizes: dict[str, int] = {}
    if state.configured and not problems:
        named = {name for day in state.days for file in (day.file, *day.stale) for name in (file, beside(file))}
        sizes = {file.name: file.bytes for file in storage_of(state.configured).names()}
        unnamed = [name for name in sizes if name not in named]
    filters = {day.day: sizes.get(beside(day.file)) for day in state.days}
    if as_json:
        print_json({
            "place": state.configured.text if state.configured else None,
            "days": [_document(day, filters[day.day]) for day in state.days],
            "waiting": [f"{day:%Y-%m-%d}" for day in state.waiting], "unnamed": unnamed, "problems": problems,
        })  # fmt: skip
        return
    for day in state.days:
        size = day.bytes + (filters[day.day] or 0)
        typer.echo(
            f"{day.day:%Y-%m-%d}  {day.state:<8}  {day.lines:>12,} lines  {size:>14,} bytes  "
            f"{size / max(day.lines, 1):>6.1f} a line  {day.file}"
        )
    typer.echo(f"{state.configured.text if state.configured else 'FLEEXMON_ARCHIVE is not set'}: {state.sentence}")
    for name in unnamed:
        typer.echo(f"orphaned file, never read: {name}")
    for problem in problems:
        typer.echo(f"fleexmon: {problem}", err=True)


@app.command("verify")
def archive_verify(
    day: Annotated[str | None, typer.Argument(help="A UTC day such as 2026-11-20.", show_default="all")] = None,
    as_json: Json = False,
) -> None:
    """Read archived files from end to end, and check that bytes, lines and contents are as written.

    Exit status 1 when a file differs.
    """
    with open_database("reading archived days") as connection:
        days = [_known(connection, day)] if day else all_days(connection)
    storage = configured_storage()
    problems: dict[str, str | None] = {}
    with waiting("verifying") as show_progress:
        for archived in days:
            show_progress(f"verifying {archived.day:%Y-%m-%d}")
            problems[f"{archived.day:%Y-%m-%d}"] = problem_of(storage, archived)
    if as_json:
        print_json([{"day": name, "ok": problem is None, "problem": problem} for name, problem in problems.items()])
    else:
        for archived, (name, problem) in zip(days, problems.items(), strict=True):
            ok = f"ok: {counted(archived.lines, 'line')}, {archived.bytes:,} bytes, as written"
            typer.echo(f"{name}  {problem or ok}")
    raise typer.Exit(1 if any(problems.values()) else 0)


@app.command("restore")
def archive_restore(day: Day, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Put a day's lines back into the database, unchanged and with the same ids.

    Lines that are already there stay unchanged, and so does the day's file. Only `fleexmon archive write` archives the
    day again. LOG_RETENTION_DAYS still counts from that day.
    """
    url = existing_database_url()
    with connect(url) as connection, waiting(f"restoring {day}") as show_progress:
        archived = _known(connection, day)
        if archived.state == "restored":
            raise CommandError(f"{day} is already restored. `fleexmon archive write {day}` archives it again.")
        restored = restore_day(connection, configured_storage(), archived, dry_run=dry_run, progress=show_progress)
    if as_json:
        print_json({"day": day, "dryRun": dry_run, **vars(restored)})
        return
    done = "Would restore" if dry_run else "Restored"
    existing = f"; {counted(restored.there, 'line')} already existed" if restored.there else ""
    differing = f", {restored.differing:,} of them with other content, which was kept" if restored.differing else ""
    typer.echo(f"{done} {counted(restored.added, 'line')} of {day}{existing}{differing}.")


@app.command("write")
def archive_write(day: Day, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Archive a cold day now: write its file, verify it, then delete its lines from the database.

    The asset `archived_logs` does this every day. With --dry-run, print how many lines would be deleted and how many
    would stay.
    """
    window, now = _window(day), datetime.now(UTC)
    configured = settings.archive()
    if configured is None:
        raise CommandError("FLEEXMON_ARCHIVE is not set. Set it to a directory or to s3://bucket/prefix.")
    if not is_cold(window, now=now, hot_days=configured.hot_days):
        raise CommandError(f"{day} is not cold: FLEEXMON_HOT_DAYS is {configured.hot_days}.")
    url = existing_database_url()
    with connect(url) as connection, waiting(f"archiving {day}") as show_progress:
        if dry_run:
            removed = would_remove(connection, window)
        else:
            account = archive_day(connection, storage_of(configured), window, now=now, progress=show_progress)
            removed = account.removed
    if as_json:
        print_json({"day": day, "dryRun": dry_run, **vars(removed)})
    elif dry_run:
        typer.echo(f"{day}: would have {removed.sentence()}")
    else:
        typer.echo(account.sentence())


def _known(connection: Connection, day: str) -> ArchivedDay:
    archived = one_day(connection, _window(day).since)
    if archived is None:
        raise ArchiveError(f"{day} is not archived. `fleexmon archive list` lists the days that are.")
    return archived


def _window(day: str) -> Window:
    try:
        return Window.day_of(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC))
    except ValueError:
        raise CommandError(f'"{day[:40]}" is not a day such as 2026-11-20.') from None


def _document(day: ArchivedDay, filters: int | None) -> dict[str, Any]:
    """filters: size of the day's search filters in bytes; None if there are none, or they could not be listed."""
    stale: Sequence[str] = day.stale
    return {
        "day": f"{day.day:%Y-%m-%d}", "state": day.state, "lines": day.lines, "bytes": day.bytes,
        "filterBytes": filters,
        "sha256": day.sha256, "file": day.file, "stale": stale, "writtenAt": day.written_at,
    }  # fmt: skip

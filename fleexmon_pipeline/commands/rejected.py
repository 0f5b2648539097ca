"""`fleexmon rejected`: records that could not become lines, and reading them again after a fix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection.rejected import Chosen, Retried, retry
from fleexmon_pipeline.commands.times import moment_of
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import counted, inert_line

Write = Callable[[str], object]
_SHOWN = 160  # characters of a payload; --json has all that is kept


def chosen_by(node: str | None, since: str | None, until: str | None, reason: str | None, *, now: datetime) -> Chosen:
    """From options. Raises typer.BadParameter for a time that is none."""
    return Chosen(
        node,
        moment_of("--since", since, now=now) if since else None,
        moment_of("--until", until, now=now) if until else None,
        reason,
    )


def print_rejected(write: Write, chosen: Chosen, limit: int, *, as_json: bool) -> None:
    """The newest `limit`, then how many there are of each reason."""
    sql = statements("rejected")
    with connect(database_url()) as connection:
        rows = connection.execute(sql["rejected"], {**chosen.parameters(), "limit": limit}).fetchall()
        if as_json:
            write(msgspec.json.encode([{**row, "id": str(row["id"])} for row in rows]).decode())
            return
        by_reason = connection.execute(sql["reasons"], chosen.parameters()).fetchall()
    for row in rows:
        window = Window(row["windowStart"], row["windowEnd"])
        write(f"{window}  {row['node']:<8}  {_inert(row['reason'])}\n    {_inert(row['payload'][: _SHOWN + 1])}")
    reasons: Counter[str] = Counter()
    for row in by_reason:
        reasons[row["reason"]] += row["records"]
    shown = f"; the newest {len(rows):,} are shown" if reasons.total() > len(rows) else ""
    write(f"{counted(reasons.total(), 'record')} rejected{_by_reason(reasons)}{shown}")


def retry_rejected(write: Write, chosen: Chosen, *, dry_run: bool, now: datetime) -> None:
    """Store what can be read now, or with `dry_run` say what would be."""
    oldest = now - timedelta(days=settings.retention_days())
    url = database_url()
    done = retry(lambda: connect(url), chosen, now=now, oldest=oldest, dry_run=dry_run)
    write(sentence(done, dry_run=dry_run))


def sentence(done: Retried, *, dry_run: bool) -> str:
    """`3 of 12 rejected records became lines of 1 hour, which the catch-up sensor will analyse. 9 stay: 9 no time.`"""
    if not done.records:
        return "no record is rejected there"
    would = "would become" if dry_run else "became"
    told = f"{done.stored:,} of {counted(done.records, 'record')} {would} lines"
    if done.stored:
        hours = counted(len(done.hours), "hour")
        told += f" of {hours}" + ("" if dry_run else ", which the catch-up sensor will have analysed in some minutes")
    if done.known:
        told += f"; {done.known:,} {'are' if dry_run else 'were'} lines already, collected again since"
    told += f". {done.stay.total():,} {'would stay' if dry_run else 'stay'}{_by_reason(done.stay)}."
    return told + (" Nothing was changed (--dry-run)." if dry_run else "")


def _by_reason(reasons: Counter[str]) -> str:
    told = "; ".join(f"{count:,} {_inert(reason)}" for reason, count in reasons.most_common() if count)
    return f": {told}" if told else ""


def _inert(text: str) -> str:
    """What a node sent must not move the cursor of who reads it."""
    return inert_line(text[:_SHOWN]) + ("…" if len(text) > _SHOWN else "")

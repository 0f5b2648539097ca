"""An overview of the archive: which days it holds, which days wait for it, and its problems.

Here: reading. Only the sizes of files are read from the store, not their contents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fleexmon_pipeline import settings
from fleexmon_pipeline.archive.days import ArchivedDay, all_days, readable
from fleexmon_pipeline.archive.engine import needed
from fleexmon_pipeline.archive.storage import ArchiveError, storage_of
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.retention.cold_days import waiting_days
from fleexmon_pipeline.settings import ArchiveSettings, Environment
from fleexmon_pipeline.wording import counted

MAX_WAITING = 400  # days


@dataclass(frozen=True)
class ArchiveState:
    """`configured` None: off. `waiting`: cold days with lines that are not archived, oldest first."""

    configured: ArchiveSettings | None
    days: Sequence[ArchivedDay]  # newest first, restored ones too
    waiting: Sequence[datetime]

    @property
    def archived(self) -> list[ArchivedDay]:
        return [day for day in self.days if day.state == "archived"]

    @property
    def sentence(self) -> str:
        lines, size = sum(day.lines for day in self.archived), sum(day.bytes for day in self.archived)
        held = f"{counted(len(self.archived), 'day')}, {counted(lines, 'line')}, {size:,} bytes"
        if self.archived:
            held += f", {self.archived[-1].day:%Y-%m-%d} to {self.archived[0].day:%Y-%m-%d}"
        restored = sum(day.state == "restored" for day in self.days)
        back = f"; {counted(restored, 'day')} restored" if restored else ""
        waits = f"; {counted(len(self.waiting), 'cold day')} to archive" if self.waiting else ""
        return f"{held}{back}{waits}"


def archive_state(connection: Connection, environment: Environment, *, now: datetime) -> ArchiveState:
    """Raises SettingError."""
    configured = settings.archive(environment)
    waiting: Sequence[datetime] = ()
    if configured:
        kept = settings.retention_days(environment)
        waiting = waiting_days(connection, now=now, hot_days=configured.hot_days, days=kept, limit=MAX_WAITING)
    return ArchiveState(configured, all_days(connection), waiting)


def problems_of(state: ArchiveState) -> list[str]:
    """What prevents archiving or reading. Of several days with the same problem the newest is named."""
    if state.configured is None:
        archived = state.archived
        if not archived:
            return []
        days = counted(len(archived), "day")
        return [f"lines of {days} are archived, and FLEEXMON_ARCHIVE is not set: they cannot be read"]
    problems = [reason] if (reason := settings.nothing_gets_cold(state.configured)) else []
    try:
        needed()
        storage = storage_of(state.configured)
        storage.check()
        broken = []
        for day in state.archived:
            try:
                readable(day, storage)
            except ArchiveError as error:
                broken.append(str(error))
    except ArchiveError as error:
        return [*problems, str(error)]
    if broken:
        more = f" And {counted(len(broken) - 1, 'more day')}." if len(broken) > 1 else ""
        problems.append(broken[0] + more)
    return problems

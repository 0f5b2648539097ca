"""The archive: whether it is set, can be reached, and has the files of all archived days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.doctor.finding import Environment, Finding
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.server import configured_url, database_url
from fleexmon_pipeline.lookup.archive import archive_state, problems_of
from fleexmon_pipeline.retries import call_within

SUBJECT = "FLEEXMON_ARCHIVE"
CHECK_SECONDS = 60.0


def archive(environment: Environment, now: datetime) -> Iterator[Finding]:
    configured = settings.archive(environment)
    if not configured_url(environment) and not (settings.home(environment) / "postgres").exists():
        yield Finding(SUBJECT, "ok" if configured else "off", _told(configured))
        return
    with connect(database_url(environment)) as connection:
        state = archive_state(connection, environment, now=now)
    problems = call_within(CHECK_SECONDS, lambda: problems_of(state))
    if configured is None:
        yield from (Finding(SUBJECT, "wrong", problem) for problem in problems)
        if not problems:
            yield Finding(SUBJECT, "off", _told(None))
        return
    yield from (Finding(SUBJECT, "wrong", problem) for problem in problems)
    if not problems:
        yield Finding(SUBJECT, "ok", f"{_told(configured)}; {state.sentence}")


def _told(configured: settings.ArchiveSettings | None) -> str:
    if configured is None:
        return "not set: every line stays in the database until LOG_RETENTION_DAYS"
    return f"{configured.text}, for days older than {configured.hot_days} days"

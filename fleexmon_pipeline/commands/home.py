"""The installation that a command works on: it must exist, since only `fleexmon up` creates one."""

from __future__ import annotations

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.database.server import configured_url, database_url


class NoHomeError(CommandError):
    """Neither DATABASE_URL nor a home with a database: `0 open issues` would pass for an answer."""

    exit_status = 3


def existing_database_url() -> str:
    """The database of DATABASE_URL or FLEEXMON_HOME, migrated. Raises NoHomeError and what `database_url` raises."""
    home = settings.home()
    if configured_url() is None and not (home / "postgres").exists():
        raise NoHomeError(
            f"there is no fleexmon home in {home}. Change to the directory in which `fleexmon up` runs, or set "
            "FLEEXMON_HOME to its home or DATABASE_URL to its database. On a new machine, start with `fleexmon up`."
        )
    return database_url()

"""The installation that a command works on: it must exist, since only `fleexmon up` creates one.

Here: finding it, and the list of homes that `up` was started for, by which a command in the wrong directory can name
the right one. The list is a file of the user (XDG_STATE_HOME), one path a line, and only ever a hint.
"""

from __future__ import annotations

import os
from pathlib import Path

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.database.server import configured_url, database_url
from fleexmon_pipeline.wording import one_line

MAX_HOMES = 20  # in the list
MAX_NAMED = 5


class NoHomeError(CommandError):
    """Neither DATABASE_URL nor a home with a database: `0 open issues` would pass for an answer."""

    exit_status = 3


def existing_database_url() -> str:
    """The database of DATABASE_URL or FLEEXMON_HOME, migrated. Raises NoHomeError and what `database_url` raises."""
    home = settings.home()
    if configured_url() is None and not _has_database(home):
        raise NoHomeError(f"there is no fleexmon home in {home}. {_way_out(known_homes())}")
    return database_url()


def remember(home: Path) -> None:
    """Put a home on the list. A list that cannot be written (a service's user has no directory) is done without."""
    homes = [line for line in _listed() if line != str(home)]
    if "\n" in str(home):
        return
    try:
        _list().parent.mkdir(parents=True, exist_ok=True)
        _list().write_text(
            "".join(f"{line}\n" for line in [*homes, str(home)][-MAX_HOMES:]), "utf-8", "surrogateescape"
        )
    except (OSError, RuntimeError):
        return


def known_homes() -> list[Path]:
    """Homes with a database: those of directories above, of DAGSTER_HOME and of earlier starts, nearest first."""
    above = [directory / ".fleexmon" for directory in Path.cwd().parents]
    dagster = [Path(os.environ["DAGSTER_HOME"]).parent] if os.environ.get("DAGSTER_HOME") else []
    earlier = [Path(line) for line in reversed(_listed())]
    return list(dict.fromkeys(home for home in (*above, *dagster, *earlier) if _has_database(home)))


def _way_out(homes: list[Path]) -> str:
    if not homes:
        return (
            "Change to the directory in which `fleexmon up` runs, or set FLEEXMON_HOME to its home or DATABASE_URL to "
            "its database. On a new machine, start with `fleexmon up`."
        )
    named = ", ".join(one_line(str(home), most=200) for home in homes[:MAX_NAMED])
    return f"Known homes: {named}. Set FLEEXMON_HOME to one of them, or DATABASE_URL to another database."


def _has_database(home: Path) -> bool:
    try:
        return (home / "postgres").exists()
    except OSError:  # another user's
        return False


def _list() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "fleexmon" / "homes"


def _listed() -> list[str]:
    try:
        return [line for line in _list().read_text("utf-8", "surrogateescape").split("\n") if line]
    except (OSError, RuntimeError):  # RuntimeError: the user has no home directory
        return []

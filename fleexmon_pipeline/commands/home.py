"""Find the installation that a command works on. It must exist: only `fleexmon up` creates one.

`up` also remembers its homes in a file of the user (in XDG_STATE_HOME, one path per line). A command that is started in
the wrong directory suggests them.
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
    """There is neither DATABASE_URL nor a home with a database. Without this error, `0 open issues` would look true."""

    exit_status = 3


def existing_database_url() -> str:
    """The database of DATABASE_URL or FLEEXMON_HOME, migrated. Raises NoHomeError, and the errors of `database_url`."""
    home = settings.home()
    if configured_url() is None and not _has_database(home):
        raise NoHomeError(f"there is no fleexmon home in {home}. {_remedy(known_homes())}")
    return database_url()


def remember(home: Path) -> None:
    """Add a home to the list. Does nothing if the list cannot be written: a service's user may have no directory."""
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
    """Homes with a database, nearest first: in parent directories, beside DAGSTER_HOME, of earlier starts."""
    above = [directory / ".fleexmon" for directory in Path.cwd().parents]
    dagster = [Path(os.environ["DAGSTER_HOME"]).parent] if os.environ.get("DAGSTER_HOME") else []
    earlier = [Path(line) for line in reversed(_listed())]
    return list(dict.fromkeys(home for home in (*above, *dagster, *earlier) if _has_database(home)))


def _remedy(homes: list[Path]) -> str:
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

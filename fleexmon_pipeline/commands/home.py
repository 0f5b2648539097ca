"""Find the installation that a command works on, and whether `fleexmon up` runs for it. Only `up` creates one.

`up` also remembers its homes in a file of the user (in XDG_STATE_HOME, one path per line). A command that is started in
the wrong directory suggests them.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.database.server import configured_url, database_url
from fleexmon_pipeline.lookup.schedules import Up
from fleexmon_pipeline.wording import one_line

MAX_HOMES = 20  # in the list
MAX_NAMED = 5
UP_LOCK = "up.lock"  # in a home: locked while `up` runs there; its time is when `up` started, or stopped
_LOCK_ATTEMPTS, _LOCK_PAUSE_SECONDS = 5, 0.05  # `up_of` holds the lock for microseconds


class NoHomeError(CommandError):
    """There is neither DATABASE_URL nor a home with a database. Without this error, `0 open issues` would look true."""

    exit_status = 3


def existing_database_url() -> str:
    """The database of DATABASE_URL or FLEEXMON_HOME, migrated. Raises NoHomeError, and the errors of `database_url`."""
    home = settings.home()
    if configured_url() is None and not _has_database(home):
        raise NoHomeError(f"there is no fleexmon home in {home}. {_remedy(known_homes())}")
    return database_url()


@contextmanager
def only_up(home: Path) -> Iterator[bool]:
    """Hold the lock of `up` for this home. False if another `up` holds it."""
    with (home / UP_LOCK).open("a") as lock:
        if not _lock(lock.fileno()):
            yield False
            return
        os.utime(lock.fileno())
        try:
            yield True
        finally:
            os.utime(lock.fileno())


def up_of(home: Path) -> Up | None:
    """The `up` of this home; None if there never was one, or if that cannot be read."""
    try:
        with (home / UP_LOCK).open() as lock:
            at = datetime.fromtimestamp(os.fstat(lock.fileno()).st_mtime, UTC)
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Up(running=True, at=at)
            return Up(running=False, at=at)
    except OSError:
        return None


def _lock(lock: int) -> bool:
    for _ in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return True
    return False


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

"""Migrate a database, whether empty, ours or the original's, to the version that this code needs.

Versions are the SQL files in `migrations/versions/`. Why no migration tool: docs/decisions/0023.
"""

from __future__ import annotations

from importlib.resources import files

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.errors import FleexmonError

_SQL = statements("schema")


class DatabaseTooNewError(FleexmonError, RuntimeError):
    """A later release migrated the database."""


def versions() -> dict[str, bytes]:
    """Every migration's SQL by its number, in order."""
    directory = files("fleexmon_pipeline.database.migrations") / "versions"
    migrations = sorted(
        (file for file in directory.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    numbered: dict[str, bytes] = {}
    for file in migrations:
        if file.name[:4] in numbered:  # two branches took the same number: one of them would never run
            raise ValueError(f"two migrations have the number {file.name[:4]}; give {file.name} the next free one")
        numbered[file.name[:4]] = file.read_bytes()
    return numbered


def newest_version() -> str:
    """The number of the last migration."""
    return max(versions())


def version_of(connection: Connection) -> str | None:
    """The database's version; None if `migrate` never ran."""
    row = connection.execute(_SQL["exists"]).fetchone()
    if not (row and row["exists"]):
        return None
    row = connection.execute(_SQL["version"]).fetchone()
    return row["version_num"] if row else None


def migrate(connection: Connection) -> list[str]:
    """Apply missing migrations in one transaction. A second process waits, and finds them done.

    Returns the versions before and after, or only the version if there was nothing to do. Raises DatabaseTooNewError,
    and changes nothing, if a later release migrated the database.
    """
    newest, before = newest_version(), version_of(connection)
    if before == newest:
        return [newest]
    if before is not None and before > newest:
        raise DatabaseTooNewError(
            f"the database is at version {before}, but this release knows only {newest}. "
            "Install the release that migrated it."
        )
    with connection.transaction():
        connection.execute(_SQL["lock"])
        before = version_of(connection)
        if before == newest:
            return [newest]
        connection.execute(_SQL["create_version"])
        for number, text in versions().items():
            if before is None or number > before:
                connection.execute(text)
        connection.execute(_SQL["set_version"], {"version": newest})
    return [before or "empty", newest]

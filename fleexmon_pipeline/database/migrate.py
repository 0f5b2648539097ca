"""Bring a database, empty, ours or the original's, to the version that this code needs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import psycopg

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.errors import FleexmonError


class DatabaseTooNewError(FleexmonError, RuntimeError):
    """The database was migrated by a later release than this one."""


def newest_version() -> str:
    """The number of the last migration file. Found by name, so that a start need not import alembic (0.3 s)."""
    versions = files("fleexmon_pipeline.database.migrations") / "versions"
    return max(file.name[:4] for file in versions.iterdir() if file.name.endswith(".sql"))


def version_of(connection: Connection) -> str | None:
    """The database's version; None where `migrate` has never been."""
    found = connection.execute(statements("schema")["exists"]).fetchone()
    if not (found and found["exists"]):
        return None
    row = connection.execute(statements("schema")["version"]).fetchone()
    return row["version_num"] if row else None


def migrate(connection: Connection, url: str) -> list[str]:
    """Apply what is missing, in one transaction; the second of two processes waits and finds it done.

    Returns the versions before and after, one value when nothing was to do. Raises DatabaseTooNewError rather
    than touch what a later release made.
    """
    newest = newest_version()
    before = version_of(connection)
    if before == newest:
        return [newest]
    if before is not None and before > newest:
        raise DatabaseTooNewError(
            f"the database is at version {before}, this release knows {newest}: install the release that migrated it"
        )
    with connection.transaction():
        connection.execute(statements("schema")["lock"])
        if version_of(connection) == newest:
            return [newest]
        _upgrade(url)
    return [before or "empty", newest]


def _upgrade(url: str) -> None:
    import sqlalchemy  # noqa: PLC0415  a start that finds nothing to do must not pay for these imports
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sqlalchemy.NullPool
    )
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sqlalchemy.exc.DBAPIError as error:
        if error.orig is None:
            raise
        raise error.orig from error  # psycopg's own, as everywhere else

"""Which server: DATABASE_URL, else the embedded one. Which databases: the product's, and Dagster's beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from fleexmon_pipeline import settings
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.settings import SettingError

EXAMPLES = ("postgresql://user:password@db.example.com:5432/fleexmon?sslmode=verify-full",)


class DatabaseUnreachableError(RuntimeError):
    """The database does not answer, or does not let us in; the text names host and reason, never the password."""


def configured_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """DATABASE_URL, checked; None when it is not set. Raises SettingError."""
    text = environment.get("DATABASE_URL", "").strip()
    if not text:
        return None
    try:
        parts = conninfo_to_dict(text)
    except psycopg.ProgrammingError as error:
        raise SettingError(
            "DATABASE_URL", f"is not a PostgreSQL connection string ({_plain(error)}).", *EXAMPLES
        ) from None
    if not text.startswith(("postgresql://", "postgres://")):
        raise SettingError("DATABASE_URL", "is not a postgresql:// URL.", *EXAMPLES)
    if not parts.get("dbname"):
        raise SettingError("DATABASE_URL", "names no database.", *EXAMPLES)
    return text


def database_url(environment: Mapping[str, str] = os.environ) -> str:
    """The URL of the product's database, which exists and is migrated; starts the embedded server where it is needed.

    Raises SettingError, DatabaseUnreachableError, EmbeddedServerError.
    """
    return _ready(configured_url(environment), settings.home(environment))


@cache
def _ready(configured: str | None, home: Path) -> str:
    url = configured or _embedded(home)
    try:
        with connect(url) as connection:
            migrate(connection, url)
    except psycopg.OperationalError as error:
        raise DatabaseUnreachableError(unreachable(url, error)) from None
    return url


def _embedded(home: Path) -> str:
    from fleexmon_pipeline.embedded.server import EmbeddedServer  # noqa: PLC0415  only where no DATABASE_URL is set

    return EmbeddedServer(home).acquire()


def unreachable(url: str, error: Exception) -> str:
    """`DATABASE_URL: db.example.com:5432/fleexmon: password authentication failed for user "x"`; never the password."""
    parts = conninfo_to_dict(url)
    where = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
    return f"DATABASE_URL: {where}: {_plain(error)}"


def _plain(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(lines))[:500]


def dagster_url(url: str) -> str:
    """The URL of Dagster's own tables, for SQLAlchemy."""
    return _sqlalchemy_url(dagster_conninfo(url))


def dagster_conninfo(url: str | None = None) -> dict[str, str]:
    """Where Dagster's own tables are: a database `<name>_dagster`, made here; a schema where the role may make none."""
    url = url or database_url()
    parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    name = f"{parts['dbname']}_dagster"
    with connect(url) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return {**parts, "dbname": name}  # another process was first
            except psycopg.errors.InsufficientPrivilege:
                connection.execute("CREATE SCHEMA IF NOT EXISTS fleexmon_dagster")
                options = f"{parts.get('options', '')} -c search_path=fleexmon_dagster".strip()
                return {**parts, "options": options}
    return {**parts, "dbname": name}


def _sqlalchemy_url(parts: Mapping[str, str]) -> str:
    """psycopg2 by name: SQLAlchemy 2.1 reads the bare scheme as psycopg 3, and Dagster fails at the first event."""
    rest = dict(parts)
    user, password, name = rest.pop("user", ""), rest.pop("password", ""), rest.pop("dbname")
    who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return f"postgresql+psycopg2://{who}@/{quote(name, safe='')}?{urlencode(rest, quote_via=quote)}"

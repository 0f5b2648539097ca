"""Find the server (DATABASE_URL, else the embedded one) and its two databases: this program's and Dagster's."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from fleexmon_pipeline import settings
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.line_days import LinesNotByDayError, note_problem, take_over
from fleexmon_pipeline.database.migrate import migrate
from fleexmon_pipeline.database.pooler import remedy
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.settings import SettingError

if TYPE_CHECKING:
    from fleexmon_pipeline.embedded.server import EmbeddedServer

EXAMPLES = ("postgresql://user:password@db.example.com:5432/fleexmon?sslmode=verify-full",)
ESCAPES = "In user, password and database name write / as %2F, @ as %40, : as %3A, ? as %3F, # as %23 and % as %25."
DAGSTER_SCHEMA = "fleexmon_dagster"
MAX_NAME_BYTES = 63  # of a name in PostgreSQL
_log = logging.getLogger(__name__)


class DatabaseUnreachableError(FleexmonError, RuntimeError):
    """The database does not respond or refuses the connection. The text has host and reason, never the password."""


def configured_url(environment: Mapping[str, str] = os.environ, variable: str = "DATABASE_URL") -> str | None:
    """DATABASE_URL, or the text of the file DATABASE_URL_FILE, validated; None if not set. Raises SettingError."""
    text = settings.secret(environment, variable)
    if not text:
        return None
    if not text.startswith(("postgresql://", "postgres://")):  # first: the parser's error quotes all of it
        raise SettingError(variable, "is not a postgresql:// URL.", *EXAMPLES)
    try:
        parts = conninfo_to_dict(text)
    except psycopg.ProgrammingError as error:
        reason = str(error).partition('"')[0].strip(" :\n")  # a quotation may be part of the password
        raise SettingError(variable, f"cannot be read ({reason}). {ESCAPES}", *EXAMPLES) from None
    except UnicodeDecodeError:  # a password with %a1, say; the error quotes it
        raise SettingError(variable, f"has an escape that is not UTF-8. {ESCAPES}", *EXAMPLES) from None
    # After a raw / or @, pieces of a password become host, port and database, which messages would show.
    path = text.partition("://")[2].partition("/")[2].partition("?")[0]
    if "@" in path or "@" in str(parts.get("host", "")) or not _are_ports(str(parts.get("port", "5432"))):
        raise SettingError(variable, f"its host or port is not valid. {ESCAPES}", *EXAMPLES)
    if not re.fullmatch(r"-?[0-9]{1,6}", str(parts.get("connect_timeout", "0"))):
        raise SettingError(variable, "its connect_timeout is not a number of seconds.", *EXAMPLES)
    if not parts.get("dbname"):
        raise SettingError(variable, "names no database.", *EXAMPLES)
    return text


def reading_url(url: Callable[[], str], environment: Mapping[str, str] = os.environ) -> str:
    """The database of pages and agents: DATABASE_URL_READONLY, which is a standby, else the one at `url`."""
    return configured_url(environment, "DATABASE_URL_READONLY") or url()


def _are_ports(text: str) -> bool:
    """Whether it is a port, or one for each of several hosts; "" is the default port."""
    return all(not port or (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536) for port in text.split(","))


def database_url(environment: Mapping[str, str] = os.environ) -> str:
    """The URL of the product's database, migrated. Starts the embedded server if needed.

    Raises SettingError, DatabaseUnreachableError, EmbeddedServerError.
    """
    return _ready(configured_url(environment), settings.home(environment))


@cache
def _ready(configured: str | None, home: Path) -> str:
    url = configured or _embedded(home)
    try:
        with connect(url) as connection:
            migrate(connection)
            _by_day(connection)
    except psycopg.OperationalError as error:
        raise DatabaseUnreachableError(unreachable(url, error)) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnreachableError(
            f"{unreachable(url, error)}. The role must be allowed to create and change the product's tables: "
            "GRANT CREATE ON SCHEMA public, or make it the owner of the database; or the owner runs "
            "`fleexmon database migrate`."
        ) from None
    return url


def _by_day(connection: Connection) -> None:
    """Partition the lines. Errors are only noted, since everything also works with an unpartitioned table."""
    try:
        take_over(connection, now=datetime.now(UTC))
    except LinesNotByDayError as error:
        _log.warning("%s", error)
    except psycopg.Error as error:
        note_problem(connection, "take over", error, '"LogEntry" stays unpartitioned')


def running_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL of the product's database. Starts, creates and migrates nothing. None if no server runs."""
    configured = configured_url(environment)
    if configured is not None:
        return configured
    server = _server(settings.home(environment))
    return server.url() if server.is_running() else None


def revive(environment: Mapping[str, str] = os.environ) -> None:
    """Restart the embedded server after it was killed. Does nothing if DATABASE_URL is set."""
    if configured_url(environment) is None:
        _embedded(settings.home(environment))


def _embedded(home: Path) -> str:
    return _server(home).acquire()


@cache
def _server(home: Path) -> EmbeddedServer:
    from fleexmon_pipeline.embedded.server import EmbeddedServer  # noqa: PLC0415  only without DATABASE_URL

    return EmbeddedServer(home)


def unreachable(url: str, error: Exception) -> str:
    """`DATABASE_URL: db.example.com:5432/fleexmon: password authentication failed for user "x"`; never the password."""
    parts = conninfo_to_dict(url)
    where = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
    return f"DATABASE_URL: {where}: {_plain(error)}"


def _plain(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(lines))[:500] + remedy(error)


def dagster_url(url: str) -> str:
    """The URL of Dagster's own tables, for SQLAlchemy."""
    return _sqlalchemy_url(dagster_conninfo(url))


def dagster_conninfo(url: str | None = None) -> dict[str, str]:
    """The place of Dagster's tables: a database `<name>_dagster`, or a schema if the role may not create databases.

    Creates it. A long name is shortened. Raises DatabaseUnreachableError if the role may create neither.
    """
    url = url or database_url()
    name, beside, inside = _places(url)
    with connect(url) as connection:
        if (there := _existing(connection, name, beside, inside)) is not None:
            return there
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return beside  # another process was first
        except psycopg.errors.InsufficientPrivilege:
            return _with_schema(connection, name, inside)
    return beside


def existing_dagster_conninfo(url: str) -> dict[str, str] | None:
    """The same, if it exists; None if Dagster has not stored anything yet. Raises psycopg.Error."""
    with connect(url) as connection:
        return _existing(connection, *_places(url))


def _places(url: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """The name of Dagster's database, its connection parameters, and those of the schema that may replace it."""
    parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    name = dagster_database_name(parts["dbname"])
    inside = {**parts, "options": f"{parts.get('options', '')} -c search_path={DAGSTER_SCHEMA}".strip()}
    return name, {**parts, "dbname": name}, inside


def _existing(
    connection: Connection, name: str, beside: dict[str, str], inside: dict[str, str]
) -> dict[str, str] | None:
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None:
        return beside
    # Before creating a database: a role with more rights than before must still find its run history.
    if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [DAGSTER_SCHEMA]).fetchone() is not None:
        return inside
    return None


def dagster_database_name(name: str) -> str:
    """The name of Dagster's database. PostgreSQL would truncate a long one to the product's own name."""
    whole = f"{name}_dagster".encode()
    if len(whole) <= MAX_NAME_BYTES:
        return whole.decode()
    end = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}_dagster"  # two names may share a prefix
    return name.encode()[: MAX_NAME_BYTES - len(end)].decode(errors="ignore") + end


def _with_schema(connection: Connection, name: str, inside: dict[str, str]) -> dict[str, str]:
    made = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(DAGSTER_SCHEMA))
    try:
        connection.execute(made)
    except psycopg.errors.UniqueViolation:
        return inside  # another process was first
    except psycopg.errors.InsufficientPrivilege:
        raise DatabaseUnreachableError(
            f"DATABASE_URL: the role {connection.info.user} may create neither a database nor a schema for Dagster's "
            f"run history. Have an administrator run: CREATE DATABASE {sql.Identifier(name).as_string(connection)} "
            f"OWNER {sql.Identifier(connection.info.user).as_string(connection)}"
        ) from None
    return inside


def _sqlalchemy_url(parts: Mapping[str, str]) -> str:
    """psycopg2 by name: SQLAlchemy 2.1 reads the bare scheme as psycopg 3, and Dagster fails at the first event."""
    rest = dict(parts)
    user, password = rest.pop("user", ""), rest.pop("password", "")
    who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    # The database is a parameter as well: SQLAlchemy does not decode it in the path.
    return f"postgresql+psycopg2://{who}@/?{urlencode(rest, quote_via=quote)}"

"""Put a dump of pg_dump in the place of the embedded server's database: all of it, or nothing.

Not by `pg_restore --clean`: it refuses to drop the parts of a partitioned table one by one, and a dump that breaks off
would have destroyed what it was to replace.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from fleexmon_pipeline.embedded.server import DATABASE, EmbeddedServer, EmbeddedServerError, program

_NEW, _OLD = f"{DATABASE}_restored", f"{DATABASE}_replaced"
MAX_REASON = 800  # characters of pg_restore's reason


def restore(server: EmbeddedServer, dump: Path) -> int:
    """Restore into a new database, which then takes the name of the old one, whose rows are gone; the number of lines.

    `server` is acquired, and no other process uses it. Raises EmbeddedServerError, and leaves everything as it was, if
    the file is no complete dump of the product's database.
    """
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(_named("DROP DATABASE IF EXISTS {} WITH (FORCE)", _NEW))
        connection.execute(_named("CREATE DATABASE {} TEMPLATE template0", _NEW))
        try:
            lines = _load(server.url(_NEW), dump)
            _refuse_others(server)
            swap(connection)
        except BaseException:
            connection.execute(_named("DROP DATABASE IF EXISTS {} WITH (FORCE)", _NEW))
            raise
        connection.execute(_named("DROP DATABASE {} WITH (FORCE)", _OLD))
    return lines


def _refuse_others(server: EmbeddedServer) -> None:
    if not server.used_alone():
        raise EmbeddedServerError("another fleexmon was started meanwhile")


def swap(connection: psycopg.Connection[Any]) -> None:
    """In one transaction: a process that is killed here leaves one of the two under the name, never none."""
    connection.execute(_named("DROP DATABASE IF EXISTS {} WITH (FORCE)", _OLD))
    with connection.transaction():
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [DATABASE])
        connection.execute(_named("ALTER DATABASE {} RENAME TO {}", DATABASE, _OLD))
        connection.execute(_named("ALTER DATABASE {} RENAME TO {}", _NEW, DATABASE))


def _load(url: str, dump: Path) -> int:
    command = [str(program("pg_restore")), "--exit-on-error", "--no-owner", "--no-privileges", "-d", url, str(dump)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmbeddedServerError(f"{dump}: {done.stderr.strip()[-MAX_REASON:]}")
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute('SELECT version_num FROM "FleexmonVersion"')
            row = connection.execute('SELECT count(*) FROM "LogEntry"').fetchone()
        except psycopg.errors.UndefinedTable as error:
            raise EmbeddedServerError(f"{dump}: no dump of fleexmon's database: {error.diag.message_primary}") from None
        connection.execute("ANALYZE")
    return row[0] if row else 0


def _named(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))

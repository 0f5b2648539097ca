"""Replace the database of the embedded server by a dump of pg_dump, completely or not at all.

`pg_restore --clean` is not used: it cannot drop the partitions of a table one by one, and an incomplete dump would
already have destroyed the old database.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from fleexmon_pipeline.embedded.server import DATABASE, EmbeddedServer, EmbeddedServerError, program

_NEW, _OLD = f"{DATABASE}_restored", f"{DATABASE}_replaced"
MAX_REASON = 800  # characters of pg_restore's error


def restore(server: EmbeddedServer, dump: Path) -> int:
    """Restore into a new database, which then replaces the old one. Returns the number of lines.

    `server` must be acquired, and no other process may use it. Raises EmbeddedServerError, and changes nothing, if the
    file is not a complete dump of the product's database.
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
        raise EmbeddedServerError("another fleexmon was started in the meantime")


def swap(connection: psycopg.Connection[Any]) -> None:
    """In one transaction, so that after a kill one of the two databases has the name."""
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
            raise EmbeddedServerError(
                f"{dump}: not a dump of fleexmon's database: {error.diag.message_primary}"
            ) from None
        connection.execute("ANALYZE")
    return row[0] if row else 0


def _named(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))

"""Connections with the same time zone, encoding and limits on any server.

Here: session settings and type adapters. Which server: `database/server.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from psycopg import postgres
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.types.datetime import TimestampBinaryLoader, TimestampLoader
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import ConnectionPool

from fleexmon_pipeline.database.pooler import MARK, OWN, keep_session

Connection = psycopg.Connection[DictRow]
Pool = ConnectionPool[Connection]

_EARLIEST, _LATEST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_TIMESTAMP = postgres.types["timestamp"].oid

# A lost network must not block a run for the kernel's two hours.
SESSION: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "fleexmon",
    "options": f"-c TimeZone=UTC -c lock_timeout=120s -c idle_in_transaction_session_timeout=600s -c {MARK}={OWN}",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class _UtcDumper(Dumper):
    """Write an aware datetime as a TIMESTAMP in UTC; refuse a naive one, which is a bug in this program."""

    oid = _TIMESTAMP

    def dump(self, obj: datetime) -> Buffer:
        if obj.tzinfo is None:
            raise ValueError(f"a time without zone reached the database: {obj.isoformat()}")
        return obj.astimezone(UTC).replace(tzinfo=None).isoformat(" ").encode()


def within_years(moment: datetime) -> datetime:
    """Other programs store `infinity`, or years at the limits of datetime: clamp, so that adding a day never fails."""
    return min(max(moment.replace(tzinfo=UTC), _EARLIEST), _LATEST)


def far_away(text: bytes) -> datetime:
    """The replacement for a time of PostgreSQL that no datetime can hold."""
    return _EARLIEST if text.startswith(b"-") or text.endswith(b"BC") else _LATEST


class _UtcLoader(TimestampLoader):
    """Read a TIMESTAMP as an aware datetime in UTC."""

    def load(self, data: Buffer) -> datetime:
        try:
            return within_years(super().load(data))
        except psycopg.DataError:  # outside the range of datetime
            return far_away(bytes(data))


class _UtcBinaryLoader(TimestampBinaryLoader):
    """The same for a binary cursor."""

    def load(self, data: Buffer) -> datetime:
        try:
            return within_years(super().load(data))
        except psycopg.DataError:
            return _EARLIEST if int.from_bytes(data, "big", signed=True) < 0 else _LATEST


def _configure(connection: psycopg.Connection[Any]) -> None:
    connection.adapters.register_dumper(datetime, _UtcDumper)
    connection.adapters.register_loader("timestamp", _UtcLoader)
    connection.adapters.register_loader("timestamp", _UtcBinaryLoader)
    set_json_dumps(_json, connection)
    set_json_loads(msgspec.json.decode, connection)
    keep_session(connection)


def _json(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """One connection in autocommit: each statement is a transaction, except inside `connection.transaction()`."""
    with psycopg.connect(make_conninfo(url, **_absent(url)), autocommit=True, row_factory=dict_row) as connection:
        _configure(connection)
        yield connection


def open_pool(url: str, *, max_size: int = 8) -> Pool:
    """A pool of such connections. Each is checked before use, so a restarted server does no harm."""
    return ConnectionPool(
        make_conninfo(url, **_absent(url)),
        connection_class=psycopg.Connection[DictRow],
        kwargs={"autocommit": True, "row_factory": dict_row},
        configure=_configure,
        check=ConnectionPool.check_connection,
        min_size=1,
        max_size=max_size,
        timeout=30,
        open=True,
    )


def _absent(url: str) -> dict[str, Any]:
    """Our session settings without those that DATABASE_URL sets. `options` are joined, the operator's last, so that
    they win."""
    given = psycopg.conninfo.conninfo_to_dict(url)
    ours = {name: value for name, value in SESSION.items() if name not in given}
    if "options" in given:
        ours["options"] = f"{SESSION['options']} {given['options']}"
    return ours

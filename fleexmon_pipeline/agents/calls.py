"""Run a call: check its arguments, read the database, write the answer, and record all of it.

Here: the order of steps and the handling of errors, for all transports. A call that cannot be recorded is not answered.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from fleexmon_pipeline.agents.answer import AskError, Rendered, decoded, render
from fleexmon_pipeline.agents.arguments import ToolCall, checked
from fleexmon_pipeline.agents.tools import TOOLS
from fleexmon_pipeline.database.connection import Connection, Pool, open_pool
from fleexmon_pipeline.database.read_only import ReadOnlyDatabase
from fleexmon_pipeline.database.server import reading_url
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.wording import one_line

MAX_AT_ONCE = 4
MAX_SECONDS = 10  # of a statement
MAX_KEPT = 1_000  # characters of arguments
SQL = statements("agents")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    transport: str
    client: str


@dataclass(frozen=True)
class Reply:
    text: str
    is_error: bool


class AgentCall(msgspec.Struct, frozen=True):
    """A row of "AgentCall"."""

    id: int
    at: datetime
    transport: str
    client: str
    tool: str
    arguments: str
    outcome: str
    reason: str | None
    entries: int
    tokens: int
    milliseconds: int


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Calls:
    """Answers calls from one database: reads in read-only sessions, and records by a separate connection."""

    def __init__(
        self, url: str, *, environment: Mapping[str, str] = os.environ, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._reading = ReadOnlyDatabase(
            lambda: reading_url(lambda: url, environment), connections=MAX_AT_ONCE, seconds=MAX_SECONDS
        )
        self._recording: Pool = open_pool(url, max_size=1)
        self._environment = environment
        self._now = now

    def close(self) -> None:
        self._reading.close()
        self._recording.close()

    def answer(self, caller: Caller, tool: str, given: Mapping[str, Any]) -> Reply:
        """Never raises. Called in a thread."""
        at, begin = self._now(), time.monotonic()
        rendered: Rendered | None = None
        reason: str | None = None
        outcome = "answered"
        try:
            rendered = self._read(tool, given, at)
        except Exception as error:  # noqa: BLE001  an agent always gets a sentence
            outcome, reason = _explained(error)
            if outcome == "failed":
                _log.error("the tool %s failed", one_line(tool, most=60), exc_info=error)
        row = {
            "at": at, "transport": caller.transport, "client": _safe(caller.client, 100),
            "tool": _safe(tool, 60), "arguments": _kept(given), "outcome": outcome,
            "reason": reason, "entries": rendered.entries if rendered else 0,
            "tokens": rendered.tokens if rendered else 0, "milliseconds": int((time.monotonic() - begin) * 1_000),
        }  # fmt: skip
        try:
            with self._recording.connection(timeout=MAX_SECONDS) as connection:
                connection.execute(SQL["record"], row)
        except (psycopg.Error, PoolTimeout) as error:
            _log.error("a call could not be recorded, so it was not answered", exc_info=error)
            return Reply("The call could not be recorded, so it is not answered. `fleexmon doctor` says more.", True)
        return Reply(rendered.text, False) if rendered else Reply(reason or "", True)

    def _read(self, name: str, given: Mapping[str, Any], now: datetime) -> Rendered:
        tool = TOOLS.get(name)
        if tool is None:
            raise AskError(f"There is no such tool. The tools are: {', '.join(TOOLS)}.")
        checked_arguments = checked(tool.arguments, given)
        arguments = checked_arguments.model_dump()
        cursor = arguments.get("cursor")
        position = decoded(name, arguments, cursor) if cursor else None
        with self._reading.pool().connection(timeout=MAX_SECONDS) as connection:
            call = ToolCall(connection, now, self._environment, position)
            return render(tool.read(call, checked_arguments), call.marks, name, arguments)


def _explained(error: Exception) -> tuple[str, str]:
    """The outcome, and the text for the agent."""
    match error:
        case psycopg.errors.QueryCanceled():
            return "refused", "It took too long and was stopped. Ask for less: a shorter time, or one node."
        case psycopg.OperationalError() | PoolTimeout():
            return "failed", "The database does not respond. Try again in a minute; `fleexmon doctor` says more."
        case FleexmonError():
            return "refused", redact(str(error))[:1_000]
    return "failed", "The tool failed; the log of `fleexmon mcp` has the details."


def _kept(given: Mapping[str, Any]) -> str:
    """Arguments as JSON, redacted and shortened."""
    return _safe(json.dumps(given, default=str, separators=(",", ":")), MAX_KEPT)


def _safe(text: str, most: int) -> str:
    """Clean, redact and shorten a text that a client chose."""
    return one_line(redact(one_line(text, most=20 * most)), most=most)


def last_calls(connection: Connection, *, limit: int) -> list[AgentCall]:
    """Newest first."""
    return msgspec.convert(connection.execute(SQL["calls"], {"limit": limit}).fetchall(), list[AgentCall])

"""Rows for the tests of reporting, written as by the other stages. Here: how; which rows: each test."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import DAY, Window

DAY_START = datetime(2026, 11, 20, tzinfo=UTC)
THE_DAY = Window(DAY_START, DAY_START + DAY)
NEXT_MORNING = DAY_START + timedelta(days=1, hours=8)


def at(hour: int, minute: int = 0, *, day: int = 0) -> datetime:
    """A moment of the day that the tests describe; `day` -1 is the day before."""
    return DAY_START + timedelta(days=day, hours=hour, minutes=minute)


def pattern(connection: Connection, name: str, template: str, first_seen: datetime, *, level: str = "error",
            alias_of: str | None = None) -> None:  # fmt: skip
    connection.execute(
        """INSERT INTO "LogPattern" VALUES (%s, %s, %s, %s, %s, 1, %s)""",
        (name, template, level, first_seen, first_seen, alias_of),
    )


def count(connection: Connection, slot: datetime, node: str, name: str, level: str, number: int) -> None:
    connection.execute(
        """INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, %s, '{}')""", (slot, node, name, level, number)
    )


def issue(
    connection: Connection, title: str, detected: datetime, *, severity: str = "high", resolved: datetime | None = None,
    updated: datetime | None = None, fingerprint: str | None = "rule:node:blue", nodes: Sequence[str] = ("blue",),
    description: str = "What it is.", **metadata: Any,
) -> str:  # fmt: skip
    """Its id."""
    name = str(uuid.uuid4())
    facts = {**({"fingerprint": fingerprint} if fingerprint else {}), "nodes": list(nodes), **metadata}
    connection.execute(
        """INSERT INTO "LogIssue" VALUES
        (%s, 'a-type', %s, %s, %s, NULL, 'Do this.', 'detector', %s, %s, %s, %s, %s, '{}')""",
        (name, severity, title, description, "resolved" if resolved else "open", detected,
         updated or resolved or detected, resolved, Jsonb(facts)),
    )  # fmt: skip
    return name


def genai_call(
    connection: Connection,
    moment: datetime,
    outcome: str,
    tokens: tuple[int, int] | None,
    *,
    cost: str | None = None,
    replay: bool = False,
) -> None:
    connection.execute(
        """INSERT INTO "GenAICall" (id, at, "windowStart", "windowEnd", "promptVersion", "evidenceHash", model,
           "tokensIn", "tokensOut", "latencyMs", outcome, cost, replay)
           VALUES (%s, %s, %s, %s, 'v1', 'h', 'm', %s, %s, 900, %s, %s, %s)""",
        (uuid.uuid4(), moment, moment, moment, *(tokens or (None, None)), outcome, cost, replay),
    )

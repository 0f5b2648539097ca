"""Helpers for GenAI tests: patterns as the earlier stages leave them, and a judge over a fake agent."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.judgement import Asker, Judgement, judge
from fleexmon_pipeline.window import HOUR, Window
from fleexmon_pipeline_tests.genai_server import GenAIServer

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)
NOW = TEN + timedelta(minutes=70)


def plant(
    connection: Connection,
    pattern: str,
    *messages: str,
    level: str = "error",
    node: str = "blue",
    slot: datetime = TEN,
    first_seen: datetime = TEN - HOUR,
    template: str | None = None,
    alias_of: str | None = None,
    alias_since: datetime | None = None,
) -> list[uuid.UUID]:
    """A pattern with lines in one slot, as the earlier steps leave them; returns the lines' ids."""
    connection.execute(
        'INSERT INTO "LogPattern" VALUES (%s, %s, %s, %s, %s, 1, %s, %s) ON CONFLICT (id) DO NOTHING',
        (pattern, template or messages[0], level, first_seen, slot, alias_of, alias_since),
    )
    ids = [uuid.uuid5(uuid.NAMESPACE_OID, f"{pattern} {node} {slot} {n}") for n in range(len(messages))]
    for line, message in zip(ids, messages, strict=True):
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, level, message, source, hostname) VALUES (%s, %s, %s, %s, %s, %s)',
            (line, slot, level, message, node, node),
        )
    if messages:
        connection.execute(
            'INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, %s, %s)',
            (slot, node, pattern, level, len(messages), ids),
        )
    return ids


@dataclass
class Judge:
    connection: Connection
    server: GenAIServer
    runs: Iterator[int] = field(default_factory=itertools.count)

    def __call__(self, *, window: Window = WINDOW, now: datetime = NOW, **options: Any) -> Judgement:
        agent = options.pop("agent", Agent(self.server.settings, first_wait=0.01))
        seconds = options.pop("deadline_seconds", 30.0)
        asker = Asker(agent, **{"run_id": f"run-{next(self.runs)}", **options})
        return judge(self.connection, asker, window, now=now, deadline_seconds=seconds)

    def ledger(self) -> list[str]:
        rows = self.connection.execute('SELECT outcome FROM "GenAICall" ORDER BY at, ctid')
        return [row["outcome"] for row in rows]

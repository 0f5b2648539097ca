"""Helpers for tests of cases: an incident of the shop, an agent's answer about it, and a run that explains."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.cases.explain import Explained, explain_incidents
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.incidents.read import Incident
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.settings import Topology
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.genai.judging import TEN, plant
from fleexmon_pipeline_tests.genai_server import GenAIServer
from fleexmon_pipeline_tests.incidents.story import about, firings, incidents, tell

NOW = TEN + HOUR
DEPENDS = {"green": frozenset({"blue"})}
SECRET = "hunter2-very-secret"
REFUSED = "connect ECONNREFUSED 10.1.2.3:5432 password=" + SECRET


def outage(connection: Connection, *, slots: int = 3, evidence: Sequence[list[UUID]] = ()) -> Incident:
    """The database is gone: a new error on blue, then green, which calls blue, has a high error rate. `evidence`: of
    both, planted before."""
    lines, calls = evidence or [
        plant(connection, "refused", REFUSED, REFUSED + " again", first_seen=TEN, template="connect ECONNREFUSED <ip>"),
        plant(connection, "calls", "blue answered 502", node="green", slot=TEN + SLOT, template="blue answered <*>"),
    ]
    (incident,) = tell(
        connection,
        firings(
            about("blue", "refused"), range(slots), rule="new-error", severity=Severity.CRITICAL, evidence=lines,
            title="New error on blue", metadata={"what": "New error", "which": "connect ECONNREFUSED <ip>"},
        ),
        firings(about("green"), range(1, slots), rule="high-error-rate", evidence=calls, title="High error rate"),
        depends=DEPENDS,
    )  # fmt: skip
    return incident


def explained(*ids: int, **members: Any) -> str:
    """An answer with one fact and one hypothesis."""
    return json.dumps({
        "facts": [{"text": "blue cannot reach the database.", "evidence": list(ids)}],
        "hypotheses": [{"text": "The database of blue is down.", "evidence": list(ids)}],
        "rootNode": "blue", "severity": "high", "recommendation": "Look at the database.", **members,
    })  # fmt: skip


@dataclass
class Explainer:
    connection: Connection
    server: GenAIServer
    runs: Iterator[int] = field(default_factory=itertools.count)

    def __call__(self, *, now: datetime = NOW, window: Window | None = None, **options: Any) -> Explained:
        agent = options.pop("agent", Agent(self.server.settings, first_wait=0.01))
        seconds = options.pop("deadline_seconds", 30.0)
        done = explain_incidents(
            self.connection, Asker(agent, **{"run_id": f"run-{next(self.runs)}", **options}),
            window or Window(TEN, TEN + HOUR), now=now, known_until=TEN + 4 * SLOT, deadline_seconds=seconds,
        )  # fmt: skip
        refresh_incidents(self.connection, Topology(DEPENDS))
        return done

    def ledger(self) -> list[str]:
        rows = self.connection.execute('SELECT outcome FROM "GenAICall" ORDER BY at, ctid')
        return [row["outcome"] for row in rows]

    def root_causes(self) -> dict[str, str | None]:
        rows = self.connection.execute('SELECT title, "rootCause" FROM "LogIssue" ORDER BY "detectedAt"')
        return {row["title"]: row["rootCause"] for row in rows}

    def case(self, number: int = -1) -> list[dict[str, Any]]:
        """The lines of a question; each must be a line of JSON with the next id."""
        content = self.server.questions[number]["messages"][1]["content"]
        lines = [json.loads(line) for line in content.removeprefix("Data:\n").split("\n")]
        assert [line["id"] for line in lines] == list(range(len(lines)))
        return lines


__all__ = ["NOW", "SECRET", "TEN", "Explainer", "explained", "incidents", "outage"]

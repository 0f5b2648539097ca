"""Issues with any contents that another program wrote: incidents are still derived, and none are lost."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from fleexmon_pipeline.channels.produce import messages_of_incidents
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.read import show_incident
from fleexmon_pipeline.incidents.refresh import is_due, refresh_incidents
from fleexmon_pipeline.incidents.story import read_story
from fleexmon_pipeline.reporting.alerts import refresh_alerts
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.incidents.story import LATER, about, firings, incidents, tell
from fleexmon_pipeline_tests.stories import TEN

NOW = TEN + timedelta(hours=4)
MANY = ", ".join(f'"node {number}"' for number in range(10_000))
FOREIGN: dict[str, dict[str, Any]] = {
    "no metadata": {"metadata": None},
    "metadata of a number": {"metadata": "7"},
    "metadata of a list": {"metadata": "[1]"},
    "nodes by name": {"metadata": '{"nodes": {"blue": 1}}'},
    "nodes of any kind": {"metadata": '{"nodes": [1, null, "", ["x"], {"a": 2}]}'},
    "10,000 nodes": {"metadata": f'{{"nodes": [{MANY}]}}'},
    "lines in words": {"metadata": '{"nodes": ["blue"], "affectedCount": "12"}'},
    "lines beyond any integer": {"metadata": '{"nodes": ["blue"], "affectedCount": 1e400, "occurrences": 1e400}'},
    "a time in words": {"metadata": '{"nodes": ["blue"], "window": {"since": "none"}}'},
    "a time without zone": {"metadata": '{"nodes": ["blue"], "window": {"since": "2026-11-20T09:00:00"}}'},
    "the year 1": {"detected": "0001-01-01"},
    "before Christ": {"detected": "0300-01-01 BC"},
    "1970": {"detected": "1970-01-01"},
    "the year 9999": {"detected": "9999-12-31 23:59:59"},
    "infinity": {"detected": "infinity"},
    "minus infinity": {"detected": "-infinity"},
    "seen at infinity": {"updated": "infinity"},
    "seen before it began": {"updated": "1970-01-01"},
    "resolved at infinity": {"status": "resolved", "resolved": "infinity"},
    "odd words": {"status": "@everyone \x1b[2J", "severity": "\x1b]0;x\x07 **@all**"},
}


def foreign(
    connection: Connection, *, metadata: str | None = '{"nodes": ["blue"]}', detected: str = "2026-11-20 13:07",
    updated: str | None = None, resolved: str | None = None, status: str = "open", severity: str = "high",
) -> uuid.UUID:  # fmt: skip
    key = uuid.uuid4()
    connection.execute(
        """INSERT INTO "LogIssue"
        (id, type, severity, title, description, source, status, "detectedAt", "updatedAt", "resolvedAt", metadata)
        VALUES (%s, 'a type', %s, 'foreign', 'It says so.', 'their program', %s,
          %s::timestamp, %s::timestamp, %s::timestamp, %s::jsonb)""",
        (key, severity, status, detected, updated or detected, resolved, metadata),
    )
    return key


@pytest.mark.parametrize("values", FOREIGN.values(), ids=FOREIGN)
def test_whatever_another_program_stores_hinders_nobody(database: Database, values: dict[str, Any]) -> None:
    with database.connect() as connection:
        (ours,) = tell(connection, firings(about("blue", "aaaa"), range(3)))
        foreign(connection, **values)
        refresh_incidents(connection)

        found = incidents(connection)
        assert not is_due(connection)
        assert ours.id in {issue for incident in found for issue in incident.issues}
        for incident in found:
            show_incident(connection, str(incident.id), now=LATER)
            read_story(connection, incident)
        assert refresh_alerts(connection, now=NOW).opened
        assert messages_of_incidents(connection, now=NOW)


def test_foreign_words_are_inert_on_github(database: Database) -> None:
    with database.connect() as connection:
        foreign(connection, status="@everyone **x**", detected="2026-11-20 10:07")
        refresh_alerts(connection, now=NOW)
        row = connection.execute("""SELECT desired ->> 'body' AS body FROM "Outbox" """).fetchone()

    assert row
    assert "`@everyone **x**`" in row["body"]

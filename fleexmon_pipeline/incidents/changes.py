"""What changed just before an incident: deployments, restarts and configuration, as far as log lines show it.

Here: where to look, and for which words. A word counts only in a pattern that the node did not have in the day before:
what is logged every hour is not a change.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline.wording import iso_text, one_line

SQL = statements("incidents")
LOOK_BACK = timedelta(hours=2)  # before the incident
MAX_CHANGES = 10
MAX_TEXT = 200
_RESTART = (
    "restart|restarted|restarting|reboot|rebooted|booted|starting up|started up|shutdown|shutting down|listening on"
)
_CONFIGURATION = "config|configuration|settings|feature flag|migration|migrating|migrated|certificate|reload|reloaded"
_WORDS = rf"\m({_RESTART}|{_CONFIGURATION})\M"  # as PostgreSQL writes word boundaries
_IS_RESTART = re.compile(rf"(?i)\b(?:{_RESTART})\b")


class Change(msgspec.Struct, frozen=True):
    """`at`: ISO 8601; `text`: the version, or the template of the line."""

    kind: Literal["deployment", "restart", "configuration"]
    node: str
    at: str
    text: str


def read_restarts(connection: Connection, nodes: Collection[str], window: Window) -> list[Change]:
    """Restarts of these nodes (all, if none is named) in a window, by lines that the nodes do not log every day."""
    where = {"nodes": sorted(nodes) or None, "since": window.since, "until": window.until}
    rows = connection.execute(SQL["rare_words"], {**where, "words": rf"\m({_RESTART})\M", "limit": MAX_CHANGES})
    return [
        Change("restart", row["node"], iso_text(row["at"], "seconds"), one_line(redact(row["template"]), most=MAX_TEXT))
        for row in rows
    ]


def read_changes(connection: Connection, nodes: Collection[str], started: datetime) -> list[Change]:
    """What changed on these nodes (all, if none is named) in the two hours before `started`, oldest first."""
    where = {"nodes": sorted(nodes) or None, "since": started - LOOK_BACK, "until": started + SLOT}
    changes = [
        Change("deployment", row["node"], iso_text(row["at"], "seconds"), row["version"])
        for row in connection.execute(SQL["deployments"], where)
    ]
    for row in connection.execute(SQL["rare_words"], {**where, "words": _WORDS, "limit": MAX_CHANGES}):
        kind: Literal["restart", "configuration"] = (
            "restart" if _IS_RESTART.search(row["template"]) else "configuration"
        )
        text = one_line(redact(row["template"]), most=MAX_TEXT)
        changes.append(Change(kind, row["node"], iso_text(row["at"], "seconds"), text))
    return sorted(changes, key=lambda change: (change.at, change.node, change.text))[:MAX_CHANGES]

"""What people do with incidents: acknowledge and assign them, recorded with who and why.

Here: the writes. They are stored by issue, so an incident keeps them when it grows or merges with another one.
Resolving or muting an incident does so with all of its issues: `issues/people.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.database.statements import statements

SQL = statements("incidents")
Action = Literal["ack", "unack", "assign"]


def handle(
    connection: Connection, issues: Sequence[uuid.UUID], action: Action, *,
    by: str, why: str, now: datetime, assignee: str | None = None,
) -> None:  # fmt: skip
    """Record what a person did about these issues. `assignee` None with "assign": nobody any more."""
    for issue in issues:
        key = uuid8(now, issue.bytes, action.encode(), by.encode(), (assignee or "").encode())
        params = {"id": key, "issue": issue, "action": action, "assignee": assignee, "by": by, "why": why, "now": now}
        connection.execute(SQL["handle"], params)

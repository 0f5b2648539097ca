"""A day's digest: written down, and where GitHub is configured, wished for there.

Here: which day is kept and which is told. Its figures: `day.py`; its forms: `markdown.py`, `html.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.reporting import html, markdown
from fleexmon_pipeline.reporting.day import figures
from fleexmon_pipeline.reporting.figures import Figures
from fleexmon_pipeline.reporting.outbox import DesiredIssue, enqueue
from fleexmon_pipeline.window import Window

LABELS = ("monitoring", "digest")
RECENT = timedelta(days=7)  # a backfill of last month must not fill people's mail


@dataclass(frozen=True)
class Digest:
    """A day's figures and their two texts; `told`: whether GitHub is to show something new."""

    figures: Figures
    title: str
    markdown: str
    html: str
    told: bool

    def json(self) -> bytes:
        """The figures as one JSON document."""
        return msgspec.json.format(msgspec.json.encode(self.figures), indent=2)


def write_digest(connection: Connection, day: Window, *, now: datetime, github: bool) -> Digest:
    """Write the digest of the UTC day `day` into "LogDigest"; the same rows again change nothing.

    With `github` (ALERTS_REPO is configured) and a day of the last 7, its issue is put into the Outbox.
    """
    found = figures(connection, day, now=now)
    title, text, page = markdown.title(found.day), markdown.render(found), html.render(found)
    told = False
    with connection.transaction():
        connection.execute(
            statements("digests")["write"],
            {"day": found.day, "figures": Jsonb(found), "markdown": text, "html": page, "now": now},
        )
        if github and now - RECENT < day.until and day.since <= now:
            told = enqueue(connection, f"digest:{found.day}", DesiredIssue(title, text, LABELS), now=now)
    return Digest(found, title, text, page, told)

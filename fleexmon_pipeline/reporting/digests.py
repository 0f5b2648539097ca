"""A day's digest: stored, and queued for GitHub if that is configured.

Here: which days are stored and which are posted. Figures: `day.py`; formats: `markdown.py`, `html.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.reporting import html, markdown
from fleexmon_pipeline.reporting.day import figures
from fleexmon_pipeline.reporting.figures import Figures
from fleexmon_pipeline.reporting.outbox import DesiredIssue, enqueue
from fleexmon_pipeline.settings import Topology
from fleexmon_pipeline.window import Window

LABELS = ("monitoring", "digest")
RECENT = timedelta(days=7)  # a backfill of last month must not flood mailboxes


@dataclass(frozen=True)
class Digest:
    """A day's figures and their two texts. `queued`: whether something new was queued for GitHub."""

    figures: Figures
    title: str
    markdown: str
    html: str
    queued: bool

    def json(self) -> bytes:
        """The figures as one JSON document."""
        return msgspec.json.format(msgspec.json.encode(self.figures), indent=2)


def write_digest(
    connection: Connection, day: Window, *, now: datetime, github: bool, ui_url: str | None = None,
    topology: Topology | None = None,
) -> Digest:  # fmt: skip
    """Write the digest of the UTC day `day` into "LogDigest". Idempotent. `ui_url`: where people open the UI.

    With `github` (ALERTS_REPO is configured), a digest of the last 7 days is also queued in the Outbox.
    """
    refresh_incidents(connection, topology)
    day_figures = figures(connection, day, now=now)
    title = markdown.title(day_figures.day)
    text, page = markdown.render(day_figures, ui_url), html.render(day_figures, ui_url)
    queued = False
    with connection.transaction():
        connection.execute(
            statements("digests")["write"],
            {"day": day_figures.day, "figures": Jsonb(day_figures), "markdown": text, "html": page, "now": now},
        )
        if github and now - RECENT < day.until and day.since <= now:
            queued = enqueue(connection, f"digest:{day_figures.day}", DesiredIssue(title, text, LABELS), now=now)
    return Digest(day_figures, title, text, page, queued)

"""The pages on a separate port with a prepared database, requested by HTTP as by a browser."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import pytest
import uvicorn

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.incidents.people import handle
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues.occurrence import Severity, Subject
from fleexmon_pipeline.web.pages.site import Pages, application, reading
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests import stories
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import fire, firing
from fleexmon_pipeline_tests.stories import TEN

NOW = TEN + timedelta(hours=2)
SECRET = "hunter2-is-secret"
PATTERN = "57762e5dfc6c5e57"
HOSTILE = (
    f"<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'><svg onload=alert(1)>{{{{7*7}}}} "
    f"javascript:alert(1) &lt; \x1b[31m \u202e ]]> --> </main></style> password={SECRET} **bold** [a](http://evil)"
)


@dataclass(frozen=True)
class Site:
    url: str
    database: Database

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=30)


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    """Over an empty database."""
    pages = Pages(reading(lambda: database.url), now=lambda: NOW)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(application(pages), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield Site(f"http://127.0.0.1:{port}", database)
        server.should_exit = True
        thread.join()
    pages.database.close()


@pytest.fixture
def story(site: Site) -> Site:
    """Two hours of two nodes: an issue whose texts and lines are hostile, another one, a digest, a deployment."""
    with site.database.connect() as connection:
        for node in ("blue", "green"):
            stories.cover(connection, Window(TEN, NOW - SLOT), node, stored=60)
        lines = [
            add_line(connection, TEN + timedelta(seconds=60 * n), "blue" if n % 2 else "green",
                     "error" if n % 10 == 0 else "info", HOSTILE if n % 10 == 0 else f"order {n} shipped",
                     trace_id=f"trace-{n % 4}")
            for n in range(100)
        ]  # fmt: skip
        connection.execute(
            'INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion") VALUES '
            "(%s, %s, 'error', %s, %s, 4), ('aaaa', 'order <num> shipped', 'info', %s, %s, 4)",
            [PATTERN, HOSTILE.replace("\x1b", "").replace(SECRET, "<password>"), TEN, NOW, TEN, NOW],
        )
        connection.cursor().executemany(
            'INSERT INTO "LogPatternCount" (slot, node, pattern, level, count, samples) '
            "VALUES (%s, %s, %s, %s, %s, %s)",
            [[TEN + n * SLOT, "blue", PATTERN, "error", 3, lines[:3]] for n in range(20)]
            + [[TEN + n * SLOT, "green", "aaaa", "info", 40, lines[3:6]] for n in range(23)],
        )
        connection.execute(
            'INSERT INTO "DetectedHour" (hour, "madeOf") VALUES (%s, %s)', [TEN + timedelta(hours=1), ""]
        )
        subject = Subject("blue", PATTERN)
        texts = {"title": HOSTILE[:200], "description": HOSTILE, "root_cause": HOSTILE, "recommendation": HOSTILE}
        figures = {"pattern": PATTERN, "runbook": "repeated-error", "run": str(uuid.UUID(int=7))}
        for slot in range(18, 22):
            fire(
                connection,
                firing(slot, subject=subject, severity=Severity.HIGH, evidence=lines[:10], metadata=figures, **texts),
            )
        fire(connection, firing(1, subject=Subject("green"), rule="silent-node", title="green was silent"))
        refresh_incidents(connection)
        handle(connection, [uuid.UUID(issue_ids(site)[0])], "ack", by="ann", why=HOSTILE, now=NOW)
        connection.execute(
            'INSERT INTO "Deployment" (node, version, at, by, source) VALUES (%s, %s, %s, %s, %s)',
            ["blue", "1.4.2", TEN + timedelta(minutes=40), HOSTILE[:60], "person"],
        )
        connection.execute(
            'INSERT INTO "ShadowOccurrence" (fingerprint, slot, rule, severity, title, nodes, affected) '
            "VALUES ('mine:node:blue', %s, 'mine', 'high', %s, '{blue}', 3)",
            [TEN, HOSTILE],
        )
        html = "<!doctype html><html><body><main><h1>Monitoring digest</h1><p>All is well.</p></main></body></html>"
        connection.execute(
            'INSERT INTO "LogDigest" (day, figures, markdown, html, "generatedAt") VALUES (%s, %s, %s, %s, %s)',
            ["2026-11-19", json.dumps({"verdict": {"state": "healthy", "sentence": HOSTILE}}), "", html, NOW],
        )
        connection.execute(
            'INSERT INTO "StaleWindow" (asset, hour, reason, attempts, "nextAt") VALUES (%s, %s, %s, 2, %s)',
            ["raw_logs", TEN, HOSTILE, NOW],
        )
    return site


def add_line(
    connection: Connection, at: datetime, node: str, level: str, message: str, **metadata: object
) -> uuid.UUID:
    """Its id is one like ours. One in 4,000 random ids names some day of these years, where a search for a trace would
    not look for the line."""
    identity = uuid8(at, uuid.uuid4().bytes)
    connection.execute(
        'INSERT INTO "LogEntry" (id, timestamp, source, hostname, level, message, metadata) '
        "VALUES (%s, %s, %s, 'host', %s, %s, %s)",
        [identity, at, node, level, message.replace("\x00", ""), json.dumps(metadata)],
    )
    return identity


def issue_ids(site: Site) -> list[str]:
    return [str(row["id"]) for row in site.database.rows('SELECT id FROM "LogIssue" ORDER BY "updatedAt" DESC, id')]


def line_ids(site: Site) -> list[str]:
    return [str(row["id"]) for row in site.database.rows('SELECT id FROM "LogEntry" ORDER BY timestamp, id')]


def all_pages(site: Site) -> list[str]:
    """One address of every page of the story."""
    return [
        "", "/incidents?state=all", f"/incidents/{issue_ids(site)[0]}", "/issues?state=all",
        f"/issues/{issue_ids(site)[0]}", "/logs", "/logs?q=order&level=info",
        f"/logs?pattern={PATTERN}", "/logs?trace=trace-1", f"/logs/{line_ids(site)[0]}", "/patterns",
        f"/patterns/{PATTERN}", "/compare", "/compare?from=90m&candidate=blue&baseline=green", "/digests",
        "/digests/2026-11-19", "/shadow", "/no-such-page",
    ]  # fmt: skip

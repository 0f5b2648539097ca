"""The outbox for GitHub: what GitHub should show, what it shows, and the requests between them, each sent once.

Here: queueing, delivery, backoff. What to queue: `digests.py`, `alerts.py`; requests to GitHub: `github.py`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.reporting.github import MARK, MAX_BODY, MAX_LABEL, MAX_TITLE, GitHubClient, GitHubError
from fleexmon_pipeline.wording import one_line

PAUSE_SECONDS = 1.0  # between writes, as GitHub asks; otherwise its secondary rate limit applies
BACKOFF = timedelta(minutes=1)  # doubled with every failed attempt
MAX_BACKOFF = timedelta(hours=1)
MAX_WAIT = timedelta(hours=24)  # an absurd Retry-After must not stop deliveries forever
SEARCH_BACK = timedelta(days=8)  # our issue may be older than its row here, if the database was recreated
FAILS_EVERY_KEY = ("auth", "rate-limit", "unavailable")  # failures that the next key would hit too

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class DesiredIssue:
    """What an issue on GitHub should look like.

    `comment`: the latest event worth a notification, posted once per text; `about`: JSON that the caller stores with
    it, never shown.
    """

    title: str
    body: str
    labels: Sequence[str]
    state: Literal["open", "closed"] = "open"
    comment: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Delivery:
    """What a call of `deliver` did. `waiting`: keys not yet delivered, including failed ones and those in backoff."""

    sent: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # key -> reason
    unchanged: int = 0
    waiting: int = 0

    def sentence(self) -> str:
        """`2 sent, 31 unchanged, 1 waiting; digest:2026-11-20: GitHub responded with 500`."""
        reasons = "".join(f"; {one_line(key, most=80)}: {reason}" for key, reason in self.failed.items())
        return f"{len(self.sent)} sent, {self.unchanged} unchanged, {self.waiting} waiting{reasons}"


def enqueue(connection: Connection, key: str, issue: DesiredIssue, *, now: datetime) -> bool:
    """Queue what GitHub should show under `key`; returns whether that is new. Cuts texts to GitHub's limits."""
    body = f"{marker(key)}\n{issue.body}"
    desired = {
        "title": issue.title[:MAX_TITLE],
        "body": body if len(body) <= MAX_BODY else f"{body[: MAX_BODY - 2]}\n…",
        "labels": [label[:MAX_LABEL] for label in issue.labels],
        "state": issue.state,
        "comment": issue.comment and f"{MARK}{_digest(key + issue.comment)} -->\n{issue.comment}"[:MAX_BODY],
        "about": dict(issue.about),
    }
    parameters = {"key": key, "desired": Jsonb(desired), "now": now}
    return connection.execute(statements("outbox")["enqueue"], parameters).fetchone() is not None


def is_due(connection: Connection, *, now: datetime) -> bool:
    """Whether `deliver` has anything to do."""
    return (
        connection.execute(statements("outbox")["due"], {"now": now, "limit": 1, "by_hand": False}).fetchone()
        is not None
    )


def failed_deliveries(connection: Connection) -> dict[str, str]:
    """Keys whose last attempt failed, and why."""
    return {row["key"]: row["error"] for row in connection.execute(statements("outbox")["failed"])}


def marker(key: str) -> str:
    """The first line of a body, invisible on GitHub, that identifies our issue."""
    plain = quote(key, safe=":._@").replace("--", "-%2D")
    return f"{MARK}{plain if len(plain) <= 200 else _digest(key)} -->"


def deliver(
    connection: Connection, github: GitHubClient, *, now: datetime, limit: int = 100, sleep: Sleep = time.sleep,
    pause: float = PAUSE_SECONDS, by_hand: bool = False,
) -> Delivery:  # fmt: skip
    """Bring GitHub up to date with the Outbox: at most `limit` keys, the oldest first, one at a time.

    `by_hand`: a person asked for it, so our own backoff does not apply; a delay that GitHub asked for does. A failure
    is stored with the time of the next attempt and returned, never raised. One that would affect every key ends the
    call. Concurrent calls post nothing twice.
    """
    delivery = Delivery()
    due = connection.execute(statements("outbox")["due"], {"now": now, "limit": limit, "by_hand": by_hand}).fetchall()
    for key in (row["key"] for row in due):
        if not _locked(connection, key):
            continue
        try:
            attempt = connection.execute(statements("outbox")["begin"], {"key": key}).fetchone()
            if attempt is None:
                continue  # another call has delivered it meanwhile
            step = _Step(connection, github, attempt, now, lambda: sleep(pause))
            step.take()
            delivery.sent.append(key)
        except GitHubError as error:
            delivery.failed[key] = _fail(connection, key, attempt["attempts"] if attempt else 0, error, now)
            if error.kind in FAILS_EVERY_KEY:
                break
        finally:
            connection.execute(statements("outbox")["unlock"], {"key": key})
    counts = connection.execute(statements("outbox")["counts"]).fetchone() or {}
    delivery.unchanged = max(0, counts["unchanged"] - len(delivery.sent))
    delivery.waiting = counts["waiting"]
    return delivery


class _Step:
    """Brings one key up to date on GitHub. `shown` is stored after each request that changed it."""

    def __init__(
        self, connection: Connection, github: GitHubClient, row: Mapping[str, Any], now: datetime,
        pause: Callable[[], None],
    ) -> None:  # fmt: skip
        self.connection, self.github, self.now, self.pause = connection, github, now, pause
        self.key: str = row["key"]
        self.desired: dict[str, Any] = row["desired"]
        self.shown: dict[str, Any] = row["shown"] or {}
        self.number: int | None = row["number"]
        self.tried_before: bool = row["attempts"] > 0
        self.since: datetime = row["created_at"] - SEARCH_BACK

    def take(self) -> None:
        number = self.number if self.number is not None else self._find_or_create()
        if number is not None:  # None: closed before it was ever posted
            try:
                self._comment(number)
                self._edit(number)
            except GitHubError as error:
                if error.kind != "gone":  # a person deleted the issue: nothing left to do
                    raise
        self.connection.execute(
            statements("outbox")["done"], {"key": self.key, "shown": Jsonb(self.desired), "now": self.now}
        )

    def _find_or_create(self) -> int | None:
        """The number of our issue. An earlier attempt may have created it without our getting the response."""
        identity = marker(self.key)
        posted = self.github.find(identity, self.desired["labels"][:2], since=self.since)
        if posted is None and self.desired["state"] == "closed":
            return None
        if posted is None:
            posted = self.github.create(self.desired["title"], self.desired["body"], self.desired["labels"])
            self.shown = {**self.desired, "about": None}  # the new body already says what the comment would
            self.pause()
        self._show(posted.number, posted.url)
        return posted.number

    def _comment(self, number: int) -> None:
        text = self.desired["comment"]
        if not text or text == self.shown.get("comment"):
            return
        first_line = text.partition("\n")[0]
        if not (self.tried_before and self.github.has_comment(number, first_line, since=self.since)):
            self.github.comment(number, text)
            self.pause()
        self.shown["comment"] = text
        self._show(number)

    def _edit(self, number: int) -> None:
        fields = {name: self.desired[name] for name in ("title", "body", "state")
                  if self.desired[name] != self.shown.get(name)}  # fmt: skip
        had, wanted = set(self.shown.get("labels", ())), set(self.desired["labels"])
        if fields or had != wanted:
            self.github.edit(number, fields=fields, add_labels=sorted(wanted - had), drop_labels=sorted(had - wanted))
            self.pause()

    def _show(self, number: int, url: str | None = None) -> None:
        self.connection.execute(
            statements("outbox")["show"],
            {"key": self.key, "shown": Jsonb(self.shown), "number": number, "url": url, "now": self.now},
        )


def _locked(connection: Connection, key: str) -> bool:
    row = connection.execute(statements("outbox")["try_lock"], {"key": key}).fetchone()
    return row is not None and bool(row["locked"])


def _fail(connection: Connection, key: str, attempts: int, error: GitHubError, now: datetime) -> str:
    """Store the reason and the time of the next attempt; returns the reason.

    A rate limit ends when GitHub says so, however often it was reached before.
    """
    reason = one_line(redact(str(error)), most=300)
    requested = min(timedelta(seconds=error.retry_after or 0), MAX_WAIT)
    backoff = timedelta(0) if error.kind == "rate-limit" else min(BACKOFF * 2 ** min(attempts, 10), MAX_BACKOFF)
    values = {"next": now + max(backoff, requested), "held": now + requested if requested else None}
    connection.execute(statements("outbox")["fail"], {"key": key, "error": reason, "now": now, **values})
    if error.kind == "rate-limit":
        connection.execute(statements("outbox")["hold"], {"next": now + requested})
    return reason


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]

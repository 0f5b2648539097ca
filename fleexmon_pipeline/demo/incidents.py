"""The incidents of the demo shop, and their times.

Half-days (from 00:00 and 12:00 UTC) have five blocks of 144 minutes each; the exact times depend on the
half-day and the seed; `incidents` lists them:

| incident          | node  | begins                       | lasts  | shows as                                         |
|-------------------|-------|------------------------------|--------|--------------------------------------------------|
| payment-refused   | blue  | every block, minute 0-39     | 15 min | ECONNREFUSED, ETIMEDOUT: warnings and errors     |
| database-failover | blue  | one block, minute 72-99      | 18 min | 30 errors a minute: far above 5 % of the lines   |
| memory-leak       | green | one block, minute 72-99      | 30 min | warnings of high memory, at last a fatal error   |
| deploy            | green | one block, minute 72-99      | 44 min | 4 min of silence, then a TypeError that is new   |
| inventory-timeout | green | the other 2, minute 72-99    | 8 min  | ETIMEDOUT warnings                               |
| crawler           | blue  | minute 1 of an hour, 5 to 10 | 59 min | 230 extra lines a minute: at least twice normal  |

Any 24 hours contain a whole half-day and so every kind, with five quieter hours before the crawler to compare with.
An incident starts at least every two hours, so a new demo always shows a recent one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from fleexmon_pipeline.demo.page import Page, Text, http

Kind = Literal["payment-refused", "database-failover", "memory-leak", "deploy", "inventory-timeout", "crawler"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_HALF_DAY = 720  # minutes
_BLOCK = 144
_PAYMENT_PROVIDER = "203.0.113.40:443"

_REFUSED = Text(
    "warn", "payment", f"Payment provider unreachable for order {{order}}: connect ECONNREFUSED {_PAYMENT_PROVIDER}"
)
_GIVEN_UP = Text(
    "error", "payment", f"Payment for order {{order}} failed after 3 attempts: connect ETIMEDOUT {_PAYMENT_PROVIDER}"
)
_READ_ONLY = (
    Text("error", "db", "Query failed in request {request}: cannot execute UPDATE in a read-only transaction"),
    Text("error", "checkout", "Order {order} of user {user} could not be stored: database is read-only"),
    http("POST /checkout 500", "error"),
)
_NO_SKU = Text("error", "cart", "TypeError: Cannot read properties of undefined (reading 'sku') requestId={request}")
_INVENTORY = Text(
    "warn", "inventory", "Stock of {sku} not known: connect ETIMEDOUT 192.0.2.61:8443, using cached value"
)


@dataclass(frozen=True)
class Incident:
    """Something that goes wrong on a node, `[start, end)`, both whole minutes in UTC."""

    kind: Kind  # see the table above
    node: str
    start: datetime
    end: datetime


def incidents(seed: int, since: datetime, until: datetime) -> list[Incident]:
    """Incidents that overlap `[since, until)`, in order of their start."""
    first, last = ((moment - _EPOCH) // (_HALF_DAY * _MINUTE) for moment in (since, until))
    planned = (incident for half_day in range(first, last + 1) for incident in _plan(seed, half_day))
    return [incident for incident in planned if incident.start < until and incident.end > since]


@lru_cache(maxsize=64)
def _plan(seed: int, half_day: int) -> tuple[Incident, ...]:
    rng = random.Random(f"{seed}/plan/{half_day}")
    begin = _EPOCH + half_day * _HALF_DAY * _MINUTE
    planned = []

    def plan(kind: Kind, node: str, minute: int, minutes: int) -> None:
        start = begin + minute * _MINUTE
        planned.append(Incident(kind, node, start, start + minutes * _MINUTE))

    others: list[tuple[Kind, str, int]] = [
        ("database-failover", "blue", 18),
        ("memory-leak", "green", 30),
        ("deploy", "green", 44),
    ]
    others += [("inventory-timeout", "green", 8)] * 2
    rng.shuffle(others)
    for block, (kind, node, minutes) in enumerate(others):
        plan("payment-refused", "blue", block * _BLOCK + rng.randrange(40), 15)
        plan(kind, node, block * _BLOCK + rng.randrange(72, 100), minutes)
    plan("crawler", "blue", rng.randrange(5, 11) * 60 + 1, 59)
    return tuple(sorted(planned, key=lambda incident: incident.start))


def _payment_refused(page: Page, *, last: bool) -> None:
    page.requests(2.4, _REFUSED)
    page.requests(1.2, _GIVEN_UP)
    if last:
        page.say(58, "info", "payment", f"Payment provider {_PAYMENT_PROVIDER} reachable again")


def _database_failover(page: Page, minute: int, *, last: bool) -> None:
    if minute == 0:
        page.say(0.1, "warn", "db", "Primary db-1 does not answer, db-2 is being promoted")
    page.requests(30, *_READ_ONLY)
    if last:
        page.say(59, "info", "db", "db-2 is primary, writes accepted")


def _memory_leak(page: Page, minute: int, *, last: bool) -> None:
    heap = min(1526, 1310 + minute * 7 + page.rng.randrange(7))
    if page.rng.random() < 0.7:
        message = f"High memory: heap usage {heap / 15.36:.1f}% ({heap} MB of 1536 MB), collecting garbage"
        page.say(page.rng.random() * 50, "warn", "runtime", message)
    if last:
        page.say(55, "fatal", "runtime", "Reached heap limit: allocation failed, JavaScript heap out of memory")
        page.say(57, "info", "runtime", "Worker 2 exited with code 134, starting another one")


def _deploy(page: Page, minute: int, *, last: bool) -> None:
    if minute == 0:
        page.lines = [line for line in page.lines if line[0] < 20_000]
        page.say(20, "info", "runtime", "SIGTERM received, draining connections")
        page.say(20.4, "info", "runtime", "Bye")
        return
    if minute <= 4:
        page.lines = [line for line in page.lines if minute == 4 and line[0] > 42_000]
    if minute == 4:
        build = page.rng.randrange(1000, 9999)
        page.say(40, "info", "runtime", f"Starting shop {page.version} build {build} on Node.js v22.11.0")
        page.say(41.2, "info", "db", "Migrations: nothing to do")
        page.say(42, "info", "http", "Listening on 0.0.0.0:3000")
    if minute > 4:
        page.requests(1.0, _NO_SKU)
    if last:
        page.say(59, "info", "runtime", "Feature flag cart-v2 switched off")


def _crawler(page: Page) -> None:
    rng = page.rng
    for _ in range(rng.randrange(215, 246)):
        path = f"/products/{rng.randrange(400)}?page={rng.randrange(1, 60)}"
        at, host, took = rng.random() * 60, rng.randrange(64, 80), rng.randrange(3, 40)
        page.say(at, "info", "http", f"GET {path} 200 {took}ms 203.0.113.{host} ExampleBot/2.1")


def happen(page: Page, incident: Incident, moment: datetime) -> None:
    """Add the incident's lines to this minute, or remove lines. `moment`: the start of the minute."""
    minute = (moment - incident.start) // _MINUTE
    last = moment + _MINUTE == incident.end
    match incident.kind:
        case "payment-refused":
            _payment_refused(page, last=last)
        case "database-failover":
            _database_failover(page, minute, last=last)
        case "memory-leak":
            _memory_leak(page, minute, last=last)
        case "deploy":
            _deploy(page, minute, last=last)
        case "inventory-timeout":
            page.requests(2.0, _INVENTORY)
        case "crawler":
            _crawler(page)

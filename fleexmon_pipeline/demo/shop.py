"""The log of an imaginary web shop, as written by `blue` (live) and `green` (freshly deployed).

Here: its normal day, with less than 1 % errors. The lines of a minute are a pure function of (seed, node, minute): any
window, requested at any time and in any order, has the same lines. Incidents: `incidents.py`. There is no clock here:
the server makes sure that no future lines are returned.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from fleexmon_pipeline.demo.incidents import happen, incidents
from fleexmon_pipeline.demo.page import Page, Record, Text, http

NODES = ("blue", "green")
OPENED = datetime(2026, 1, 1, tzinfo=UTC)  # no line is older, so that a query without a start ends

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_REQUESTS_A_MINUTE = {"blue": 28.0, "green": 16.0}  # 40-75 and 20-45 lines


class Request(NamedTuple):
    """A customer's action and its lines; weight per thousand requests."""

    weight: float
    lines: tuple[Text, ...]


REQUESTS = (
    Request(330, (http("GET /products/{product} 200"),)),
    Request(80, (Text("info", "catalog", "Product {product} loaded in {few}ms"), http("GET /products/{product} 200"))),
    Request(60, (http("GET / 200"),)),
    Request(
        180,
        (
            Text("info", "search", 'Search "{word}" found {count} products in {few}ms'),
            http("GET /search?q={word} 200"),
        ),
    ),
    Request(
        140,
        (Text("info", "cart", "User {user} added {few} x {sku} to cart {cart}"), http("POST /cart/items 201")),
    ),
    Request(
        55,
        (
            Text("info", "inventory", "Reserved {few} x {sku} for order {order}"),
            Text("info", "payment", "Payment of {amount} EUR authorised for order {order} in {ms}ms"),
            Text("info", "checkout", "Order {order} placed by user {user}"),
            Text("info", "db", "Transaction committed: 4 statements in {few}ms"),
            http("POST /checkout 201"),
            Text("info", "mail", "Order confirmation for {order} sent to {email}"),
        ),
    ),
    Request(70, (Text("info", "auth", "User {user} logged in from {ip}"), http("POST /login 200"))),
    Request(40, (http("GET /old-shop/{count}.html 404"),)),
    Request(11, (Text("warn", "auth", "Failed login for {email} from {ip}"), http("POST /login 401"))),
    Request(9, (Text("warn", "db", "Slow query: {slow}ms SELECT * FROM orders WHERE user_id = {user}"),)),
    Request(
        6,
        (
            Text("warn", "payment", "Payment for order {order} declined: insufficient_funds"),
            http("POST /checkout 402"),
        ),
    ),
    Request(1.2, (Text("error", "mail", "Mail to {email} given up after 3 attempts: 451 4.7.1 greylisted"),)),
    Request(1.2, (Text("error", "images", "Cannot resize {product}-{count}.jpg: unsupported colour space CMYK"),)),
    Request(1.0, (Text("error", "auth", "Session {cart} refused: invalid signature"), http("GET /account 401"))),
    Request(
        0.9, (Text("error", "inventory", "Stock of {sku} is -{few} after order {order}: counted by hand tonight"),)
    ),
    Request(
        0.7,
        (
            Text("error", "catalog", "RangeError: Invalid time value in product {product}, request {request}"),
            http("GET /products/{product} 500", "warn"),
        ),
    ),
)
_CUMULATED = [sum(request.weight for request in REQUESTS[: n + 1]) for n in range(len(REQUESTS))]


def _normal(page: Page, minute: int, requests: float) -> None:
    rng = page.rng
    count = max(0, round(rng.gauss(requests, math.sqrt(requests))))
    for request in rng.choices(REQUESTS, cum_weights=_CUMULATED, k=count):
        page.request(request.lines)
    phase = rng.random() * 20
    for second in (phase, phase + 20, phase + 40):
        page.say(second, "info", "http", f"GET /healthz 200 {rng.randrange(1, 4)}ms 192.0.2.1 haproxy")
    in_use = 3 + int(requests / 4) + rng.randrange(4)
    page.say(30.5, "info", "db", f"Connection pool: {in_use} of 40 in use, 0 waiting")
    if minute % 5 == 0:
        page.say(0.2, "info", "cron", "abandoned-carts started")
        page.say(1 + rng.random(), "info", "cron", f"abandoned-carts finished: {rng.randrange(30)} carts reminded")
    if minute % 10 == 4:
        heap = rng.randrange(520, 760)
        page.say(12, "info", "runtime", f"Heap usage {heap / 15.36:.1f}% ({heap} MB of 1536 MB)")
    if minute % 60 == 17:
        page.say(5, "info", "cron", f"sitemap written: {rng.randrange(390, 410)} products in {rng.randrange(900)}ms")
    if minute % 1440 == 150:
        page.say(8, "info", "cron", f"nightly-report finished: {rng.randrange(900, 1400)} orders")


def _season(minute: int) -> float:
    """Daily factor, about 1: 0.7 at night, 1.3 in the evening."""
    hour = minute / 60 % 24
    return 1 - 0.22 * math.cos((hour - 4) / 24 * math.tau) - 0.08 * math.cos((hour - 1) / 12 * math.tau)


@lru_cache(maxsize=256)
def _burst(seed: int, node: str, part: int) -> float:
    """A newsletter or an arriving bus: in about 9 of 100 minutes there are 45 % more visitors."""
    return 1.45 if random.Random(f"{seed}/{node}/burst/{part}").random() < 0.09 else 0.96


def minute_lines(seed: int, node: str, moment: datetime) -> list[Record]:
    """The lines of the minute that starts at `moment` (aware, UTC), in time order."""
    minute = (moment - _EPOCH) // _MINUTE
    page = Page(seed, node, minute)
    _normal(page, minute, _REQUESTS_A_MINUTE[node] * _season(minute) * _burst(seed, node, minute // 9))
    for incident in incidents(seed, moment, moment + _MINUTE):
        if incident.node == node:
            happen(page, incident, moment)
    page.lines.sort(key=lambda line: line[0])
    prefix = f"{moment:%Y-%m-%dT%H:%M}:"
    return [
        {
            "timestamp": f"{prefix}{at // 1000:02d}.{at % 1000:03d}Z",
            "level": level,
            "message": message,
            "metadata": metadata,
        }
        for at, level, message, metadata in page.lines
    ]


def lines(seed: int, node: str, since: datetime, until: datetime) -> Iterator[list[Record]]:
    """Lines with since <= timestamp < until (aware, UTC) in time order: one list per minute, made on demand."""
    since = max(since, OPENED)
    moment = since - (since - _EPOCH) % _MINUTE
    while moment < until:
        records = minute_lines(seed, node, moment)
        if moment < since or moment + _MINUTE > until:
            records = [record for record in records if since <= datetime.fromisoformat(record["timestamp"]) < until]
        yield records
        moment += _MINUTE

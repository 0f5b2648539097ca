"""Collect a window: ask every node, keep every record once, say what became of each.

received = stored + duplicate + rejected, for every node and window. A node that does not answer is coverage `missing`
and a line in the account, not a failed run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import chain
from typing import Literal

from psycopg.errors import LockNotAvailable

from fleexmon_pipeline.collection.account import Account, NodeAccount
from fleexmon_pipeline.collection.fetch import ATTEMPTS, Answer
from fleexmon_pipeline.collection.rejected import forget_recovered
from fleexmon_pipeline.collection.rows import Rows
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.collection.store import Rejections, Stored
from fleexmon_pipeline.collection.times import FUTURE
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, SLOT, Window, contiguous, floor

SQL = statements("collection")
MOST_AT_ONCE = 4  # nodes; each has a connection of its own
MOST_REJECTED = 2_000  # records in memory that cannot become lines, 100 kB each at most


# incomplete: not known whole yet, what a tick does. asked: those that were asked for before, for lines that came late;
# what lies before the first question belongs to whoever collected then.
Slots = Literal["all", "incomplete", "asked"]
Connections = Callable[[], AbstractContextManager[Connection]]


def collect(
    window: Window,
    nodes: Sequence[Node],
    connections: Connections,
    *,
    now: datetime,
    run_id: str,
    slots: Slots = "all",
    each_hour: Callable[[Account], None] = lambda _: None,
) -> Account:
    """Bring the slots of `window` that have ended by `now` into LogEntry, hour by hour, an hour's nodes in parallel.

    Each node has a connection of its own from `connections`, and stores while it is still being read. `slots` leaves
    some out. Collecting again changes nothing. `each_hour` is told of each hour when it is committed: a failure later
    loses none of it.
    """
    total = Account(window)
    silent: set[str] = (
        set()
    )  # said nothing in the last hour: three tries and their pauses for each of 720 hours are 9 h

    def collect_part(node: Node, part: Window) -> NodeAccount:
        attempts = 1 if node.name in silent else ATTEMPTS
        with connections() as connection, ask(clients, node, part, attempts=attempts) as answer:
            try:
                return keep(connection, node, part, answer, now=now, run_id=run_id)
            except LockNotAvailable:  # this hour of this node is told by its coverage; the others go on
                return NodeAccount(node.name, errors=[f"another run is still collecting {part}"])

    clients = Clients()
    with ThreadPoolExecutor(min(len(nodes), MOST_AT_ONCE) or 1) as threads:
        for hour in window.hours():
            asked = _parts(connections, hour.overlap(window).ended(now), nodes, slots, now=now)
            account = Account(hour)
            for node_account in threads.map(lambda one: collect_part(*one), asked):
                account.of(node_account.node).add(node_account)
            silent = {name for name, found in account.nodes.items() if found.errors and not found.received}
            each_hour(account)
            total.add(account)
    return total


def _parts(
    connections: Connections, window: Window, nodes: Iterable[Node], slots: Slots, *, now: datetime
) -> list[tuple[Node, Window]]:
    """Which node to ask for which stretch."""
    if not window:
        return []
    if slots == "all":
        return [(node, window) for node in nodes]
    asked: defaultdict[str, dict[datetime, str]] = defaultdict(dict)
    with connections() as connection:
        for row in connection.execute(SQL["asked_slots"], {"since": window.since, "until": window.until, "now": now}):
            asked[row["node"]][row["slot"]] = row["status"]

    def is_due(status: str | None) -> bool:
        return status is not None if slots == "asked" else status not in ("complete", "empty")

    return [
        (node, part)
        for node in nodes
        for part in contiguous([slot for slot in window.slots() if is_due(asked[node.name].get(slot.since))])
    ]


def keep(
    connection: Connection, node: Node, window: Window, answer: Answer, *, now: datetime, run_id: str
) -> NodeAccount:
    """Store an answer while it arrives, reject what cannot be stored and write the coverage, in one transaction."""
    rows = Rows(node.name, node.hostname, window, latest=now + FUTURE, most_rejected=MOST_REJECTED)
    account = rows.account
    base = {"node": node.name, "since": window.since, "until": window.until, "run": run_id, "now": now}
    runs = iter(answer)
    first = next(runs, None)
    if first is not None or answer.error is None:
        rejections = Rejections(node, {**base, "slot": floor(window.since, SLOT)})
        with connection.transaction():
            connection.execute(SQL["lock_hour"], {"hour": floor(window.since, HOUR), "node": node.name})
            stored = Stored(connection, node.name, window)
            given = chain([first] if first is not None else [], runs)
            while not rows.finished:  # more than once only where a node sends rubbish by the thousand
                stored.copy(rows.blocks(given, stored.known))
                rejections.keep(connection, rows.rejected)
            account.stored = stored.new
            account.duplicate = account.received - account.rejected - account.stored
            if stored.new:
                forget_recovered(connection, node.name, window, now=now)
            lines = stored.lines(rows.slots)
            known = {"counted": lines is not None, "slots": list(lines or ()), "counts": list((lines or {}).values())}
            connection.execute(SQL["confirm"], {**base, "error": answer.error})
            connection.execute(SQL["cover_answered"], {**base, **known, "error": answer.error})
    else:
        connection.execute(SQL["confirm"], {**base, "error": answer.error})
        connection.execute(SQL["cover_unanswered"], {**base, "error": answer.error})
    account.bytes, account.seconds = answer.bytes, answer.seconds
    if answer.error:
        account.errors.append(answer.error)
    return account

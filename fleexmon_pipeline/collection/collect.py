"""Collect a window: poll every node, store every record once, account for each.

received = stored + duplicate + rejected, for every node and window. A node that does not answer results in coverage
`missing` and an error in the account, not in a failed run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from threading import Semaphore
from typing import Literal

from psycopg.errors import LockNotAvailable

from fleexmon_pipeline.collection.account import Account, NodeAccount
from fleexmon_pipeline.collection.fetch import ATTEMPTS, Answer
from fleexmon_pipeline.collection.rejected import forget_recovered
from fleexmon_pipeline.collection.rows import Rows
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.collection.store import Held, Rejections, Stored, held_lines
from fleexmon_pipeline.collection.times.epochs import FUTURE
from fleexmon_pipeline.collection.times.orders import DateOrder, reading_dates
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import HOUR, SLOT, Window, contiguous, floor

SQL = statements("collection")
MANY_NODES = 10
MAX_STORED_AT_ONCE = 4  # nodes, each with its own connection
# Of 1,000 nodes 200 may hang. So many are polled at once, and a node that answers then waits for its turn to be stored.
# Only for short windows: if a node serves an hour for minutes, 60 waiting nodes would time out.
MAX_ASKED_AT_ONCE = 64
SHORT = 3 * SLOT
DOWN_FOR = timedelta(minutes=30)
MAX_REJECTED = 2_000  # rejected records in memory, at most 100 kB each


# incomplete: slots not yet complete or empty, for a tick. asked: slots polled before, for late lines; what lies before
# the first poll belongs to whoever collected then.
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
    stored_at_once: int = MAX_STORED_AT_ONCE,
) -> Account:
    """Collect the slots of `window` that have ended by `now`, hour by hour, the nodes of an hour in parallel.

    Each node that answers uses its own connection from `connections`, and rows are stored while its answer arrives.
    Nodes that were down before are polled last, and only once. `slots` selects some of the slots. Collecting again
    changes nothing. `each_hour` is called when an hour is committed, so a later failure does not lose it.
    """
    total = Account(window)
    # Nodes that were down in the hour before get one attempt: three, with their delays, take 9 h for 720 hours.
    silent = _down(connections, window)

    def collect_part(node: Node, part: Window, held: Held | None) -> NodeAccount:
        attempts = 1 if node.name in silent else ATTEMPTS
        with ask(clients, node, part, attempts=attempts) as answer:
            answer.first()
            with turns, connections() as connection:
                try:
                    return keep(connection, node, part, answer, now=now, run_id=run_id, held=held)
                except LockNotAvailable:  # the account records it for this node; the other nodes continue
                    return NodeAccount(node.name, errors=[f"another run is still collecting {part}"])

    clients, turns = Clients(), Semaphore(min(stored_at_once, MAX_STORED_AT_ONCE))
    at_once = MAX_ASKED_AT_ONCE if window.length <= SHORT else MAX_STORED_AT_ONCE
    with ThreadPoolExecutor(min(len(nodes), at_once) or 1) as threads:
        for hour in window.hours():
            polls = _polls(connections, hour.overlap(window).ended(now), nodes, slots, now=now)
            polls.sort(key=lambda poll: poll[0].name in silent)
            account = Account(hour)
            held_of = _held(connections, polls)
            parts = [(node, part, held_of(node, part)) for node, part in polls]
            for node_account in threads.map(lambda part: collect_part(*part), parts):
                account.of(node_account.node).add(node_account)
            silent = {name for name, result in account.nodes.items() if result.errors and not result.received}
            each_hour(account)
            total.add(account)
    return total


def _held(connections: Connections, polls: Sequence[tuple[Node, Window]]) -> Callable[[Node, Window], Held | None]:
    """Counts of stored lines in the window that most nodes are polled for, read once for all of them.

    Only with many nodes: for a few, a query for each is as fast.
    """
    if len(polls) < MANY_NODES:
        return lambda *_: None
    (window, nodes), *_ = Counter(window for _, window in polls).most_common()
    if nodes < MANY_NODES:
        return lambda *_: None
    with connections() as connection:
        held = held_lines(connection, window)
    return lambda node, polled: held(node.name) if polled == window else None


def _down(connections: Connections, window: Window) -> set[str]:
    """Nodes that did not answer for any slot of the half hour before the window."""
    with connections() as connection:
        rows = connection.execute(SQL["down"], {"since": window.since - DOWN_FOR, "until": window.since})
        return {row["node"] for row in rows}


def _polls(
    connections: Connections, window: Window, nodes: Iterable[Node], slots: Slots, *, now: datetime
) -> list[tuple[Node, Window]]:
    """Which node to poll for which window."""
    if not window:
        return []
    if slots == "all":
        return [(node, window) for node in nodes]
    statuses: defaultdict[str, dict[datetime, str]] = defaultdict(dict)
    with connections() as connection:
        for row in connection.execute(SQL["slot_statuses"], {"since": window.since, "until": window.until, "now": now}):
            statuses[row["node"]][row["slot"]] = row["status"]

    def is_due(status: str | None) -> bool:
        return status is not None if slots == "asked" else status not in ("complete", "empty")

    return [
        (node, part)
        for node in nodes
        for part in contiguous([slot for slot in window.slots() if is_due(statuses[node.name].get(slot.since))])
    ]


def keep(
    connection: Connection,
    node: Node,
    window: Window,
    answer: Answer,
    *,
    now: datetime,
    run_id: str,
    held: Held | None = None,
) -> NodeAccount:
    """Store an answer while it arrives, reject what cannot be stored and write coverage, in one transaction.

    held: counts of stored lines in exactly this window, if they were read.
    """
    rows = Rows(node.name, node.hostname, window, latest=now + FUTURE, max_rejected=MAX_REJECTED)
    account = rows.account
    base = {"node": node.name, "since": window.since, "until": window.until, "run": run_id, "now": now}
    if answer.first() is not None or answer.error is None:
        rejections = Rejections(node, {**base, "slot": floor(window.since, SLOT)})
        near = (window.since - FUTURE, window.until + FUTURE)
        with connection.transaction(), reading_dates(DateOrder(near=near)):
            connection.execute(SQL["lock_hour"], {"hour": floor(window.since, HOUR), "node": node.name})
            stored = Stored(connection, node.name, window, held)
            runs = iter(answer)
            while not rows.finished:  # more than once only if a node sends thousands of bad records
                stored.copy(rows.blocks(runs, stored.known))
                rejections.keep(connection, rows.rejected)
            account.stored = stored.new
            account.duplicate = account.received - account.rejected - account.stored
            if stored.new:
                forget_recovered(connection, node.name, window, now=now)
            lines = stored.lines(rows.slots)
            counts = {"counted": lines is not None, "slots": list(lines or ()), "counts": list((lines or {}).values())}
            connection.execute(SQL["confirm"], {**base, "error": answer.error})
            unknown, covered = _split_where_known(window, answer)
            if unknown:
                reason = f"the log begins at {answer.begins:%Y-%m-%d %H:%M:%S} UTC; it holds no earlier lines"
                before = {**base, "since": unknown.since, "until": unknown.until, "error": reason}
                connection.execute(SQL["cover_unanswered"], before)
            cover = {**base, **counts, "since": covered.since, "until": covered.until, "error": answer.error}
            connection.execute(SQL["cover_answered"], cover)
    else:
        connection.execute(SQL["confirm"], {**base, "error": answer.error})
        connection.execute(SQL["cover_unanswered"], {**base, "error": answer.error})
    account.bytes, account.seconds = answer.bytes, answer.seconds
    if answer.error:
        account.errors.append(answer.error)
    return account


def _split_where_known(window: Window, answer: Answer) -> tuple[Window, Window]:
    """The slots before the one in which the node's log begins, which remain unknown, and the slots from there on."""
    begins = window.since if answer.begins is None else floor(answer.begins, SLOT)
    begins = min(max(begins, window.since), window.until)
    return Window(window.since, begins), Window(begins, window.until)

"""Collect a window: ask every node, keep every record once, say what became of each.

received = stored + duplicate + rejected, for every node and window. A node that does not answer is coverage `missing`
and a line in the account, not a failed run.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import Literal
from uuid import UUID

from psycopg.errors import LockNotAvailable

from fleexmon_pipeline.collection.answers import Raw
from fleexmon_pipeline.collection.clients import Clients
from fleexmon_pipeline.collection.fetch import ATTEMPTS, Answer
from fleexmon_pipeline.collection.identity import Identities
from fleexmon_pipeline.collection.records import Line, RejectedError, read, storable
from fleexmon_pipeline.collection.sources import ask
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.identity import uuid8
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import DAY, EPOCH, HOUR, SLOT, Window, contiguous, floor

SQL = statements("collection")
MOST_OF_A_PAYLOAD = 100_000  # characters of a rejected record that are kept
MOST_AT_ONCE = 4  # nodes; each has a connection of its own
FUTURE = DAY  # a clock that far ahead is broken, not skewed
ROWS_A_BLOCK = 250  # 64 kB or so: enough that the socket costs little, and the server has work while the next are made


@dataclass
class NodeAccount:
    """What became of a node's records in one window."""

    node: str
    received: int = 0
    stored: int = 0
    duplicate: int = 0  # known from an earlier collection
    rejected: int = 0
    outside: int = 0  # sent, though not of the window that was asked for
    bytes: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)
    last: datetime | None = None  # the time of the last line that was sent
    until: datetime | None = None  # the end of what was asked for

    @property
    def lag(self) -> float | None:
        """Seconds between them; None where nothing was sent."""
        return (self.until - self.last).total_seconds() if self.until and self.last else None

    def add(self, other: NodeAccount) -> None:
        self.received += other.received
        self.stored += other.stored
        self.duplicate += other.duplicate
        self.rejected += other.rejected
        self.outside += other.outside
        self.bytes += other.bytes
        self.seconds += other.seconds
        self.errors += other.errors
        self.last = max(filter(None, (self.last, other.last)), default=None)
        self.until = max(filter(None, (self.until, other.until)), default=None)

    def sentence(self) -> str:
        parts = [f"{self.stored:,} new"]
        parts += [f"{count:,} {word}" for count, word in (
            (self.duplicate, "known"), (self.rejected, "rejected"), (self.outside, "outside")) if count]  # fmt: skip
        if self.errors:
            parts.append(self.errors[-1])
        return f"{self.node} {', '.join(parts)}"


@dataclass
class Account:
    """What became of a window, node by node, in the order of the nodes."""

    window: Window
    nodes: dict[str, NodeAccount] = field(default_factory=dict)

    def of(self, node: str) -> NodeAccount:
        return self.nodes.setdefault(node, NodeAccount(node))

    def add(self, other: Account) -> None:
        for name, account in other.nodes.items():
            self.of(name).add(account)

    def sentence(self) -> str:
        """`2026-11-20 10:00-11:00: blue 11,204 new; green 0 new, ConnectError: connection refused`."""
        told = "; ".join(account.sentence() for account in self.nodes.values())
        return f"{self.window}: {told or 'nothing to ask for'}"


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

    with (
        Clients() as clients,
        ThreadPoolExecutor(min(len(nodes), MOST_AT_ONCE) or 1) as threads,
    ):
        for hour in window.hours():
            with connections() as connection:
                asked = _parts(connection, hour.overlap(window).ended(now), nodes, slots)
            account = Account(hour)
            for node_account in threads.map(lambda one: collect_part(*one), asked):
                account.of(node_account.node).add(node_account)
            silent = {name for name, found in account.nodes.items() if found.errors and not found.received}
            each_hour(account)
            total.add(account)
    return total


def _parts(connection: Connection, window: Window, nodes: Iterable[Node], slots: Slots) -> list[tuple[Node, Window]]:
    """Which node to ask for which stretch."""
    if not window:
        return []
    if slots == "all":
        return [(node, window) for node in nodes]
    asked: defaultdict[str, dict[datetime, str]] = defaultdict(dict)
    for row in connection.execute(SQL["asked_slots"], {"since": window.since, "until": window.until}):
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
    account = NodeAccount(node.name, until=window.until)
    base = {"node": node.name, "since": window.since, "until": window.until, "run": run_id, "now": now}
    records = iter(answer)
    first = next(records, None)
    if first is not None or answer.error is None:
        rejected: list[dict[str, object]] = []
        rows = _rows(node, window, chain([first] if first is not None else [], records), account, rejected, now=now)
        with connection.transaction():
            connection.execute(SQL["lock_hour"], {"hour": floor(window.since, HOUR), "node": node.name})
            account.stored = store(connection, node.name, window, rows)
            account.duplicate = account.received - account.rejected - account.stored
            for one in rejected:
                connection.execute(SQL["reject"], {**base, **one})
            connection.execute(SQL["cover_answered"], {**base, "error": answer.error})
    else:
        connection.execute(SQL["cover_unanswered"], {**base, "error": answer.error})
    account.bytes, account.seconds = answer.bytes, answer.seconds
    if answer.error:
        account.errors.append(answer.error)
    return account


def _rows(
    node: Node,
    window: Window,
    records: Iterable[Raw],
    account: NodeAccount,
    rejected: list[dict[str, object]],
    *,
    now: datetime,
) -> Iterator[str]:
    """The window's lines as rows of COPY, made while the server stores those before; then the account of them.

    What cannot be stored is added to `rejected`.
    """
    identities = Identities(node.name)
    ordinals: defaultdict[bytes, int] = defaultdict(int)
    source = source_fields(node.name, node.hostname)
    since, until, latest = window.since, window.until, now + FUTURE
    count, last = 0, since
    for record in records:
        raw = bytes(record)
        try:
            line = read(raw)
        except RejectedError as error:
            rejected.append(_rejection(node, window, raw, str(error), ordinals))
            continue
        if since <= line.time < until:
            count += 1
            last = max(last, line.time)
            yield row_of(identities.of(line), line, source)
        elif line.time <= latest:
            account.outside += 1
        else:
            reason = f"its time is more than a day ahead: {line.time:%Y-%m-%d %H:%M:%S}"
            rejected.append(_rejection(node, window, raw, reason, ordinals))
    account.rejected = len(rejected)
    account.received = count + len(rejected)
    account.last = last if count else None


def source_fields(node: str, hostname: str) -> str:
    """The part of a row of COPY that all lines of a node share."""
    return f"{_escaped(node)}\t{_escaped(hostname)}"


def row_of(identity: str, line: Line, source: str) -> str:
    """A line as a row of COPY; `source`: see `source_fields`."""
    metadata = _escaped(line.metadata) if line.metadata else r"\N"
    return f"{identity}\t{line.iso}\t{line.level}\t{_escaped(line.message)}\t{source}\t{metadata}\n"


def _escaped(text: str) -> str:
    """A field of COPY's text format: what would end it or its row is escaped."""
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def digest_of(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


def rejection_id(node: str, digest: bytes, ordinal: int) -> UUID:
    """Unique by source, payload and ordinal: the same bad record, asked for again, is the same row."""
    return uuid8(EPOCH, node.encode(), digest, str(ordinal).encode())


def _rejection(
    node: Node, window: Window, raw: bytes, reason: str, ordinals: defaultdict[bytes, int]
) -> dict[str, object]:
    digest = digest_of(raw)
    ordinal = ordinals[digest]
    ordinals[digest] += 1
    return {
        "id": rejection_id(node.name, digest, ordinal),
        "source": node.name,
        "hostname": node.hostname,
        "payload": storable(raw.decode("utf-8", "backslashreplace"))[:MOST_OF_A_PAYLOAD],
        "reason": storable(reason)[:300],
        "slot": floor(window.since, SLOT),
    }


def store(connection: Connection, node: str, window: Window, rows: Iterator[str]) -> int:
    """COPY, then what was not known yet; straight into the table where the window is still empty. Returns new rows.

    Inside a transaction that holds the lock of the node's hour; every row is of that node and window.
    """
    bounds = {"since": window.since, "until": window.until, "node": node}
    found = connection.execute(SQL["holds_lines"], bounds).fetchone()
    direct = not (found and found["holds"])
    with connection.cursor() as cursor:
        if not direct:
            cursor.execute(SQL["make_staging"])
        with cursor.copy(SQL["copy_to_log" if direct else "copy_to_staging"]) as copy:
            while block := "".join(islice(rows, ROWS_A_BLOCK)):
                copy.write(block)
        if not direct:
            cursor.execute(SQL["insert_staged"])
        return cursor.rowcount

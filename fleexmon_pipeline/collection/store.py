"""Store the rows and rejections of one node's window, each once, inside the caller's transaction.

Making rows: `rows.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fleexmon_pipeline.collection.records import storable
from fleexmon_pipeline.collection.rows import BEGIN, END, NO_IDS, KnownIds
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import EPOCH, SLOT, Window

SQL = statements("collection")
MAX_PAYLOAD_CHARACTERS = 100_000  # of a rejected record; the rest is cut
MAX_KNOWN_IDS = 500_000  # in memory: 16 bytes each, or 110 if lines are not in time order
MAX_TIMES = 20  # times the node's own lines in a slot; with more lines of other nodes, its own are costly to find
MAX_GATHERED_BYTES = 4_000_000  # of rows before they are staged


@dataclass(frozen=True)
class Held:
    """Counts of stored lines in a window: of one node by slot, and of all nodes in the fullest slot."""

    own: Counter[datetime]
    fullest: int


def held_lines(connection: Connection, window: Window) -> Callable[[str], Held]:
    """Read the counts once for all nodes."""
    own: defaultdict[str, Counter[datetime]] = defaultdict(Counter)
    of_all: Counter[datetime] = Counter()
    for row in connection.execute(SQL["held_lines"], {"since": window.since, "until": window.until}):
        own[row["node"]][row["slot"]] = row["lines"]
        of_all[row["slot"]] += row["lines"]
    fullest = max(of_all.values(), default=0)
    return lambda node: Held(own.get(node, Counter()), fullest)


class Stored:
    """A window of one node in the table: existing and added lines.

    Created inside a transaction that holds the lock of the node's hour; every row belongs to that node and window. Rows
    go straight into the table if it holds none yet, else through a staging table.
    """

    def __init__(self, connection: Connection, node: str, window: Window, held: Held | None = None):
        """`held`: of exactly this window, which saves looking for the node's lines among those of all others."""
        self._connection = connection
        self._node = node
        self._window = window
        self._held = held.own if held and self._is_current(held) else None
        self._direct = not self._held.total() if self._held is not None else not self._holds_lines()
        # If the node has few lines among very many, its ids are not fetched; the conflict on insert finds duplicates.
        self._crowded = bool(self._held) and held is not None and held.fullest > MAX_TIMES * max(held.own.values())
        self._known: dict[datetime, KnownIds] = {}
        self._lines: Counter[datetime] = Counter()  # stored before, by slot, as far as they were queried
        self._inserted: Counter[datetime] = Counter()  # by way of the staging table
        self._staged = False
        self.new = 0  # rows added

    def _is_current(self, held: Held) -> bool:
        """Whether no other run has stored lines since. Its counts would be in the coverage, written with the lines."""
        row = self._connection.execute(SQL["stored_before"], self._bounds(self._window)).fetchone()
        return row is not None and row["lines"] <= held.own.total()

    def _holds_lines(self) -> bool:
        row = self._connection.execute(SQL["holds_lines"], self._bounds(self._window)).fetchone()
        return bool(row and row["holds"])

    def known(self, slot: datetime) -> KnownIds:
        """Ids of the stored lines; incomplete if there are more than MAX_KNOWN_IDS.

        Queried slot by slot, so that other nodes make progress meanwhile.
        """
        if self._direct or self._crowded:
            return NO_IDS
        if slot not in self._known:
            with self._connection.cursor(binary=True) as cursor:
                row = cursor.execute(SQL["known_lines"], self._bounds(Window(slot, slot + SLOT))).fetchone()
            lines, ids = (row["lines"], row["ids"] or b"") if row else (0, b"")
            self._lines.setdefault(slot, lines)  # on a second query, added rows are included
            while self._known and sum(map(len, self._known.values())) + lines > MAX_KNOWN_IDS:
                del self._known[next(iter(self._known))]
            if lines > MAX_KNOWN_IDS:
                ids = b""
            self._known[slot] = KnownIds(ids)
        return self._known[slot]

    def lines(self, added: Counter[datetime]) -> Counter[datetime] | None:
        """Lines in the table by slot, including the added ones; None if only the server can count them."""
        if self._crowded and self._held is not None:
            return self._held + self._inserted
        if self.new != added.total():
            return None  # the server knew some that we did not
        for slot in self._window.slots():
            if slot.since not in self._lines:
                self.known(slot.since)
        return self._lines + added

    def copy(self, blocks: Iterable[bytes]) -> None:
        """Add rows; may be called again with more. Rows that already exist are skipped.

        Rows for the staging table are gathered first: `known` runs queries while they are made, and a connection in the
        middle of a COPY takes no query.
        """
        if self._direct:
            self._copy("copy_to_log", blocks)
            return
        gathered: list[bytes] = []
        for block in blocks:
            gathered.append(block)
            if sum(map(len, gathered)) > MAX_GATHERED_BYTES:
                self._stage(gathered)
        self._stage(gathered)

    def _stage(self, gathered: list[bytes]) -> None:
        if gathered:
            self._connection.execute(SQL["clear_staging" if self._staged else "make_staging"])
            self._staged = True
            self._copy("copy_to_staging", gathered)
            gathered.clear()

    def _copy(self, statement: str, blocks: Iterable[bytes]) -> None:
        with self._connection.cursor() as cursor:
            with cursor.copy(SQL[statement]) as copy:
                copy.write(BEGIN)
                for block in blocks:
                    copy.write(block)
                copy.write(END)
            if statement == "copy_to_log":
                self.new += cursor.rowcount
                return
            for row in cursor.execute(SQL["insert_staged"]):
                self._inserted[row["slot"]] += row["lines"]
                self.new += row["lines"]

    def _bounds(self, window: Window) -> dict[str, object]:
        return {"since": window.since, "until": window.until, "node": self._node}


class Rejections:
    """Rejected records of one answer; identical ones differ by their ordinal."""

    def __init__(self, node: Node, window: Mapping[str, object]) -> None:
        """`window`: since, until, slot and run, as the statement names them."""
        self._node = node
        self._window = window
        self._ordinals: defaultdict[bytes, int] = defaultdict(int)

    def keep(self, connection: Connection, rejected: list[tuple[bytes, str]]) -> None:
        """Store the pairs of raw record and reason, and empty the list. One stored before adds nothing."""
        if not rejected:
            return
        ids, payloads, reasons = [], [], []
        for raw, reason in rejected:
            digest = digest_of(raw)
            ids.append(rejection_id(self._node.name, digest, self._ordinals[digest]))
            self._ordinals[digest] += 1
            payloads.append(storable(raw.decode("utf-8", "backslashreplace"))[:MAX_PAYLOAD_CHARACTERS])
            reasons.append(storable(reason)[:300])
        source = {"source": self._node.name, "hostname": self._node.hostname}
        columns = {"ids": ids, "payloads": payloads, "reasons": reasons}
        connection.execute(SQL["reject"], {**self._window, **source, **columns})
        rejected.clear()


def digest_of(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


def rejection_id(node: str, digest: bytes, ordinal: int) -> UUID:
    """Unique by source, payload and ordinal: the same bad record collected again is the same row."""
    return uuid8(EPOCH, node.encode(), digest, str(ordinal).encode())

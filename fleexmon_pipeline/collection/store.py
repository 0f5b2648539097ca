"""Rows and rejections go into the database, each once, whatever is there already.

Here: how a stretch of one node is stored inside its caller's transaction. What is stored: `rows.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from fleexmon_pipeline.collection.records import storable
from fleexmon_pipeline.collection.rows import BEGIN, END, NONE_KNOWN, Known
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import EPOCH, SLOT, Window

SQL = statements("collection")
MOST_OF_A_PAYLOAD = 100_000  # characters of a rejected record that are kept
MOST_KNOWN = 500_000  # ids in memory, 16 bytes each, or 110 where lines come in another order than that of time
MOST_GATHERED = 4_000_000  # bytes of rows


class Stored:
    """A stretch of one node in the table: what was there, and what is added.

    Made inside a transaction that holds the lock of the node's hour; every row is of that node and window. It goes
    straight into the table where that is still empty, else by way of a staging table.
    """

    def __init__(self, connection: Connection, node: str, window: Window) -> None:
        self._connection = connection
        self._node = node
        self._window = window
        found = connection.execute(SQL["holds_lines"], self._bounds(window)).fetchone()
        self._direct = not (found and found["holds"])
        self._known: dict[datetime, Known] = {}
        self._lines: Counter[datetime] = Counter()  # that were there by slot, as far as they were asked for
        self._staged = False
        self.new = 0  # rows that were not there

    def known(self, slot: datetime) -> Known:
        """Lines that are there; not all of them where there are more than MOST_KNOWN.

        Asked slot by slot, so that other nodes are read meanwhile.
        """
        if self._direct:
            return NONE_KNOWN
        if slot not in self._known:
            with self._connection.cursor(binary=True) as cursor:
                row = cursor.execute(SQL["known_lines"], self._bounds(Window(slot, slot + SLOT))).fetchone()
            lines, ids = (row["lines"], row["ids"] or b"") if row else (0, b"")
            self._lines.setdefault(slot, lines)  # asked for again, what was added is among them
            while self._known and sum(map(len, self._known.values())) + lines > MOST_KNOWN:
                del self._known[next(iter(self._known))]
            if lines > MOST_KNOWN:
                ids = b""
            self._known[slot] = Known(ids)
        return self._known[slot]

    def lines(self, added: Counter[datetime]) -> Counter[datetime] | None:
        """What the table holds of the window, by slot, with these rows; None where only counting it can tell."""
        if self.new != added.total():
            return None  # some were known to the server alone
        for slot in self._window.slots():
            if slot.since not in self._lines:
                self.known(slot.since)
        return self._lines + added

    def copy(self, blocks: Iterable[bytes]) -> None:
        """May be called again, with other rows. Rows that are there already add nothing.

        By way of the staging table they are gathered first: `known` is asked while they are made, and no question goes
        through a connection that is in the middle of a COPY.
        """
        if self._direct:
            self._copy("copy_to_log", blocks)
            return
        gathered: list[bytes] = []
        for block in blocks:
            gathered.append(block)
            if sum(map(len, gathered)) > MOST_GATHERED:
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
            if statement == "copy_to_staging":
                cursor.execute(SQL["insert_staged"])
            self.new += cursor.rowcount

    def _bounds(self, window: Window) -> dict[str, object]:
        return {"since": window.since, "until": window.until, "node": self._node}


class Rejections:
    """Records of one answer that cannot become lines; identical ones are told apart by their ordinal."""

    def __init__(self, node: Node, window: Mapping[str, object]) -> None:
        """`window`: since, until, slot and run, as the statement names them."""
        self._node = node
        self._window = window
        self._ordinals: defaultdict[bytes, int] = defaultdict(int)

    def keep(self, connection: Connection, rejected: list[tuple[bytes, str]]) -> None:
        """Store and forget these: raw record and reason. One that was stored before adds nothing."""
        if not rejected:
            return
        ids, payloads, reasons = [], [], []
        for raw, reason in rejected:
            digest = digest_of(raw)
            ids.append(rejection_id(self._node.name, digest, self._ordinals[digest]))
            self._ordinals[digest] += 1
            payloads.append(storable(raw.decode("utf-8", "backslashreplace"))[:MOST_OF_A_PAYLOAD])
            reasons.append(storable(reason)[:300])
        source = {"source": self._node.name, "hostname": self._node.hostname}
        columns = {"ids": ids, "payloads": payloads, "reasons": reasons}
        connection.execute(SQL["reject"], {**self._window, **source, **columns})
        rejected.clear()


def digest_of(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


def rejection_id(node: str, digest: bytes, ordinal: int) -> UUID:
    """Unique by source, payload and ordinal: the same bad record, asked for again, is the same row."""
    return uuid8(EPOCH, node.encode(), digest, str(ordinal).encode())

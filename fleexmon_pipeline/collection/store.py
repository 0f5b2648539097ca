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
from fleexmon_pipeline.collection.rows import BEGIN, END
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.identity import uuid8
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import EPOCH, Window

SQL = statements("collection")
MOST_OF_A_PAYLOAD = 100_000  # characters of a rejected record that are kept
MOST_KNOWN = 500_000  # ids in memory, 110 bytes each; the server finds the others


class Stored:
    """A stretch of one node in the table: what was there, and what is added.

    Made inside a transaction that holds the lock of the node's hour; every row is of that node and window. It goes
    straight into the table where that is still empty, else by way of a staging table.
    """

    def __init__(self, connection: Connection, node: str, window: Window) -> None:
        self._connection = connection
        self.known: set[bytes] = set()  # ids, 16 bytes each; not all of them where there are more than MOST_KNOWN
        self.slots: Counter[datetime] = Counter()  # lines that were there by slot
        self.new = 0  # rows that were not
        with connection.cursor(binary=True) as cursor:
            for row in cursor.execute(SQL["known_lines"], {"since": window.since, "until": window.until, "node": node}):
                self.slots[row["slot"]] = row["lines"]
                if len(self.known) + row["lines"] <= MOST_KNOWN:
                    ids = row["ids"]
                    self.known.update(ids[start : start + 16] for start in range(0, len(ids), 16))
        self._direct = not self.slots
        self._staged = False

    def copy(self, blocks: Iterable[bytes]) -> None:
        """May be called again, with other rows. Rows that are known already add nothing."""
        with self._connection.cursor() as cursor:
            if not self._direct:
                cursor.execute(SQL["clear_staging" if self._staged else "make_staging"])
                self._staged = True
            with cursor.copy(SQL["copy_to_log" if self._direct else "copy_to_staging"]) as copy:
                copy.write(BEGIN)
                for block in blocks:
                    copy.write(block)
                copy.write(END)
            if not self._direct:
                cursor.execute(SQL["insert_staged"])
            self.new += cursor.rowcount


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

"""Read rejected records again with the current reader, which may be able to read more after an update.

Here: which records are readable now, and storing them as a collection would have. What a person sees: the command.

A line gets the id that collecting its window again would give it: its ordinal among identical lines is that of its
record among identical records, which "RejectedLog".id encodes. So it does not matter which of the two comes first, or
whether both happen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

from fleexmon_pipeline.catch_up import note_waiting
from fleexmon_pipeline.collection.answers.record_runs import is_too_long
from fleexmon_pipeline.collection.line_ids import Identities
from fleexmon_pipeline.collection.records import Line, RejectedError, read
from fleexmon_pipeline.collection.rows import row_of
from fleexmon_pipeline.collection.store import MAX_PAYLOAD_CHARACTERS, Stored, digest_of, rejection_id
from fleexmon_pipeline.collection.times.epochs import FUTURE
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import EPOCH, HOUR, SLOT, Window, floor

SQL = statements("rejected")
WAITS_AS = "rejected"  # the name in "StaleWindow" for hours that got lines this way
MAX_RECORDS_IN_MEMORY = 20_000
MAX_RECOVERED = 2_000  # rejected records that a collection reads again; with more of them, only a retry does
MORE_ORDINALS = 100  # beyond the records at hand: earlier ones may have been stored or expired already

CUT = f"its payload was cut at {MAX_PAYLOAD_CHARACTERS:,} characters: only the node has the rest"
ALTERED = "its payload was not text, so the stored payload differs from the sent one"
EXPIRED = "older than lines are kept"
AHEAD = "its time is more than a day ahead"

Connections = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class Chosen:
    """Which records: of a node, of windows that overlap `[since, until)`, of a reason. None means all."""

    node: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    reason: str | None = None  # part of its text

    def parameters(self) -> dict[str, object]:
        return dict(vars(self))


@dataclass
class Retried:
    """The result. Each record is counted once: stored + known + those that stay rejected."""

    stored: int = 0
    known: int = 0  # their line has been collected meanwhile
    stay: Counter[str] = field(default_factory=Counter)  # by reason
    hours: set[datetime] = field(default_factory=set)  # hours that got lines

    @property
    def records(self) -> int:
        return self.stored + self.known + self.stay.total()


@dataclass(frozen=True)
class _Readable:
    """A record that is readable now, and its line."""

    key: UUID
    identity: str
    line: Line
    node: str
    hostname: str
    slot: datetime
    created: datetime

    @property
    def hour(self) -> datetime:
        return floor(self.line.time, HOUR)


def kind_of(reason: str) -> str:
    """`not a time: yesterday` and `not a time: soon` are of the same kind."""
    return reason.partition(":")[0]


def retry(
    connections: Connections, chosen: Chosen, *, now: datetime, oldest: datetime, dry_run: bool = False
) -> Retried:
    """Store what is readable now. One transaction per hour: add lines, delete records, update coverage, mark as stale.

    oldest: earlier lines are not stored, because they would never be analyzed. dry_run: do the same, then roll back.
    """
    done = Retried()
    identities: dict[str, Identities] = {}
    with connections() as reading, connections() as writing:
        for batch in _batches(_readable(reading, chosen, identities, done, now=now, oldest=oldest)):
            batch.sort(key=attrgetter("node", "hour"))
            for (node, _), readable in groupby(batch, key=attrgetter("node", "hour")):
                with writing.transaction(force_rollback=dry_run):
                    _store_hour(writing, list(readable), identities[node], done, now=now)
    return done


def forget_recovered(connection: Connection, node: str, window: Window, *, now: datetime) -> None:
    """After an update that reads more, a node was polled again: delete the rejections whose lines are now stored.

    Runs in the transaction that stored the lines, so that no record counts twice.
    """
    row = connection.execute(
        SQL["of_earlier_runs"], {"node": node, "since": window.since, "until": window.until}
    ).fetchone()
    if not row or not 0 < row["records"] <= MAX_RECOVERED:
        return
    identities: dict[str, Identities] = {}
    chosen = Chosen(node, window.since, window.until)
    groups = list(_readable(connection, chosen, identities, Retried(), now=now, oldest=EPOCH))
    readable = [record for group in groups for record in group]
    if not readable:
        return
    ids = _without_twins(connection, readable, identities[node])
    lines = {row["id"].hex for row in connection.execute(SQL["lines"], {"ids": ids})}
    recovered = [record for record, identity in zip(readable, ids, strict=True) if identity in lines]
    connection.execute(SQL["take"], {"ids": [record.key for record in recovered]})
    connection.execute(SQL["recount"], {"node": node, "slots": sorted(_slots_of(recovered)), "now": now})


def _slots_of(readable: Iterable[_Readable]) -> set[datetime]:
    """Slots whose counts change: those of the poll that rejected them, and those of the lines."""
    slots = [(record.slot, floor(record.line.time, SLOT)) for record in readable]
    return set(chain.from_iterable(slots))


def _batches(groups: Iterable[list[_Readable]]) -> Iterator[list[_Readable]]:
    """Whole groups of identical records, so that after a killed run none gets another one's ordinal."""
    batch: list[_Readable] = []
    for group in groups:
        batch += group
        if len(batch) >= MAX_RECORDS_IN_MEMORY:
            yield batch
            batch = []
    if batch:
        yield batch


def _readable(
    connection: Connection,
    chosen: Chosen,
    identities: dict[str, Identities],
    done: Retried,
    *,
    now: datetime,
    oldest: datetime,
) -> Iterator[list[_Readable]]:
    """Groups of identical records. Records that stay rejected are counted in `done`."""
    with connection.transaction(), connection.cursor("rejected_records") as cursor:
        cursor.itersize = 500
        cursor.execute(SQL["payloads"], chosen.parameters())
        for (node, payload), group in groupby(cursor, key=itemgetter("source", "payload")):
            rows = []
            for row in group:
                if is_too_long(row["reason"]):  # over the limit at that time; its stored beginning may look complete
                    done.stay[CUT] += 1
                else:
                    rows.append((row["id"], row["hostname"], row["slot"], row["createdAt"]))
            raw = payload.encode()
            ordinals = _ordinals(node, raw, [row[0] for row in rows])
            if len(ordinals) < len(rows):
                done.stay[CUT if len(payload) >= MAX_PAYLOAD_CHARACTERS else ALTERED] += len(rows) - len(ordinals)
            if not ordinals:
                continue
            try:
                line = _line(raw, now=now, oldest=oldest)
            except RejectedError as error:
                done.stay[kind_of(str(error))] += len(ordinals)
                continue
            node_ids = identities.setdefault(node, Identities(node))
            ids = [node_ids.of(line) for _ in range(max(ordinals.values()) + 1)]
            yield [
                _Readable(key, ids[ordinals[key]], line, node, hostname, slot, created)
                for key, hostname, slot, created in rows
                if key in ordinals
            ]


def _line(raw: bytes, *, now: datetime, oldest: datetime) -> Line:
    """Raises RejectedError."""
    line = read(raw)
    if line.time > now + FUTURE:
        raise RejectedError(AHEAD)
    if line.time < oldest:
        raise RejectedError(EXPIRED)
    return line


def _ordinals(node: str, raw: bytes, keys: list[UUID]) -> dict[UUID, int]:
    """The ordinal of each of these records. A record whose stored payload is not what the node sent has none."""
    digest, wanted = digest_of(raw), set(keys)
    ordinals: dict[UUID, int] = {}
    for ordinal in range(len(keys) + MORE_ORDINALS):
        key = rejection_id(node, digest, ordinal)
        if key in wanted:
            ordinals[key] = ordinal
            if len(ordinals) == len(wanted):
                break
    return ordinals


def _store_hour(
    connection: Connection, readable: list[_Readable], identities: Identities, done: Retried, *, now: datetime
) -> None:
    node, hour = readable[0].node, readable[0].hour
    slots = _slots_of(readable)
    for locked in sorted({floor(slot, HOUR) for slot in slots} | {hour}):
        connection.execute(statements("collection")["lock_hour"], {"hour": locked, "node": node})
    # Only those still there: another retry may have been faster.
    taken = {row["id"] for row in connection.execute(SQL["take"], {"ids": [record.key for record in readable]})}
    readable = [record for record in readable if record.key in taken]
    rows = [
        row_of(identity, record.line, node, record.hostname)
        for record, identity in zip(readable, _without_twins(connection, readable, identities), strict=True)
    ]
    storing = Stored(connection, node, Window.hour_of(hour))
    storing.copy(rows)
    stored = storing.new
    connection.execute(SQL["recount"], {"node": node, "slots": sorted(slots), "now": now})
    if stored:
        note_waiting(connection, WAITS_AS, hour, f"{stored:,} rejected records of {node} became lines", now=now)
        done.hours.add(hour)
    done.stored += stored
    done.known += len(readable) - stored


def _without_twins(connection: Connection, readable: list[_Readable], identities: Identities) -> list[str]:
    """The ids. A line gets the next ordinal if the same answer contained an identical readable line, which has its id.

    The same answer means the same transaction, so the same "createdAt". A line collected later is the record itself.
    """
    ids = [record.identity for record in readable]
    unsure = list(range(len(ids)))
    while unsure:
        params: dict[str, Any] = {"ids": [ids[n] for n in unsure], "created": [readable[n].created for n in unsure]}
        twins = {row["id"].hex for row in connection.execute(SQL["twins"], params)}
        unsure = [n for n in unsure if ids[n] in twins]
        for n in unsure:
            ids[n] = identities.of(readable[n].line)
    return ids

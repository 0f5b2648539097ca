"""Rejected records, read again with today's reader: after a fix, what a node sent becomes the lines it always was.

Here: which records can be read now, and storing them as a collection would have. What a person sees: the command.

A line gets the id that collecting its window again would give it: its ordinal among identical lines is that of its
record among identical records, which "RejectedLog".id remembers. So it does not matter which of the two comes first, or
whether both do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

from fleexmon_pipeline.catch_up import note_waiting
from fleexmon_pipeline.collection.line_ids import Identities
from fleexmon_pipeline.collection.record_runs import is_too_long
from fleexmon_pipeline.collection.records import Line, RejectedError, read
from fleexmon_pipeline.collection.rows import row_of
from fleexmon_pipeline.collection.store import MOST_OF_A_PAYLOAD, Stored, digest_of, rejection_id
from fleexmon_pipeline.collection.times import FUTURE
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.window import EPOCH, HOUR, SLOT, Window, floor

SQL = statements("rejected")
WAITS_AS = "rejected"  # who waits in "StaleWindow" for hours that got lines this way
MOST_AT_ONCE = 20_000  # records in memory
MOST_RECOVERED = 2_000  # records that a collection looks through; where a node sends more rubbish, a retry does
MORE_ORDINALS = 100  # beyond the records at hand: those before them may have been stored or expired already

CUT = f"its payload was cut at {MOST_OF_A_PAYLOAD:,} characters: only the node has the rest"
ALTERED = "its payload was no text: what is kept is not what the node sent"
EXPIRED = "older than lines are kept"
AHEAD = "its time is more than a day ahead"

Connections = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class Chosen:
    """Which records: of a node, and of windows that touch a stretch of time; None for all."""

    node: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    reason: str | None = None  # a part of it

    def parameters(self) -> dict[str, object]:
        return dict(vars(self))


@dataclass
class Retried:
    """What became of the records. Each is counted once: stored + known + those that stay."""

    stored: int = 0
    known: int = 0  # their line was collected meanwhile
    stay: Counter[str] = field(default_factory=Counter)  # by reason
    hours: set[datetime] = field(default_factory=set)  # that got lines

    @property
    def records(self) -> int:
        return self.stored + self.known + self.stay.total()


@dataclass(frozen=True)
class _Mended:
    """A record that can be read now, and the line that it is."""

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
    """`not a time: yesterday` and `not a time: soon` are of one kind."""
    return reason.partition(":")[0]


def retry(
    connections: Connections, chosen: Chosen, *, now: datetime, oldest: datetime, dry_run: bool = False
) -> Retried:
    """Store what can be read now, hour by hour, each in a transaction: lines, records gone, coverage, hour to analyse.

    `oldest`: lines before it would never be analysed. `dry_run` does the same and takes it back.
    """
    done = Retried()
    identities: dict[str, Identities] = {}
    with connections() as reading, connections() as writing:
        for batch in _batches(_readable(reading, chosen, identities, done, now=now, oldest=oldest)):
            batch.sort(key=attrgetter("node", "hour"))
            for (node, _), mended in groupby(batch, key=attrgetter("node", "hour")):
                with writing.transaction(force_rollback=dry_run):
                    _store_hour(writing, list(mended), identities[node], done, now=now)
    return done


def forget_recovered(connection: Connection, node: str, window: Window, *, now: datetime) -> None:
    """After an update that can read more, a node was asked again: what it sent is stored, and no longer rejected.

    In the transaction that stored the lines, so that no record counts as both.
    """
    row = connection.execute(
        SQL["of_earlier_runs"], {"node": node, "since": window.since, "until": window.until}
    ).fetchone()
    if not row or not 0 < row["records"] <= MOST_RECOVERED:
        return
    identities: dict[str, Identities] = {}
    chosen = Chosen(node, window.since, window.until)
    groups = list(_readable(connection, chosen, identities, Retried(), now=now, oldest=EPOCH))
    mended = [each for group in groups for each in group]
    if not mended:
        return
    ids = _without_twins(connection, mended, identities[node])
    lines = {row["id"].hex for row in connection.execute(SQL["lines"], {"ids": ids})}
    gone = [each for each, identity in zip(mended, ids, strict=True) if identity in lines]
    connection.execute(SQL["take"], {"ids": [each.key for each in gone]})
    slots = sorted({each.slot for each in gone} | {floor(each.line.time, SLOT) for each in gone})
    connection.execute(SQL["recount"], {"node": node, "slots": slots, "now": now})


def _batches(groups: Iterable[list[_Mended]]) -> Iterator[list[_Mended]]:
    """Whole groups of identical records: should a run be killed, the next gives none of them another's ordinal."""
    batch: list[_Mended] = []
    for group in groups:
        batch += group
        if len(batch) >= MOST_AT_ONCE:
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
) -> Iterator[list[_Mended]]:
    """Identical records together. What stays is counted in `done`."""
    with connection.transaction(), connection.cursor("rejected_records") as cursor:
        cursor.itersize = 500
        cursor.execute(SQL["payloads"], chosen.parameters())
        for (node, payload), found in groupby(cursor, key=itemgetter("source", "payload")):
            rows = []
            for row in found:
                if is_too_long(row["reason"]):  # by a limit of its time; short enough to be whole here, if that was low
                    done.stay[CUT] += 1
                else:
                    rows.append((row["id"], row["hostname"], row["slot"], row["createdAt"]))
            raw = payload.encode()
            ordinals = _ordinals(node, raw, [row[0] for row in rows])
            if len(ordinals) < len(rows):
                done.stay[CUT if len(payload) >= MOST_OF_A_PAYLOAD else ALTERED] += len(rows) - len(ordinals)
            if not ordinals:
                continue
            try:
                line = _line(raw, now=now, oldest=oldest)
            except RejectedError as error:
                done.stay[kind_of(str(error))] += len(ordinals)
                continue
            given = identities.setdefault(node, Identities(node))
            ids = [given.of(line) for _ in range(max(ordinals.values()) + 1)]
            yield [
                _Mended(key, ids[ordinals[key]], line, node, hostname, slot, created)
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
    """The ordinal of each of these records. One whose payload is not what the node sent has none: no id fits it."""
    digest, wanted, found = digest_of(raw), set(keys), {}
    for ordinal in range(len(keys) + MORE_ORDINALS):
        key = rejection_id(node, digest, ordinal)
        if key in wanted:
            found[key] = ordinal
            if len(found) == len(wanted):
                break
    return found


def _store_hour(
    connection: Connection, mended: list[_Mended], identities: Identities, done: Retried, *, now: datetime
) -> None:
    node, hour = mended[0].node, mended[0].hour
    slots = {each.slot for each in mended} | {floor(each.line.time, SLOT) for each in mended}
    for locked in sorted({floor(slot, HOUR) for slot in slots} | {hour}):
        connection.execute(statements("collection")["lock_hour"], {"hour": locked, "node": node})
    # Only what is still there: another retry may have been faster.
    taken = {row["id"] for row in connection.execute(SQL["take"], {"ids": [each.key for each in mended]})}
    mended = [each for each in mended if each.key in taken]
    rows = [
        row_of(identity, each.line, node, each.hostname)
        for each, identity in zip(mended, _without_twins(connection, mended, identities), strict=True)
    ]
    storing = Stored(connection, node, Window.hour_of(hour))
    storing.copy(rows)
    stored = storing.new
    connection.execute(SQL["recount"], {"node": node, "slots": sorted(slots), "now": now})
    if stored:
        note_waiting(connection, WAITS_AS, hour, f"{stored:,} rejected records of {node} became lines", now=now)
        done.hours.add(hour)
    done.stored += stored
    done.known += len(mended) - stored


def _without_twins(connection: Connection, mended: list[_Mended], identities: Identities) -> list[str]:
    """The ids, other ones where the same answer held an identical line that could be read: its id is the first.

    The same answer is the same transaction, so the same "createdAt". A line collected later is this very one.
    """
    ids = [each.identity for each in mended]
    unsure = list(range(len(ids)))
    while unsure:
        asked: dict[str, Any] = {"ids": [ids[n] for n in unsure], "created": [mended[n].created for n in unsure]}
        twins = {row["id"].hex for row in connection.execute(SQL["twins"], asked)}
        unsure = [n for n in unsure if ids[n] in twins]
        for n in unsure:
            ids[n] = identities.of(mended[n].line)
    return ids

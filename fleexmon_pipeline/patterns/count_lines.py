"""Count lines by slot, node, pattern and level, with samples. All later stages read these counts.

Here: rebuild "LogPatternCount" from "LogEntry" and archived days, and find where it is stale. The patterns: `store.py`.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any

from psycopg.rows import tuple_row

from fleexmon_pipeline.archive.days import one_snapshot
from fleexmon_pipeline.archive.read import ColdSlots, cold_slots
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.levels import LEVEL_OF_WORD, read_level
from fleexmon_pipeline.patterns.forms.request_ids import FindId, finder, no_id, request_of
from fleexmon_pipeline.patterns.masks import MAX_READ_CHARS
from fleexmon_pipeline.patterns.measures import (
    FOLLOWED,
    MAX_COMPARED,
    MAX_FOLLOWED,
    MAX_MEASURED,
    MAX_MEASURED_CHARS,
    MIN_FOLLOWED,
    Durations,
    Follower,
    Steps,
    different_values,
    sketch,
)
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.store import Sighting, store_patterns, succeed_outdated
from fleexmon_pipeline.window import EPOCH, SLOT, Window, ceil, floor

CHUNK = 2_000  # rows; a message is read up to 64 kB, so at most 128 MB
MAX_SAMPLES = 1_000  # of warn, error and fatal lines; they become an issue's "affectedLogs"
MAX_HARMLESS_SAMPLES = 3  # of debug and info lines

_SQL = statements("patterns")
_Key = tuple[str, str, str]  # node, pattern, level
# Lines, samples, median and 95th percentile of durations or else of steps, whether of steps, the other node whose line
# came before the longest step, different values by field.
_Row = tuple[int, str, float | None, float | None, bool, str | None, int | None]


@dataclass(frozen=True)
class CountsAccount:
    """What a rebuild did. `new`: patterns first seen inside the window, aliases resolved."""

    rows: int
    patterns: int  # aliases resolved
    new: Sequence[str]
    slots: int
    changed: int  # rows of "LogPatternCount" written or deleted; 0 if nothing had changed
    seconds: float


@dataclass(slots=True)
class _Tally:
    count: int
    last: int  # microseconds since 1970
    first: int
    samples: list[str] = field(default_factory=list)  # newest first
    measured: list[str] = field(default_factory=list)  # every `step`th message, so that they are spread over the slot
    step: int = 0  # 0 if the newest line states no duration: then no message is measured
    compared: list[str] = field(default_factory=list)  # the newest messages
    find: FindId | None = None  # finds the id of a request in lines written like the newest one
    steps: Steps = field(default_factory=Steps)

    def measure(self, message: str) -> None:
        """Keep a message. With too many, keep every second one and double `step`."""
        self.measured.append(message)
        if len(self.measured) > MAX_MEASURED:
            del self.measured[1::2]
            self.step *= 2


def stale_slots(connection: Connection, window: Window) -> list[Window]:
    """The slots overlapping `window` where a node's counts do not sum to its lines; ascending."""
    whole = Window(floor(window.since, SLOT), ceil(window.until, SLOT))
    bounds = {"since": whole.since, "until": whole.until}
    with one_snapshot(connection), cold_slots(connection, whole) as cold:
        if cold:
            return _stale_slots_with_archive(connection, whole, cold)
        return [Window(row["slot"], row["slot"] + SLOT) for row in connection.execute(_SQL["stale_slots"], bounds)]


def _stale_slots_with_archive(connection: Connection, window: Window, cold: ColdSlots) -> list[Window]:
    bounds = {"since": window.since, "until": window.until}
    held: Counter[tuple[datetime, str]] = Counter()
    ids = []
    for row in connection.execute(_SQL["lines_by_id"], bounds):
        held[row["slot"], row["node"]] += 1
        ids.append(row["id"])
    held.update(cold.counts(window, besides=ids))
    counted = {(row["slot"], row["node"]): row["lines"] for row in connection.execute(_SQL["lines_counted"], bounds)}
    stale = {key[0] for key in held.keys() | counted.keys() if held.get(key) != counted.get(key)}
    return [Window(slot, slot + SLOT) for slot in sorted(stale)]


def lines_are_gone(connection: Connection, hour: Window, *, kept_since: datetime) -> bool:
    """Whether retention has deleted counted lines of this hour.

    Counts and issues outlive their lines; rebuilding them from the remaining lines would lose them.
    """
    if hour.until > kept_since:
        return False
    row = connection.execute(_SQL["lines_gone"], {"since": hour.since, "until": hour.until}).fetchone()
    return bool(row and row["gone"])


def rebuild_counts(
    connection: Connection, window: Window, miner: PatternMiner, *, redact: Callable[[str], str]
) -> CountsAccount:
    """Make "LogPatternCount" match the lines of table and archive in the slots overlapping `window`, and store the
    patterns.

    One transaction per hour, under that hour's lock: after a failure, finished hours stay finished. Correct rows are
    not touched, so a rerun writes nothing. `redact` removes secrets from stored templates.
    """
    started = time.perf_counter()
    rows = slots = changed = 0
    patterns: set[str] = set()
    durations = Durations()
    for hour in window.hours():
        part = [slot for slot in hour.slots() if slot.overlap(window)]
        seen: dict[tuple[str, str], tuple[int, int]] = {}  # pattern and level → first and last
        merged: dict[str, datetime] = {}
        gone: dict[str, str] = {}
        before = changed
        with connection.transaction(), ExitStack() as stack:
            # No archived line of the hour leaves the table under this lock.
            connection.execute(_SQL["lock_hour"], {"hour": hour.since})
            cold = stack.enter_context(cold_slots(connection, hour))
            for slot in part:
                tallies = _count(connection, slot, miner, durations, cold)
                merged = dict.fromkeys(miner.new_aliases, slot.since) | merged
                changed += _write(connection, slot.since, _rows(tallies, durations), gone)
                rows += sum(tally.count for tally in tallies.values())
                for (_, pattern, level), tally in tallies.items():
                    first, last = seen.get((pattern, level), (tally.first, tally.last))
                    seen[pattern, level] = min(first, tally.first), max(last, tally.last)
            if changed > before:
                connection.execute(_SQL["forget_summed"], {"since": hour.since})
            sightings = _sightings(seen)
            store_patterns(connection, miner, sightings, merged, redact=redact)
            if gone:
                succeed_outdated(connection, miner, gone)
        miner.new_aliases.clear()
        slots += len(part)
        patterns = {miner.resolve(pattern) for pattern in patterns | sightings.keys()}  # before aliases are forgotten
        miner.forget()
    bounds = {"ids": sorted(patterns), "since": window.since, "until": window.until}
    new = [row["id"] for row in connection.execute(_SQL["first_seen_inside"], bounds)]
    return CountsAccount(rows, len(patterns), new, slots, changed, time.perf_counter() - started)


def _lines(connection: Connection, slot: Window, cold: ColdSlots | None) -> Generator[list[tuple[Any, ...]]]:
    """The slot's lines, newest first, in chunks. Read by one statement, so concurrent inserts do not matter."""
    with connection.cursor("lines_of_slot", row_factory=tuple_row) as cursor:
        bounds = {"since": slot.since, "until": slot.until, "followed": FOLLOWED, "least": MIN_FOLLOWED}
        cursor.execute(_SQL["lines_of_slot"], {**bounds, "longest": MAX_READ_CHARS})
        if cold:
            rows = list(cursor)
            table_ids = {row[0] for row in rows}
            rows += [
                (*row[:5], request_of(row[5])) for row in cold.lines(slot, MAX_READ_CHARS) if row[0] not in table_ids
            ]
            yield sorted(rows, key=lambda row: (row[1], row[0]), reverse=True)
            return
        while chunk := cursor.fetchmany(CHUNK):
            yield chunk


def _count(
    connection: Connection, slot: Window, miner: PatternMiner, durations: Durations, cold: ColdSlots | None
) -> dict[_Key, _Tally]:
    tallies: dict[_Key, _Tally] = {}
    follower, followed = Follower(), 0
    newest_since = (slot.until - FOLLOWED - EPOCH) // timedelta(microseconds=1)
    with closing(_lines(connection, slot, cold)) as chunks:
        for chunk in chunks:
            patterns = miner.identify([row[4] for row in chunk])
            for (entry, micros, word, node, message, _), pattern in zip(chunk, patterns, strict=True):
                level = _level(word)
                key = (node, pattern, level)
                tally = tallies.get(key)
                if tally is None:
                    tally = tallies[key] = _Tally(0, last=micros, first=micros)
                    tally.step = int(durations.has_one(message))
                if tally.step and not tally.count % tally.step:
                    tally.measure(message)
                if tally.count < MAX_COMPARED:
                    tally.compared.append(message[:MAX_MEASURED_CHARS])
                tally.count += 1
                tally.first = micros
                if tally.count <= MAX_HARMLESS_SAMPLES or (
                    tally.count <= MAX_SAMPLES and level in ("warn", "error", "fatal")
                ):
                    tally.samples.append(entry)
            newest = chunk[: bisect_right(chunk, -newest_since, key=lambda row: -row[1])]
            if len(newest) < len(chunk):
                newest = chunk[: max(len(newest), MIN_FOLLOWED - followed)]
            _follow(newest[: max(MAX_FOLLOWED - followed, 0)], patterns, tallies, follower)
            followed += len(newest)
    return tallies


def _follow(
    rows: Sequence[tuple[Any, ...]], patterns: Sequence[str], tallies: Mapping[_Key, _Tally], follower: Follower
) -> None:
    """Add the steps to these lines, whose patterns are the first of `patterns`, to their tallies."""
    for (_, micros, word, node, message, of_record), pattern in zip(rows, patterns, strict=False):
        tally = tallies[node, pattern, _level(word)]
        if of_record is None and tally.find is None:
            tally.find = finder(message) or no_id
        if request := tally.find(message) if of_record is None and tally.find else of_record:
            follower.see(request, micros, node, tally.steps)


def _sightings(seen: Mapping[tuple[str, str], tuple[int, int]]) -> dict[str, Sighting]:
    sightings: dict[str, Sighting] = {}
    for (pattern, level), (first, last) in seen.items():
        sighting = Sighting(_moment(first), _moment(last), level)
        sightings[pattern] = sightings[pattern] | sighting if pattern in sightings else sighting
    return sightings


def _rows(tallies: Mapping[_Key, _Tally], durations: Durations) -> dict[_Key, _Row]:
    values = iter(durations.of([message for tally in tallies.values() for message in tally.measured]))
    rows: dict[_Key, _Row] = {}
    for key, tally in tallies.items():
        stated = sketch(islice(values, len(tally.measured))) if tally.measured else None
        figures = stated or tally.steps.sketch()
        of_steps = figures is not None and stated is None
        rows[key] = (
            tally.count,
            f"{{{','.join(tally.samples)}}}",
            *(figures or (None, None)),
            of_steps,
            tally.steps.after if of_steps and tally.steps.after != key[0] else None,
            different_values(tally.compared),
        )
    return rows


def _write(connection: Connection, slot: datetime, due: dict[_Key, _Row], gone: dict[str, str]) -> int:
    """Delete and insert the rows that differ from `due`, and return how many.

    Patterns that the slot no longer has are added to `gone`, each with the id of a line.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_SQL["counts_of_slot"], {"slot": slot})
        stored: dict[_Key, _Row] = {row[:3]: row[3:] for row in cursor}
        wrong = sorted(key for key, row in stored.items() if due.get(key) != row)
        due_patterns = {pattern for _, pattern, _ in due}
        gone.update(
            (key[1], stored[key][1][1:37]) for key in wrong if key[1] not in due_patterns and stored[key][1] != "{}"
        )
        missing = sorted(key for key, row in due.items() if stored.get(key) != row)
        if wrong:
            nodes, patterns, levels = map(list, zip(*wrong, strict=True))
            cursor.execute(
                _SQL["delete_counts"], {"slot": slot, "nodes": nodes, "patterns": patterns, "levels": levels}
            )
        if missing:
            with cursor.copy(_SQL["copy_counts"]) as copy:
                for key in missing:
                    copy.write_row((slot, *key, *due[key]))
    return len(wrong) + len(missing)


@lru_cache(maxsize=1_000)
def _level(text: str) -> str:
    """The level that a stored word means: other programs write ERROR and 50. An unknown word is kept, in lower case."""
    word = text.lower()
    return read_level(word) if word in LEVEL_OF_WORD or (word.isascii() and word.isdigit()) else word


def _moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)

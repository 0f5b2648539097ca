"""A node's records become rows of COPY: read, identified, of the window or not. The inner loop of collection.

Here: what each of millions of records goes through, 2 µs of it, hence the long function. The usual record is read here;
every other form, and whatever is odd about a usual one, by `records.py`. The two agree, which a test shows.

Rows are in COPY's binary format: the server stores them a fifth faster than text (2.8 µs a row against 3.4), and no
character needs an escape.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from fleexmon_pipeline.collection.account import NodeAccount
from fleexmon_pipeline.collection.line_ids import Identities
from fleexmon_pipeline.collection.record_runs import Run
from fleexmon_pipeline.collection.records import MOST_CHARACTERS, Line, RejectedError, read, read_time
from fleexmon_pipeline.database.row_ids import VERSION_8
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.window import EPOCH, SLOT, Window

COLUMNS = ("level", "source", "hostname", "id", "timestamp", "message", "metadata")
BEGIN, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
ROWS_A_BLOCK = (
    100  # 25 kB: more at once leaves its end in libpq until the next write, and the server waits (+30 % at 400)
)
MOST_BYTES_REJECTED = 8_000_000  # that are gathered: 2,000 records of 1 MB, each of them broken, were 2 GB
MOST_SECONDS_KNOWN = 4_000  # an answer in time order needs one; this is an hour in any order

_MICROSECOND = timedelta(microseconds=1)
_SLOT = SLOT // _MICROSECOND
_POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01, in microseconds since 1970
_NULL = b"\xff\xff\xff\xff"

# id: 16 bytes in two halves; timestamp: 8; the length of the message.
_TIMED = struct.Struct(">iQQiqi").pack
_ID = slice(4, 20)  # in it
_JSONB = struct.Struct(">ib").pack  # length, version
_HALVES = struct.Struct(">HQ").unpack  # of a digest
_HIGH, _LOW = VERSION_8 >> 64, VERSION_8 & (1 << 64) - 1
_HIGH_HASH, _LOW_HASH = 0x0FFF, (1 << 62) - 1


_sorted_json = msgspec.json.Encoder(order="sorted", enc_hook=str).encode

# How the usual time ends, `.123Z`: microseconds, and the end of `Line.iso`.
_FRACTIONS = {
    f".{ms:03d}Z": (ms * 1_000, b".%03d000+00:00" % ms if ms else b"+00:00") for ms in range(1_000)
}  # fmt: skip


class _Seconds(dict[str, tuple[int, bytes]]):
    """`2026-11-20T10:00:00` as microseconds since 1970 and as bytes: many lines share a second."""

    def __missing__(self, text: str) -> tuple[int, bytes]:
        moment = datetime.fromisoformat(f"{text}+00:00")
        iso = f"{moment:%Y-%m-%dT%H:%M:%S}"
        if iso != text:  # `2026-W47-5T10:00:00`: known by another name
            raise ValueError(text)
        if len(self) >= MOST_SECONDS_KNOWN:
            self.clear()
        self[text] = known = (moment - EPOCH) // _MICROSECOND, iso.encode()
        return known


class Known:
    """Ids of lines that are stored, 16 bytes each, one behind the other in the order of their times.

    Nodes mostly send their lines in that order: then no set of them is made, which takes .2 µs a line.
    """

    def __init__(self, ids: bytes = b"") -> None:
        self.ids = ids
        self._set: set[bytes] | None = None

    def __contains__(self, identity: bytes) -> bool:
        if self._set is None:
            self._set = {self.ids[start : start + 16] for start in range(0, len(self.ids), 16)}
        return identity in self._set

    def __len__(self) -> int:
        return len(self.ids) // 16


NONE_KNOWN = Known()


class Rows:
    """Rows of one node's answer. `account` and `slots` count as they go, `rejected` gathers until somebody takes it.

    latest: a line up to then may be outside the window; a later one is rejected.
    most_rejected: records that are gathered, and a run of them more.
    """

    def __init__(self, node: str, hostname: str, window: Window, *, latest: datetime, most_rejected: int) -> None:
        self.account = NodeAccount(node, until=window.until)
        self.slots: Counter[datetime] = Counter()  # lines of the window by slot, but for those that are known
        self.rejected: list[tuple[bytes, str]] = []  # raw, reason
        self.finished = False
        self._window = window
        self._latest = latest
        self._most_rejected = most_rejected
        self._bytes_rejected = 0
        self._identities = Identities(node)
        self._source = _field(node) + _field(hostname)

    def blocks(  # noqa: PLR0912, PLR0915 - a call takes .1 µs a record
        self, runs: Iterator[Run], known_in: Callable[[datetime], Known] = lambda _: NONE_KNOWN
    ) -> Iterator[bytes]:
        """Rows, many at a time; unless `finished` then, `rejected` is to be taken away before it is called again.

        known_in: lines of a slot that get no row.
        """
        levels: dict[str, tuple[bytes, bytes]] = {
            level: (level.encode(), _fields(level, self._source)) for level in LEVELS
        }
        seconds, fractions, digest_of = _Seconds(), _FRACTIONS, self._identities.digest
        since, until = _micros(self._window.since), _micros(self._window.until)
        slots: defaultdict[int, int] = defaultdict(int)
        slot = begins = ends = lines = 0  # of the line before: most are of the same slot
        again = self._bytes_rejected = 0
        last = since
        parts: list[bytes] = []
        self.finished = False
        for run in runs:
            for n, usual in enumerate(run.usual()):
                try:
                    level, fields = levels[usual.level]
                    time, message, given = usual.timestamp, usual.message, usual.metadata
                    if (fraction := fractions.get(time[19:])) is not None:
                        micros, iso = seconds[time[:19]]
                        micros += fraction[0]
                        iso += fraction[1]
                    else:
                        moment = read_time(time)
                        micros, iso = _micros(moment), moment.isoformat().encode()
                    metadata = _sorted_json(given) if given else b""
                    if len(message) > MOST_CHARACTERS or "\0" in message or b"\\u0000" in metadata:
                        raise ValueError("a text that is not stored as it is")  # noqa: TRY301 - goes the way of all others
                    text = message.encode()
                except (ValueError, KeyError, RecursionError):
                    line = self._read(run.raw(n))
                    if line is None:
                        continue
                    level, fields = levels[line.level]
                    micros, iso = _micros(line.time), line.iso.encode()
                    text, metadata = line.message.encode(), (line.metadata or "").encode()
                if not begins <= micros < ends:
                    if not since <= micros < until:
                        self._put_aside(run, n, EPOCH + micros * _MICROSECOND)
                        continue
                    slots[slot] += lines
                    slot, lines = micros // _SLOT, 0
                    begins, ends = max(since, slot * _SLOT), min(until, (slot + 1) * _SLOT)
                    known = known_in(EPOCH + slot * SLOT)
                    ids, at = known.ids, 0
                if micros > last:  # noqa: PLR1730 - max() takes .1 µs
                    last = micros
                high, low = _HALVES(digest_of(iso, level, text, metadata))
                timed = _TIMED(
                    16, micros // 1_000 << 16 | _HIGH | high & _HIGH_HASH, _LOW | low & _LOW_HASH,
                    8, micros - _POSTGRES_EPOCH, len(text),
                )  # fmt: skip
                if ids and (ids.startswith(timed[_ID], at) or timed[_ID] in known):
                    at += 16
                    again += 1
                    continue
                parts += (fields, timed, text, _JSONB(len(metadata) + 1, 1) if metadata else _NULL, metadata)
                lines += 1
                if len(parts) >= 5 * ROWS_A_BLOCK:
                    yield b"".join(parts)
                    parts.clear()
            for raw, reason in run.too_long:
                self._reject(raw, reason)
            if len(self.rejected) >= self._most_rejected or self._bytes_rejected > MOST_BYTES_REJECTED:
                break
        else:
            self.finished = True
        if parts:
            yield b"".join(parts)
        slots[slot] += lines
        self._count(slots, again, last)

    def _read(self, raw: bytes) -> Line | None:
        """None when it was rejected."""
        try:
            return read(raw)
        except RejectedError as error:
            self._reject(raw, str(error))
            return None

    def _put_aside(self, run: Run, n: int, moment: datetime) -> None:
        if moment <= self._latest:
            self.account.outside += 1
        else:
            self._reject(run.raw(n), f"its time is more than a day ahead: {moment:%Y-%m-%d %H:%M:%S}")

    def _reject(self, raw: bytes, reason: str) -> None:
        self.account.rejected += 1
        self.account.received += 1
        self.rejected.append((raw, reason))
        self._bytes_rejected += len(raw)

    def _count(self, slots: Mapping[int, int], again: int, last: int) -> None:
        for slot, lines in slots.items():
            if lines:
                self.slots[EPOCH + slot * SLOT] += lines
        found = sum(slots.values()) + again
        self.account.received += found
        if found:
            latest = EPOCH + last * _MICROSECOND
            self.account.last = max(self.account.last or latest, latest)


def row_of(identity: str, line: Line, node: str, hostname: str) -> bytes:
    """A line that has its id already, 32 hexadecimal digits, as a row."""
    text, metadata = line.message.encode(), (line.metadata or "").encode()
    high, low = divmod(UUID(identity).int, 1 << 64)
    timed = _TIMED(16, high, low, 8, _micros(line.time) - _POSTGRES_EPOCH, len(text))
    tail = _JSONB(len(metadata) + 1, 1) + metadata if metadata else _NULL
    return _fields(line.level, _field(node) + _field(hostname)) + timed + text + tail


def _fields(level: str, source: bytes) -> bytes:
    """The number of columns and the first three of them: what all lines of a node and level share."""
    return struct.pack(">h", len(COLUMNS)) + _field(level) + source


def _field(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">i", len(encoded)) + encoded


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // _MICROSECOND

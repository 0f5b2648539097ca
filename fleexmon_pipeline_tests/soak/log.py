"""What a node has: lines that follow from a seed, when each can be seen, and the row that each must become.

Here: the truth that the database is compared with. It owes nothing to the product's reader: rows are made beside the
records, not from them. How a node tells them, or fails to: `nodes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zlib import crc32

from fleexmon_pipeline.window import HOUR, Window

MINUTE = timedelta(minutes=1)
FUTURE = timedelta(days=2)
CACHED = 150  # minutes: late lines are asked for two hours back
LATEST = timedelta(minutes=69)  # after the hour's end; the product promises 70
_LEVELS = ("info", "info", "debug", "info", "warn", "info", "info", "error")
_WORDS = ("GET /products", "cart updated for user", "payment accepted, order", "cache miss, key", "stock is low, item")
_WILD = 'tab\there, a "quote", a \\ and\ntwo lines, 🛒 é'
_WILD_JSON = r"tab\there, a \"quote\", a \\ and\ntwo lines, 🛒 é"


@dataclass(frozen=True)
class Skew:
    """The node's clock in a stretch of time: positive is ahead. What is behind can be seen later than it says."""

    window: Window
    ahead: timedelta


@dataclass(frozen=True)
class Minute:
    """Records by when they can be seen."""

    prompt: list[bytes]
    prompt_at: datetime
    late: list[bytes]
    late_at: datetime


@dataclass(frozen=True)
class Log:
    """Lines of one node in `window`; equal arguments, equal lines. One of `every` lines is of each odd kind."""

    node: str
    seed: int
    a_minute: int
    window: Window
    skews: tuple[Skew, ...] = ()
    every: int = 499
    late_until: datetime | None = None  # lines of hours that end later are never late

    def minutes(self, window: Window) -> Iterator[datetime]:
        inside = window.overlap(self.window)
        moment = inside.since
        while moment < inside.until:
            yield moment
            moment += MINUTE

    def at(self, minute: datetime) -> Minute:
        return _minute(self, minute)

    def seen(self, window: Window, now: datetime) -> list[bytes]:
        """What the node can tell of a window by now."""
        found: list[bytes] = []
        for minute in self.minutes(window):
            lines = self.at(minute)
            if lines.prompt_at <= now:
                found += lines.prompt
            if lines.late_at <= now:
                found += lines.late
        return found

    def rows(self, window: Window) -> Iterator[bytes]:
        """timestamp, level, message and metadata as COPY writes them, of all lines that are lines."""
        return (row.encode() for minute in self.minutes(window) for _, row, _ in self.lines(minute) if row)

    def rejected(self, window: Window) -> Iterator[str]:
        return (raw for minute in self.minutes(window) for raw, row, _ in self.lines(minute) if not row)

    def lines(self, minute: datetime) -> Iterator[tuple[str, str, bool]]:
        """Record, row ("" where it must be rejected), and whether it belongs to those that may be late."""
        first = (minute - self.window.since) // MINUTE * self.a_minute
        step, every, day = 60_000_000 // self.a_minute // 10 * 10, self.every, f"{minute:%Y-%m-%d}"
        for n in range(first, first + self.a_minute):
            micros = (n - first) * step + 1 + n % 9  # no trailing zero, which the database would leave out
            clock = f"{minute:%H:%M}:{micros // 1_000_000:02}.{micros % 1_000_000:06}"
            level, kind, late = _LEVELS[n % 8], n % every, n % 3 == 0
            text = f"{_WORDS[n % 5]} {n}"
            raw = f'{{"timestamp":"{day}T{clock}Z","level":"{level}","message":"{text}","metadata":{{"n":{n}}}}}'
            row = f'{day} {clock}\t{level}\t{text}\t{{"n": {n}}}'
            if kind == 1:  # three that are the same
                yield from ((raw, row, late) for _ in range(3))
            elif kind == 2:  # pino, in milliseconds
                stamp = int(minute.timestamp()) * 1000 + micros // 1000 // 10 * 10 + 1
                clock = f"{minute:%H:%M}:{stamp % 60_000 // 1000:02}.{stamp % 1000:03}"
                yield (
                    f'{{"level":50,"time":{stamp},"msg":"{text}","n":{n}}}',
                    f'{day} {clock}\terror\t{text}\t{{"n": {n}, "originalLevel": "50"}}',
                    late,
                )
            elif kind == 3:
                told = _WILD.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n")
                yield (
                    f'{{"timestamp":"{day}T{clock}Z","level":"{level}","message":"{_WILD_JSON} {n}"}}',
                    f"{day} {clock}\t{level}\t{told} {n}\t\\N",
                    late,
                )
            elif kind == 4:  # another zone, another word
                there = minute + 2 * HOUR
                yield (
                    f'{{"timestamp":"{there:%Y-%m-%dT%H:%M}{clock[5:]}+02:00","level":"WARNING","message":"{text}"}}',
                    f'{day} {clock}\twarn\t{text}\t{{"originalLevel": "WARNING"}}',
                    late,
                )
            elif kind == 5:
                yield f'{{"level":"error","message":"no time, {self.node} {n}"}}', "", late
            elif kind == 6:
                yield f'{{"timestamp":"{minute + FUTURE:%Y-%m-%dT%H:%M}:00Z","message":"ahead {n}"}}', "", late
            else:
                yield raw, row, late

    def late_at(self, minute: datetime, prompt_at: datetime) -> datetime:
        """One minute of eight is flushed late in part: most of it by minutes, some an hour after its hour."""
        dice = crc32(f"{self.seed} {self.node} {minute:%d%H%M}".encode())
        ends = Window.hour_of(minute).until
        if dice % 8 or (self.late_until is not None and ends > self.late_until):
            return prompt_at
        if dice // 8 % 5:
            return prompt_at + timedelta(minutes=1 + dice // 64 % 12)
        return max(prompt_at, ends + timedelta(minutes=dice // 64 % 70))


@lru_cache(CACHED)
def _minute(log: Log, minute: datetime) -> Minute:
    prompt: list[bytes] = []
    late: list[bytes] = []
    for raw, _, may_be_late in log.lines(minute):
        (late if may_be_late else prompt).append(raw.encode())
    ahead = sum((skew.ahead for skew in log.skews if minute in skew.window), timedelta())
    latest = Window.hour_of(minute).until + LATEST
    prompt_at = min(minute + MINUTE - ahead, latest)
    return Minute(prompt, prompt_at, late, min(log.late_at(minute, prompt_at), latest))


def at_epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

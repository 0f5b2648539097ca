"""What `fleexmon patterns` prints: the pattern of every line of a file, or the number of lines of each pattern.

Here: reading lines and writing JSON, without holding the file or the output in memory.
Options and files: `commands/patterns.py`.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from os import SEEK_END
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from fleexmon_pipeline.encoding import file_chunks
from fleexmon_pipeline.patterns.masks import MAX_READ_CHARS
from fleexmon_pipeline.patterns.miner import PatternMiner, presentable

BATCH = 10_000  # lines at least, plus the rest of a block; with larger batches patterns need fewer merges
MAX_LINE_BYTES = 4 * MAX_READ_CHARS
MAX_BATCH_BYTES = 4 << 20  # of a file
PRINT_BATCH = 10_000  # lines; a power of ten, so that their numbers differ only in the last digits
MAX_RENDERED = 50_000  # templates kept ready to print

Redact = Callable[[str], str]


@dataclass(frozen=True)
class PatternSummary:
    pattern: str
    lines: int
    template: str


class Blocks(Iterator[bytes]):
    """The lines of a file, in blocks that end before a newline.

    A line is cut to the length that the miner reads, as a file may be one line of gigabytes. Blocks are neither decoded
    nor counted here, because both take longer than reading.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._blocks = _blocks_of(stream)

    def __next__(self) -> bytes:
        return next(self._blocks)


def _blocks_of(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    for piece in file_chunks(stream):
        whole, newline, tail = piece.rpartition(b"\n")
        if not newline:
            rest = (rest + tail)[:MAX_LINE_BYTES]
            continue
        if len(rest) == MAX_LINE_BYTES:
            whole = whole[end:] if (end := whole.find(b"\n")) >= 0 else b""
        block = rest + whole
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
        yield block
        rest = tail[:MAX_LINE_BYTES]
    if rest:
        yield rest.removesuffix(b"\r")


def in_batches(messages: Iterable[str]) -> Iterator[list[str]]:
    """Batches of at most BATCH messages, cut to the length that the miner reads, so that long ones do not use up
    memory.
    """
    rest = iter(messages)
    while batch := list(islice(rest, BATCH)):
        yield batch if max(map(len, batch)) <= MAX_READ_CHARS else [line[:MAX_READ_CHARS] for line in batch]


def stream_patterns(lines: Blocks | Iterable[list[str]], write: Callable[[str], object], *, redact: Redact) -> None:
    """Write one JSON line `{"line": 0-based, "pattern", "template"}` per line, after all have been read.

    Ids are resolved before they are printed, so that all lines of a pattern show the same id. Memory: four bytes per
    line, about 200 per pattern; templates beyond the miner's memory go to a temporary file.
    """
    with TemporaryFile() as file:
        ledger = _Ledger(file, redact)
        spool = array("I")
        for ids in ledger.identified(lines):
            numbers = {pattern: ledger.number(pattern) for pattern in set(ids)}
            spool.extend(map(numbers.__getitem__, ids))
            ledger.write_down()
        for text in _printed(spool, ledger):
            write(text)


def _printed(spool: Sequence[int], ledger: _Ledger) -> Iterator[str]:
    """The JSON lines of numbers of patterns, PRINT_BATCH lines per text."""
    ends: dict[int, str] = {}
    last_digits = [str(n) for n in range(PRINT_BATCH)]
    for start in range(0, len(spool), PRINT_BATCH):
        part = spool[start : start + PRINT_BATCH]
        missing = set(part) - ends.keys()
        if len(ends) + len(missing) > MAX_RENDERED:
            ends, missing = {}, set(part)
        for number in missing:
            pattern, template = ledger.shown(number)
            ends[number] = f', "pattern": "{pattern}", "template": {json.dumps(template)}}}\n'
        # Three existing texts per line, joined once: a quarter of the time of formatting each line.
        texts = [f'{{"line": {start // PRINT_BATCH or ""}'] * (3 * len(part))
        texts[1::3] = last_digits[: len(part)]
        texts[2::3] = map(ends.__getitem__, part)
        yield "".join(texts)
        if not start:
            last_digits = [text.zfill(len(last_digits[-1])) for text in last_digits]


class _Ledger:
    """The patterns found so far, in few bytes each: number, target of its merge, and position of its text."""

    def __init__(self, file: IO[bytes], redact: Redact) -> None:
        self.miner = PatternMiner()
        self._file, self._redact = file, redact
        self._numbers: dict[int, int] = {}  # id as an integer to number: half the memory of a string
        self._ids = array("Q")
        self._targets = array("I")  # the number of what it merged into, or its own
        self._texts = array("q")  # offset of its text in the file, or -1

    def identified(self, lines: Blocks | Iterable[list[str]]) -> Iterator[list[str]]:
        """The pattern ids of the lines, batch by batch."""
        if not isinstance(lines, Blocks):
            yield from map(self.miner.identify, lines)
            return
        while ids := self.miner.identify_lines(lines, at_least=BATCH, max_bytes=MAX_BATCH_BYTES):
            yield ids

    def number(self, pattern: str) -> int:
        key = int(pattern, 16)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._ids)
            self._ids.append(key)
            self._targets.append(number)
            self._texts.append(-1)
        return number

    def write_down(self) -> None:
        """Record new aliases and the texts that the miner is about to forget."""
        for pattern in self.miner.new_aliases:
            self._targets[self.number(pattern)] = self.number(self.miner.lineage(pattern)[1])
        self.miner.new_aliases.clear()
        for pattern in self.miner.forgettable():
            number = self.number(pattern)
            if self._targets[number] == number:
                text = presentable(self.miner.template(pattern), self._redact).encode()
                self._texts[number] = self._file.seek(0, SEEK_END)
                self._file.write(len(text).to_bytes(4, "big") + text)
        self.miner.forget()

    def resolve(self, number: int) -> int:
        while (target := self._targets[number]) != number:
            number = target
        return number

    def shown(self, number: int) -> tuple[str, str]:
        """Id and text of the pattern that this one finally merged into."""
        root = self.resolve(number)
        pattern = f"{self._ids[root]:016x}"
        if self.miner.knows(pattern):
            return pattern, presentable(self.miner.template(pattern), self._redact)
        self._file.seek(self._texts[root])
        return pattern, self._file.read(int.from_bytes(self._file.read(4), "big")).decode()


def summarise(lines: Blocks | Iterable[list[str]], *, redact: Redact) -> list[PatternSummary]:
    """Patterns with their number of lines, most frequent first."""
    with TemporaryFile() as file:
        ledger = _Ledger(file, redact)
        counts: Counter[int] = Counter()
        for ids in ledger.identified(lines):
            for pattern, count in Counter(ids).items():
                counts[ledger.number(pattern)] += count
            ledger.write_down()
        resolved: Counter[int] = Counter()
        for number, count in counts.items():
            resolved[ledger.resolve(number)] += count
        totals = [(count, *ledger.shown(number)) for number, count in resolved.items()]
    return [
        PatternSummary(pattern, n, text) for n, pattern, text in sorted(totals, key=lambda total: (-total[0], total[1]))
    ]

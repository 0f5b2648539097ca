"""Find the row groups of a day's file that may contain a text: a small second file has a Bloom filter for each.

Here: writing and reading that file. It only saves time: if it is missing (older versions wrote none) or damaged, all
row groups are read. Contents of the filters: `grams.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from fleexmon_pipeline.archive.engine import Engine
from fleexmon_pipeline.archive.grams import IDS, KINDS, WORDS, Bytes, Hashes, Kind, kept, kept_of, once
from fleexmon_pipeline.archive.storage import ArchiveError, Storage, beside
from fleexmon_pipeline.database.statements import statements

SQL = statements("archive_files")
MAGIC = b"fleexmon texts 1\n"
SLICES = 64  # of a filter, by the first bits of a hash: a query reads one slice for each gram
BITS = 10  # of a filter for each gram
PROBES = 4  # bits that a gram sets; so one in a hundred absent grams seems to be present
MAX_GRAMS = 6  # of a text that are searched
MAX_MESSAGE_BYTES = 65_536  # a row group with a longer message is always read
ROWS_AT_ONCE = 16_384
MAX_HEADER = 16 << 20
SECONDS = 3_600.0
_SHIFT, _LOW = np.uint64(58), np.uint64(0xFFFFFFFF)
_SECOND = np.uint64(26)


class _Filters(msgspec.Struct, frozen=True):
    """Filters of one kind. `bytes`: of a slice, by row group; `checksums`: CRC-32 of each slice of all row groups."""

    bytes: list[int]
    checksums: list[int]


class _Header(msgspec.Struct, frozen=True):
    """`sha256`: of the day's file; `rows`: of each row group; `any`: row groups that are always read."""

    sha256: str
    rows: list[int]
    any: list[bool]
    kinds: list[_Filters]


class _NotWholeError(Exception):
    """The text says what is wrong with a file of filters."""


def write(session: Engine, about: str, day_file: Path, sha256: str, target: Path) -> None:
    file = {"file": str(day_file)}
    rows = [size for (size,) in session.rows(about, SQL["row_groups"].decode(), file)]
    params = {**file, "longest": MAX_MESSAGE_BYTES}
    messages = session.batches(about, SQL["messages"].decode(), params, ROWS_AT_ONCE, SECONDS)
    slices: list[list[Bytes]] = [[] for _ in KINDS]
    any_text = []
    for parts in _by_row_group(messages, rows):
        any_text.append(any(part.null_count for part in parts))
        grams = [kept(*_laid_out(part)) for part in parts]
        for place, filters in enumerate(slices):
            filters.append(_filter(once([found[place] for found in grams])))
    kinds = [
        _Filters([own.shape[1] for own in filters], [zlib.crc32(part) for part in _in_slices(filters)])
        for filters in slices
    ]
    header = msgspec.json.encode(_Header(sha256, rows, any_text, kinds))
    with target.open("wb") as stored:
        stored.write(MAGIC + len(header).to_bytes(4, "big") + zlib.crc32(header).to_bytes(4, "big") + header)
        for filters in slices:
            stored.writelines(_in_slices(filters))


def rows_with(storage: Storage, file: str, sha256: str, text: str) -> list[range] | None:
    """Rows of the day's file that may contain the text, ignoring the case of ASCII letters. None: all may."""
    length = len(text.encode("utf-8", "surrogatepass"))
    if length < WORDS.shortest:
        return None
    kind = IDS if length >= IDS.shortest else WORDS
    try:
        with storage.open(beside(file)) as filters:
            header, start = _header(filters, sha256)
            may = _may_hold(filters, header, start, kind, kept_of(text, kind)[:MAX_GRAMS])
    except (ArchiveError, OSError, _NotWholeError):
        return None  # slower, with the same result; `archive verify` reports it
    return _ranges(header.rows, may)


def problem_of(storage: Storage, file: str, sha256: str) -> str | None:
    """What is wrong with the filters. Such filters are not used."""
    name = beside(file)
    if storage.size(name) is None:
        return None
    try:
        with storage.open(name) as filters:
            header, _ = _header(filters, sha256)
            for own in header.kinds:
                for checksum in own.checksums:
                    _checked(filters.read(sum(own.bytes)), checksum)
    except (OSError, _NotWholeError) as error:
        return f"{name} in {storage.place} is damaged: {error}. Delete it: searches still work, but are slower."
    return None


def _by_row_group(batches: Iterator[Any], rows: Sequence[int]) -> Iterator[list[Any]]:
    """The messages of each row group, in pieces."""
    batch = next(batches, None)
    for size in rows:
        parts, left = [], size
        while left:
            if batch is None:
                raise ArchiveError("the written file has fewer lines than its row groups.")
            part = batch.column(0).slice(0, left)
            parts.append(part)
            left -= len(part)
            batch = batch.slice(len(part)) if len(part) < len(batch) else next(batches, None)
        yield parts


def _laid_out(texts: Any) -> tuple[Bytes, Any]:
    """The bytes of an Arrow column of texts, and where each text ends."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    if data is None:
        return np.zeros(0, np.uint8), ends[1:] - ends[0]
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]], ends[1:] - ends[0]


def _filter(hashes: Hashes) -> Bytes:
    """Bytes by slice."""
    size = max(len(hashes) * BITS // SLICES // 8, 1) * 8
    flags = np.zeros(SLICES * size, np.bool_)
    own = (hashes >> _SHIFT) * np.uint64(size)
    for place in _places(hashes, size):
        flags[own + place] = True
    return np.packbits(flags.reshape(SLICES, size), axis=1)


def _places(hashes: Hashes, size: int) -> Iterator[Hashes]:
    """Places of each gram's bits in its slice."""
    first, step = hashes & _LOW, (hashes >> _SECOND) & _LOW | np.uint64(1)
    for probe in range(PROBES):
        yield (first + np.uint64(probe) * step) % np.uint64(size)


def _in_slices(filters: Sequence[Bytes]) -> Iterator[bytes]:
    """Each slice of all row groups."""
    return (b"".join(own[number].tobytes() for own in filters) for number in range(SLICES))


def _header(filters: IO[bytes], sha256: str) -> tuple[_Header, int]:
    """And where the filters start."""
    start = filters.read(len(MAGIC) + 8)
    length = int.from_bytes(start[len(MAGIC) : len(MAGIC) + 4], "big")
    if not start.startswith(MAGIC) or length > MAX_HEADER:
        raise _NotWholeError("it is no file of filters")
    text = _checked(filters.read(length), int.from_bytes(start[len(MAGIC) + 4 :], "big"))
    header = msgspec.json.decode(text, type=_Header)
    if header.sha256 != sha256:
        raise _NotWholeError("it belongs to another day's file")
    return header, len(start) + length


def _checked(data: bytes, checksum: int) -> bytes:
    if zlib.crc32(data) != checksum:
        raise _NotWholeError("a checksum differs")
    return data


def _may_hold(filters: IO[bytes], header: _Header, start: int, kind: Kind, grams: Hashes) -> list[bool]:
    """By row group."""
    place = KINDS.index(kind)
    own = header.kinds[place]
    width = sum(own.bytes)
    start += sum(SLICES * sum(before.bytes) for before in header.kinds[:place])
    may = np.ones(len(header.rows), np.bool_)
    begins = np.cumsum([0, *own.bytes[:-1]])
    for gram in grams:
        number = int(gram >> _SHIFT)
        filters.seek(start + number * width)
        bits = np.frombuffer(_checked(filters.read(width), own.checksums[number]), np.uint8)
        for group in np.flatnonzero(may):
            places = [int(place) for place in _places(gram, own.bytes[group] * 8)]
            may[group] = all(bits[begins[group] + place // 8] >> (7 - place % 8) & 1 for place in places)
    return [flag or anything for flag, anything in zip(may.tolist(), header.any, strict=True)]


def _ranges(rows: Sequence[int], may: Sequence[bool]) -> list[range] | None:
    """Neighbours merged. None if most row groups may contain it: then reading all of them at once is faster."""
    if sum(may) * 2 > len(may):
        return None
    ranges: list[range] = []
    start = 0
    for size, flag in zip(rows, may, strict=True):
        if flag and ranges and ranges[-1].stop == start:
            ranges[-1] = range(ranges[-1].start, start + size)
        elif flag:
            ranges.append(range(start, start + size))
        start += size
    return ranges

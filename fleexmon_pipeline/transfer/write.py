"""Export logs and issues to a directory: one file for each, and a manifest with counts and checksums.

Here: files. A file gets its final name when it is complete. Which rows, in which order: `rows.py`; the content of a
record: `records.py`; Parquet: `parquet.py`.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, cast

import msgspec

from fleexmon_pipeline import __version__
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.transfer.parquet import require_pyarrow, write_rows
from fleexmon_pipeline.transfer.records import Kind, TransferError, issue_as_json, log_as_json
from fleexmon_pipeline.transfer.rows import BATCH, SQL, archived_besides, stored_rows
from fleexmon_pipeline.wording import iso_text

Form = Literal["ndjson", "parquet"]
KINDS: tuple[Kind, ...] = ("logs", "issues")
MANIFEST = "manifest.json"
_COUNT: Mapping[Kind, str] = {"logs": "count_logs", "issues": "count_issues"}
Progress = Callable[[str], None]
_WRITTEN: Mapping[Kind, Callable[..., bytes]] = {"logs": log_as_json, "issues": issue_as_json}


class File(msgspec.Struct, frozen=True):
    """`sha256`: of the file as stored, compressed or not."""

    name: str
    kind: Kind
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    files: list[File]
    since: str | None
    until: str | None
    node: str | None
    redacted: bool
    made_by: str = f"fleexmon {__version__}"
    format: int = 1


@dataclass(frozen=True)
class Selection:
    """What to export. `since`, `until`: times of lines; issues are exported if they were open in between."""

    kinds: Collection[Kind] = KINDS
    since: datetime | None = None
    until: datetime | None = None
    node: str | None = None
    redacted: bool = False
    form: Form = "ndjson"
    packed: bool = False  # compress NDJSON with gzip; Parquet is always compressed, with zstd

    @property
    def suffix(self) -> str:
        return ".parquet" if self.form == "parquet" else ".ndjson.gz" if self.packed else ".ndjson"

    def params(self) -> dict[str, Any]:
        return {"since": self.since, "until": self.until, "node": self.node}


def count(connection: Connection, selection: Selection) -> dict[Kind, int]:
    """How many rows an export would write."""
    counts: dict[Kind, int] = {}
    for kind in selection.kinds:
        row = connection.execute(SQL[_COUNT[kind]], selection.params()).fetchone()
        counts[kind] = row["rows"] if row else 0
    if "logs" in counts:
        counts["logs"] += archived_besides(connection, selection.since, selection.until, selection.node)
    return counts


def export(
    connection: Connection, directory: Path, selection: Selection, progress: Progress = lambda _: None
) -> Manifest:
    """Export a consistent snapshot, in one transaction. Raises TransferError if the directory is not empty."""
    if selection.form == "parquet":
        require_pyarrow()
    if directory.exists() and any(directory.iterdir()):
        raise TransferError(f"{directory} is not empty. Name a new directory.")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        files = [
            _written(connection, directory, kind, selection, progress) for kind in KINDS if kind in selection.kinds
        ]
    since, until = (iso_text(moment) if moment else None for moment in (selection.since, selection.until))
    manifest = Manifest(files, since, until, selection.node, selection.redacted)
    _finish(directory / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def _finish(path: Path, content: bytes) -> None:
    with _private(path.with_name(f"{path.name}.part")) as file:
        file.write(content)
    path.with_name(f"{path.name}.part").rename(path)


def _private(path: Path) -> IO[bytes]:
    """Create a file that only its owner can read: lines hold secrets."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _written(connection: Connection, directory: Path, kind: Kind, selection: Selection, progress: Progress) -> File:
    name = f"{kind}{selection.suffix}"
    part, rows = directory / f"{name}.part", 0
    as_json = _WRITTEN[kind]

    def batches(stored: Iterator[Mapping[str, Any]]) -> Iterator[list[bytes]]:
        nonlocal rows
        while batch := list(islice(stored, BATCH)):
            yield [as_json(row, redacted=selection.redacted) for row in batch]
            rows += len(batch)
            progress(f"{rows:,} {kind} written")

    with _private(part) as file, closing(stored_rows(connection, kind, selection.params())) as stored:
        if selection.form == "parquet":
            write_rows(file, kind, batches(stored))
        else:
            with _packing(file, packed=selection.packed) as text:
                for lines in batches(stored):
                    text.write(b"".join(line + b"\n" for line in lines))
    part.rename(directory / name)
    return File(name, kind, rows, checksum(directory / name))


def _packing(raw: IO[bytes], *, packed: bool) -> AbstractContextManager[IO[bytes]]:
    """Compress, without a time in the file, so that the same rows give the same file."""
    return cast(IO[bytes], gzip.GzipFile("", "wb", 6, raw, mtime=0)) if packed else nullcontext(raw)


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Import an export into a database: rows that it already has stay, and nothing else changes.

Here: verification and batches. A batch is one transaction, so an import that was stopped may be started again.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.transfer.parquet import read_rows
from fleexmon_pipeline.transfer.records import Kind, TransferError, issue_as_columns, log_as_columns
from fleexmon_pipeline.transfer.rows import BATCH, SQL
from fleexmon_pipeline.transfer.write import MANIFEST, File, Manifest, Progress, checksum

MAX_LINE_BYTES = 200_000_000
_STAGE: Mapping[Kind, str] = {"logs": "stage_logs", "issues": "stage_issues"}
_COPY: Mapping[Kind, str] = {"logs": "copy_logs", "issues": "copy_issues"}
_LOAD: Mapping[Kind, str] = {"logs": "load_logs", "issues": "load_issues"}
_READ: Mapping[Kind, Callable[[bytes], Sequence[Any]]] = {"logs": log_as_columns, "issues": issue_as_columns}


@dataclass
class Loaded:
    """Rows of one kind.

    `there`: the database already had them; `differing`: it has them with other content, and keeps it.
    """

    added: int = 0
    there: int = 0
    differing: int = 0


@dataclass
class Account:
    dry_run: bool
    kinds: dict[Kind, Loaded] = field(default_factory=dict)


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest and verify the checksums of its files.

    Raises TransferError if it is not a manifest, or a file is missing or was changed.
    """
    path = directory / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise TransferError(f"{path}: {error.strerror}. Name a directory that `fleexmon export` wrote.") from None
    except msgspec.DecodeError as error:
        raise TransferError(f"{path} is no manifest of `fleexmon export` ({error}).") from None
    if manifest.format != 1:
        raise TransferError(f"{path}: form {manifest.format} is not known. Install the release that wrote it.")
    for file in manifest.files:
        if Path(file.name).name != file.name:
            raise TransferError(f"{path} names a file outside of its directory.")
        try:
            same = checksum(directory / file.name) == file.sha256
        except OSError as error:
            raise TransferError(f"{directory / file.name}: {error.strerror}.") from None
        if not same:
            raise TransferError(
                f"{directory / file.name} is not what was exported: its checksum differs. Copy it again."
            )
    return manifest


def load(
    connection: Connection, directory: Path, *, dry_run: bool = False, progress: Progress = lambda _: None
) -> Account:
    """Import all files of an export. Raises TransferError; batches that were already imported stay."""
    account = Account(dry_run)
    for file in read_manifest(directory).files:
        account.kinds[file.kind] = loaded = Loaded()
        count = 0
        lines = _lines(directory / file.name, file.kind)
        while batch := list(islice(lines, BATCH)):
            try:
                _load(connection, file.kind, batch, loaded, dry_run=dry_run)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise TransferError(f"{file.name}: lines {count + 1:,} to {count + len(batch):,}: {error}.") from None
            except psycopg.DataError as error:
                reason = str(error).partition("\n")[0][:200]
                raise TransferError(f"{file.name}: lines {count + 1:,} to {count + len(batch):,}: {reason}.") from None
            count += len(batch)
            progress(f"{count:,} of {file.rows:,} {file.kind}")
        _expect(file, count)
    return account


def _expect(file: File, rows: int) -> None:
    if rows != file.rows:
        raise TransferError(f"{file.name} has {rows:,} lines; the manifest says {file.rows:,}.")


def _lines(path: Path, kind: Kind) -> Iterator[bytes]:
    if path.suffix == ".parquet":
        yield from read_rows(path, kind)
        return
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES):
            yield line


def _load(connection: Connection, kind: Kind, lines: list[bytes], loaded: Loaded, *, dry_run: bool) -> None:
    read = _READ[kind]
    rows = [read(line) for line in lines]
    with connection.transaction():
        connection.execute(SQL[_STAGE[kind]])
        with connection.cursor() as cursor, cursor.copy(SQL[_COPY[kind]]) as copy:
            for row in rows:
                copy.write_row(row)
        counts = connection.execute(SQL[_LOAD[kind]], {"dry_run": dry_run}).fetchone()
    if counts:
        loaded.added += counts["added"]
        loaded.there += counts["there"]
        loaded.differing += counts["differing"]

"""Storage of files: a directory, or a bucket of an S3-compatible store.

Here: writing, reading and deleting whole files by name. A file appears under its name only when it is complete: in a
directory by a rename, in a bucket when its upload has ended. Contents of the files: `files.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from fleexmon_pipeline import settings
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.settings import ArchiveSettings

SUFFIXES = OF_DAY, OF_FILTERS = (".parquet", ".texts")  # of a day's file and of its filters
PROTOCOL = "fleexmon"  # of the URLs by which DuckDB opens files of a bucket
CONNECT_SECONDS, REQUEST_SECONDS = 5, 30  # of S3; each request is tried three times
_TOOK = re.compile(r" after \d+ ms(?=:)")  # removed, so that equal failures have equal texts
BLOCK = 4 << 20


class ArchiveError(FleexmonError, RuntimeError):
    """An archive that is missing, unreachable or changed. The text says which day, why, and what to do."""


@dataclass(frozen=True)
class StoredFile:
    name: str
    bytes: int


class Storage(Protocol):
    """All methods raise ArchiveError. A name is a relative path with slashes."""

    place: str

    def put(self, local: Path, name: str) -> None: ...

    def size(self, name: str) -> int | None:
        """None: there is no such file."""

    def open(self, name: str) -> IO[bytes]: ...

    def delete(self, name: str) -> None:
        """Does nothing if the file does not exist."""

    def names(self) -> list[StoredFile]: ...

    def check(self) -> None:
        """Raises ArchiveError if it certainly cannot be written to. Writes nothing."""

    def url(self, name: str) -> str:
        """By which DuckDB reads the file."""


def storage_of(configured: ArchiveSettings) -> Storage:
    if isinstance(configured.place, Path):
        return Directory(configured.place)
    return Bucket(configured.place, configured.text)


def configured_storage() -> Storage:
    """Raises ArchiveError if FLEEXMON_ARCHIVE is not set, and SettingError."""
    configured = settings.archive()
    if configured is None:
        raise ArchiveError("FLEEXMON_ARCHIVE is not set. Set it to where the archive is.")
    return storage_of(configured)


def beside(file: str) -> str:
    """The name of the filters of a day's file: `text_filter.py`."""
    return f"{file.removesuffix(OF_DAY)}{OF_FILTERS}"


def checksum(storage: Storage, name: str) -> str:
    """SHA-256 of the stored file."""
    with storage.open(name) as file:
        digest = hashlib.sha256()
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


class Directory:
    """Only its owner can read it: lines contain secrets."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.place = str(root)

    def put(self, local: Path, name: str) -> None:
        path = self._root / name
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
        with self._explained("write"):
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                with local.open("rb") as source, os.fdopen(_private(part), "wb") as target:
                    shutil.copyfileobj(source, target, BLOCK)
                    target.flush()
                    os.fsync(target.fileno())  # before the lines are deleted, the file must survive a power cut
                part.rename(path)
                _sync_directory(path.parent)
            finally:
                part.unlink(missing_ok=True)

    def size(self, name: str) -> int | None:
        with self._explained("read"):
            if not self._root.is_dir():
                raise ArchiveError(f"{self.place}: there is no such directory. Is it mounted?")
            try:
                return (self._root / name).stat().st_size
            except FileNotFoundError:
                return None

    def open(self, name: str) -> IO[bytes]:
        with self._explained("read"):
            return (self._root / name).open("rb")

    def delete(self, name: str) -> None:
        with self._explained("delete"):
            (self._root / name).unlink(missing_ok=True)

    def names(self) -> list[StoredFile]:
        with self._explained("read"):
            files = sorted(file for suffix in SUFFIXES for file in self._root.glob(f"**/*{suffix}"))
            return [StoredFile(str(file.relative_to(self._root)), file.stat().st_size) for file in files]

    def check(self) -> None:
        path = next(path for path in (self._root, *self._root.parents) if path.exists())
        if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
            raise ArchiveError(f"{self.place}: {path} is not a directory that can be written to.")

    def url(self, name: str) -> str:
        return str(self._root / name)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArchiveError(f"{error.filename or self.place}: cannot {doing}: {error.strerror}.") from None


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Bucket:
    """Read and written by pyarrow, which includes an S3 client. DuckDB would download an extension for it."""

    def __init__(self, s3: settings.S3, place: str) -> None:
        try:
            from pyarrow import fs  # noqa: PLC0415  an extra
        except ImportError:
            raise ArchiveError(
                "an archive in a bucket needs the package pyarrow: pip install 'fleexmon-pipeline[archive]'."
            ) from None
        options: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS, "request_timeout": REQUEST_SECONDS,
            "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=3),
        }  # fmt: skip
        if s3.endpoint:
            scheme, _, host = s3.endpoint.partition("://")
            options |= {"endpoint_override": host, "scheme": scheme}
        if s3.access_key:
            options |= {"access_key": s3.access_key, "secret_key": s3.secret_key}
        if s3.region or s3.endpoint:  # a store that is not Amazon's is asked for no region
            options["region"] = s3.region or "us-east-1"
        self._root = f"{s3.bucket}/{s3.prefix}".rstrip("/")
        self._fs, self._types = fs, fs.FileType
        self.place = place
        with self._explained("reach"):
            self.files = fs.S3FileSystem(**options)

    def put(self, local: Path, name: str) -> None:
        with self._explained("write"), local.open("rb") as source, self.files.open_output_stream(self._at(name)) as out:
            while block := source.read(BLOCK):
                out.write(block)

    def size(self, name: str) -> int | None:
        with self._explained("read"):
            info = self.files.get_file_info(self._at(name))
        return info.size if info.type == self._types.File else None

    def open(self, name: str) -> IO[bytes]:
        with self._explained("read"):
            file: IO[bytes] = self.files.open_input_file(self._at(name))
        return file

    def delete(self, name: str) -> None:
        with self._explained("delete"):
            if self.size(name) is not None:
                self.files.delete_file(self._at(name))

    def names(self) -> list[StoredFile]:
        with self._explained("read"):
            below = self._fs.FileSelector(self._root, recursive=True, allow_not_found=True)
            infos = self.files.get_file_info(below)
        start = len(self._root) + 1
        files = [StoredFile(info.path[start:], info.size) for info in infos if info.type == self._types.File]
        return sorted((file for file in files if file.name.endswith(SUFFIXES)), key=lambda file: file.name)

    def check(self) -> None:
        bucket = self._root.partition("/")[0]
        with self._explained("reach"):
            info = self.files.get_file_info(bucket)
        if info.type == self._types.NotFound:
            raise ArchiveError(f"{self.place}: there is no bucket {bucket}. Create it.")

    def url(self, name: str) -> str:
        return f"{PROTOCOL}://{self._at(name)}"

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # the errors of pyarrow; their text contains the request but no credentials
            reason = _TOOK.sub("", str(error)).strip()[:300]
            raise ArchiveError(f"{self.place}: cannot {doing}: {reason}") from None

"""A DuckDB session with limits of memory and time, and with readable errors.

Here: opening a session and running a statement. What is asked of files: `read.py`; how they are written: `write.py`.
"""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fleexmon_pipeline.archive.storage import PROTOCOL, ArchiveError, Bucket, Storage

MEMORY = "1GB"  # of a session; more goes to a temporary file
MAX_SPILLED = "40GB"
THREADS = 2
MAX_SECONDS = 120.0
ROWS_AT_ONCE = 2_000
_INSTALL = "an archive needs the package duckdb: pip install 'fleexmon-pipeline[archive]'."


def needed() -> Any:
    """The module duckdb. Raises ArchiveError if it is not installed."""
    try:
        import duckdb  # noqa: PLC0415  an extra, and only where an archive is touched
    except ImportError:
        raise ArchiveError(_INSTALL) from None
    return duckdb


@dataclass
class Engine:
    """`about`: what an error says was being read."""

    session: Any
    errors: Any
    folder: Path  # for files that go with the session

    def rows(
        self, about: str, sql: str, params: dict[str, Any] | None = None, *, seconds: float = MAX_SECONDS
    ) -> Iterator[tuple[Any, ...]]:
        """Streamed. Raises ArchiveError, also if it takes longer than `seconds`."""
        with self._bounded(about, seconds):
            result = self.session.execute(sql, params) if params else self.session.execute(sql)
            while rows := result.fetchmany(ROWS_AT_ONCE):
                yield from rows

    @contextmanager
    def _bounded(self, about: str, seconds: float) -> Iterator[None]:
        late = threading.Event()

        def stop() -> None:
            late.set()
            self.session.interrupt()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        except self.errors.Error as error:
            if late.is_set():
                raise ArchiveError(
                    f"{about}: reading took longer than {seconds:.0f} s. Ask for less time or one node."
                ) from None
            raise ArchiveError(f"{about}: cannot be read: {_reason(error)}") from None
        finally:
            timer.cancel()

    def batches(
        self, about: str, sql: str, params: dict[str, Any], rows: int, seconds: float = MAX_SECONDS
    ) -> Iterator[Any]:
        """Streamed, as Arrow record batches. Raises ArchiveError, also if it takes longer than `seconds`."""
        with self._bounded(about, seconds):
            yield from self.session.sql(sql, params=params).to_arrow_reader(rows)

    def run(self, about: str, sql: str, params: dict[str, Any] | None = None, *, seconds: float = MAX_SECONDS) -> None:
        for _ in self.rows(about, sql, params, seconds=seconds):
            pass

    def append(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        appender = self.session.appender(table)
        appender.append_rows(rows)
        appender.flush()


def _reason(error: Exception) -> str:
    """The first line with a message: an error of a bucket includes its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line or "rror:" in line] or lines
    return (telling[0] if telling else type(error).__name__)[:300]


@contextmanager
def engine(storage: Storage | None = None, *, on_disk: bool = False) -> Iterator[Engine]:
    """A session in memory or, for the lines of a whole day, on disk (in TMPDIR). It opens no other database and
    downloads nothing."""
    duckdb = needed()
    with tempfile.TemporaryDirectory(prefix="fleexmon-archive-") as spill:
        options = {
            "memory_limit": MEMORY, "threads": THREADS, "temp_directory": spill,
            "max_temp_directory_size": MAX_SPILLED, "autoinstall_known_extensions": False,
            "autoload_known_extensions": False, "preserve_insertion_order": True,
        }  # fmt: skip
        session = duckdb.connect(str(Path(spill) / "day.db") if on_disk else ":memory:", config=options)
        try:
            if isinstance(storage, Bucket):
                session.register_filesystem(_bridge(storage))
            yield Engine(session, duckdb, Path(spill))
        finally:
            session.close()


def _bridge(bucket: Bucket) -> Any:
    """The bucket as a file system for DuckDB. Only the parts of files that a query needs are transferred."""
    from fsspec import AbstractFileSystem  # noqa: PLC0415

    # Asked once a session, since a file never changes: DuckDB opens it for each part, and asks three times about it.
    about = cache(lambda path: bucket.files.get_file_info(_own(path)))
    opened = cache(lambda path: bucket.files.open_input_file(_own(path)))

    class Files(AbstractFileSystem):  # type: ignore[misc]
        protocol = PROTOCOL
        cachable = False

        def info(self, path: str, **_: Any) -> dict[str, Any]:
            file_info = about(path)
            if file_info.size is None:
                raise FileNotFoundError(path)
            return {"name": path, "size": file_info.size, "type": "file"}

        def modified(self, path: str) -> Any:
            return about(path).mtime

        def glob(self, path: str, **_: Any) -> list[str]:
            return [path]

        def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
            if mode != "rb":
                raise PermissionError(path)
            return _Opening(opened(path), about(path).size)

    return Files()


class _Opening(io.RawIOBase):
    """A file that several threads read, each at its own place."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._size, self._place = file, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._place if size < 0 else size
        data: bytes = self._file.read_at(wanted, self._place)
        self._place += len(data)
        return data


def _own(path: str) -> str:
    return path.removeprefix(f"{PROTOCOL}://")

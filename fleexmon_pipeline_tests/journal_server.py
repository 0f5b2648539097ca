"""systemd-journal-gatewayd for tests: the real one where it is installed, and one that behaves like version 252.

Here: entries, the export format, what the server is asked. What the product makes of it:
`collection/sources/test_journal.py`.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from fleexmon_pipeline_tests.loopback import Handler, Loopback

GATEWAYD = "/usr/lib/systemd/systemd-journal-gatewayd"
REMOTE = "/usr/lib/systemd/systemd-journal-remote"
ACTIVATE = "systemd-socket-activate"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BOOT = "1" * 32
EXPORT = "application/vnd.fdo.journal"

Fields = Sequence[tuple[str, str | bytes]]


class Entry(NamedTuple):
    time: datetime
    fields: Fields

    @property
    def microseconds(self) -> int:
        return (self.time - EPOCH) // timedelta(microseconds=1)


def entry(moment: datetime, message: str | bytes, priority: int = 6, **fields: str | bytes) -> Entry:
    given = {"PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "shop", "_SYSTEMD_UNIT": "shop.service", **fields}
    return Entry(moment, [("MESSAGE", message), *given.items()])


def exported(entries: Sequence[Entry], cursors: Sequence[str] | None = None) -> bytes:
    """What `journalctl -o export` prints; without cursors, what systemd-journal-remote makes a journal of."""
    out = bytearray()
    for index, one in enumerate(entries):
        head = [] if cursors is None else [("__CURSOR", cursors[index])]
        head += [("__REALTIME_TIMESTAMP", str(one.microseconds)), ("__MONOTONIC_TIMESTAMP", str(index + 1))]
        for name, value in [*head, ("_BOOT_ID", BOOT), *one.fields]:
            raw = value.encode() if isinstance(value, str) else value
            if b"\n" in raw or b"\0" in raw or not _is_text(raw):
                out += name.encode() + b"\n" + len(raw).to_bytes(8, "little") + raw + b"\n"
            else:
                out += name.encode() + b"=" + raw + b"\n"
        out += b"\n"
    return bytes(out)


def _is_text(raw: bytes) -> bool:
    try:
        return raw.decode().isprintable()
    except UnicodeDecodeError:
        return False


def real_is_here() -> bool:
    return all(shutil.which(program) for program in (GATEWAYD, REMOTE, ACTIVATE))


@contextmanager
def real_gatewayd(entries: Sequence[Sequence[Entry]], directory: Path) -> Iterator[str]:
    """`host:port` of a systemd-journal-gatewayd that serves journal files, one for each sequence of entries."""
    for index, part in enumerate(entries):
        made = directory / f"part{index}.journal"
        subprocess.run([REMOTE, "-o", made, "-"], input=exported(part), check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [ACTIVATE, "-l", f"127.0.0.1:{port}", GATEWAYD, "-D", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, "systemd-socket-activate does not listen"
        time.sleep(0.02)


class _Handler(Handler):
    fake: JournalServer

    def do_GET(self) -> None:  # noqa: N802 - the parent's name
        journal = self.fake
        journal.headers.append(dict(self.headers.items()))
        if self.path == "/machine" and not journal.machine:
            self._send(404, b"Not found.\n", "text/plain")
            return
        if self.path == "/machine":
            oldest = journal.entries[0].microseconds if journal.entries else 0
            self._send(200, json.dumps({"cutoff_from_realtime": str(oldest)}).encode(), "application/json")
            return
        journal.ranges.append(self.headers["Range"])
        body = journal.body if journal.body is not None else journal.asked(self.headers["Range"])
        if body is None:
            self._send(400, b"Failed to parse Range header.\n", "text/plain")
        else:
            self._send(journal.status, body, journal.content_type)

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_body(status, body, {"Content-Type": content_type}, truncate_at=self.fake.truncate_at)


class JournalServer(Loopback):
    """Behaves like gatewayd 252, and fails as asked: `truncate_at` bytes, `status`, `body` in place of entries."""

    handler = _Handler

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__()
        self.ranges: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.entries = list(entries)
        self.truncate_at: int | None = None
        self.status = 200
        self.machine = True
        self.body: bytes | None = None
        self.content_type = EXPORT

    def cursor(self, index: int) -> str:
        one = self.entries[index]
        at = f"{index + 1:x}"
        return f"s={'a' * 32};i={at};b={BOOT};m={at};t={one.microseconds:x};x={at}"

    def asked(self, range_header: str) -> bytes | None:
        """None for a Range that cannot be read."""
        found = re.fullmatch(r"entries=([^:]*):(-?\d+):(\d+)", range_header)
        if found is None or not (seek := re.search(r"(?:^|;)(?:i=([0-9a-f]+);.*|t=([0-9a-f]+))", found[1])):
            return None
        if seek[1]:
            start = int(seek[1], 16) - 1
        else:
            wanted = int(seek[2], 16)
            start = next((i for i, one in enumerate(self.entries) if one.microseconds >= wanted), len(self.entries))
        chosen = range(start, min(start + int(found[3]), len(self.entries)))
        return exported([self.entries[i] for i in chosen], [self.cursor(i) for i in chosen])

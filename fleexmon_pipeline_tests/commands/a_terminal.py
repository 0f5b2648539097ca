"""A terminal for commands: a pty of some size, and its output.

Here: starting and reading. What is expected: the tests of `commands/`.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

FLEEXMON = str(Path(sys.executable).with_name("fleexmon"))
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_utf8 = codecs.getincrementaldecoder("utf-8")  # a read may end inside a character
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]")


@dataclass
class Terminal:
    """`raw`: everything that was written to it."""

    process: subprocess.Popen[bytes]
    master: int
    raw: str = field(default="", init=False)
    _decoder: codecs.IncrementalDecoder = field(default_factory=lambda: _utf8("replace"), init=False)

    @property
    def text(self) -> str:
        """Without colours and movements of the cursor."""
        return _CONTROL.sub("", self.raw).replace("\r\n", "\n")

    def read(self, *, until: str | None = None, seconds: float = 60) -> str:
        """Read until a text appears, or until the command has ended."""
        deadline = time.monotonic() + seconds
        while until is None or until not in self.text:
            assert time.monotonic() < deadline, self.raw
            try:
                self.raw += self._decoder.decode(os.read(self.master, 65_536))
            except OSError:  # the other side is closed
                assert until is None, self.raw
                break
        return self.text

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())


@contextmanager
def terminal(
    *arguments: str, columns: int = 80, rows: int = 24, environment: Mapping[str, str] = {}
) -> Iterator[Terminal]:
    """A command in a terminal of its own. Where nothing else is said, with colours and without a pager."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    usual = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    given = {**usual, "TERM": "xterm-256color", "PAGER": "cat", **environment}
    process = subprocess.Popen(
        arguments, stdin=slave, stdout=slave, stderr=slave, env=given, start_new_session=True,
        preexec_fn=_own_terminal,  # noqa: PLW1509  one system call
    )  # fmt: skip
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def shown(*arguments: str, columns: int = 80, rows: int = 200, environment: Mapping[str, str] = {}) -> Terminal:
    """`fleexmon` with these arguments, read to its end."""
    with terminal(FLEEXMON, *arguments, columns=columns, rows=rows, environment=environment) as opened:
        opened.read()
        opened.process.wait(10)
        return opened

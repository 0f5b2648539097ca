"""Start, watch and stop child processes. They end with their parent, however it ends, and their output is kept.

Which processes: `servers.py`.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from fleexmon_pipeline.commands.terminal import CommandError

_PR_SET_PDEATHSIG = 1
MAX_LOG_BYTES = 10_000_000  # the daemon writes this much in half an hour while the database is down
_STOP_SECONDS = 15.0  # a run may finish its transaction


class CannotStartError(CommandError):
    """`up` gave up; the message says why, and what to do."""

    exit_status = 1


@dataclass
class Child:
    """A process in its own group; `log` holds its output."""

    name: str
    arguments: list[str]
    log: Path
    process: subprocess.Popen[bytes]
    started: float

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def last_words(self, lines: int = 12) -> str:
        with self.log.open(errors="replace") as file:
            return "".join(deque(file, lines)).strip()


def start(name: str, arguments: list[str], log: Path) -> Child:
    """Run `arguments`; output is appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509  it calls one function of libc, which is loaded already
        )
    return Child(name, arguments, log, process, time.monotonic())


# Loaded before the fork, because nothing may be imported after it.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent() -> None:
    """For `preexec_fn`: end the child when its parent ends. Otherwise it would survive a kill -9 and keep its port.

    Also resets SIGINT and SIGTERM: background jobs of scripts ignore SIGINT, children inherit that, and dagster then
    ignores SIGTERM too.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def trim(log: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Limit a log's size: copy it to `<log>.1` and empty it. Its writer appends, so it continues at 0."""
    if log.stat().st_size > max_bytes:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)


def stop(children: list[Child]) -> None:
    """Send SIGTERM to all, the last started first, and SIGKILL to those still running after _STOP_SECONDS."""
    for child in reversed(children):
        _signal(child, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    for child in reversed(children):
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)
            child.process.wait()
        _signal(child, signal.SIGKILL)  # the rest of its group


def _signal(child: Child, number: int) -> None:
    try:
        os.killpg(child.process.pid, number)
    except ProcessLookupError:
        return

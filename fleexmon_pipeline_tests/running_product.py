"""`fleexmon up` as a person starts it: a separate process, a home with a space in its path, a free port.

Here: starting, asking, ending, and which processes there are. What is expected of it: `commands/test_up.py`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

FLEEXMON = str(Path(sys.executable).parent / "fleexmon")
CHECKOUT = str(Path(__file__).parent.parent)  # its code, also where several checkouts share one .venv
READY = "is watching"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """One home; `start` and `end` may be called again and again."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        self.port = free_port()
        # Nothing else of the shell: not the developer's DATABASE_URL, nor his DAGSTER_HOME.
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(home.parent), "FLEEXMON_HOME": str(home),
            "FLEEXMON_PORT": str(self.port), "PYTHONPATH": CHECKOUT, **variables,
        }  # fmt: skip
        self.output = home.parent / f"{home.name}.output"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self, *options: str, until: str = READY, seconds: float = 300) -> None:
        """Returns when `until` was said. One that runs already is ended first."""
        if self._process is not None and self._process.poll() is None:
            self.end()
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [FLEEXMON, "up", *options], env=self.environment, cwd=self.home.parent, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + seconds
        while until not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def end(self, number: int = signal.SIGINT) -> int:
        """Its exit status after that signal."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def kill(self) -> None:
        """Whatever state it is in; for teardowns."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for number in self.processes():
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Another `fleexmon` command beside it."""
        return subprocess.run(
            [FLEEXMON, *arguments], env={**self.environment, **variables}, cwd=self.home.parent, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip

    def ask(self, query: str) -> Any:
        """What the UI's GraphQL answers."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query}, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def processes(self) -> dict[int, str]:
        """All that were started for this home, by number: those with its environment, and the database server."""
        found = {}
        mark = f"FLEEXMON_HOME={self.home}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                ours = mark in (entry / "environ").read_bytes().split(b"\0") or f"{self.home}/" in command
            except OSError:  # it has just ended, or is another user's
                continue
            if ours and command and _state(entry) != "Z":
                found[int(entry.name)] = command
        return found

    def left_after(self, seconds: float, *, but: str = "nothing is spared") -> list[str]:
        """Commands that still run then, those with `but` in them excepted; returns as soon as there are none."""
        deadline = time.monotonic() + seconds
        while True:
            left = [command for command in self.processes().values() if but not in command]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)


def _state(entry: Path) -> str:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0]

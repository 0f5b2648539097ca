"""Dagster's processes under `fleexmon up`: their commands, and when they are ready.

Their order: `command.py`.
"""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from rich.console import Console

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.up.processes import CannotStartError, Child, start

READY_SECONDS = 120.0  # on a slow machine, dagster's imports alone take 20 s
PACKAGE = "fleexmon_pipeline.definitions"
WEBSERVER = "fleexmon_pipeline.web.webserver"
_LOADED = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"
_RELOAD = f'mutation {{ reloadRepositoryLocation(repositoryLocationName: "{PACKAGE}") {{ __typename }} }}'


def servers(home: Path, port: int) -> list[Child]:
    """One code server, shared by the webserver and the daemon."""
    code_port, logs = _any_port(), home / "logs"
    _workspace(home).write_text(
        f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {code_port}, location_name: {PACKAGE}}}\n"
    )
    code = [beside("dagster"), "api", "grpc", "-m", PACKAGE, "-h", "127.0.0.1", "-p", str(code_port)]
    web = [sys.executable, "-m", WEBSERVER, "-h", settings.ui_listen(), "-p", str(port), "-w", str(_workspace(home))]
    return [
        start("code server", [*code, "--use-python-environment-entry-point"], logs / "code-server.log"),
        start("webserver", web, logs / "webserver.log"),
    ]


def daemon(home: Path) -> Child:
    """Schedules, sensors, backfills, the queue."""
    return start(
        "daemon",
        [beside("dagster-daemon"), "run", "--log-level", "warning", "-w", str(_workspace(home))],
        home / "logs" / "daemon.log",
    )


def _workspace(home: Path) -> Path:
    return home / "workspace.yaml"


def beside(command: str) -> str:
    """A command of this environment, regardless of PATH."""
    return str(Path(sys.executable).parent / command)


def wait_for(children: list[Child], port: int, console: Console) -> None:
    """Wait until the UI responds and has loaded the product's code. Without the code it looks healthy but runs nothing.

    Raises CannotStartError with the last output of the process that failed.
    """
    console.print("UI … ", end="")
    deadline = time.monotonic() + READY_SECONDS
    while waiting_for := _not_ready(port):
        ended = next((child for child in children if child.has_ended()), None)
        if ended or time.monotonic() > deadline:
            console.print("[red]not ready[/]")
            failed = ended or next(child for child in children if child.name == waiting_for)
            raise CannotStartError(f"the {failed.name} did not start:\n{failed.last_words()}\nIts log: {failed.log}")
        time.sleep(0.2)
    console.print(f"[green]ready[/] (http://127.0.0.1:{port})")


def reload_definitions(port: int) -> bool:
    """Make the UI reload the definitions, and with them the listed partitions; the daemon does so every minute. Returns
    whether it succeeded."""
    try:
        _ask(port, _RELOAD)
    except (OSError, HTTPException, ValueError):
        return False
    return True


def _not_ready(port: int) -> str | None:
    """The process that is not ready yet, if any. A code server that is still importing cannot be told from one that
    hangs, since neither responds; one that cannot import exits."""
    try:
        workspace = _ask(port, _LOADED)["data"]["workspaceOrError"]
    except (OSError, HTTPException):
        return "webserver"
    entries = workspace.get("locationEntries", [])  # absent in an error
    states = [(entry["locationOrLoadError"] or {}).get("__typename") for entry in entries]
    return None if states == ["RepositoryLocation"] else "code server"


def _ask(port: int, query: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if key := settings.own_key():
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", json.dumps({"query": query}).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  our own, on loopback
        answer: dict[str, Any] = json.load(response)
    return answer


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

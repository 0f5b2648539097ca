"""`fleexmon up`: everything on this machine, one command, until Ctrl-C.

Here: what is started, in which order, and what the person is told. How processes are kept: `processes.py`; which ones
Dagster needs: `servers.py`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.markup import escape

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.doctor import look_at
from fleexmon_pipeline.commands.first_look import first_look
from fleexmon_pipeline.commands.processes import CannotStartError, Child, start, stop, trim
from fleexmon_pipeline.commands.servers import PACKAGE, READY_SECONDS, beside, daemon, servers, wait_for
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.server import dagster_conninfo, database_url, revive
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.resources.nodes import demo_note
from fleexmon_pipeline.settings import Node, SettingError

DEMO_LINES = "demo-lines"  # in FLEEXMON_HOME: its database holds some
RESTARTS, RESTARTS_WITHIN, RESTART_PAUSE = 5, 3600.0, 3.0


def up(console: Console, *, backfill: bool, seed: int) -> None:
    """Start database, nodes, code server, webserver and daemon; fill the last 24 hours at the first start; watch.

    Raises SettingError, DatabaseUnreachableError, EmbeddedServerError and CannotStartError, all meant to be read.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    home, port = settings.home(), settings.ui_port()
    home.mkdir(parents=True, exist_ok=True)
    with _only_one(home):
        _free(port)
        configured = settings.nodes()
        settings.genai(), settings.github(), settings.retention_days()  # said now rather than in the first run
        dagster_home(home)
        url = _database(home, console)
        if not os.environ.get("DATABASE_URL"):
            _end_orphans(console)
        children: list[Child] = []
        try:
            if configured:
                _tell_of_nodes(configured, console)
                _tell_of_demo_lines(home, configured, console)
            else:
                _demo(children, home, seed, console)
            children += servers(home, port)
            wait_for(children, port, console)
            if backfill and _is_new(url):
                first_look(console, home)
            # The daemon last: its sensor would ask for the hours that the first look has not come to yet.
            children.append(daemon(home))
            _tell(console, port, home, demo=not configured)
            _watch(children, url, console)
        finally:
            console.print("stopping …")
            stop(children)
            if not configured:
                demo_note().unlink(missing_ok=True)


def dagster_home(home: Path) -> Path:
    """DAGSTER_HOME as set, else `<home>/dagster` with our dagster.yaml in it; set for the children."""
    given = os.environ.get("DAGSTER_HOME")
    if given:
        if not Path(given).is_absolute():
            raise SettingError("DAGSTER_HOME", f'"{given}" is not an absolute path.', str(Path(given).resolve()))
        if not (Path(given) / "dagster.yaml").exists():
            raise SettingError("DAGSTER_HOME", f"{given} has no dagster.yaml; copy the project's there, or unset it.")
        return Path(given)
    made = home / "dagster"
    made.mkdir(parents=True, exist_ok=True)
    with as_file(files("fleexmon_pipeline") / "dagster.yaml") as ours:
        shutil.copyfile(ours, made / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(made)
    return made


def _database(home: Path, console: Console) -> str:
    console.print("database … ", end="")
    try:
        url = database_url()
    except BaseException:
        console.print("[red]not ready[/]")
        raise
    where = (
        "DATABASE_URL" if os.environ.get("DATABASE_URL") else f"embedded, in {escape(str(home))}"
    )  # a path may look like markup: [red]
    console.print(f"[green]ready[/] ({where})", soft_wrap=True)
    return url


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    with (home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStartError(
                f"`fleexmon up` runs already for {home}. Stop it (Ctrl-C), or set FLEEXMON_HOME and FLEEXMON_PORT."
            ) from None
        yield


def _end_orphans(console: Console) -> None:
    """After a power cut scheduled runs still seem to run, and one at a time is allowed: nothing would be scheduled.

    Only where the database is ours alone: elsewhere another machine may run them, and their time limit ends them.
    """
    with psycopg.connect(make_conninfo(**dagster_conninfo())) as own:
        found = own.execute(statements("run_history")["has_events"]).fetchone()
        orphans = own.execute(statements("run_history")["orphans"]).fetchall() if found and found[0] else []
    if not orphans:
        return
    import dagster as dg  # noqa: PLC0415  costs a second, and there is seldom an orphan

    with dg.DagsterInstance.get() as instance:
        for (run_id,) in orphans:
            if run := instance.get_run_by_id(run_id):
                instance.report_run_failed(run, "its process ended with an earlier `fleexmon up`")
    console.print(f"{len(orphans)} runs of an earlier start had died; their hours are asked for again")


def _free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotStartError(
                f"FLEEXMON_PORT: 127.0.0.1:{port} cannot be used ({error.strerror}). "
                f"Stop what listens there, or set another before the command: FLEEXMON_PORT={port + 1}"
            ) from None


def _tell_of_nodes(nodes: list[Node], console: Console) -> None:
    """Before 24 hours of a node that hangs take ten seconds each, and "is watching" is said of nothing."""
    for finding in look_at(nodes, now=datetime.now(UTC)):
        well = finding.state == "ok"
        console.print(f"{finding.subject} … {'[green]ready[/]' if well else '[yellow]does not answer[/]'}", end=" ")
        again = "" if well else "; it is asked again by itself, for what was missed too"
        console.print(f"({finding.told}){again}", markup=False, highlight=False, soft_wrap=True)


def _tell_of_demo_lines(home: Path, nodes: list[Node], console: Console) -> None:
    """The demo's nodes are blue and green, and a name is an identity: two shops would be one node."""
    ours = not os.environ.get("DATABASE_URL") and (home / DEMO_LINES).exists()
    if ours and {"blue", "green"} & {node.name for node in nodes}:
        console.print(
            f"[yellow]The database in {escape(str(home))} has lines of the demo nodes, as blue and green too. To begin "
            "without them: stop, and remove that directory or set FLEEXMON_HOME or DATABASE_URL.[/]",
            soft_wrap=True,
        )


def _demo(children: list[Child], home: Path, seed: int, console: Console) -> None:
    """Two nodes of the demo shop, their addresses noted for commands beside `up`."""
    note = demo_note()
    note.unlink(missing_ok=True)
    if not os.environ.get("DATABASE_URL"):
        (home / DEMO_LINES).touch()
    command = [sys.executable, "-m", "fleexmon_pipeline.cli", "demo-nodes", "--seed", str(seed), "--note", str(note)]
    child = start("demo nodes", command, home / "logs" / "demo-nodes.log")
    children.append(child)
    deadline = time.monotonic() + READY_SECONDS
    while not note.exists():
        if child.has_ended() or time.monotonic() > deadline:
            raise CannotStartError(f"the demo nodes did not start:\n{child.last_words()}\nTheir log: {child.log}")
        time.sleep(0.05)
    addresses = ", ".join(f"{name} {address}" for name, address in json.loads(note.read_text()).items())
    console.print(
        f"demo nodes … [green]ready[/] ({addresses}); set BLUE_HOST and GREEN_HOST to watch your own", soft_wrap=True
    )


def _is_new(url: str) -> bool:
    """Whether no window was ever collected; later starts leave what was missed to the catch-up sensor."""
    with connect(url) as connection:
        row = connection.execute(statements("commands")["is_new"]).fetchone()
        return bool(row and row["is_new"])


def _tell(console: Console, port: int, home: Path, *, demo: bool) -> None:
    base = f"http://127.0.0.1:{port}"
    fleexmon, dagster = _typed("fleexmon"), _typed("dagster")
    console.print(f"""
[bold]fleexmon is watching{" two demo nodes" if demo else ""}.[/] Every 5 minutes: collect, analyse, detect.

  lineage   {base}/asset-groups
  runs      {base}/runs
  digest    {base}/assets/digests   or: {fleexmon} digest --html digest.html
  issues    {fleexmon} issues list    then: {fleexmon} issues show ID
  health    {fleexmon} doctor
  shell     export DAGSTER_HOME="{escape(os.environ["DAGSTER_HOME"])}"
            {dagster} asset materialize -m {PACKAGE} \\
              --select raw_logs,analyzed_logs,detected_issues,predictions \\
              --partition {datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d-%H:00}
  logs      {escape(str(home / "logs"))}

Ctrl-C stops everything. New issues appear below.
""", highlight=False, soft_wrap=True)  # fmt: skip


def _typed(command: str) -> str:
    """A command as it can be typed here: by its name, or from the environment that `make` made."""
    ours = Path(beside(command))
    if (found := shutil.which(command)) and Path(found).resolve() == ours.resolve():
        return command
    here = Path.cwd()
    return shlex.quote(str(ours.relative_to(here) if ours.is_relative_to(here) else ours))


def _watch(children: list[Child], url: str, console: Console) -> None:
    """Tell of new issues; start again what ended by itself, a few times."""
    restarts: deque[float] = deque(maxlen=RESTARTS)
    seen: Collection[UUID] = {*_open_issues(url)}
    while True:
        for index, child in enumerate(children):
            trim(child.log)
            if not child.has_ended():
                continue
            if len(restarts) == RESTARTS and time.monotonic() - restarts[0] < RESTARTS_WITHIN:
                raise CannotStartError(f"the {child.name} ended again and again:\n{child.last_words()}\n{child.log}")
            restarts.append(time.monotonic())
            console.print(f"[yellow]the {child.name} ended ({child.process.returncode}); starting it again[/]")
            time.sleep(RESTART_PAUSE)
            children[index] = start(child.name, child.arguments, child.log)
        time.sleep(5)
        seen = _tell_new_issues(url, seen, console)


def _open_issues(url: str) -> dict[UUID, dict[str, Any]]:
    with connect(url) as connection:
        return {row["id"]: row for row in connection.execute(statements("commands")["open_issues"])}


def _tell_new_issues(url: str, seen: Collection[UUID], console: Console) -> Collection[UUID]:
    """By id: an issue's times are those of its lines, minutes before anybody could know of it."""
    try:
        found = _open_issues(url)
    except psycopg.OperationalError as error:
        console.print(f"[yellow]the database does not answer: {type(error).__name__}; trying again[/]")
        revive()
        return seen
    for key, row in found.items():
        if key not in seen:
            where = ", ".join(row["nodes"] or ["all nodes"])
            console.print(
                f"{row['detectedAt']:%H:%M} {row['severity']:<8} {where:<12} {row['title']}  "
                f"({_typed('fleexmon')} issues show {str(key)[:18]})",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    return {*seen, *found}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt

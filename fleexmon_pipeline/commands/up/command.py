"""`fleexmon up`: start everything on this machine, until Ctrl-C.

Here: options, order and messages. Child processes: `processes.py`; Dagster's processes: `servers.py`.
"""

from __future__ import annotations

import json
import os
import secrets
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
from typing import Annotated, Any
from uuid import UUID

import psycopg
import typer
from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.markup import escape

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.doctor.finding import summed_up
from fleexmon_pipeline.commands.doctor.nodes import check_nodes
from fleexmon_pipeline.commands.home import only_up, remember
from fleexmon_pipeline.commands.screen.clock import readers_clock
from fleexmon_pipeline.commands.up.first_look import first_look
from fleexmon_pipeline.commands.up.processes import CannotStartError, Child, start, stop, trim
from fleexmon_pipeline.commands.up.servers import (
    PACKAGE,
    READY_SECONDS,
    beside,
    daemon,
    reload_definitions,
    servers,
    wait_for,
)
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.server import dagster_conninfo, database_url, revive
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.lookup.materialized import materialized
from fleexmon_pipeline.settings import Node, SettingError
from fleexmon_pipeline.wording import counted

DEMO_LINES = "demo-lines"  # a file in FLEEXMON_HOME: its database holds lines of demo nodes
MAX_RESTARTS, RESTARTS_WITHIN_SECONDS, RESTART_PAUSE_SECONDS = 5, 3600.0, 3.0
LISTING_SECONDS = 60.0  # between checks whether the UI must list other partitions

app = typer.Typer(add_completion=False)


@app.command()
def up(
    backfill: Annotated[bool, typer.Option(help="Process the last 24 hours at the first start.")] = True,
    seed: Annotated[int, typer.Option(help="Random seed of the demo nodes.")] = 1,
) -> None:
    """Start everything on this machine, until Ctrl-C.

    Starts the database (embedded unless DATABASE_URL is set), the UI on 127.0.0.1:3000 and the schedules. If no node is
    configured, it also starts two demo nodes. Data is kept in .fleexmon in the current directory (FLEEXMON_HOME).
    .env.example lists all settings.
    """
    console = Console(highlight=False)  # rich would colour only a part of a path with a space
    try:
        run(console, backfill=backfill, seed=seed)
    except KeyboardInterrupt:
        console.print("stopped")


def run(console: Console, *, backfill: bool, seed: int) -> None:
    """Start database, nodes, code server, webserver and daemon; process the last 24 hours at the first start; watch.

    Raises only FleexmonErrors: SettingError, DatabaseUnreachableError, EmbeddedServerError and CannotStartError.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    home, port = settings.home(), settings.ui_port()
    home.mkdir(parents=True, exist_ok=True)
    with _only_one(home):
        _free(port)
        configured = settings.nodes()
        (
            settings.genai(),
            settings.github(),
            settings.retention_days(),
            settings.ui_url(),
            settings.login(),
            settings.groups(),
        )  # report an invalid setting now, not in the first run
        os.environ[settings.OWN_KEY] = secrets.token_urlsafe()
        dagster_home(home)
        settings.port_note().write_text(str(port), "ascii")
        url = _database(home, console)
        remember(home)
        if not settings.is_set(os.environ, "DATABASE_URL"):
            _end_orphans(console)
        children: list[Child] = []
        try:
            if configured:
                _report_nodes(configured, console)
                _warn_of_demo_lines(home, configured, console)
            else:
                _demo(children, home, seed, console)
            children += servers(home, port)
            wait_for(children, port, console)
            if backfill and _is_new(url):
                first_look(console, home)
            # The daemon starts last: its sensor would collect hours that first_look has not reached yet.
            children.append(daemon(home))
            _welcome(console, port, home, demo=not configured)
            _watch(children, url, console, port)
        finally:
            console.print("stopping …")
            stop(children)
            if not configured:
                settings.demo_note().unlink(missing_ok=True)


def dagster_home(home: Path) -> Path:
    """DAGSTER_HOME if it is set, else `<home>/dagster` with our dagster.yaml; exported to child processes."""
    given = os.environ.get("DAGSTER_HOME")
    if given:
        if not Path(given).is_absolute():
            raise SettingError("DAGSTER_HOME", f'"{given}" is not an absolute path.', str(Path(given).resolve()))
        if not (Path(given) / "dagster.yaml").exists():
            raise SettingError(
                "DAGSTER_HOME", f"{given} has no dagster.yaml. Copy the project's there, or unset DAGSTER_HOME."
            )
        return Path(given)
    default = home / "dagster"
    default.mkdir(parents=True, exist_ok=True)
    with as_file(files("fleexmon_pipeline") / "dagster.yaml") as ours:
        shutil.copyfile(ours, default / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(default)
    return default


def _database(home: Path, console: Console) -> str:
    console.print("database … ", end="")
    try:
        url = database_url()
    except BaseException:
        console.print("[red]not ready[/]")
        raise
    where = (
        "DATABASE_URL" if settings.is_set(os.environ, "DATABASE_URL") else f"embedded, in {escape(str(home))}"
    )  # escaped, because a path may look like markup: [red]
    console.print(f"[green]ready[/] ({where})", soft_wrap=True)
    return url


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    with only_up(home) as locked:
        if not locked:
            raise CannotStartError(
                f"`fleexmon up` is already running for {home}. Stop it (Ctrl-C), or set another "
                "FLEEXMON_HOME and FLEEXMON_PORT."
            )
        yield


def _end_orphans(console: Console) -> None:
    """Fail runs of a previous session, which after a power cut are still listed as running. Only one tick may run at a
    time, so no other would start.

    Only for the embedded database: in a shared one, runs may belong to another machine; their time limit ends them.
    """
    with psycopg.connect(make_conninfo(**dagster_conninfo())) as own:
        table = own.execute(statements("run_history")["has_events"]).fetchone()
        orphans = own.execute(statements("run_history")["orphans"]).fetchall() if table and table[0] else []
    if not orphans:
        return
    import dagster as dg  # noqa: PLC0415  takes a second, and there is seldom an orphan

    with dg.DagsterInstance.get() as instance:
        for (run_id,) in orphans:
            if run := instance.get_run_by_id(run_id):
                instance.report_run_failed(run, "its process ended with an earlier `fleexmon up`")
    console.print(
        f"{counted(len(orphans), 'run')} left over from a previous session failed; their hours will be collected again"
    )


def _free(port: int) -> None:
    address = settings.ui_listen()
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise CannotStartError(
                f"FLEEXMON_PORT: {address}:{port} cannot be used ({error.strerror}). "
                f"Stop the program that listens there, or choose another port: FLEEXMON_PORT={port + 1} fleexmon up"
            ) from None


def _report_nodes(nodes: list[Node], console: Console) -> None:
    """Report the nodes' state first: a node that hangs delays each of the 24 hours by ten seconds."""
    for finding in summed_up(check_nodes(nodes, now=datetime.now(UTC))):
        responds = finding.state == "ok"
        console.print(f"{finding.subject} … {'[green]ready[/]' if responds else '[yellow]not ready[/]'}", end=" ")
        retried = "" if responds else ". It is polled again every 5 minutes, and missed slots are retried."
        console.print(f"({finding.told}){retried}", markup=False, highlight=False, soft_wrap=True)


def _warn_of_demo_lines(home: Path, nodes: list[Node], console: Console) -> None:
    """Demo nodes are named blue and green. A node's name is its identity, so demo and real lines would mix."""
    ours = not settings.is_set(os.environ, "DATABASE_URL") and (home / DEMO_LINES).exists()
    if ours and {"blue", "green"} & {node.name for node in nodes}:
        console.print(
            f"[yellow]The database in {escape(str(home))} has lines of the demo nodes, which are also called blue and "
            "green. To start without them: stop, then remove that directory or set FLEEXMON_HOME or DATABASE_URL.[/]",
            soft_wrap=True,
        )


def _demo(children: list[Child], home: Path, seed: int, console: Console) -> None:
    """Start two nodes of the demo shop, and write their addresses to a file for other commands."""
    note = settings.demo_note()
    note.unlink(missing_ok=True)
    if not settings.is_set(os.environ, "DATABASE_URL"):
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
    """Whether no window was ever collected. After later starts, the catch_up sensor collects missed hours."""
    with connect(url) as connection:
        row = connection.execute(statements("commands")["is_new"]).fetchone()
        return bool(row and row["is_new"])


def _welcome(console: Console, port: int, home: Path, *, demo: bool) -> None:
    base = settings.ui_url() or f"http://127.0.0.1:{port}"
    fleexmon, dagster = _typed("fleexmon"), _typed("dagster")
    console.print(f"""
[bold]fleexmon is watching{" two demo nodes" if demo else ""}.[/] Every 5 minutes it collects, analyzes and detects.

  pages     {base}/fleexmon
  assets    {base}/assets
  runs      {base}/runs
  digest    {base}/fleexmon/digests   or: {fleexmon} digest --html digest.html
  issues    {fleexmon} issues list    then: {fleexmon} issues show ID
  status    {fleexmon} status
  health    {fleexmon} doctor
  shell     export DAGSTER_HOME="{escape(os.environ["DAGSTER_HOME"])}"
            {dagster} asset materialize -m {PACKAGE} \\
              --select raw_logs,analyzed_logs,detected_issues,predictions \\
              --partition {datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d-%H:00}
  logs      {escape(str(home / "logs"))}

Ctrl-C stops everything. New issues appear below.
""", highlight=False, soft_wrap=True)  # fmt: skip


def _typed(command: str) -> str:
    """A command as people can type it here: its name, or its path in the environment that `make` created."""
    ours = Path(beside(command))
    if (path := shutil.which(command)) and Path(path).resolve() == ours.resolve():
        return command
    here = Path.cwd()
    return shlex.quote(str(ours.relative_to(here) if ours.is_relative_to(here) else ours))


def _watch(children: list[Child], url: str, console: Console, port: int) -> None:
    """Print new issues; restart processes that end, a few times; keep the UI's list of partitions up to date."""
    restarts: deque[float] = deque(maxlen=MAX_RESTARTS)
    seen: Collection[UUID] = {*_open_issues(url)}
    listing, listing_at = None, time.monotonic()
    while True:
        if time.monotonic() >= listing_at:
            listing, listing_at = _list_again(listing, port), time.monotonic() + LISTING_SECONDS
        for index, child in enumerate(children):
            trim(child.log)
            if not child.has_ended():
                continue
            if len(restarts) == MAX_RESTARTS and time.monotonic() - restarts[0] < RESTARTS_WITHIN_SECONDS:
                raise CannotStartError(
                    f"the {child.name} ended {MAX_RESTARTS + 1} times within an hour:\n"
                    f"{child.last_words()}\nIts log: {child.log}"
                )
            restarts.append(time.monotonic())
            console.print(f"[yellow]the {child.name} ended (exit status {child.process.returncode}); restarting it[/]")
            time.sleep(RESTART_PAUSE_SECONDS)
            children[index] = start(child.name, child.arguments, child.log)
        time.sleep(5)
        seen = _report_new_issues(url, seen, console)


def _list_again(listed: object, port: int) -> object:
    """Reload the UI's list of partitions if the day or the first materialized partitions changed since `listed`.

    Returns the state that is now listed; unchanged if the reload failed.
    """
    known = materialized()
    current = (datetime.now(UTC).date(), known.first if known else None)
    return current if current == listed or reload_definitions(port) else listed


def _open_issues(url: str) -> dict[UUID, dict[str, Any]]:
    with connect(url) as connection:
        return {row["id"]: row for row in connection.execute(statements("commands")["open_issues"])}


def _report_new_issues(url: str, seen: Collection[UUID], console: Console) -> Collection[UUID]:
    """Print issues that are not in `seen`. Compares ids: an issue's time is that of its lines, minutes before it was
    detected."""
    try:
        issues = _open_issues(url)
    except psycopg.OperationalError as error:
        console.print(f"[yellow]the database does not respond ({type(error).__name__}); retrying[/]")
        revive()
        return seen
    clock = readers_clock(datetime.now(UTC))
    for key, row in issues.items():
        if key not in seen:
            where = ", ".join(row["nodes"] or ["all nodes"])
            console.print(
                f"{clock.minute(row['detectedAt'], named=True)} {row['severity']:<8} {where:<12} {row['title']}  "
                f"({_typed('fleexmon')} issues show {str(key)[:18]})",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    return {*seen, *issues}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt

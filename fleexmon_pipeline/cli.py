"""The `fleexmon` command: names and summaries of its commands, and how one is started.

A command's options and work are in the module of that name in `commands/`, which is imported only when the command is
called: `fleexmon --help` and `fleexmon patterns FILE` must not wait for Dagster.
"""

import io
import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from fleexmon_pipeline.commands.completion import VARIABLE, know_shells
from fleexmon_pipeline.commands.terminal import explained_errors

COMMANDS = {  # in the order of --help; the module has the command's name, with _ for -, unless MODULES names another
    "up": "Start everything on this machine, until Ctrl-C.",
    "status": "Show the overall state: nodes, open incidents, last tick, pending hours, schedules, versions.",
    "open": "Open an issue, an incident or the first page in the browser.",
    "web": "Serve only the read-only pages, without Dagster's UI.",
    "password": "Print a line for the UI's password file.",
    "worker": "Execute runs from the broker on this machine.",
    "mcp": "Serve read-only tools to agents over MCP.",
    "doctor": "Check every setting and outside system.",
    "nodes": "Show coverage, lag, gaps and rejected records of each node.",
    "logs": "Print stored log lines, oldest first.",
    "read": "Show how collection would read a file of log records.",
    "compare": "Compare a candidate node with a reference node: pass, marginal, fail or inconclusive.",
    "origin": "Rank the nodes by how likely an incident began there, with the evidence.",
    "verify-deployment": "Record a CI job's end-to-end results and evaluate the deployment.",
    "deployed": "Record, remove or list deployments.",
    "digest": "Print the digest of a day.",
    "demo-nodes": "Serve two demo nodes on loopback.",
    "incidents": "List, show, acknowledge, assign and resolve incidents: issues that share a cause.",
    "issues": "List, show, acknowledge, assign, resolve and mute issues.",
    "channels": "List channels with their delivery state, or send a test message.",
    "rules": "List, test and backtest rules.",
    "redact": "Replace secrets in a text, as in everything that leaves the database.",
    "shadow": "Show what rules in shadow mode would have reported.",
    "rejected": "List rejected records, or retry them.",
    "patterns": "Print the pattern of every line of a file; list, name or ignore patterns.",
    "export": "Export logs and issues as NDJSON with OpenTelemetry's field names.",
    "import": "Import logs and issues that `fleexmon export` wrote.",
    "archive": "List, verify, restore or write archived days of log lines.",
    "database": "Migrate or restore the database, or print a script that creates its roles.",
    "genai": "Preview requests to the GenAI agent, replay past hours, and evaluate the agent.",
    "completion": "Print the shell completion script.",
    "help": "Show the help of a command, or a page.",
}

MODULES = {  # for commands in a sub-package
    "up": "up.command",
    "demo-nodes": "up.demo_nodes",
    "status": "status.command",
    "open": "pages.open",
    "web": "pages.web",
    "password": "pages.password",
    "worker": "workers.worker",
    "mcp": "agents.mcp",
    "database": "database.command",
    "export": "transfer.export",
    "import": "transfer.load",
    "doctor": "doctor.command",
    "issues": "issues.command",
    "rules": "rules.command",
    "patterns": "patterns.command",
    "shadow": "shadow.command",
    "help": "help.command",
}


class Commands(TyperGroup):
    """Lists commands with their summaries, and imports only the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, summary in COMMANDS.items():
            self.add_command(TyperCommand(name, help=summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # Any: typer's own copy of click exports no types
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        with explained_errors():
            try:
                return super().invoke(ctx)
            except typer.BadParameter as error:
                error.message = _in_words(error.message)
                raise


def _in_words(message: str) -> str:
    """A message of the library that checks options, without its own terms."""
    message = message.removeprefix("Value error, ")
    return "a whole number is expected" if message.startswith("Input should be a valid integer") else message


def load(name: str) -> Any:
    """The command itself, with its options."""
    module = import_module(f"fleexmon_pipeline.commands.{MODULES.get(name, name.replace('-', '_'))}")
    command = typer.main.get_command(module.app)
    _unwrap(command)
    return command


def _unwrap(command: Any) -> None:
    """Join each paragraph of the help into one line, so that the terminal wraps it: our own lines have 120 columns."""
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for child in getattr(command, "commands", {}).values():
        _unwrap(child)


def _print_version(wanted: bool) -> None:
    if wanted:
        from fleexmon_pipeline import __version__  # noqa: PLC0415  reads the package's metadata

        typer.echo(f"fleexmon {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    name="fleexmon",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def fleexmon(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Watch a blue/green stack: collect the nodes' logs, find what is wrong, and report each issue once.

    Start with `fleexmon up`. Every command reads .env in the current directory; exported variables win.
    """


def main() -> None:
    """Entry point of `fleexmon`. Reads .env as Dagster's commands do; exported variables win."""
    if os.access(".env", os.F_OK):
        from dotenv import load_dotenv  # noqa: PLC0415  many directories have no such file

        load_dotenv(".env")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # keep nohup's
            signal.signal(number, _leave)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that the terminal cannot show must not end the command
            stream.reconfigure(errors="replace")
    if VARIABLE in os.environ:
        know_shells()
    app()


def _leave(number: int, _: object) -> None:
    """Exit through the interpreter, so that the embedded server is stopped."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()

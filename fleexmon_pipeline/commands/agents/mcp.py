"""`fleexmon mcp`: serve read-only tools to agents, on stdin and stdout or by HTTP on loopback; print their calls."""

from __future__ import annotations

import logging
from typing import Annotated

import anyio
import typer
import uvicorn

from fleexmon_pipeline import settings
from fleexmon_pipeline.agents.calls import Calls, last_calls
from fleexmon_pipeline.agents.server import PATH, application, serve_stdio
from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.wording import inert_line, one_line

app = typer.Typer(add_completion=False)


@app.command()
def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Serve by HTTP on 127.0.0.1 instead of stdin and stdout.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of --http.")] = 3002,
    calls: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Print this many of the last calls and their outcome."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve read-only tools to agents over MCP, the Model Context Protocol: incidents, logs, patterns, coverage.

    By default it uses stdin and stdout: configure the client to start `fleexmon mcp`.

    With --http it serves http://127.0.0.1:3002/mcp. Clients must send the token from FLEEXMON_MCP_TOKEN or
    FLEEXMON_MCP_TOKEN_FILE.

    Each answer has at most 4,000 tokens, is redacted, and marks text from log lines as data. Calls are recorded for 30
    days.
    """
    if calls is not None:
        _print_calls(calls, as_json=as_json)
        return
    token = settings.mcp_token() if http else ""
    logging.basicConfig(level=logging.WARNING)  # on stderr
    serving = Calls(existing_database_url())
    try:
        if http:
            _serve_http(serving, token, port)
        else:
            anyio.run(serve_stdio, serving)
    finally:
        serving.close()


def _serve_http(serving: Calls, token: str, port: int) -> None:
    typer.echo(f"http://127.0.0.1:{port}{PATH}  (Ctrl-C ends it)")
    try:
        uvicorn.run(application(serving, token), host="127.0.0.1", port=port, log_level="warning")
    except SystemExit as error:  # uvicorn exits like this if it cannot listen, after logging why
        if error.code:
            raise CommandError(f"--port: 127.0.0.1:{port} cannot be used. Examples: --port 3003") from None


def _print_calls(limit: int, *, as_json: bool) -> None:
    with connect(existing_database_url()) as connection:
        rows = last_calls(connection, limit=limit)
    if as_json:
        print_json(rows)
        return
    for row in reversed(rows):
        what = f"{row.entries} entries, {row.tokens} tokens" if row.reason is None else row.reason
        typer.echo(
            f"{row.at:%Y-%m-%d %H:%M:%S}  {row.transport:<5}  {inert_line(row.client):<20}  {row.tool:<16}  "
            f"{row.outcome:<8}  {row.milliseconds:>5} ms  {inert_line(one_line(row.arguments, most=100))}  "
            f"{inert_line(one_line(what, most=160))}"
        )
    if not rows:
        typer.echo("No call is recorded yet.")

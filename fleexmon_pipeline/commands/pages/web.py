"""`fleexmon web`: serve only the read-only pages, without Dagster's UI."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.terminal import CommandError

app = typer.Typer(add_completion=False)


@app.command()
def web(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 3001,
    host: Annotated[
        str, typer.Option(help="The address to listen on. Beyond loopback, put a proxy with TLS in front.")
    ] = "127.0.0.1",
) -> None:
    """Serve only the read-only pages, without Dagster's UI, until Ctrl-C.

    `fleexmon up` serves them too. Without FLEEXMON_LOGIN, anybody who reaches the address can read everything.
    """
    import uvicorn  # noqa: PLC0415  other commands need no server

    from fleexmon_pipeline.web.pages.site import Pages, application, reading  # noqa: PLC0415  likewise

    url = existing_database_url()
    dagster = settings.ui_url() or f"http://127.0.0.1:{settings.running_ui_port()}"
    pages = application(Pages(reading(lambda: url), dagster=dagster))
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"http://{shown}:{port}{settings.PAGES}  (Ctrl-C ends it)")
    logging.basicConfig(level=logging.WARNING)
    try:
        # No proxy headers: the login trusts the client's address, which must be that of the connection.
        uvicorn.run(pages, host=host, port=port, log_level="warning", proxy_headers=False)
    except SystemExit as error:  # uvicorn exits like this if it cannot listen, after logging why
        if error.code:
            raise CommandError(f"--port: {host}:{port} cannot be used. Examples: --port 3002") from None

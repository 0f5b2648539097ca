"""`fleexmon open`: open a page in the browser; without a browser, only print its address."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import Annotated

import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.incidents.read import incident_of
from fleexmon_pipeline.issues.read import find_issue

app = typer.Typer(add_completion=False)


@app.command("open")
def open_(
    issue: Annotated[
        str | None,
        typer.Argument(help="An issue or incident, by its id or a unique prefix.", show_default="now"),
    ] = None,
    print_only: Annotated[bool, typer.Option("--print", help="Print the address; open nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help='Print the address as {"url": …} and open nothing.')] = False,
) -> None:
    """Open an issue, an incident or the first page in the browser. Prints the address."""
    url = settings.page_url("now") if issue is None else _page_of(issue)
    if as_json:
        print_json({"url": url})
        return
    typer.echo(url)
    if not print_only and _has_browser():
        webbrowser.open(url)


def _page_of(name: str) -> str:
    """The address of an issue's or incident's page. Raises UnknownIssueError."""
    with open_database("looking for the issue") as connection:
        issue = find_issue(connection, name)
        incident = incident_of(connection, issue)
    # An incident has the id of its first issue, and its page shows that issue too.
    is_first = incident is not None and incident[0] == issue
    return settings.page_url("incident" if is_first else "issue", issue)


def _has_browser() -> bool:
    """Only a graphical browser counts: a text browser would take over the terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))

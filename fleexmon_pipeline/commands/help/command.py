"""`fleexmon help`: its topics, and how one is printed. Their texts are the `.md` files beside this module."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any

import typer

from fleexmon_pipeline.commands.screen.terminal import is_read_by_a_person, show, show_text
from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.wording import one_line

TOPICS = {"exit-status": "The exit statuses of all commands.", "times": "How to write times, and how they are shown."}

app = typer.Typer(add_completion=False)


@app.command("help")
def help_(
    context: typer.Context,
    topic: Annotated[str | None, typer.Argument(help="exit-status, times, or a command.", show_default=False)] = None,
) -> None:
    """Show the help of a command, or a page: `fleexmon help exit-status`, `fleexmon help times`."""
    root = context.find_root()
    if topic is None:
        typer.echo(root.get_help())
        typer.echo("\n".join(f"fleexmon help {name:<12} {text}" for name, text in TOPICS.items()))
    elif topic in TOPICS:
        _show(text_of(topic))
    else:
        typer.echo(_help_of(root, topic))


def text_of(topic: str) -> str:
    return (files(__package__) / f"{topic}.md").read_text("utf-8")


def _show(text: str) -> None:
    if is_read_by_a_person():
        from rich.markdown import Markdown  # noqa: PLC0415  its parser takes a tenth of a second

        show(Markdown(text))
    else:
        show_text(text.rstrip())


def _help_of(root: Any, name: str) -> str:  # Any: typer's own copy of click exports no types
    if root.command.get_command(root, name) is None:
        raise CommandError(f'TOPIC: "{one_line(name, most=60)}" is neither a command nor one of {", ".join(TOPICS)}.')
    _, command, _ = root.command.resolve_command(root, [name])
    with command.make_context(f"fleexmon {name}", [], resilient_parsing=True) as own:
        return str(own.get_help())

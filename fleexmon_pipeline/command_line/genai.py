"""`fleexmon genai`: its words and options."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.command_line.mistakes import refusing
from fleexmon_pipeline.command_line.options import Json

app = typer.Typer(no_args_is_help=True, help="What the GenAI agent is asked, and past hours judged again.")

PromptFile = Annotated[
    Path | None, typer.Option("--prompt", exists=True, dir_okay=False, help="Instructions to use instead of ours.")
]


@app.command("preview")
def genai_preview(
    hour: Annotated[
        str | None, typer.Option(help="2h, 3d ago, or a UTC time such as 2026-11-20T10:00. Default: the newest.")
    ] = None,
    prompt: PromptFile = None,
    as_json: Json = False,
) -> None:
    """Exactly what would be sent to the agent about an hour, and what it would cost. Sends nothing to it.

    Works without GENAI_AGENT_URL: to see what would leave this machine before switching it on.
    """
    from fleexmon_pipeline.commands.genai import print_preview

    with refusing():
        print_preview(typer.echo, hour, prompt, os.environ, as_json=as_json, now=datetime.now(UTC))


@app.command("prompt")
def genai_prompt() -> None:
    """The built-in instructions, to begin a --prompt file with."""
    from fleexmon_pipeline.commands.genai import print_prompt

    print_prompt(typer.echo)


@app.command("replay")
def genai_replay(
    since: Annotated[str, typer.Option("--from", help="2h, 3d ago, or a UTC time such as 2026-11-20T10:00.")],
    until: Annotated[str | None, typer.Option("--to", help="The same forms. Default: now.")] = None,
    prompt: PromptFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask, however many questions it takes.")] = False,
) -> None:
    """Judge past hours again, with today's agent or another prompt, and show which issues differ.

    Says first what it costs, and asks no more than three questions without --yes. Issues stay as they are.
    Exit status 1 when nothing was asked, or not every hour could be judged.
    """
    from fleexmon_pipeline.commands.genai import run_replay

    with refusing():
        done = run_replay(typer.echo, since, until, prompt, os.environ, yes=yes, now=datetime.now(UTC))
    raise typer.Exit(0 if done else 1)

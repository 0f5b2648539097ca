"""`fleexmon completion`: print the script with which a shell completes commands, options and their values."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from typer.completion import get_completion_inspect_parameters, shell_complete

VARIABLE = "_FLEEXMON_COMPLETE"  # the script sets it when the shell asks for completions

app = typer.Typer(add_completion=False)


@app.command()
def completion(
    context: typer.Context,
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell.")],
) -> None:
    """Print the shell completion script for commands, options and their values.

    bash: `source <(fleexmon completion bash)` in ~/.bashrc.

    zsh: `source <(fleexmon completion zsh)` in ~/.zshrc, after `autoload -Uz compinit && compinit`.

    fish: `fleexmon completion fish > ~/.config/fish/completions/fleexmon.fish`, once.
    """
    know_shells()
    shell_complete(context.find_root().command, {}, "fleexmon", VARIABLE, f"source_{shell}")


def know_shells() -> None:
    """Register typer's shell completion. Typer's own way would add two options to every command."""
    get_completion_inspect_parameters()

"""`fleexmon rules`: its words and options."""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.command_line.mistakes import refusing
from fleexmon_pipeline.command_line.options import Json

app = typer.Typer(no_args_is_help=True, help="The rules that find issues.")


@app.command("list")
def rules_list() -> None:
    """The rules, and which files are refused and why."""
    from fleexmon_pipeline.detection.rule_files import all_rules, report
    from fleexmon_pipeline.settings import rules_directory

    typer.echo(report(all_rules(rules_directory())))


@app.command("test")
def rules_test(
    directory: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            file_okay=False,
            help="A directory of rules; default: the built-in ones and those of FLEEXMON_RULES.",
        ),
    ] = None,
) -> None:
    """Check rule files and their samples. Exit status 1 when one is refused."""
    from fleexmon_pipeline.detection.rule_files import all_rules, load_rules, report
    from fleexmon_pipeline.settings import rules_directory

    loaded = load_rules(directory) if directory else all_rules(rules_directory())
    typer.echo(report(loaded))
    raise typer.Exit(1 if loaded.problems else 0)


@app.command("backtest")
def rules_backtest(
    since: Annotated[str, typer.Option("--from", help="3d ago, or a UTC time such as 2026-11-20T10:00.")] = "7d",
    until: Annotated[str | None, typer.Option("--to", help="The same forms. Default: what is known ends.")] = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="Rules to try, as if FLEEXMON_RULES named this directory. Default: those in force."),
    ] = None,
    against: Annotated[
        str, typer.Option(help="What they are compared with: CURRENT, the rules in force, or another directory.")
    ] = "CURRENT",
    as_json: Json = False,
) -> None:
    """Replay past windows with changed rules: issues gained, lost and kept, by rule and day. Writes nothing.

    What people called noise (`fleexmon issues resolve ID --as noise`) counts as false alarm, before and after.
    """
    from fleexmon_pipeline.commands.backtest import run_backtest

    def progress(done: int, of: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{done} of {of} days replayed" + ("\n" if done == of else ""), err=True, nl=False)

    with refusing():
        run_backtest(typer.echo, since, until, rules, against, progress, as_json=as_json, now=datetime.now(UTC))

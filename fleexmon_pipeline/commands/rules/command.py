"""`fleexmon rules`: list the rules in force, test rule files, and backtest changed rules."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.commands.options import TIMES, Json
from fleexmon_pipeline.commands.screen.terminal import show_text
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.detection.rule_files import Rules, all_rules, load_rules, report
from fleexmon_pipeline.settings import rules_directory

app = typer.Typer(add_completion=False, no_args_is_help=True, help="List, test and backtest rules.")
CURRENT = "CURRENT"


@app.command("list")
def rules_list(as_json: Json = False) -> None:
    """List the rules in force, and the rule files that were refused and why."""
    _print(all_rules(rules_directory()), as_json=as_json)


@app.command("test")
def rules_test(
    directory: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            file_okay=False,
            help="A directory of rule files.",
            show_default="the built-in rules and those of FLEEXMON_RULES",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check rule files and run their samples. Exit status 1 when a file is refused."""
    rules = load_rules(directory) if directory else all_rules(rules_directory())
    _print(rules, as_json=as_json)
    raise typer.Exit(1 if rules.problems else 0)


def _print(rules: Rules, *, as_json: bool) -> None:
    if not as_json:
        show_text(report(rules))
        return
    print_json(
        {
            "rules": [
                {
                    "name": rule.name, "kind": rule.kind, "severity": rule.severity, "mode": rule.mode,
                    "enabled": rule.enabled, "version": rule.version, "samples": len(rule.samples),
                }
                for rule in rules.rules
            ],
            "problems": [vars(problem) for problem in rules.problems],
        }
    )  # fmt: skip


@app.command("backtest")
def rules_backtest(
    since: Annotated[str, typer.Option("--from", help=f"Start: {TIMES}.")] = "7d",
    until: Annotated[
        str | None, typer.Option("--to", help="End, in the same formats.", show_default="the newest analyzed slot")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the changed rules, used in place of FLEEXMON_RULES.", show_default="the rules in force"
        ),
    ] = None,
    against: Annotated[
        str, typer.Option(help="What to compare with: CURRENT, the rules in force, or another directory.")
    ] = CURRENT,
    as_json: Json = False,
) -> None:
    """Replay past windows with changed rules: issues gained, lost and kept, by rule and day. Writes nothing.

    Issues marked as noise (`fleexmon issues resolve ID --as noise`) count as false alarms.
    """
    from fleexmon_pipeline.commands.rules.backtest import run_backtest  # noqa: PLC0415  pandas: `rules list` need not wait

    compared = rules, None if against == CURRENT else Path(against)
    run_backtest(since, until, compared, as_json=as_json, now=datetime.now(UTC))

"""`fleexmon genai eval`: score the agent on incidents with a known cause, against rules alone.

Here: options and printing. Cases and scores: `genai/evaluation/`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.genai.requests import confirmed, money
from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.answer import visible
from fleexmon_pipeline.genai.budget import Budget, Prices
from fleexmon_pipeline.genai.evaluation.known import KnownCase, known_cases
from fleexmon_pipeline.genai.evaluation.run import Evaluation, evaluate_agent
from fleexmon_pipeline.genai.evaluation.score import MAX_BLAMED, MAX_UNSUPPORTED, Score, score_rules
from fleexmon_pipeline.settings import GenAISettings, SettingError
from fleexmon_pipeline.wording import counted, percent


def evaluate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print tokens and cost only; send nothing.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask about this many cases only, the first ones.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send the requests without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the agent about incidents with a known cause, and score its answers against rules alone.

    The cases are part of the product and contain none of your data; no database is needed. Shows the cost first, and
    asks before it sends anything. The calls count towards no ledger and no budget.

    Exit status 1 if nothing was sent, not every case was answered, or a goal was missed.
    """
    agent = settings.genai(os.environ)
    used = agent or settings.genai_limits(os.environ, GenAISettings("", None))
    prices = Budget.of(used).prices
    cases = known_cases()[:limit]
    tokens = sum(case.tokens for case in cases)
    tokens_out = len(cases) * used.max_tokens
    if dry_run or not as_json:
        _print_estimate(cases, tokens, tokens_out, prices, as_json=as_json)
    if dry_run:
        return
    if agent is None:
        raise SettingError("GENAI_AGENT_URL", "is not set, so there is no agent to ask.", "https://agent.example.com")
    if not yes and not confirmed(as_json=as_json):
        typer.echo("Nothing was sent. To send these requests, add --yes.", err=as_json)
        raise typer.Exit(1)
    progress = _progress(len(cases), to_stderr=as_json)
    done = evaluate_agent(Agent(agent), cases, seconds=float(agent.timeout), progress=progress)
    rules = score_rules(cases)
    if as_json:
        print_json(_document(done, rules, prices))
    else:
        _print_scores(done, rules, prices)
    raise typer.Exit(0 if done.score.meets_goals() else 1)


def _print_estimate(cases: Sequence[KnownCase], tokens: int, tokens_out: int, prices: Prices, *, as_json: bool) -> None:
    cost = prices.cost(tokens, tokens_out)
    if as_json:
        print_json({"cases": len(cases), "tokensEstimated": tokens, "tokensOutAtMost": tokens_out, "costAtMost": cost})
        return
    typer.echo(
        f"{counted(len(cases), 'case')}, about {tokens:,} tokens and at most {tokens_out:,} in responses{money(cost)}"
    )


def _progress(cases: int, *, to_stderr: bool) -> Callable[[int, KnownCase, str], None]:
    def print_line(number: int, case: KnownCase, outcome: str) -> None:
        typer.echo(f"{number}/{cases}  {case.name}: {' '.join(visible(outcome).split())}", err=to_stderr)

    return print_line


def _document(done: Evaluation, rules: Score, prices: Prices) -> dict[str, Any]:
    def scores(score: Score) -> dict[str, Any]:
        return {
            **asdict(score),
            "unsupported_share": round(score.unsupported_share, 4), "misled_share": round(score.misled_share, 4),
        }  # fmt: skip

    return {
        "model": done.model, "agent": scores(done.score), "rules": scores(rules), "failures": dict(done.failures),
        "stopped": done.stopped, "tokensIn": done.tokens_in, "tokensOut": done.tokens_out,
        "tokensCached": done.tokens_cached, "cost": prices.cost(done.tokens_in, done.tokens_out, done.tokens_cached),
        "goalsMet": done.score.meets_goals(),
    }  # fmt: skip


def _print_scores(done: Evaluation, rules: Score, prices: Prices) -> None:
    score = done.score
    claims = f"{score.unsupported} of {score.cited} ({percent(score.unsupported_share)})"
    rows = [
        ("", done.model or "agent", "rules alone", "goal"),
        ("answered", _of(score.answered, score), _of(rules.answered, rules), "all"),
        ("root node named", _of(score.node_named, score), _of(rules.node_named, rules), "more than rules"),
        ("severity within one step", _of(score.severity_near, score), _of(rules.severity_near, rules), ""),
        ("unsupported citations", claims, "none made", f"at most {percent(MAX_UNSUPPORTED)}"),
        ("bystander blamed", _blamed(score), _blamed(rules), f"at most {percent(MAX_BLAMED)}"),
    ]
    for measure, agent, baseline, goal in rows:
        typer.echo(f"{measure:<25} {agent:<24} {baseline:<16} {goal}".rstrip())
    for outcome, count in sorted(done.failures.items()):
        typer.echo(f"{counted(count, 'case')}: {outcome}")
    if done.stopped:
        typer.echo(f"Stopped: {done.stopped}")
    spent = prices.cost(done.tokens_in, done.tokens_out, done.tokens_cached)
    cost = "" if spent is None else f", {spent:.4f} at your GENAI_PRICE_* settings"
    typer.echo(f"{done.tokens_in:,} tokens in ({done.tokens_cached:,} cached), {done.tokens_out:,} out{cost}")


def _of(count: int, score: Score) -> str:
    return f"{count} of {score.cases}"


def _blamed(score: Score) -> str:
    return f"{score.misled} of {score.with_bystanders} ({percent(score.misled_share)})"

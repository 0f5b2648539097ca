"""`fleexmon genai`: preview requests to the agent, and replay past windows.

Here: options and printing. Requests: `genai/questions.py`; the comparison: `replays/genai.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.options import TIMES, Json
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import parse_time
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.agent import PATH, Agent, Message, request_of
from fleexmon_pipeline.genai.answer import visible
from fleexmon_pipeline.genai.budget import Budget
from fleexmon_pipeline.genai.cases.explain import open_cases
from fleexmon_pipeline.genai.grounding import ClosedIssues
from fleexmon_pipeline.genai.ledger import Ledger
from fleexmon_pipeline.genai.prompt import PROMPT, Prompt
from fleexmon_pipeline.genai.questions import drafts
from fleexmon_pipeline.replays.genai import Difference, Estimate, Replayed, ReportedIssue, estimate, replay
from fleexmon_pipeline.settings import GenAISettings, SettingError
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import counted, one_line

NOT_SET = "GENAI_AGENT_URL is not set, so nothing is ever sent. This would be:"
MAX_PROMPT_CHARACTERS = 20_000  # of a prompt file

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Preview requests to the GenAI agent, replay past hours, and evaluate the agent.",
)

PromptFile = Annotated[
    Path | None,
    typer.Option(
        "--prompt",
        exists=True,
        dir_okay=False,
        help="File with other instructions.",
        show_default="the built-in prompt",
    ),
]


@dataclass(frozen=True)
class Preview:
    """A request that would be sent, and background that could not be read."""

    subject: str
    messages: Sequence[Message]
    missing: Sequence[str] = ()


@app.command("preview")
def genai_preview(
    hour: Annotated[
        str | None, typer.Option(help=f"Which hour: {TIMES}.", show_default="the newest analyzed hour")
    ] = None,
    prompt_file: PromptFile = None,
    as_json: Json = False,
) -> None:
    """Print exactly what would be sent to the agent about an hour and about open incidents, and what it would cost.

    Sends nothing. Works without GENAI_AGENT_URL, so you can see what would leave this machine before you enable GenAI.
    """
    now = datetime.now(UTC)
    agent = settings.genai(os.environ)
    used = agent or settings.genai_limits(os.environ, GenAISettings("", None))
    prompt = _prompt(prompt_file)
    with open_database("composing requests") as connection:
        window = _hour(connection, hour, now)
        budget = Budget.of(used)
        ledger = Ledger.open(connection, now=now, prompt_version=prompt.version, budget=budget)
        made = list(drafts(ledger, window, prompt_used=prompt, closed_github_issues=_github()))
        cases = open_cases(connection, budget, now=now)
    previews = [
        *(Preview(counted(len(draft.records), "pattern"), draft.messages, draft.grounding.missing) for draft in made),
        *(Preview(f"incident: {one_line(incident.title, most=100)}", case.messages) for incident, case in cases),
    ]
    bodies = [request_of(one.messages, used.max_tokens) for one in previews]
    tokens = sum(draft.tokens for draft in made) + sum(case.tokens for _, case in cases)
    cost = budget.prices.cost(tokens, len(bodies) * used.max_tokens)
    url = f"{agent.url}{PATH}?agent=true" if agent else None
    key = f"Bearer <GENAI_API_KEY, {len(agent.api_key)} characters>" if agent and agent.api_key else None
    if as_json:
        document = {
            "url": url, "authorization": key, "hour": window.since, "promptVersion": prompt.version,
            "tokensEstimated": tokens, "costAtMost": cost, "requests": bodies,
        }  # fmt: skip
        print_json(document)
        return
    typer.echo(f"POST {url}, {'with' if key else 'without'} a key" if url else NOT_SET)
    typer.echo(f"{window} UTC: {counted(len(bodies), 'request')}, about {tokens:,} tokens{money(cost)}")
    for number, (one, body) in enumerate(zip(previews, bodies, strict=True), 1):
        rest = ", ".join(f"{name} {value}" for name, value in body.items() if name != "messages")
        typer.echo(f"\n===== request {number} of {len(bodies)}: {one.subject}; {rest}")
        for message in one.messages:
            typer.echo(f"----- {message['role']}\n{message['content']}")
        for missing in one.missing:
            typer.echo(f"----- not available: {missing}")
    if not bodies:
        typer.echo("Nothing to ask: every new, unusual or failing pattern already has an answer.")


@app.command("prompt")
def genai_prompt(as_json: Json = False) -> None:
    """Print the built-in prompt, as a start for a --prompt file."""
    if as_json:
        print_json({"version": PROMPT.version, "prompt": PROMPT.system})
    else:
        typer.echo(PROMPT.system)


@app.command("replay")
def genai_replay(
    since: Annotated[str, typer.Option("--from", help=f"Start: {TIMES}.")],
    until: Annotated[str | None, typer.Option("--to", help="End, in the same formats.", show_default="now")] = None,
    prompt_file: PromptFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send the requests without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the agent about past hours again, and show which issues differ. Stored issues do not change.

    Use it to try another agent or another --prompt. Shows the cost and asks before it sends anything; without a
    terminal, it sends only with --yes.

    Exit status 1 when nothing was sent, or when not every hour was answered.
    """
    now = datetime.now(UTC)
    agent = settings.genai(os.environ)
    prompt = _prompt(prompt_file)
    first, last = parse_time("--from", since, now=now), parse_time("--to", until, now=now) if until else now
    if first >= last:
        raise CommandError(f'--from: "{since}" is not before --to.')
    window = Window(Window.hour_of(first).since, last).ended(now)
    used = agent or settings.genai_limits(os.environ, GenAISettings("", None))
    budget = Budget.of(used)
    with connect(existing_database_url()) as connection:
        cost = estimate(connection, window, prompt=prompt, budget=budget, max_tokens=used.max_tokens, now=now)
        typer.echo(f"{window} UTC, prompt {prompt.version}: {_costs(cost)}", err=as_json)
        if agent is None:
            raise SettingError(
                "GENAI_AGENT_URL", "is not set, so there is no agent to ask.", "https://agent.example.com"
            )
        if cost.questions and not yes and not confirmed(as_json=as_json):
            typer.echo("Nothing was sent. To send these requests, add --yes.", err=as_json)
            raise typer.Exit(1)
        with waiting("waiting for the agent's answers"):
            result = replay(
                connection, Agent(agent), window,
                prompt=prompt, budget=budget, now=now, closed_github_issues=_github(),
            )  # fmt: skip
    hours = len(list(window.hours()))
    if as_json:
        print_json({"prompt": prompt.version, "hours": hours, **_replayed(result, budget)})
    else:
        _print_replayed(result, budget, hours=hours)
    raise typer.Exit(0 if len(result.judged) == hours else 1)


def confirmed(*, as_json: bool) -> bool:
    """Ask a person at a terminal. A script is not asked, because it would wait for ever."""
    return sys.stdin.isatty() and typer.confirm("Send these requests?", err=as_json)


def _print_replayed(result: Replayed, budget: Budget, *, hours: int) -> None:
    spent = budget.prices.cost(result.tokens_in, result.tokens_out)
    typer.echo(
        f"{counted(len(result.judged), 'hour')} of {hours} answered, {counted(result.calls, 'call')}, "
        f"{result.tokens_in + result.tokens_out:,} tokens{money(spent)}"
    )
    if len(result.judged) < hours:
        typer.echo(
            f"The others: {result.outcome}: {result.reason}. "
            "Run the same command again within a day to continue from here."
        )
    for line in _differences(result.difference):
        typer.echo(line)


def _replayed(result: Replayed, budget: Budget) -> dict[str, object]:
    difference = result.difference
    return {
        "answered": [window.since for window in result.judged], "calls": result.calls,
        "tokensIn": result.tokens_in, "tokensOut": result.tokens_out,
        "cost": budget.prices.cost(result.tokens_in, result.tokens_out),
        "outcome": result.outcome, "reason": result.reason,
        "gained": [_issue(one) for one in difference.gained], "lost": [_issue(one) for one in difference.lost],
        "kept": [_issue(after) for _, after in difference.kept],
        "severityChanged": [{**_issue(after), "before": before.severity} for before, after in difference.changed],
    }  # fmt: skip


def _issue(one: ReportedIssue) -> dict[str, object]:
    return {
        "fingerprint": one.fingerprint, "severity": one.severity, "title": one.title, "patterns": sorted(one.patterns),
    }  # fmt: skip


def _differences(difference: Difference) -> list[str]:
    def line(sign: str, one: ReportedIssue, more: str = "") -> str:
        return f"{sign} {one.severity:<8}  {' '.join(visible(one.title).split())}{more}"

    counts: dict[str, Sized] = {
        "gained": difference.gained,
        "lost": difference.lost,
        "severity changed": difference.changed,
        "kept": difference.kept,
    }
    return [
        ", ".join(f"{what} {len(issues)}" for what, issues in counts.items()),
        *(line("+", one) for one in difference.gained),
        *(line("-", one) for one in difference.lost),
        *(line("~", after, f"  (was {before.severity})") for before, after in difference.changed),
        *(line("=", after) for _, after in difference.kept),
    ]


def _costs(cost: Estimate) -> str:
    if not cost.questions:
        return "no requests: everything was answered within the last day"
    return (
        f"{counted(cost.questions, 'request')} about {counted(cost.patterns, 'pattern')}, about {cost.tokens_in:,} "
        f"tokens and at most {cost.tokens_out:,} in responses{money(cost.cost)}"
    )


def money(cost: Decimal | None) -> str:
    return "" if cost is None else f", at most {cost:.4f} at your GENAI_PRICE_* settings"


def _hour(connection: Connection, hour: str | None, now: datetime) -> Window:
    if hour:
        return Window.hour_of(parse_time("--hour", hour, now=now)).ended(now)
    row = connection.execute(statements("genai")["newest_counted"]).fetchone()
    if row is None or row["hour"] is None:
        raise CommandError("no line was analyzed yet. Start `fleexmon up`, or materialize analyzed_logs.")
    return Window.hour_of(row["hour"]).ended(max(now, row["hour"]))


def _prompt(file: Path | None) -> Prompt:
    if file is None:
        return PROMPT
    text = file.read_bytes()[: MAX_PROMPT_CHARACTERS * 4 + 1].decode(errors="replace").strip()
    if not text or len(text) > MAX_PROMPT_CHARACTERS:
        raise CommandError(f"--prompt: {file} is empty or has more than {MAX_PROMPT_CHARACTERS:,} characters.")
    if "issues" not in text or "affectedLogs" not in text:
        raise CommandError(
            f"--prompt: {file} does not ask for an object with issues and affectedLogs; other answers cannot be used. "
            "Start from the output of `fleexmon genai prompt`."
        )
    return Prompt(text)


def _github() -> ClosedIssues | None:
    github = settings.github(os.environ)
    if github is None:
        return None
    from fleexmon_pipeline.reporting.github import GitHubClient  # noqa: PLC0415  only where it is used

    return GitHubClient(github).closed_issues

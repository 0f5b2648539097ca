"""`fleexmon genai`: what would be sent to the agent, and past windows judged again.

Here: what a person asks for and sees. Questions: `genai/questions.py`; the comparison: `replays/genai.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.times import moment_of
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.genai.agent import PATH, Agent, request_of
from fleexmon_pipeline.genai.answer import visible
from fleexmon_pipeline.genai.budget import Budget
from fleexmon_pipeline.genai.grounding import ClosedIssues
from fleexmon_pipeline.genai.ledger import Ledger
from fleexmon_pipeline.genai.prompt import PROMPT, Prompt
from fleexmon_pipeline.genai.questions import drafts
from fleexmon_pipeline.replays.genai import Difference, Estimate, Replayed, ReportedIssue, estimate, replay
from fleexmon_pipeline.settings import GenAISettings, SettingError
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import counted

Write = Callable[[str], object]
NOT_SET = "GENAI_AGENT_URL is not set: nothing is sent"
FEW = 3  # questions that a replay may ask without --yes
MOST_PROMPT = 20_000  # characters of a prompt file


def print_preview(
    write: Write, hour: str | None, prompt_file: Path | None, environment: Mapping[str, str],
    *, as_json: bool, now: datetime,
) -> None:  # fmt: skip
    """Every request that a judgement of the hour would make now, to the letter. Raises typer.BadParameter."""
    found = settings.genai(environment)
    used = found or settings.genai_limits(environment, GenAISettings("", None))
    prompt = _prompt(prompt_file)
    with connect(database_url()) as connection:
        window = _hour(connection, hour, now)
        budget = Budget.of(used)
        ledger = Ledger.open(connection, now=now, prompt_version=prompt.version, budget=budget)
        made = list(drafts(ledger, window, prompt_used=prompt, closed_github_issues=_github(environment)))
    bodies = [request_of(draft.messages, used.max_tokens) for draft in made]
    tokens = sum(draft.tokens for draft in made)
    cost = budget.prices.cost(tokens, len(made) * used.max_tokens)
    url = f"{found.url}{PATH}?agent=true" if found else None
    key = f"Bearer <GENAI_API_KEY, {len(found.api_key)} characters>" if found and found.api_key else None
    if as_json:
        told = {
            "url": url, "authorization": key, "hour": window.since, "promptVersion": prompt.version,
            "tokensEstimated": tokens, "costAtMost": cost, "requests": bodies,
        }  # fmt: skip
        write(msgspec.json.encode(told, enc_hook=str).decode())
        return
    write(f"POST {url}, {'with' if key else 'without'} a key" if url else NOT_SET)
    write(f"{window} UTC: {counted(len(made), 'question')}, about {tokens:,} tokens{_money(cost)}")
    for number, (draft, body) in enumerate(zip(made, bodies, strict=True), 1):
        rest = ", ".join(f"{name} {value}" for name, value in body.items() if name != "messages")
        write(f"\n===== request {number} of {len(made)}: {counted(len(draft.records), 'pattern')}; {rest}")
        for message in draft.messages:
            write(f"----- {message['role']}\n{message['content']}")
        for missing in draft.grounding.missing:
            write(f"----- not had: {missing}")
    if not made:
        write("Nothing is new, unusual or failing that was not answered before.")


def print_prompt(write: Write) -> None:
    """The built-in instructions, to begin one's own with."""
    write(PROMPT.system)


def run_replay(
    write: Write, since: str, until: str | None, prompt_file: Path | None, environment: Mapping[str, str],
    *, yes: bool, now: datetime,
) -> bool:  # fmt: skip
    """Say what it costs, then ask and compare; False where it was too much to ask without `yes`, or not all judged.

    Raises typer.BadParameter and SettingError.
    """
    found = settings.genai(environment)
    prompt = _prompt(prompt_file)
    first, last = moment_of("--from", since, now=now), moment_of("--to", until, now=now) if until else now
    if first >= last:
        raise typer.BadParameter(f'--from: "{since}" is not before --to')
    window = Window(Window.hour_of(first).since, last).ended(now)
    used = found or settings.genai_limits(environment, GenAISettings("", None))
    budget = Budget.of(used)
    with connect(database_url()) as connection:
        cost = estimate(connection, window, prompt=prompt, budget=budget, max_tokens=used.max_tokens, now=now)
        write(f"{window} UTC, prompt {prompt.version}: {_costs(cost)}")
        if found is None:
            raise SettingError(
                "GENAI_AGENT_URL", "is not set: there is nobody to judge anew.", "https://agent.example.com"
            )
        if cost.questions > FEW and not yes:
            write("Nothing was asked. Add --yes to ask.")
            return False
        result = replay(
            connection, Agent(found), window,
            prompt=prompt, budget=budget, now=now, closed_github_issues=_github(environment),
        )  # fmt: skip
    _print_replayed(write, result, budget, hours=len(list(window.hours())))
    return len(result.judged) == len(list(window.hours()))


def _print_replayed(write: Write, result: Replayed, budget: Budget, *, hours: int) -> None:
    spent = budget.prices.cost(result.tokens_in, result.tokens_out)
    write(
        f"{counted(len(result.judged), 'hour')} of {hours} judged, {counted(result.calls, 'answer')}, "
        f"{result.tokens_in + result.tokens_out:,} tokens{_money(spent)}"
    )
    if len(result.judged) < hours:
        write(f"The others: {result.outcome}: {result.reason}. The same command goes on from here, within a day.")
    for line in _differences(result.difference):
        write(line)


def _differences(found: Difference) -> list[str]:
    def line(sign: str, one: ReportedIssue, more: str = "") -> str:
        return f"{sign} {one.severity:<8}  {' '.join(visible(one.title).split())}{more}"

    counts: dict[str, Sized] = {
        "gained": found.gained,
        "lost": found.lost,
        "severity changed": found.changed,
        "kept": found.kept,
    }
    return [
        ", ".join(f"{what} {len(every)}" for what, every in counts.items()),
        *(line("+", one) for one in found.gained),
        *(line("-", one) for one in found.lost),
        *(line("~", after, f"  (was {before.severity})") for before, after in found.changed),
        *(line("=", after) for _, after in found.kept),
    ]


def _costs(cost: Estimate) -> str:
    if not cost.questions:
        return "no question that was not answered in the last day"
    return (
        f"{counted(cost.questions, 'question')} about {counted(cost.patterns, 'pattern')}, about {cost.tokens_in:,} "
        f"tokens and at most {cost.tokens_out:,} in answers{_money(cost.cost)}"
    )


def _money(cost: Decimal | None) -> str:
    return "" if cost is None else f", at most {cost:.4f} at the prices set"


def _hour(connection: Connection, hour: str | None, now: datetime) -> Window:
    if hour:
        return Window.hour_of(moment_of("--hour", hour, now=now)).ended(now)
    row = connection.execute(statements("genai")["newest_counted"]).fetchone()
    if row is None or row["hour"] is None:
        raise typer.BadParameter("no line was analysed yet: run analyzed_logs first, or `fleexmon up`")
    return Window.hour_of(row["hour"]).ended(max(now, row["hour"]))


def _prompt(file: Path | None) -> Prompt:
    if file is None:
        return PROMPT
    text = file.read_bytes()[: MOST_PROMPT * 4 + 1].decode(errors="replace").strip()
    if not text or len(text) > MOST_PROMPT:
        raise typer.BadParameter(f"--prompt: {file} is empty or has more than {MOST_PROMPT:,} characters")
    if "issues" not in text or "affectedLogs" not in text:
        raise typer.BadParameter(
            f"--prompt: {file} does not ask for an object with issues and affectedLogs, without which no answer can be "
            "used. Begin with what `fleexmon genai prompt` prints."
        )
    return Prompt(text)


def _github(environment: Mapping[str, str]) -> ClosedIssues | None:
    found = settings.github(environment)
    if found is None:
        return None
    from fleexmon_pipeline.reporting.github import GitHubClient  # noqa: PLC0415  only where it is used

    return GitHubClient(found).closed_issues

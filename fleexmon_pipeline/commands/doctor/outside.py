"""Outside systems other than the nodes: GenAI's agent, GitHub, channels, heartbeat, broker.

Each is called with the client that the pipeline itself uses. Nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import httpx

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection.fetch import TIMEOUT, plain
from fleexmon_pipeline.commands.doctor.finding import Environment, Finding
from fleexmon_pipeline.retries import call_within
from fleexmon_pipeline.wording import counted

CHECK_SECONDS = 20.0  # for the agent and for GitHub; a node has FLEEXMON_MAX_ANSWER_SECONDS


def genai(environment: Environment, _: datetime) -> Iterator[Finding]:
    agent = settings.genai(environment)
    if agent is None:
        yield Finding("GENAI_AGENT_URL", "off", "not set: issues come from rules only")
        return
    try:
        status = call_within(CHECK_SECONDS, lambda: _status_of(agent.url))
        if status >= 500 and status != 501:  # 501: it does not support GET
            yield Finding(
                "GENAI_AGENT_URL", "wrong", f"{agent.url} answers HTTP {status}. Pending judgements will be retried."
            )
            return
    except (httpx.HTTPError, TimeoutError) as error:
        yield Finding("GENAI_AGENT_URL", "wrong", f"{agent.url}: {plain(error)}. Pending judgements will be retried.")
        return
    key = "with GENAI_API_KEY" if agent.api_key else "without GENAI_API_KEY"
    yield Finding(
        "GENAI_AGENT_URL",
        "ok",
        f"{agent.url} responds ({status}), {key}. The check everything_is_judged covers its answers.",
    )


def _status_of(url: str) -> int:
    """Requests no completion: a check must not cost tokens. 404 and 405 come from an agent without a page there."""
    with httpx.stream("GET", url, timeout=TIMEOUT, follow_redirects=False) as response:
        return response.status_code


def github(environment: Environment, _: datetime) -> Iterator[Finding]:
    github = settings.github(environment)
    if github is None:
        yield Finding("ALERTS_REPO", "off", "neither it nor GH_TOKEN is set: nothing is posted to GitHub")
        return
    from fleexmon_pipeline.reporting.github import GitHubClient, GitHubError  # noqa: PLC0415  only where it is used

    try:
        state = call_within(CHECK_SECONDS, GitHubClient(github).check)
    except (GitHubError, TimeoutError) as error:
        yield Finding("ALERTS_REPO", "wrong", f"{github.repo}: {error}")
        return
    yield Finding("ALERTS_REPO", "ok", state)


def heartbeat(environment: Environment, _: datetime) -> Iterator[Finding]:
    """Does not call the URL: a call would report a successful tick."""
    url = settings.heartbeat_url(environment)
    sentence = "set; each tick calls it" if url else "not set: no outside monitor notices when this machine is down"
    yield Finding("FLEEXMON_HEARTBEAT_URL", "ok" if url else "off", sentence)


def broker(environment: Environment, _: datetime) -> Iterator[Finding]:
    """Only if a broker is set: a single machine needs none."""
    if not settings.is_set(environment, "FLEEXMON_BROKER"):
        return
    url = settings.broker(environment)
    try:
        from fleexmon_pipeline.workers.launcher import BROKER_DOWN, WorkerLauncher  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        sentence = f"the package {error.name} is missing: pip install 'fleexmon-pipeline[celery]'"
        yield Finding("FLEEXMON_BROKER", "wrong", sentence)
        return
    try:
        workers = call_within(CHECK_SECONDS, WorkerLauncher(url).workers)
    except (*BROKER_DOWN, TimeoutError) as error:
        sentence = f"Redis does not respond ({type(error).__name__}). No run starts until it does."
        yield Finding("FLEEXMON_BROKER", "wrong", sentence)
        return
    if not workers:
        yield Finding("FLEEXMON_BROKER", "wrong", "no worker responds. Start one: `fleexmon worker`")
        return
    yield Finding("FLEEXMON_BROKER", "ok", f"{counted(len(workers), 'worker')}: {', '.join(workers)}")


def agents(environment: Environment, _: datetime) -> Iterator[Finding]:
    """Whether `fleexmon mcp --http` could start. Over stdin and stdout it needs no token."""
    if not settings.is_set(environment, "FLEEXMON_MCP_TOKEN"):
        yield Finding("FLEEXMON_MCP_TOKEN", "off", "not set: agents are served on stdin and stdout only")
        return
    settings.mcp_token(environment)
    yield Finding("FLEEXMON_MCP_TOKEN", "ok", "set; `fleexmon mcp --http` requires it")


def channels(environment: Environment, _: datetime) -> Iterator[Finding]:
    """Whether their URLs are valid; nothing is sent. Deliveries: the check everything_is_sent."""
    from fleexmon_pipeline.channels.channel import usable_channels  # noqa: PLC0415  only where it is used

    usable, problems = usable_channels(environment)
    if not usable and not problems:
        yield Finding("FLEEXMON_CHANNELS", "off", "not set: messages go to GitHub only, if that is set")
    for problem in problems:
        yield Finding("FLEEXMON_CHANNELS", "wrong", problem.removeprefix("FLEEXMON_CHANNELS: "))
    for channel in usable:
        wants = f"severity {channel.settings.severity} and above"
        sentence = f"{channel.transport.service}, {wants}. Test it: `fleexmon channels test {channel.name}`"
        yield Finding(f"channel {channel.name}", "ok", sentence)

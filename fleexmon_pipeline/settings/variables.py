"""Environment variables: their names, defaults and meaning.

Here: all except those of nodes: `watched_nodes.py`. Nothing is read at import; definitions load without any variable.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from fleexmon_pipeline.settings.secret_files import secret
from fleexmon_pipeline.settings.values import (
    BASE_URL,
    Environment,
    SettingError,
    base_url,
    http_url,
    is_loopback,
    price,
    shown,
    whole_number,
    yes_or_no,
)


def home(environment: Environment = os.environ) -> Path:
    """Directory of the embedded server, Dagster's files and notes of `up`: FLEEXMON_HOME, else `./.fleexmon`."""
    text = environment.get("FLEEXMON_HOME") or ".fleexmon"
    try:
        return Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # ~unknown-user, a loop of links
        raise SettingError("FLEEXMON_HOME", f'"{text}" is not a directory ({error}).', "/var/lib/fleexmon") from None


def rules_directory(environment: Environment = os.environ) -> Path | None:
    """FLEEXMON_RULES: a directory of rules that add to or replace the built-in ones; None if not set.

    Loading the rules reports a missing directory; the built-in rules then run.
    """
    text = environment.get("FLEEXMON_RULES")
    return Path(text) if text else None


def ui_port(environment: Environment = os.environ) -> int:
    return whole_number(environment, "FLEEXMON_PORT", 3000, least=1, most=65535)


def port_note(environment: Environment = os.environ) -> Path:
    """The file in which `up` notes its port, for commands in shells without FLEEXMON_PORT."""
    return home(environment) / "ui-port"


def running_ui_port(environment: Environment = os.environ) -> int:
    """FLEEXMON_PORT, else the port of the latest `up` in this home, else 3000."""
    if environment.get("FLEEXMON_PORT", "").strip():
        return ui_port(environment)
    try:
        noted = port_note(environment).read_text("ascii")
    except (OSError, ValueError):
        return ui_port(environment)
    return whole_number({"FLEEXMON_PORT": noted}, "FLEEXMON_PORT", 3000, least=1, most=65535)


def ui_listen(environment: Environment = os.environ) -> str:
    """FLEEXMON_LISTEN: the address on which the UI listens; loopback, or in a container its network."""
    value = environment.get("FLEEXMON_LISTEN", "").strip() or "127.0.0.1"
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise SettingError("FLEEXMON_LISTEN", f'"{shown(value)}" is not an IP address.', "0.0.0.0") from None


def ui_url(environment: Environment = os.environ) -> str | None:
    """FLEEXMON_UI_URL: the URL of the UI behind a proxy; None: it is open only on this machine."""
    value = environment.get("FLEEXMON_UI_URL", "").strip()
    if not value:
        return None
    parts, example = base_url(value), "https://fleexmon.example.com"
    if parts is None or not parts.hostname:
        raise SettingError("FLEEXMON_UI_URL", f'"{shown(value)}" is not {BASE_URL}.', example)
    if parts.path.strip("/"):
        raise SettingError("FLEEXMON_UI_URL", "a path is not supported: give the UI its own host name.", example)
    return value.rstrip("/")


def heartbeat_url(environment: Environment = os.environ) -> str | None:
    """FLEEXMON_HEARTBEAT_URL: each tick calls it, so that an external service notices missing ticks. A secret."""
    value = secret(environment, "FLEEXMON_HEARTBEAT_URL")
    if not value:
        return None
    parts, example = base_url(value), "https://hc-ping.com/your-uuid"
    if parts is None or not parts.hostname:
        raise SettingError("FLEEXMON_HEARTBEAT_URL", f"is not {BASE_URL} (its value is not shown).", example)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingError("FLEEXMON_HEARTBEAT_URL", "would be called over plain http. Use https.", example)
    return value.rstrip("/")


def live_node(environment: Environment = os.environ) -> str | None:
    """LIVE_NODE: the node that serves users, the baseline of comparisons. None: the one with the most traffic."""
    return environment.get("LIVE_NODE", "").strip() or None


def false_alarms_per_day(environment: Environment = os.environ) -> float:
    """FLEEXMON_FALSE_ALARMS_PER_DAY: how many false alarms all rules together may raise by chance, on all nodes."""
    variable, text = "FLEEXMON_FALSE_ALARMS_PER_DAY", environment.get("FLEEXMON_FALSE_ALARMS_PER_DAY", "").strip()
    if not text:
        return 0.25
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", text):
        raise SettingError(variable, f'"{shown(text)}" is not a number.', "0.25")
    if not 0.001 <= float(text) <= 100:
        raise SettingError(variable, f"{text} is not between 0.001 and 100.", "0.25")
    return float(text)


def retention_days(environment: Environment = os.environ) -> int:
    return whole_number(environment, "LOG_RETENTION_DAYS", 30, least=1, most=3650)


def mcp_token(environment: Environment = os.environ) -> str:
    """FLEEXMON_MCP_TOKEN: clients of `fleexmon mcp --http` must send it. A secret; there is no default."""
    variable, token = "FLEEXMON_MCP_TOKEN", secret(environment, "FLEEXMON_MCP_TOKEN")
    remedy = (
        f"Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'. {variable}_FILE names a file."
    )
    if token is None:
        raise SettingError(variable, f"is not set, but HTTP needs a token. {remedy}")
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{20,200}", token):
        raise SettingError(variable, f"is not 20 to 200 letters, digits and ._~+/=- (its value is not shown). {remedy}")
    return token


@dataclass(frozen=True)
class GenAISettings:
    """GENAI_AGENT_URL and its options. Limits apply to answered calls, and to the tokens of all calls."""

    url: str
    api_key: str | None = field(repr=False)
    calls_per_hour: int = 60
    calls_per_day: int = 600
    tokens_per_hour: int = 200_000
    tokens_per_day: int = 1_000_000
    max_tokens: int = 1_000  # of one answer
    timeout: int = 30  # seconds, of one attempt
    price_in: Decimal | None = None  # per million tokens, in the operator's currency
    price_out: Decimal | None = None
    price_cached: Decimal | None = None
    redact_ip: bool = True


def genai(environment: Environment = os.environ) -> GenAISettings | None:
    """None if no agent is configured: then only the rules work."""
    value = environment.get("GENAI_AGENT_URL", "").strip()
    if not value:
        return None
    url = http_url("GENAI_AGENT_URL", value, example="https://agent.example.com")
    return genai_limits(environment, GenAISettings(url, secret(environment, "GENAI_API_KEY")))


def genai_limits(environment: Environment, default: GenAISettings) -> GenAISettings:
    """`default` with the environment's limits, sizes and prices. Previews also need them without an agent."""
    return replace(
        default,
        calls_per_hour=whole_number(
            environment, "GENAI_MAX_CALLS_PER_HOUR", default.calls_per_hour, least=1, most=100_000
        ),
        calls_per_day=whole_number(
            environment, "GENAI_MAX_CALLS_PER_DAY", default.calls_per_day, least=1, most=1_000_000
        ),
        tokens_per_hour=whole_number(
            environment, "GENAI_MAX_TOKENS_PER_HOUR", default.tokens_per_hour, least=1_000, most=10**9
        ),
        tokens_per_day=whole_number(
            environment, "GENAI_MAX_TOKENS_PER_DAY", default.tokens_per_day, least=1_000, most=10**10
        ),
        max_tokens=whole_number(environment, "GENAI_MAX_TOKENS", default.max_tokens, least=200, most=8_000),
        timeout=whole_number(environment, "GENAI_TIMEOUT", default.timeout, least=1, most=600),
        price_in=price(environment, "GENAI_PRICE_PER_MILLION_INPUT"),
        price_out=price(environment, "GENAI_PRICE_PER_MILLION_OUTPUT"),
        price_cached=price(environment, "GENAI_PRICE_PER_MILLION_CACHED_INPUT"),
        redact_ip=yes_or_no(environment, "GENAI_REDACT_IP", default=True),
    )


@dataclass(frozen=True)
class GitHubSettings:
    """ALERTS_REPO, GH_TOKEN and GITHUB_API_URL."""

    repo: str
    token: str = field(repr=False)
    api_url: str


def github(environment: Environment = os.environ) -> GitHubSettings | None:
    """None if neither ALERTS_REPO nor GH_TOKEN is set. Raises SettingError if only one is."""
    repo, token = environment.get("ALERTS_REPO", "").strip(), secret(environment, "GH_TOKEN")
    if not repo and not token:
        return None
    if not token:
        raise SettingError("GH_TOKEN", "is not set, but ALERTS_REPO is. Nothing can be posted without a token.")
    if not repo:
        raise SettingError("ALERTS_REPO", "is not set, but GH_TOKEN is.", "acme/shop-alerts")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", repo):
        raise SettingError("ALERTS_REPO", f'"{shown(repo)}" is not owner/name.', "acme/shop-alerts")
    api = environment.get("GITHUB_API_URL", "").strip() or "https://api.github.com"
    return GitHubSettings(repo, token, http_url("GITHUB_API_URL", api, example="https://api.github.com"))

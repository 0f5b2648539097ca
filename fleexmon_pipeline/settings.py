"""What the environment says: every variable that the product reads, checked, with what to do where it is wrong.

Here: names, defaults, meaning. Nothing is read at import; definitions load with no variable set.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

Environment = Mapping[str, str]


class SettingError(ValueError):
    """A variable that is missing or cannot be used. Its text names variable, value, reason and examples."""

    def __init__(self, variable: str, reason: str, *examples: str) -> None:
        self.variable = variable
        self.reason = reason
        shown = f"\nExamples: {'  '.join(f'{variable}={example}' for example in examples)}" if examples else ""
        super().__init__(f"{variable}: {reason}{shown}")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def home(environment: Environment = os.environ) -> Path:
    """Where the embedded server, Dagster's files and notes of `up` live: FLEEXMON_HOME, else `.fleexmon` here."""
    return Path(environment.get("FLEEXMON_HOME") or ".fleexmon").expanduser().resolve()


def whole_number(environment: Environment, variable: str, default: int, *, least: int, most: int) -> int:
    """A plain decimal; '0', '-5' and '1e3' once meant 'delete everything' and '1 day', so nothing else is taken."""
    text = environment.get(variable, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}", text):
        raise SettingError(variable, f'"{text}" is not a whole number.', str(default))
    if not least <= int(text) <= most:
        raise SettingError(variable, f"{text} is not between {least} and {most}.", str(default))
    return int(text)


def http_url(variable: str, value: str, *, example: str) -> str:
    """A base URL without a slash at its end: https, or http on loopback."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(variable, f'"{_without_password(value)}" is not an http(s) URL.', example)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingError(variable, f"plain http to {parts.hostname} would send the key in the clear.", example)
    return value.rstrip("/")


def _without_password(value: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", value)


# -- nodes --------------------------------------------------------------------------------------------------------

NODE_EXAMPLES = ("10.0.0.5", "10.0.0.5:8080", "https://blue.example.com")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]{0,62})?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,62})?)*\.?")


@dataclass(frozen=True)
class Node:
    """A machine that answers for its log lines."""

    name: str  # its identity: a rename is a new node
    url: str  # asked for lines: http://10.0.0.5:3000/api/logs
    hostname: str  # LogEntry.hostname: the host as the operator wrote it, without port


def node_of(variable: str, name: str, value: str) -> Node:
    """BLUE_HOST and its like: an IP or name (port 3000), `host:port`, or a base URL; `/api/logs` is appended."""
    text = value.strip()
    refusal = SettingError(
        variable,
        f'"{_without_password(text)}" is not a node: neither an address, nor host:port, nor a URL.',
        *NODE_EXAMPLES,
    )
    if "://" in text:
        parts = urlsplit(text)
        try:
            sound = parts.scheme in ("http", "https") and _is_host(parts.hostname or "") and parts.port != 0
        except ValueError:
            sound = False
        if not sound or parts.query or parts.fragment:
            raise refusal
        base = text.rstrip("/")
        return Node(name, base if base.endswith("/api/logs") else f"{base}/api/logs", parts.hostname or "")
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        host, _, port = text.rpartition(":") if ":" in text else (text, "", "3000")
        if not _is_host(host.strip("[]")) or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise refusal from None
        return Node(name, f"http://{host}:{port}/api/logs", host.strip("[]"))
    shown = f"[{address}]" if address.version == 6 else str(address)
    return Node(name, f"http://{shown}:3000/api/logs", str(address))


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _HOST.fullmatch(text) is not None and not re.fullmatch(r"[\d.]+", text)
    return True


def nodes(environment: Environment = os.environ) -> list[Node]:
    """BLUE_HOST, GREEN_HOST and LOG_SOURCES, in this order; [] when none is set.

    Raises SettingError for one that is malformed, for a name or an address used twice, and for the UI's own address.
    """
    found = []
    for variable, name in (("BLUE_HOST", "blue"), ("GREEN_HOST", "green")):
        if environment.get(variable, "").strip():
            found.append(node_of(variable, name, environment[variable]))
    for entry in filter(None, (part.strip() for part in environment.get("LOG_SOURCES", "").split(","))):
        name, equals, value = entry.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name.strip()):
            raise SettingError("LOG_SOURCES", f'"{_without_password(entry)}" is not name=host.', "worker-1=10.0.0.7")
        found.append(node_of("LOG_SOURCES", name.strip(), value))
    for index, node in enumerate(found):
        for other in found[:index]:
            if node.name == other.name:
                raise SettingError("LOG_SOURCES", f'"{node.name}" is used twice; the name is the identity.')
            if node.url == other.url:
                raise SettingError(
                    "LOG_SOURCES" if index > 1 else "GREEN_HOST",
                    f"{other.name} and {node.name} are the same address; its lines would be counted twice.",
                )
        _refuse_own_address(node, environment)
    return found


def _refuse_own_address(node: Node, environment: Environment) -> None:
    parts = urlsplit(node.url)
    if is_loopback(parts.hostname or "") and parts.port == ui_port(environment):
        raise SettingError(
            f"{node.name.upper()}_HOST" if node.name in ("blue", "green") else "LOG_SOURCES",
            f"{parts.netloc} is this product's own UI, not a node; give the node's port, or set FLEEXMON_PORT.",
        )


# -- the rest -----------------------------------------------------------------------------------------------------


def ui_port(environment: Environment = os.environ) -> int:
    return whole_number(environment, "FLEEXMON_PORT", 3000, least=1, most=65535)


def retention_days(environment: Environment = os.environ) -> int:
    return whole_number(environment, "LOG_RETENTION_DAYS", 30, least=1, most=3650)


@dataclass(frozen=True)
class GenAISettings:
    """GENAI_AGENT_URL and what belongs to it; budgets count answered calls."""

    url: str
    api_key: str | None = field(repr=False)
    calls_per_hour: int = 60
    calls_per_day: int = 600


def genai(environment: Environment = os.environ) -> GenAISettings | None:
    """None when no agent is configured: the rules then work alone."""
    value = environment.get("GENAI_AGENT_URL", "").strip()
    if not value:
        return None
    url = http_url("GENAI_AGENT_URL", value, example="https://agent.example.com")
    return GenAISettings(
        url,
        environment.get("GENAI_API_KEY", "").strip() or None,
        whole_number(environment, "GENAI_MAX_CALLS_PER_HOUR", 60, least=1, most=100_000),
        whole_number(environment, "GENAI_MAX_CALLS_PER_DAY", 600, least=1, most=1_000_000),
    )


@dataclass(frozen=True)
class GitHubSettings:
    """ALERTS_REPO, GH_TOKEN and GITHUB_API_URL."""

    repo: str
    token: str = field(repr=False)
    api_url: str


def github(environment: Environment = os.environ) -> GitHubSettings | None:
    """None when neither ALERTS_REPO nor GH_TOKEN is set; SettingError when only one is."""
    repo, token = environment.get("ALERTS_REPO", "").strip(), environment.get("GH_TOKEN", "").strip()
    if not repo and not token:
        return None
    if not token:
        raise SettingError("GH_TOKEN", "is not set, but ALERTS_REPO is; without it nothing can be posted there.")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", repo):
        raise SettingError("ALERTS_REPO", f'"{repo}" is not owner/name.' if repo else "is not set, but GH_TOKEN is.",
                           "acme/shop-alerts")  # fmt: skip
    api = environment.get("GITHUB_API_URL", "").strip() or "https://api.github.com"
    return GitHubSettings(repo, token, http_url("GITHUB_API_URL", api, example="https://api.github.com"))

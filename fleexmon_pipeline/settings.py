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
from urllib.parse import SplitResult, urlsplit

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
    text = environment.get("FLEEXMON_HOME") or ".fleexmon"
    try:
        return Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # ~nobody-known, a loop of links
        raise SettingError("FLEEXMON_HOME", f'"{text}" is no directory ({error}).', "/var/lib/fleexmon") from None


def whole_number(environment: Environment, variable: str, default: int, *, least: int, most: int) -> int:
    """A plain decimal; '0', '-5' and '1e3' once meant 'delete everything' and '1 day', so nothing else is taken."""
    text = environment.get(variable, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise SettingError(variable, f'"{_shown(text)}" is not a whole number.', str(default))
    if not least <= int(text) <= most:
        raise SettingError(variable, f"{text} is not between {least} and {most}.", str(default))
    return int(text)


def http_url(variable: str, value: str, *, example: str) -> str:
    """A base URL without a slash at its end: https, or http on loopback."""
    parts = _base_url(value)
    if parts is None or not parts.hostname:
        raise SettingError(variable, f'"{_shown(value)}" is not {_BASE_URL}.', example)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingError(variable, f"plain http to {parts.hostname} would send the key in the clear.", example)
    return value.rstrip("/")


_BASE_URL = "an http(s) URL without user, password, query and fragment"
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]{0,62})?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,62})?)*\.?")


def _base_url(text: str) -> SplitResult | None:
    """The parts of a URL that a client can use and that may be shown; None for anything else."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        return None
    return parts if sound and text.isprintable() and not re.search(r"[@?# ]", text) else None


def _is_host(text: str) -> bool:
    return _address(text) is not None or (_HOST.fullmatch(text) is not None and not re.fullmatch(r"[0-9.]+", text))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return address if re.fullmatch(r"[0-9A-Fa-f:.]+(%[0-9A-Za-z_.-]+)?", text) else None


def _shown(value: str) -> str:
    """A value as a message may show it: whatever could be a password or a key is left out."""
    return re.sub(r"(?s)\?.*", "?…", re.sub(r"(?s)^(.{0,9}://)?.*@", r"\1…@", value))[:100]


# -- nodes --------------------------------------------------------------------------------------------------------

NODE_EXAMPLES = ("10.0.0.5", "10.0.0.5:8080", "https://blue.example.com")


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
        variable, f'"{_shown(text)}" is not a node: neither an address, nor host:port, nor {_BASE_URL}.', *NODE_EXAMPLES
    )
    if "://" in text:
        parts = _base_url(text)
        if parts is None:
            raise refusal
        base = text.rstrip("/")
        return Node(name, base if base.endswith("/api/logs") else f"{base}/api/logs", parts.hostname or "")
    if address := _address(_unbracketed(text)):
        shown = f"[{address}]" if address.version == 6 else str(address)
        return Node(name, f"http://{shown}:3000/api/logs", str(address))
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "3000")
    bare = _unbracketed(host)
    if not _is_host(bare) or (bare != host) != (":" in bare):
        raise refusal
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise refusal
    return Node(name, f"http://{host}:{port}/api/logs", bare)


def _unbracketed(text: str) -> str:
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def nodes(environment: Environment = os.environ) -> list[Node]:
    """BLUE_HOST, GREEN_HOST and LOG_SOURCES, in this order; [] when none is set.

    Raises SettingError for one that is malformed, for a name or an address used twice, and for the UI's own address.
    """
    found: list[tuple[str, Node]] = []
    for variable, name in (("BLUE_HOST", "blue"), ("GREEN_HOST", "green")):
        if environment.get(variable, "").strip():
            found.append((variable, node_of(variable, name, environment[variable])))
    for entry in filter(None, (part.strip() for part in environment.get("LOG_SOURCES", "").split(","))):
        name, equals, value = entry.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name.strip()):
            raise SettingError("LOG_SOURCES", f'"{_shown(entry)}" is not name=host.', "worker-1=10.0.0.7")
        found.append(("LOG_SOURCES", node_of("LOG_SOURCES", name.strip(), value)))
    for index, (variable, node) in enumerate(found):
        for _, other in found[:index]:
            if node.name == other.name:
                raise SettingError(variable, f'"{node.name}" is used twice; the name is the identity.')
            if _place(node) == _place(other):
                raise SettingError(
                    variable, f"{other.name} and {node.name} are the same address; its lines would be counted twice."
                )
        _refuse_own_address(variable, node, environment)
    return [node for _, node in found]


def _place(node: Node) -> tuple[str, int, str]:
    """Where a node is, however its address is written."""
    parts = urlsplit(node.url)
    return (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80), parts.path


def _refuse_own_address(variable: str, node: Node, environment: Environment) -> None:
    host, port, _ = _place(node)
    if (is_loopback(host) or host in ("0.0.0.0", "::")) and port == ui_port(environment):
        raise SettingError(
            variable,
            f"{host}:{port} is this product's own UI, not a node; give the node's port, or set FLEEXMON_PORT.",
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
    if not repo:
        raise SettingError("ALERTS_REPO", "is not set, but GH_TOKEN is.", "acme/shop-alerts")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", repo):
        raise SettingError("ALERTS_REPO", f'"{_shown(repo)}" is not owner/name.', "acme/shop-alerts")
    api = environment.get("GITHUB_API_URL", "").strip() or "https://api.github.com"
    return GitHubSettings(repo, token, http_url("GITHUB_API_URL", api, example="https://api.github.com"))

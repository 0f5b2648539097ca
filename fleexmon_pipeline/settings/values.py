"""Parse the text of a variable: a number, a host, a URL. Errors show no secret.

Here: functions for all variables. The variables and their meaning: `variables.py`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import SplitResult, urlsplit

from fleexmon_pipeline.errors import FleexmonError

Environment = Mapping[str, str]

BASE_URL = "an http(s) URL without user, password, query and fragment"
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]{0,62})?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,62})?)*\.?")


class SettingError(FleexmonError, ValueError):
    """A variable that is missing or unusable. The text has its name, value, the reason and examples."""

    def __init__(self, variable: str, reason: str, *examples: str) -> None:
        self.variable = variable
        self.reason = reason
        self.examples = examples
        shown_examples = f"\nExamples: {'  '.join(f'{variable}={example}' for example in examples)}" if examples else ""
        super().__init__(f"{variable}: {reason}{shown_examples}")


def shown(value: str) -> str:
    """A value that is safe to show: parts that could be a password or a key are removed."""
    return re.sub(r"(?s)\?.*", "?…", re.sub(r"(?s)^((?:[a-z]{1,10}\+)?https?://)?.*@", r"\1…@", value))[:100]


def whole_number(environment: Environment, variable: str, default: int, *, least: int, most: int) -> int:
    """Only decimal digits are accepted: '0', '-5' and '1e3' once meant 'delete everything' and '1 day'."""
    text = environment.get(variable, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise SettingError(variable, f'"{shown(text)}" is not a whole number.', str(default))
    if not least <= int(text) <= most:
        raise SettingError(variable, f"{text} is not between {least} and {most}.", str(default))
    return int(text)


def price(environment: Environment, variable: str) -> Decimal | None:
    """A plain amount of money, such as 0.65; None if not set."""
    text = environment.get(variable, "").strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise SettingError(variable, f'"{shown(text)}" is not a price.', "0.65")
    return Decimal(text)


def yes_or_no(environment: Environment, variable: str, *, default: bool) -> bool:
    text = environment.get(variable, "").strip().lower()
    if text not in ("", "yes", "no"):
        raise SettingError(variable, f'"{shown(text)}" is neither yes nor no.', "yes" if default else "no")
    return default if not text else text == "yes"


def http_url(variable: str, value: str, *, example: str) -> str:
    """A base URL without a trailing slash: https, or http on loopback."""
    parts = base_url(value)
    if parts is None or not parts.hostname:
        raise SettingError(variable, f'"{shown(value)}" is not {BASE_URL}.', example)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingError(variable, f"plain http to {parts.hostname} would send the key in the clear.", example)
    return value.rstrip("/")


def base_url(text: str) -> SplitResult | None:
    """The parts of a URL that is usable and safe to show; None for anything else."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:  # not a port, or not an IPv6 address
        return None
    return parts if sound and text.isprintable() and not re.search(r"[@?# ]", text) else None


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_host(text: str) -> bool:
    return address_of(text) is not None or (_HOST.fullmatch(text) is not None and not re.fullmatch(r"[0-9.]+", text))


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address without brackets; None for a name."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return address if re.fullmatch(r"[0-9A-Fa-f:.]+(%[0-9A-Za-z_.-]+)?", text) else None

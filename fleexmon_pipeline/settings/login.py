"""FLEEXMON_LOGIN: who may use the UI. Either a file has names and passwords, or a proxy names the user.

Here: reading the setting and the file. Whether a request may pass: `web/login.py`.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from fleexmon_pipeline.settings.values import Environment, SettingError, shown

VARIABLE = "FLEEXMON_LOGIN"
OWN_KEY = "FLEEXMON_OWN_KEY"  # `fleexmon up` makes one at each start, for its own requests to its UI
MAX_BYTES = 1_000_000
_EXAMPLES = ("/etc/fleexmon/passwords", "header:X-Forwarded-User@127.0.0.1")
MAX_NAME = 64
_NAME = rf"[^:\s\x00-\x1f\x7f]{{1,{MAX_NAME}}}"
_ENTRY = re.compile(rf"({_NAME}):(\$scrypt\$ln=1[0-7],r=8,p=[1-9]\$[A-Za-z0-9+/]{{22}}\$[A-Za-z0-9+/]{{43}})")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class PasswordFile:
    path: Path


@dataclass(frozen=True)
class ProxyHeader:
    """The header in which a proxy names the user. It is trusted only in requests from these networks."""

    name: str
    networks: tuple[Network, ...]


Login = PasswordFile | ProxyHeader


def login(environment: Environment = os.environ) -> Login | None:
    """FLEEXMON_LOGIN; None: everyone who can reach the UI may use it. Raises SettingError, also for a file without
    users."""
    value = environment.get(VARIABLE, "").strip()
    if not value:
        return None
    if value.startswith("header:"):
        return _proxy_header(value.removeprefix("header:"))
    chosen = PasswordFile(Path(value))
    password_hashes(chosen)
    return chosen


def password_hashes(file: PasswordFile) -> dict[str, str]:
    """Hashes by name. Raises SettingError with the number of a line but not its text, which may be a password."""
    try:
        with file.path.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        lines = content.decode().splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise SettingError(VARIABLE, f'"{shown(str(file.path))}" cannot be read: {reason}.', *_EXAMPLES) from None
    if len(content) > MAX_BYTES:
        raise SettingError(VARIABLE, f'"{shown(str(file.path))}" is larger than {MAX_BYTES:,} bytes.', *_EXAMPLES)
    hashes: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        entry = _ENTRY.fullmatch(line.strip())
        if entry is None:
            reason = f"line {number} of {shown(str(file.path))} is not a name and a hash."
            raise SettingError(VARIABLE, f"{reason} Make one with `fleexmon password NAME`.")
        if entry[1] in hashes:
            raise SettingError(VARIABLE, f"line {number} of {shown(str(file.path))} repeats an earlier name.")
        hashes[entry[1]] = entry[2]
    if not hashes:
        reason = f'"{shown(str(file.path))}" has no user, so nobody could log in.'
        raise SettingError(VARIABLE, f"{reason} Make a line with `fleexmon password NAME`.")
    return hashes


def is_user_name(text: str) -> bool:
    return re.fullmatch(_NAME, text) is not None and not text.startswith("#")


def own_key(environment: Environment = os.environ) -> str | None:
    """FLEEXMON_OWN_KEY: lets the requests of `fleexmon up` pass the login. A secret."""
    return environment.get(OWN_KEY) or None


def _proxy_header(text: str) -> ProxyHeader:
    name, _, addresses = text.partition("@")
    if not _HEADER.fullmatch(name):
        raise SettingError(VARIABLE, f'"{shown(name)}" is not the name of a header.', _EXAMPLES[1])
    try:
        networks = tuple(ipaddress.ip_network(address.strip()) for address in addresses.split(","))
    except ValueError:
        reason = f'"{addresses[:100]}" is not the IP address of a proxy, or several with commas between them.'
        raise SettingError(VARIABLE, reason, _EXAMPLES[1], "header:X-Forwarded-User@10.0.0.5,10.0.1.0/24") from None
    if any(network.num_addresses > 2**16 for network in networks):
        reason = f'"{addresses[:100]}" has more than 65,536 addresses: each of them could claim to be any user.'
        raise SettingError(VARIABLE, reason, _EXAMPLES[1])
    return ProxyHeader(name, networks)

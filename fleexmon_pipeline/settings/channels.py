"""Channels: FLEEXMON_CHANNELS, where messages are sent besides GitHub. URLs are secrets: no error or repr shows them.

Here: reading and checking the setting, as text or as a YAML file. Checking that a URL can be sent to:
`channels/transports.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from fleexmon_pipeline.settings.secret_files import is_set, secret
from fleexmon_pipeline.settings.values import Environment, SettingError

CHANNELS = "FLEEXMON_CHANNELS"
SEVERITIES = ("low", "medium", "high", "critical")
DEFAULT_SEVERITY = "high"
MAX_CHANNELS = 50
MAX_FILE_BYTES = 100_000
EXAMPLES = ("ops=slack://xoxb-…/#alerts", "mailtos://user:password@example.com?to=ops@example.com", "channels.yaml")
_KEYS = ("name", "url", "severity", "nodes", "quiet", "digest", "secret")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,39}://"
_NEXT = re.compile(rf"\n|,(?=\s*(?:[A-Za-z0-9][\w.-]{{0,39}}=)?{_SCHEME})")  # a comma inside a URL separates nothing
_ENTRY = re.compile(rf"(?:(?P<name>[^=:/?@]*)=)?(?P<url>{_SCHEME}.*)", re.DOTALL)
_QUIET = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])(?: +(\S{1,60}))?")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class QuietHours:
    """A time range of each day, in the time zone `zone`. It may span midnight."""

    begin: time
    end: time
    zone: ZoneInfo

    def __contains__(self, moment: datetime) -> bool:
        local = moment.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


@dataclass(frozen=True)
class ChannelSettings:
    """One channel as configured. Only its name and its scheme may be shown."""

    name: str
    url: str = field(repr=False)
    severity: str = DEFAULT_SEVERITY  # the lowest one that is sent
    nodes: tuple[str, ...] = ()  # () is all
    quiet: QuietHours | None = None
    digest: bool = False
    secret: str | None = field(default=None, repr=False)  # signs messages to a generic webhook

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0].lower()


def channels(environment: Environment = os.environ) -> list[ChannelSettings]:
    """FLEEXMON_CHANNELS: `URL` or `name=URL`, separated by commas or newlines; or the path of a YAML file.

    Raises SettingError, which names the channel and never its URL.
    """
    text = secret(environment, CHANNELS)
    if not text:
        return []
    if "://" in text:
        configured = list(_of_text(text, environment))
    elif "\n" not in text and text.lower().endswith((".yaml", ".yml")):
        configured = list(_of_file(Path(text), environment))
    else:
        reason = "is neither a list of URLs nor the path of a .yaml file (its value is not shown)."
        raise SettingError(CHANNELS, reason, *EXAMPLES)
    if len(configured) > MAX_CHANNELS:
        raise SettingError(CHANNELS, f"has {len(configured)} channels, and {MAX_CHANNELS} are supported.")
    names = [channel.name for channel in configured]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(CHANNELS, f'"{name}" is the name of two channels.')
    return configured


def secret_variable(name: str) -> str:
    """The variable of a channel's secret: `ops-web` → `FLEEXMON_CHANNEL_OPS_WEB_SECRET`."""
    return f"FLEEXMON_CHANNEL_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_SECRET"


def _of_text(text: str, environment: Environment) -> Iterator[ChannelSettings]:
    taken: set[str] = set()
    for place, entry in enumerate((part.strip() for part in _NEXT.split(text)), start=1):
        if not entry:
            continue
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise SettingError(CHANNELS, f"channel {place} is not a URL (it is not shown).", *EXAMPLES)
        name, url = match["name"], match["url"]
        if name is None:
            name = _free_name(url.partition("://")[0].lower().replace("+", "-"), taken)
        _check_name(name.strip(), f"channel {place}")
        taken.add(name.strip())
        yield _channel(name.strip(), {"url": url}, environment)


def _free_name(scheme: str, taken: set[str]) -> str:
    """`slack` for the first channel of a scheme, `slack-2` for the second."""
    return next(name for n in range(1, 1000) if (name := scheme if n == 1 else f"{scheme}-{n}") not in taken)


def _of_file(path: Path, environment: Environment) -> Iterator[ChannelSettings]:
    where = str(path)[:200]
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SettingError(CHANNELS, f"{where} is larger than {MAX_FILE_BYTES:,} bytes.")
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingError(CHANNELS, f"{where} cannot be read: {reason}.") from None
    except yaml.YAMLError as error:  # its text would quote the file
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark is not None else ""
        raise SettingError(CHANNELS, f"{where} is not YAML{line}.") from None
    entries = document.get("channels") if isinstance(document, dict) else document
    if not isinstance(entries, list) or (isinstance(document, dict) and set(document) != {"channels"}):
        raise SettingError(CHANNELS, f"{where} must hold a list under `channels:`, and nothing else.")
    for place, entry in enumerate(entries, start=1):
        who = f"{where}, channel {place}"
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise SettingError(CHANNELS, f"{who} has no name.")
        _check_name(entry["name"], who)
        if unknown := sorted(str(key)[:40] for key in entry.keys() - set(_KEYS)):
            raise SettingError(CHANNELS, f'"{entry["name"]}" has unknown keys: {", ".join(unknown)}. Known: {_KNOWN}.')
        yield _channel(entry["name"], entry, environment)


_KNOWN = ", ".join(_KEYS)


def _check_name(name: str, who: str) -> None:
    if not _NAME.fullmatch(name):
        reason = f"{who} has a name that is not 1 to 40 letters, digits and ._- (it is not shown)."
        raise SettingError(CHANNELS, reason, *EXAMPLES)


def _channel(name: str, entry: Mapping[str, Any], environment: Environment) -> ChannelSettings:
    def refused(reason: str) -> SettingError:
        return SettingError(CHANNELS, f'"{name}": {reason}')

    url = _resolved(entry.get("url"), environment, lambda reason: refused(f"its url {reason}"))
    if not url or not re.match(_SCHEME, url):
        raise refused("its url does not begin with a scheme, as in slack://… (it is not shown).")
    if not url.isprintable() or " " in url:
        raise refused("its url has a space or a control character, which a URL writes as %20 (it is not shown).")
    severity = entry.get("severity", DEFAULT_SEVERITY)
    if severity not in SEVERITIES:
        raise refused(f"severity must be one of {', '.join(SEVERITIES)}.")
    digest = entry.get("digest", False)
    if not isinstance(digest, bool):
        raise refused("digest must be yes or no.")
    own = _resolved(entry.get("secret"), environment, lambda reason: refused(f"its secret {reason}"))
    own = own or secret(environment, secret_variable(name))
    nodes, quiet = _nodes(entry.get("nodes"), refused), _quiet(entry.get("quiet"), refused)
    return ChannelSettings(name, url, severity, nodes, quiet, digest, own)


def _resolved(value: object, environment: Environment, refused: Any) -> str | None:
    """`value` with ${NAME} replaced by the environment's."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise refused("is not text (it is not shown).")
    for variable in _REFERENCE.findall(value):
        if not is_set(environment, variable):
            raise refused(f"refers to {variable}, which is not set.")
    return _REFERENCE.sub(lambda match: secret(environment, match[1]) or "", value).strip()


def _nodes(value: object, refused: Any) -> tuple[str, ...]:
    nodes = [value] if isinstance(value, str) else value or []
    if not isinstance(nodes, list) or not all(isinstance(node, str) and node.strip() for node in nodes):
        raise refused("nodes must be a list of node names.")
    return tuple(node.strip() for node in nodes)


def _quiet(value: object, refused: Any) -> QuietHours | None:
    if value is None:
        return None
    match = _QUIET.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise refused('quiet must be a time range such as "22:00-07:00 Europe/Berlin".')
    begin, end = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if begin == end:
        raise refused("quiet ends at the same time as it begins.")
    try:
        zone = ZoneInfo(match[5] or "UTC")
    except (KeyError, ValueError, OSError):
        raise refused(f'quiet names the time zone "{match[5]}", which is not known. Example: Europe/Berlin') from None
    return QuietHours(begin, end, zone)

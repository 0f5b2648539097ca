"""FLEEXMON_ARCHIVE and related variables: where cold days are stored, and when a day is cold.

Here: the variables. The files: `archive/`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fleexmon_pipeline.settings.secret_files import secret
from fleexmon_pipeline.settings.values import Environment, SettingError, base_url, is_loopback, shown, whole_number
from fleexmon_pipeline.settings.variables import retention_days

PLACES = ("/var/lib/fleexmon/archive", "s3://bucket/prefix")
DEFAULT_HOT_DAYS = 7
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_.=/-]{0,500}")


@dataclass(frozen=True)
class S3:
    """Credentials None: those of the machine, found like AWS clients find them. `endpoint` None: Amazon's."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None
    access_key: str | None
    secret_key: str | None = field(repr=False)


@dataclass(frozen=True)
class ArchiveSettings:
    """`place`: a directory, or a bucket; `text`: as the operator wrote it. Days that ended `hot_days` ago are cold."""

    place: Path | S3
    text: str
    hot_days: int


def archive(environment: Environment = os.environ) -> ArchiveSettings | None:
    """None if FLEEXMON_ARCHIVE is not set: then all lines stay in the database until LOG_RETENTION_DAYS."""
    text = environment.get("FLEEXMON_ARCHIVE", "").strip()
    if not text:
        return None
    hot = whole_number(environment, "FLEEXMON_HOT_DAYS", DEFAULT_HOT_DAYS, least=1, most=3650)
    if "://" in text:
        return ArchiveSettings(_s3(environment, text), text, hot)
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise SettingError("FLEEXMON_ARCHIVE", f'"{shown(text)}" is neither an absolute path nor an s3 URL.', *PLACES)
    return ArchiveSettings(path, text, hot)


def nothing_gets_cold(settings: ArchiveSettings, environment: Environment = os.environ) -> str | None:
    """Says so, if days are never archived because their lines are deleted before they are cold."""
    days = retention_days(environment)
    if settings.hot_days < days:
        return None
    return f"lines are deleted after {days} days (LOG_RETENTION_DAYS), before they are cold"


def _s3(environment: Environment, text: str) -> S3:
    parts = urlsplit(text)
    prefix = parts.path.strip("/")
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise SettingError("FLEEXMON_ARCHIVE", f'"{shown(text)}" is not s3://bucket/prefix.', *PLACES)
    if not _PREFIX.fullmatch(prefix) or ".." in prefix.split("/"):
        raise SettingError("FLEEXMON_ARCHIVE", f'the prefix "{shown(prefix)}" has other characters.', PLACES[1])
    key, own = "FLEEXMON_ARCHIVE_ACCESS_KEY", "FLEEXMON_ARCHIVE_SECRET_KEY"
    access_key, secret_key = secret(environment, key), secret(environment, own)
    if (access_key is None) != (secret_key is None):
        missing, given = (key, own) if access_key is None else (own, key)
        raise SettingError(missing, f"is not set, but {given} is. Set both, or neither.")
    region = environment.get("FLEEXMON_ARCHIVE_REGION", "").strip() or None
    if region is not None and not re.fullmatch(r"[a-z0-9-]{1,40}", region):
        raise SettingError("FLEEXMON_ARCHIVE_REGION", f'"{shown(region)}" is not a region.', "eu-central-1")
    return S3(parts.netloc, prefix, _endpoint(environment), region, access_key, secret_key)


def _endpoint(environment: Environment) -> str | None:
    """Plain http is only allowed on this machine, since lines contain secrets."""
    variable = "FLEEXMON_ARCHIVE_ENDPOINT"
    value = environment.get(variable, "").strip()
    if not value:
        return None
    parts, example = base_url(value), "https://minio.example.com:9000"
    if parts is None or not parts.hostname or parts.path.strip("/"):
        raise SettingError(variable, f'"{shown(value)}" is not an http(s) URL of a host.', example)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingError(variable, f"plain http to {parts.hostname} would send lines in the clear.", example)
    return value.rstrip("/")

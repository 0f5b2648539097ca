"""Settings of several machines: the broker that hands runs to workers, and in how many parts a tick is run."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qs, urlsplit

from fleexmon_pipeline.settings.secret_files import secret
from fleexmon_pipeline.settings.values import Environment, SettingError, is_loopback, whole_number

_EXAMPLES = ("redis://127.0.0.1:6379/0", "rediss://:PASSWORD@redis.example.com:6379/0?ssl_cert_reqs=required")


def broker(environment: Environment = os.environ) -> str:
    """FLEEXMON_BROKER: the Redis that hands runs to workers. A secret: its password is in it."""
    variable, url = "FLEEXMON_BROKER", secret(environment, "FLEEXMON_BROKER")
    if url is None:
        reason = "is not set. The launcher that dagster.yaml names needs a Redis, and so do its workers."
        raise SettingError(variable, reason, *_EXAMPLES)
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not re.fullmatch(r"/?[0-9]{0,3}", parts.path):
        raise SettingError(variable, "is not the URL of a Redis (its value is not shown).", *_EXAMPLES)
    if parts.scheme == "redis" and parts.password and not is_loopback(parts.hostname or ""):
        reason = "would send its password in the clear (its value is not shown). Use rediss, or a tunnel to loopback."
        raise SettingError(variable, reason, _EXAMPLES[1])
    if parts.scheme == "rediss" and parse_qs(parts.query).get("ssl_cert_reqs") not in (["required"], ["none"]):
        reason = "says nothing of the certificate (its value is not shown). Add ?ssl_cert_reqs=required."
        raise SettingError(variable, reason, _EXAMPLES[1])
    return url


def groups(environment: Environment = os.environ) -> int:
    """FLEEXMON_GROUPS: in how many groups of nodes, each a run of its own, a tick collects; 1: one run does it all."""
    return whole_number(environment, "FLEEXMON_GROUPS", 1, least=1, most=64)

"""Settings for several machines: the broker that hands runs to workers, the number of runs of a tick, and the maximum
of database connections.
"""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qs, urlsplit

from fleexmon_pipeline.settings.secret_files import secret
from fleexmon_pipeline.settings.values import Environment, SettingError, is_loopback, whole_number

_EXAMPLES = ("redis://127.0.0.1:6379/0", "rediss://:PASSWORD@redis.example.com:6379/0?ssl_cert_reqs=required")


def broker(environment: Environment = os.environ) -> str:
    """FLEEXMON_BROKER: the Redis that hands runs to workers. A secret: it contains a password."""
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
        reason = "does not say how to verify the certificate (its value is not shown). Add ?ssl_cert_reqs=required."
        raise SettingError(variable, reason, _EXAMPLES[1])
    return url


def groups(environment: Environment = os.environ) -> int:
    """FLEEXMON_GROUPS: into how many groups a tick divides the nodes; each group has its own run. 1: a single run."""
    return whole_number(environment, "FLEEXMON_GROUPS", 1, least=1, most=64)


# Connections besides those of runs: pages of the UI 4, the pool of a sensor 2, a command 2. Dagster keeps one in each
# process and opens more for a moment: daemon and sensors up to 4, the UI up to 4.
BESIDES_RUNS = 16
OF_DAGSTER_IN_A_RUN = 2
MIN_POOL, MAX_POOL = 2, 8
DEFAULT_RUNS_AT_ONCE = 4  # as in our dagster.yaml; a shell without DAGSTER_HOME does not read it
MIN_CONNECTIONS = BESIDES_RUNS + MIN_POOL + OF_DAGSTER_IN_A_RUN


def max_connections(environment: Environment = os.environ) -> int | None:
    """FLEEXMON_MAX_CONNECTIONS: the limit for the whole installation; None: no limit."""
    name = "FLEEXMON_MAX_CONNECTIONS"
    if not environment.get(name, "").strip():
        return None
    return whole_number(environment, name, MIN_CONNECTIONS, least=MIN_CONNECTIONS, most=10_000)


def connections_of_a_run(runs_at_once: int, environment: Environment = os.environ) -> int:
    """The size of a run's pool. Raises SettingError if the limit is too low for so many runs."""
    most = max_connections(environment)
    if most is None:
        return MAX_POOL
    per_run = (most - BESIDES_RUNS) // max(runs_at_once, 1) - OF_DAGSTER_IN_A_RUN
    if per_run < MIN_POOL:
        needed = BESIDES_RUNS + runs_at_once * (MIN_POOL + OF_DAGSTER_IN_A_RUN)
        reason = f"{most} are too few for {runs_at_once} runs at once (max_concurrent_runs in dagster.yaml)."
        raise SettingError("FLEEXMON_MAX_CONNECTIONS", reason, str(needed))
    return min(per_run, MAX_POOL)


def most_connections(runs_at_once: int, environment: Environment = os.environ) -> int:
    """The maximum number of connections in use."""
    return BESIDES_RUNS + runs_at_once * (connections_of_a_run(runs_at_once, environment) + OF_DAGSTER_IN_A_RUN)

"""Credentials of a node: token, password or certificate, each from its own variable. They are never shown.

Here: names and valid values of these variables. Their use: `collection/sources/clients.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fleexmon_pipeline.settings.secret_files import is_set, secret
from fleexmon_pipeline.settings.values import Environment, SettingError, is_loopback

ALLOWED_IN_THE_CLEAR = "FLEEXMON_ALLOW_HTTP_CREDENTIALS"
# Names whose variables belong to other programs: POSTGRES_PASSWORD may be set, but is not meant for a node.
_FOREIGN = """
aws azure ci database db docker gh git github gitlab google grafana hf http https loki mariadb mongo mongodb mysql npm
pg pgbouncer postgres postgresql proxy pypi rabbitmq redis sentry slack smtp ssh twine vault
"""
FOREIGN_NAMES = frozenset(_FOREIGN.split())


@dataclass(frozen=True)
class Credentials:
    """Of one node; at most one of token and user is set. `variables`: names of the set variables, safe to show."""

    token: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    client_cert: str | None = None  # paths; only OpenSSL reads the files
    client_key: str | None = None
    ca: str | None = None
    org_id: str | None = None  # Loki's tenant; not secret
    variables: tuple[str, ...] = ()


NONE = Credentials()


def prefix_of(name: str) -> str:
    """The prefix of a node's variables: `worker-1` → `WORKER_1_`."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_"


def credentials(environment: Environment, name: str, url: str) -> Credentials:
    """BLUE_TOKEN (bearer), or BLUE_USER and BLUE_PASSWORD (basic); BLUE_CLIENT_CERT, BLUE_CLIENT_KEY, BLUE_CA (files).

    BLUE_ORG_ID: the tenant of a Loki. BLUE_TOKEN_FILE and BLUE_PASSWORD_FILE name files that hold the secret.

    `url`: where the node is polled. Raises SettingError for unusable values, and for secrets over plain http.
    """
    prefix = prefix_of(name)

    def value(what: str) -> str | None:
        return environment.get(prefix + what, "").strip() or None

    token, user, password = (
        secret(environment, f"{prefix}TOKEN"),
        value("USER"),
        secret(environment, f"{prefix}PASSWORD"),
    )
    files = {what: value(what) for what in ("CLIENT_CERT", "CLIENT_KEY", "CA")}
    given = next((what for what, text in (("TOKEN", token), ("PASSWORD", password), ("USER", user)) if text), None)
    if given and prefix.removesuffix("_").lower() in FOREIGN_NAMES:
        reason = f"a node named {name} would be sent {prefix}{given}, which other programs use. Rename the node."
        raise SettingError("LOG_SOURCES", reason)
    org_id = value("ORG_ID")
    if org_id and not re.fullmatch(r"[A-Za-z0-9!_.*'()|-]{1,150}", org_id):
        raise SettingError(f"{prefix}ORG_ID", f'"{org_id[:60]}" is not a Loki tenant.', "team-a", "team-a|team-b")
    if token and (user or password):
        raise SettingError(f"{prefix}TOKEN", f"is set, and so is {prefix}USER or {prefix}PASSWORD. Use one of the two.")
    if bool(user) != bool(password):
        present, missing = ("USER", "PASSWORD") if user else ("PASSWORD", "USER")
        raise SettingError(f"{prefix}{missing}", f"is not set, but {prefix}{present} is.")
    for what, text in (("TOKEN", token), ("USER", user), ("PASSWORD", password)):
        if text and not text.isprintable():
            raise SettingError(prefix + what, "contains characters that cannot be sent (its value is not shown).")
    if token and not (token.isascii() and " " not in token):
        raise SettingError(f"{prefix}TOKEN", "is not a token: it contains a space or a non-ASCII letter.")
    if user and ":" in user:
        raise SettingError(f"{prefix}USER", "contains a colon, which basic authentication cannot send.")
    if files["CLIENT_KEY"] and not files["CLIENT_CERT"]:
        raise SettingError(f"{prefix}CLIENT_CERT", f"is not set, but {prefix}CLIENT_KEY is.", "/etc/fleexmon/blue.pem")
    for what, path in files.items():
        _check_file(prefix + what, path, url)
    if token or user:
        _refuse_in_the_clear(environment, f"{prefix}{'TOKEN' if token else 'PASSWORD'}", url)
    texts = {"TOKEN": token, "USER": user, "PASSWORD": password, "ORG_ID": org_id, **files}
    return Credentials(
        token,
        user,
        password,
        client_cert=files["CLIENT_CERT"],
        client_key=files["CLIENT_KEY"],
        ca=files["CA"],
        org_id=org_id,
        variables=tuple(prefix + what for what, text in texts.items() if text),
    )


def refuse_shared_prefixes(environment: Environment, names: Iterable[str]) -> None:
    """Raise SettingError if two names, such as `worker-1` and `worker.1`, would share a password."""
    first: dict[str, str] = {}
    for name in names:
        prefix = prefix_of(name)
        other = first.setdefault(prefix, name)
        used = [prefix + what for what in _ALL if is_set(environment, prefix + what)]
        if other != name and used:
            raise SettingError(used[0], f"could be meant for {other} or for {name}; rename one of them.")


_ALL = ("TOKEN", "USER", "PASSWORD", "ORG_ID", "CLIENT_CERT", "CLIENT_KEY", "CA")


def _check_file(variable: str, path: str | None, url: str) -> None:
    if path is None:
        return
    if urlsplit(url).scheme != "https":
        raise SettingError(variable, "is set, but the node is polled over plain http. Write its address as https://…")
    if "\0" in path or not Path(path).is_file() or not os.access(path, os.R_OK):
        raise SettingError(variable, f'"{path[:200]}" is not a readable file.', "/etc/fleexmon/blue.pem")


def _refuse_in_the_clear(environment: Environment, variable: str, url: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    allowed = environment.get(ALLOWED_IN_THE_CLEAR, "").strip()
    if allowed not in ("", "0", "1"):
        raise SettingError(ALLOWED_IN_THE_CLEAR, f'"{allowed[:20]}" is neither 0 nor 1.', "1")
    if parts.scheme == "http" and not is_loopback(host) and allowed != "1":
        raise SettingError(
            variable,
            f"would be sent to {host} in the clear, over plain http. Use https, or, if the network itself is private, "
            f"{ALLOWED_IN_THE_CLEAR}=1.",
        )

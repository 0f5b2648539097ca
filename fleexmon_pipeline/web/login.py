"""The optional login for everything that the UI's port serves: Dagster's pages and GraphQL, websockets, our pages.

Here: the middleware, and how it identifies the sender of a request. `door.py` runs before it: a browser adds the login
to requests of any page, so other web pages must be kept out first. Why HTTP's own login: docs/decisions/0063.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
import secrets
from collections.abc import Mapping

import anyio
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fleexmon_pipeline import settings
from fleexmon_pipeline.web.door import Refusal, refusal_response
from fleexmon_pipeline.web.passwords import hash_password, is_password

_LOG = logging.getLogger(__name__)
MAX_CONCURRENT = 2  # password comparisons, each 0.2 s of processor time
MAX_WAITING = 20
WRONG_LOGIN_DELAY_SECONDS = 1.0
MAX_REMEMBERED = 1_000  # logins
MAX_HEADER_CHARACTERS = 2_000
_LOG_IN = Refusal(401, "Log in with a name and password of this installation.")
_NOT_BY_PROXY = Refusal(401, "Open this UI through its proxy, which logs you in.")
_NOT_USABLE = Refusal(503, "Nobody can log in: the file of FLEEXMON_LOGIN cannot be used. The log has the reason.")
_TOO_MANY = Refusal(429, "Too many login attempts. Wait a minute.")


class LoginGate:
    """ASGI middleware. `rule`: FLEEXMON_LOGIN, None if everybody may pass; `own_key`: that of our `fleexmon up`."""

    def __init__(self, app: ASGIApp, rule: settings.Login | None, own_key: str | None) -> None:
        self._app, self._rule, self._own_key = app, rule, own_key
        self._limiter: anyio.CapacityLimiter | None = None
        self._pepper = secrets.token_bytes(32)
        self._remembered: set[bytes] = set()  # hashes of correct logins: a page makes dozens of requests
        self._dummy_hash = hash_password(
            secrets.token_hex()
        )  # compared for unknown names, so that they take as long as known ones

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = None if scope["type"] == "lifespan" or self._rule is None else await self._refusal(scope, self._rule)
        if refused is None:
            await self._app(scope, receive, send)
            return
        response = refusal_response(refused)
        if refused is _LOG_IN:
            response.headers["WWW-Authenticate"] = 'Basic realm="fleexmon", charset="UTF-8"'
        await response(scope, receive, send)

    async def _refusal(self, scope: Scope, rule: settings.Login) -> Refusal | None:
        headers = Headers(scope=scope)
        if self._own_key and _is_same(headers.get("authorization", ""), f"Bearer {self._own_key}"):
            return None
        if isinstance(rule, settings.ProxyHeader):
            names = headers.getlist(rule.name)
            by_proxy = _is_from(scope, rule) and len(names) == 1 and names[0].strip()
            return None if by_proxy else _NOT_BY_PROXY
        credentials = _name_and_password(headers.getlist("authorization"))
        if credentials is None:
            return _LOG_IN
        try:
            hashes = await run_sync(settings.password_hashes, rule)  # read each time: a user may have been removed
        except settings.SettingError as error:
            _LOG.error("nobody can log in: %s", error)
            return _NOT_USABLE
        return await self._compare(*credentials, hashes, scope)

    async def _compare(self, name: str, password: str, hashes: Mapping[str, str], scope: Scope) -> Refusal | None:
        hash_ = hashes.get(name, self._dummy_hash)
        mark = hmac.digest(self._pepper, f"{name}\0{hash_}\0{password}".encode(), hashlib.sha256)
        if mark in self._remembered:
            return None
        self._limiter = self._limiter or anyio.CapacityLimiter(MAX_CONCURRENT)  # only inside a running event loop
        if self._limiter.statistics().tasks_waiting >= MAX_WAITING:
            return _TOO_MANY
        is_correct = await run_sync(is_password, password, hash_, limiter=self._limiter)
        if not (is_correct and name in hashes):
            _LOG.warning("a login from %s failed", (scope.get("client") or ("an unknown address",))[0])
            await anyio.sleep(WRONG_LOGIN_DELAY_SECONDS)
            return _LOG_IN
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered.add(mark)
        return None


def _name_and_password(values: list[str]) -> tuple[str, str] | None:
    if len(values) != 1 or len(values[0]) > MAX_HEADER_CHARACTERS:
        return None
    scheme, _, encoded = values[0].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon else None


def _is_from(scope: Scope, rule: settings.ProxyHeader) -> bool:
    """Whether the connection itself comes from the proxy. Headers that name addresses are ignored."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in rule.networks)


def _is_same(text: str, expected: str) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), expected.encode())

"""The optional login before everything that the UI's port serves: Dagster's pages and GraphQL, websockets, our pages.

Here: the middleware, and what of a request says who asks. It stands behind the door, which keeps other web pages out:
a browser sends a login along with whatever page makes it ask. Why it is HTTP's own: docs/decisions/0063.
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
from fleexmon_pipeline.web.door import Refusal, answer
from fleexmon_pipeline.web.passwords import hash_password, is_password

_LOG = logging.getLogger(__name__)
AT_ONCE = 2  # passwords that are compared, 0.2 s of a processor each
MAX_WAITING = 20
SECONDS_AFTER_A_WRONG_ONE = 1.0
MAX_REMEMBERED = 1_000
MAX_LENGTH = 2_000  # of the header
_LOG_IN = Refusal(401, "Log in with a name and password of this installation.")
_NOT_BY_PROXY = Refusal(401, "Open this UI through its proxy, which logs you in.")
_NOT_USABLE = Refusal(503, "Nobody can log in: the file of FLEEXMON_LOGIN cannot be used. The log has the reason.")
_TOO_MANY = Refusal(429, "Too many logins are being tried. Wait a minute.")


class LoginGate:
    """ASGI middleware. `rule`: FLEEXMON_LOGIN; None: everybody passes. `own_key`: of the `fleexmon up` beside it."""

    def __init__(self, app: ASGIApp, rule: settings.Login | None, own_key: str | None) -> None:
        self._app, self._rule, self._own_key = app, rule, own_key
        self._limiter: anyio.CapacityLimiter | None = None
        self._pepper = secrets.token_bytes(32)
        self._remembered: set[bytes] = set()  # of logins that were right: a page takes dozens of requests
        self._nobody = hash_password(secrets.token_hex())  # compared for an unknown name, which must take as long

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = None if scope["type"] == "lifespan" or self._rule is None else await self._refusal(scope, self._rule)
        if refused is None:
            await self._app(scope, receive, send)
            return
        response = answer(refused)
        if refused is _LOG_IN:
            response.headers["WWW-Authenticate"] = 'Basic realm="fleexmon", charset="UTF-8"'
        await response(scope, receive, send)

    async def _refusal(self, scope: Scope, rule: settings.Login) -> Refusal | None:
        headers = Headers(scope=scope)
        if self._own_key and _is_same(headers.get("authorization", ""), f"Bearer {self._own_key}"):
            return None
        if isinstance(rule, settings.ProxyHeader):
            named = headers.getlist(rule.name)
            by_proxy = _is_from(scope, rule) and len(named) == 1 and named[0].strip()
            return None if by_proxy else _NOT_BY_PROXY
        given = _name_and_password(headers.getlist("authorization"))
        if given is None:
            return _LOG_IN
        try:
            hashes = await run_sync(settings.password_hashes, rule)  # each time: a user may be taken out of it
        except settings.SettingError as error:
            _LOG.error("nobody can log in: %s", error)
            return _NOT_USABLE
        return await self._compare(*given, hashes, scope)

    async def _compare(self, name: str, password: str, hashes: Mapping[str, str], scope: Scope) -> Refusal | None:
        hash_ = hashes.get(name, self._nobody)
        mark = hmac.digest(self._pepper, f"{name}\0{hash_}\0{password}".encode(), hashlib.sha256)
        if mark in self._remembered:
            return None
        self._limiter = self._limiter or anyio.CapacityLimiter(AT_ONCE)  # needs the loop that runs
        if self._limiter.statistics().tasks_waiting >= MAX_WAITING:
            return _TOO_MANY
        right = await run_sync(is_password, password, hash_, limiter=self._limiter)
        if not (right and name in hashes):
            _LOG.warning("a login from %s was wrong", (scope.get("client") or ("an unknown address",))[0])
            await anyio.sleep(SECONDS_AFTER_A_WRONG_ONE)
            return _LOG_IN
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered.add(mark)
        return None


def _name_and_password(values: list[str]) -> tuple[str, str] | None:
    if len(values) != 1 or len(values[0]) > MAX_LENGTH:
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
    """Whether the connection itself comes from the proxy; what headers say of addresses is not looked at."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in rule.networks)


def _is_same(text: str, expected: str) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), expected.encode())

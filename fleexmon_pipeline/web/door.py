"""Refuse requests that other web pages make to the webserver: only its own pages and local commands may use it.

Here: the decision from a request's headers, and the middleware that applies it to HTTP and websockets, without Dagster.
Why: docs/decisions/0030.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fleexmon_pipeline import settings

READ_ONLY_METHODS = ("GET", "HEAD", "OPTIONS")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OTHER_ADDRESS_HINT = (
    "To open the UI by another address, set FLEEXMON_UI_URL to that address and restart `fleexmon up`."
)


@dataclass(frozen=True)
class Refusal:
    status: int
    reason: str  # a sentence or two, shown to the sender of the request


class Door:
    """ASGI middleware: applies `refusal` before any route sees the request."""

    def __init__(self, app: ASGIApp, ui_url: str | None) -> None:
        self._app = app
        self._ui = settings.base_url(ui_url) if ui_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refused = refusal(scope.get("method", "GET"), Headers(scope=scope), self._ui)
        if refused is None:
            await self._app(scope, receive, send)
        else:  # also for a websocket, which is then refused before it opens
            await refusal_response(refused)(scope, receive, send)


def refusal_response(refused: Refusal) -> PlainTextResponse:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return PlainTextResponse(f"{refused.reason}\n", refused.status, headers)


def refusal(method: str, headers: Headers, ui: SplitResult | None) -> Refusal | None:
    """Why a request is refused; None if it may pass. `ui`: FLEEXMON_UI_URL.

    A page whose name was pointed at this machine (DNS rebinding) has a foreign Host. Any other foreign page has a
    foreign Origin, or, if the browser sends none, is marked as cross-site. Requests that change something must be JSON,
    because a browser sends JSON to another site only after asking that site (CORS), unlike forms and plain text.
    """
    host = _only(headers.getlist("host"), "http://")
    if host is None:
        return Refusal(400, "The request needs one valid Host header.")
    if not settings.is_loopback(_name(host)) and not (ui and _name(host) == _name(ui)):
        return Refusal(403, f'This UI does not answer to the name "{_name(host)[:100]}". {_OTHER_ADDRESS_HINT}')
    if "origin" in headers and not _is_own(headers.getlist("origin"), host, ui):
        return Refusal(403, f"A page of another address (Origin) may not use this UI. {_OTHER_ADDRESS_HINT}")
    if headers.get("sec-fetch-site") == "cross-site" and not _is_followed_link(method, headers):
        return Refusal(403, f"Another site (Sec-Fetch-Site) may link to this UI, not use it. {_OTHER_ADDRESS_HINT}")
    if method not in READ_ONLY_METHODS and _media_type(headers) != "application/json":
        return Refusal(415, "A request that changes something needs the header Content-Type: application/json.")
    return None


def _only(values: list[str], before: str) -> SplitResult | None:
    """The only value as an address without a path; None if there is no value, or several."""
    parts = settings.base_url(before + values[0]) if len(values) == 1 else None
    return parts if parts and parts.path == "" else None


def _is_own(origins: list[str], host: SplitResult, ui: SplitResult | None) -> bool:
    """Whether a page of this UI sent the request: one loaded from the same Host, or by a proxy from FLEEXMON_UI_URL."""
    origin = _only(origins, "")
    if origin is None:  # also for `null`, which sandboxed frames and files send
        return False
    behind_proxy = ui is not None and (origin.scheme, *_address(origin)) == (ui.scheme, *_address(ui))
    return behind_proxy or _address(origin) == _address(host)


def _is_followed_link(method: str, headers: Headers) -> bool:
    """Whether somebody followed a link, as in an alert: it replaces their page. In a frame it would not."""
    opened = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return method == "GET" and opened == ("navigate", "document")


def _media_type(headers: Headers) -> str | None:
    """The media type without parameters. `text/plain; application/json` is text/plain, as browsers see it."""
    values = headers.getlist("content-type")
    return values[0].partition(";")[0].strip().lower() if len(values) == 1 else None


def _name(parts: SplitResult) -> str:
    return (parts.hostname or "").removesuffix(".")


def _address(parts: SplitResult) -> tuple[str, int | None]:
    return _name(parts), None if parts.port == _DEFAULT_PORTS[parts.scheme] else parts.port

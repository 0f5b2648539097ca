"""Who may talk to the webserver: its own pages and commands of this machine, not whatever page a browser has open.

Here: the decision from a request's headers, and the middleware that applies it to HTTP and websockets. Nothing of
Dagster. Why: docs/decisions/0030.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fleexmon_pipeline import settings

READING = ("GET", "HEAD", "OPTIONS")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WAY_OUT = "To open the UI by another address, set FLEEXMON_UI_URL to that address and restart `fleexmon up`."


@dataclass(frozen=True)
class Refusal:
    status: int
    reason: str  # a sentence or two, shown to whoever asked


class Door:
    """ASGI middleware: refuses what `refusal` refuses, before any route sees it."""

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
        else:  # of a websocket, too: it is refused before it opens
            await answer(refused)(scope, receive, send)


def answer(refused: Refusal) -> PlainTextResponse:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return PlainTextResponse(f"{refused.reason}\n", refused.status, headers)


def refusal(method: str, headers: Headers, ui: SplitResult | None) -> Refusal | None:
    """Why a request is refused; None if it may pass. `ui`: FLEEXMON_UI_URL.

    A page whose name was pointed at this machine (DNS rebinding) has a foreign Host; any other foreign page has a
    foreign Origin where the browser sends one, and is marked as cross-site where it does not. What changes something
    is JSON, which a page cannot send elsewhere without asking first, as a form or plain text can.
    """
    host = _only(headers.getlist("host"), "http://")
    if host is None:
        return Refusal(400, "The request needs one valid Host header.")
    if not settings.is_loopback(_name(host)) and not (ui and _name(host) == _name(ui)):
        return Refusal(403, f'This UI does not answer to the name "{_name(host)[:100]}". {_WAY_OUT}')
    if "origin" in headers and not _is_own(headers.getlist("origin"), host, ui):
        return Refusal(403, f"A page of another address (Origin) may not use this UI. {_WAY_OUT}")
    if headers.get("sec-fetch-site") == "cross-site" and not _is_followed_link(method, headers):
        return Refusal(403, f"Another site (Sec-Fetch-Site) may link to this UI, not use it. {_WAY_OUT}")
    if method not in READING and _media_type(headers) != "application/json":
        return Refusal(415, "What changes something is sent with the header Content-Type: application/json.")
    return None


def _only(values: list[str], before: str) -> SplitResult | None:
    """The one value as an address without a path; None where there is none, or several."""
    parts = settings.base_url(before + values[0]) if len(values) == 1 else None
    return parts if parts and parts.path == "" else None


def _is_own(origins: list[str], host: SplitResult, ui: SplitResult | None) -> bool:
    """Whether a page of this UI asks. It was loaded from the Host it asks, or, behind a proxy, from FLEEXMON_UI_URL."""
    origin = _only(origins, "")
    if origin is None:  # `null` too: a sandboxed frame, a file
        return False
    behind_proxy = ui is not None and (origin.scheme, *_address(origin)) == (ui.scheme, *_address(ui))
    return behind_proxy or _address(origin) == _address(host)


def _is_followed_link(method: str, headers: Headers) -> bool:
    """Somebody opens a page by a link in an alert: it replaces the page they are on. In a frame it would not."""
    opened = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return method == "GET" and opened == ("navigate", "document")


def _media_type(headers: Headers) -> str | None:
    """Without parameters. `text/plain; application/json` needs no permission of a browser, so it is text/plain."""
    values = headers.getlist("content-type")
    return values[0].partition(";")[0].strip().lower() if len(values) == 1 else None


def _name(parts: SplitResult) -> str:
    return (parts.hostname or "").removesuffix(".")


def _address(parts: SplitResult) -> tuple[str, int | None]:
    return _name(parts), None if parts.port == _DEFAULT_PORTS[parts.scheme] else parts.port

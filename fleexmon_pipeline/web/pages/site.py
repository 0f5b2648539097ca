"""The pages under /fleexmon: their routes, and the headers and errors that all responses share.

Here: routes, headers, errors, and which database. The same routes are part of Dagster's webserver
(`web/webserver.py`), and a separate application (`fleexmon web`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import anyio
import psycopg
from anyio.to_thread import run_sync
from psycopg_pool import PoolTimeout
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fleexmon_pipeline import settings
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.read_only import ReadOnlyDatabase
from fleexmon_pipeline.database.server import DatabaseUnreachableError, database_url, reading_url
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.web.door import Door
from fleexmon_pipeline.web.login import LoginGate
from fleexmon_pipeline.web.pages import incidents, issues, logs, now, patterns, picture, reports
from fleexmon_pipeline.web.pages.comparing import MAX_CONCURRENT, Comparing
from fleexmon_pipeline.web.pages.page import Page, prepare, render, style_sheet
from fleexmon_pipeline.web.pages.page_request import MAX_QUERY, BadRequestError, NotFoundError, PageRequest
from fleexmon_pipeline.web.pages.picture import Picture

View = Callable[[Connection, PageRequest], Page | Picture]

MAX_AT_ONCE = 4  # pages rendered at the same time: Dagster's UI shares the process
MAX_SECONDS = 5  # of a statement
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
CHART = "/chart.svg"
VIEWS: Mapping[str, View] = {
    "": now.shown,
    "/": now.shown,
    "/incidents": incidents.listed,
    "/incidents/{name}": incidents.one,
    "/issues": issues.listed,
    "/issues/{name}": issues.one,
    "/logs": logs.listed,
    "/logs/{name}": logs.one,
    "/patterns": patterns.listed,
    "/patterns/{name}": patterns.one,
    "/digests": reports.digests,
    "/digests/{name}": reports.one_day,
    "/shadow": reports.shadow,
    CHART: picture.shown,
}
_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Pages:
    """`dagster`: address of Dagster's UI, if it is not on the same port; `root`: path before /fleexmon in addresses."""

    database: ReadOnlyDatabase
    root: str = ""
    dagster: str | None = None
    now: Callable[[], datetime] = _utc_now

    def routes(self) -> list[Route]:
        """The routes, the most specific first; the last one responds that there is no such page."""
        prepare()
        limiter = anyio.CapacityLimiter(MAX_AT_ONCE)
        start = f"{self.root}{settings.PAGES}"
        views: Mapping[str, View] = {
            **VIEWS,
            "/compare": partial(reports.compared, comparing=Comparing(self.database)),
        }
        return [
            Route(f"{start}/style.css", _style),
            *(Route(f"{start}{path}", _Answer(self, view, limiter)) for path, view in views.items()),
            Route(f"{start}/{{rest:path}}", _Answer(self, _no_such_page, limiter)),
        ]

    def answer(self, view: View, request: Request) -> Response:
        """The response to a request. Called in a thread. Never raises for a bad request or a database error."""
        query = {name: request.query_params.getlist(name)[0] for name in request.query_params}
        page_request = PageRequest(
            query=query, name=request.path_params.get("name", ""), now=self.now(), root=self.root,
            dagster=self.root if self.dagster is None else self.dagster,
        )  # fmt: skip
        headers = {**HEADERS, "Cache-Control": "no-store"}
        try:
            page = self._page(view, request, page_request)
            if isinstance(page, Picture):
                return Response(page.svg, 200, headers, "image/svg+xml")
            document = render(page, page_request)
        except Exception as error:  # noqa: BLE001  no error may show a stack trace
            page = _failure(error, request.url.path)
            document = render(page, page_request)
        if request.url.path.endswith(CHART):
            return Response(
                picture.failed(f"{page.title}. {page.values['text']}"), page.status, headers, "image/svg+xml"
            )
        if page.reload_seconds is not None:
            headers["Refresh"] = str(page.reload_seconds)
        return Response(document, page.status, headers, "text/html")

    def _page(self, view: View, request: Request, page_request: PageRequest) -> Page | Picture:
        if request.method not in ("GET", "HEAD"):
            return _failed(405, "Pages are read-only", "They accept no changes. Use the commands.")
        if len(request.url.query) > MAX_QUERY:
            reason = f"The address has more than {MAX_QUERY:,} characters after its question mark."
            return _failed(400, "This cannot be shown", reason)
        with self.database.pool().connection(timeout=MAX_SECONDS) as connection:
            return view(connection, page_request)


def _failure(error: Exception, path: str) -> Page:
    """The page that reports an error. Faults of ours and of the database are also logged."""
    match error:
        case BadRequestError():
            return _failed(400, "This cannot be shown", str(error))
        case NotFoundError():
            return _failed(404, "Not found", str(error))
        case psycopg.errors.QueryCanceled():
            return _failed(
                503, "This took too long", f"The database stopped after {MAX_SECONDS} s. Choose a shorter time."
            )
    _log.error("the page %s could not be shown", path, exc_info=error)
    match error:
        case psycopg.OperationalError() | PoolTimeout() | DatabaseUnreachableError():
            return _failed(503, "The database does not respond", "`fleexmon doctor` shows why. Try again in a minute.")
        case FleexmonError():
            return _failed(503, "This cannot be shown", str(error))
    return _failed(500, "This page failed", "The log of the webserver has the details.")


class _Answer:
    """An endpoint for all methods. A class, because for functions Starlette itself refuses other methods than GET."""

    def __init__(self, pages: Pages, view: View, limiter: anyio.CapacityLimiter) -> None:
        self._pages, self._view, self._limiter = pages, view, limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await run_sync(self._pages.answer, self._view, request, limiter=self._limiter)
        await response(scope, receive, send)


def application(pages: Pages) -> Starlette:
    """The pages as a separate application, with the same access control and login."""

    async def start(_: Request) -> Response:
        return RedirectResponse(settings.PAGES, headers=HEADERS)

    routes = [*pages.routes(), Route("/", start)]
    door = Middleware(Door, ui_url=settings.ui_url())
    gate = Middleware(LoginGate, rule=settings.login(), own_key=settings.own_key())
    return Starlette(routes=routes, middleware=[door, gate])


def reading(url: Callable[[], str]) -> ReadOnlyDatabase:
    """The database of pages, or its standby: few connections, short statements."""
    return ReadOnlyDatabase(lambda: reading_url(url), connections=MAX_AT_ONCE + MAX_CONCURRENT, seconds=MAX_SECONDS)


def own_pages(root: str = "", dagster: str | None = None) -> Pages:
    """The pages of this installation's database."""
    return Pages(reading(database_url), root, dagster)


async def _style(_: Request) -> Response:
    return Response(
        style_sheet(), media_type="text/css", headers={**HEADERS, "Cache-Control": "max-age=31536000, immutable"}
    )


def _no_such_page(_: Connection, __: PageRequest) -> Page:
    raise NotFoundError("There is no such page. The menu above leads to all of them.")


def _failed(status: int, title: str, text: str) -> Page:
    return Page("failed", title, "", {"text": text}, status)

"""Dagster's webserver with our access control: `python -m fleexmon_pipeline.web.webserver`, with the same options.

Here: overrides of Dagster's class, and how our class replaces it. Dagster has no public interface for that, so
`test_webserver.py` fails if an update changes it. Which requests are refused: `door.py`, `login.py`.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from dagster._core.workspace.context import BaseWorkspaceRequestContext, IWorkspaceProcessContext
from dagster_webserver import app, cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from fleexmon_pipeline import settings
from fleexmon_pipeline.web.door import Door, Refusal, refusal_response
from fleexmon_pipeline.web.login import LoginGate
from fleexmon_pipeline.web.pages.site import own_pages

_WIDE_VIEWPORT = b'<meta name="viewport" content="width=1024"/></head>'  # after Dagster's own, which it overrides
_BY_GET = Refusal(405, "GraphQL is sent by POST, with the header Content-Type: application/json.")


class GuardedWebserver(DagsterWebserver[IWorkspaceProcessContext[Any], BaseWorkspaceRequestContext]):
    """Serves Dagster's pages, GraphQL and asset reports, and our pages: to these pages and to local commands only."""

    def build_middleware(self) -> list[Middleware]:
        return [
            Middleware(Door, ui_url=settings.ui_url()),
            Middleware(LoginGate, rule=settings.login(), own_key=settings.own_key()),
            *super().build_middleware(),
        ]

    def build_routes(self) -> list[BaseRoute]:
        """Our pages first: Dagster's last route takes every path."""
        return [*own_pages(self._app_path_prefix).routes(), *super().build_routes()]  # type: ignore[no-untyped-call]

    def make_security_headers(self) -> dict[str, str]:
        """Forbid other sites to show our pages in a frame, where they could make people click buttons."""
        return {**super().make_security_headers(), "X-Frame-Options": "SAMEORIGIN"}

    def index_html_endpoint(self, request: Request) -> Response:
        """Make phones show Dagster's pages at desktop width, and zoom.

        The pages are made for desktops: on a phone their columns would overlap. Desktop browsers ignore the viewport.
        """
        response: Response = super().index_html_endpoint(request)
        page = bytes(response.body).replace(b"</head>", _WIDE_VIEWPORT, 1)
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return Response(page, response.status_code, headers)

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Refuse GraphQL by GET, by which Dagster would execute mutations. Only the playground's page may use GET."""
        if request.method != "POST" and "text/html" not in request.headers.get("accept", ""):
            return refusal_response(_BY_GET)
        response: Response = await super().graphql_http_endpoint(request)
        return response


def main() -> None:
    """Start the webserver as `dagster-webserver` starts Dagster's own."""
    try:
        settings.ui_url()
        settings.login()
    except settings.SettingError as error:
        sys.exit(str(error))
    if vars(app).get("DagsterWebserver") is not DagsterWebserver:
        sys.exit("This version of dagster-webserver is built differently: its UI would be open to every web page.")
    # Otherwise uvicorn takes the client's address, which the login relies on, from a header that any local client sets.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    vars(app)["DagsterWebserver"] = GuardedWebserver  # the class that its factory instantiates
    cli.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()

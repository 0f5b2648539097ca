"""Dagster's webserver behind our door: `python -m fleexmon_pipeline.web.webserver`, with dagster-webserver's options.

Here: what we change of Dagster's class, and how it is put in its place. That is no public interface of Dagster:
`test_webserver.py` fails when an update moves it. Who is let in: `door.py`.
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
from fleexmon_pipeline.web.door import Door, Refusal, answer
from fleexmon_pipeline.web.login import LoginGate
from fleexmon_pipeline.web.pages.site import own_pages

_WIDE_VIEWPORT = b'<meta name="viewport" content="width=1024"/></head>'  # after Dagster's own, so that it counts
_BY_GET = Refusal(405, "GraphQL is sent by POST, with the header Content-Type: application/json.")


class GuardedWebserver(DagsterWebserver[IWorkspaceProcessContext[Any], BaseWorkspaceRequestContext]):
    """Dagster's pages, GraphQL and reports of assets, and ours, for these pages and for commands of this machine."""

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
        """No other page may show this one in a frame, and have its buttons clicked."""
        return {**super().make_security_headers(), "X-Frame-Options": "SAMEORIGIN"}

    def index_html_endpoint(self, request: Request) -> Response:
        """Dagster's pages are laid out for a desk: on a phone their columns lie on each other. A phone is told to show
        them as wide as they need, and to zoom; a desk does not read this."""
        response: Response = super().index_html_endpoint(request)
        page = bytes(response.body).replace(b"</head>", _WIDE_VIEWPORT, 1)
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return Response(page, response.status_code, headers)

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """By GET Dagster would execute mutations. Only the playground's page is opened so; it asks by POST."""
        if request.method != "POST" and "text/html" not in request.headers.get("accept", ""):
            return answer(_BY_GET)
        response: Response = await super().graphql_http_endpoint(request)
        return response


def main() -> None:
    """Start it as `dagster-webserver` starts Dagster's own."""
    try:
        settings.ui_url()
        settings.login()
    except settings.SettingError as error:
        sys.exit(str(error))
    if vars(app).get("DagsterWebserver") is not DagsterWebserver:
        sys.exit("This version of dagster-webserver is built differently: its UI would be open to every web page.")
    # uvicorn would take the client's address from a header of whoever asks from loopback; the login goes by it.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    vars(app)["DagsterWebserver"] = GuardedWebserver  # what its factory builds
    cli.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()

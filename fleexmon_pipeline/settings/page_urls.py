"""Addresses of our pages, for links in alerts, digests, Dagster's metadata and commands.

Here: only addresses. The pages: `web/pages/`.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Literal
from urllib.parse import quote, urlencode

from fleexmon_pipeline.settings.values import Environment
from fleexmon_pipeline.settings.variables import running_ui_port, ui_url

PAGES = "/fleexmon"
Kind = Literal["now", "incident", "issue", "line", "pattern", "digest", "compare", "shadow"]
_PATHS: dict[Kind, str] = {
    "now": "", "incident": "/incidents", "issue": "/issues", "line": "/logs", "pattern": "/patterns",
    "digest": "/digests", "compare": "/compare", "shadow": "/shadow",
}  # fmt: skip


def page_path(kind: Kind, name: object = None) -> str:
    """`/fleexmon/issues/019…`; without a name, the list of that kind."""
    path = PAGES + _PATHS[kind]
    return path if name is None else f"{path}/{quote(str(name), safe='')}"


def page_query(kind: Kind, **query: object) -> str:
    """`/fleexmon/logs?node=blue`: the filtered list of that kind."""
    return f"{page_path(kind)}?{urlencode({name: str(value) for name, value in query.items()})}"


def chart_path(until: datetime | None = None, hours: int = 24) -> str:
    """The chart of lines and errors in the hours before `until`; None: now."""
    span = {"until": f"{until:%Y-%m-%dT%H:%M}", "hours": hours} if until else {}
    return f"{PAGES}/chart.svg" + (f"?{urlencode(span)}" if span else "")


def page_url(kind: Kind, name: object = None, environment: Environment = os.environ) -> str:
    """The page's full URL: below FLEEXMON_UI_URL, else on this machine. Raises SettingError."""
    return f"{ui_url(environment) or f'http://127.0.0.1:{running_ui_port(environment)}'}{page_path(kind, name)}"

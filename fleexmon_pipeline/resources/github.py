"""GitHub as Dagster sees it. Here: when settings are read. The client itself: `reporting/github.py`."""

from __future__ import annotations

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.reporting.github import GitHubClient


class GitHub(dg.ConfigurableResource):
    """The repository of ALERTS_REPO. It has no field: the UI's resource page would show secrets."""

    def configured(self) -> bool:
        """Whether issues are reported there. Raises SettingError if only one of the two variables is set."""
        return settings.github() is not None

    def client(self) -> GitHubClient | None:
        """None if neither ALERTS_REPO nor GH_TOKEN is set."""
        configured = settings.github()
        return GitHubClient(configured) if configured else None

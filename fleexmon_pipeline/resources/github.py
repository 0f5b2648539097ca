"""GitHub as Dagster sees it. Here: when settings are read. The client itself: `reporting/github.py`."""

from __future__ import annotations

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.reporting.github import GitHubClient


class GitHub(dg.ConfigurableResource):
    """The repository of ALERTS_REPO. No field, so that the UI's resource page has no secret to show."""

    def configured(self) -> bool:
        """Whether anything is to be told there. Raises SettingError where only half is set."""
        return settings.github() is not None

    def client(self) -> GitHubClient | None:
        """None when neither ALERTS_REPO nor GH_TOKEN is set."""
        configured = settings.github()
        return GitHubClient(configured) if configured else None

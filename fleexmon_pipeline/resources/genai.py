"""The GenAI agent as Dagster sees it. Here: when settings are read. The client itself: `analysis/agent.py`."""

from __future__ import annotations

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.analysis.agent import Agent
from fleexmon_pipeline.analysis.ledger import Budget


class GenAI(dg.ConfigurableResource):
    """The agent of GENAI_AGENT_URL. No field, so that the UI's resource page has no secret to show."""

    def agent(self) -> Agent | None:
        """None when no agent is configured. Raises SettingError when GENAI_AGENT_URL cannot be used."""
        found = settings.genai()
        return Agent(found) if found else None

    def budget(self) -> Budget:
        """What may be spent: GENAI_MAX_CALLS_PER_HOUR and GENAI_MAX_CALLS_PER_DAY."""
        found = settings.genai()
        return Budget(found.calls_per_hour, found.calls_per_day) if found else Budget()

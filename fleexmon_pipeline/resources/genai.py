"""The GenAI agent as Dagster sees it. Here: when settings are read. The client itself: `genai/agent.py`."""

from __future__ import annotations

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.budget import Budget


class GenAI(dg.ConfigurableResource):
    """The agent of GENAI_AGENT_URL. It has no field: the UI's resource page would show secrets."""

    def agent(self) -> Agent | None:
        """None if no agent is configured. Raises SettingError for an unusable GENAI_AGENT_URL."""
        agent = settings.genai()
        return Agent(agent) if agent else None

    def budget(self) -> Budget:
        """Limits, prices and redaction: GENAI_MAX_…, GENAI_PRICE_…, GENAI_REDACT_IP."""
        return Budget.of(settings.genai())

"""The GenAI agent as Dagster sees it. Here: when settings are read. The client itself: `genai/agent.py`."""

from __future__ import annotations

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.budget import Terms


class GenAI(dg.ConfigurableResource):
    """The agent of GENAI_AGENT_URL. No field, so that the UI's resource page has no secret to show."""

    def agent(self) -> Agent | None:
        """None when no agent is configured. Raises SettingError when GENAI_AGENT_URL cannot be used."""
        found = settings.genai()
        return Agent(found) if found else None

    def terms(self) -> Terms:
        """What may be spent, what it costs, what is redacted: GENAI_MAX_…, GENAI_PRICE_…, GENAI_REDACT_IP."""
        return Terms.of(settings.genai())

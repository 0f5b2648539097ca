"""The operator's budget for GenAI: limits on its use, prices, and whether addresses are hidden from it.

Here: the numbers and the arithmetic on them. What was spent: `ledger.py`; the variables: `settings/variables.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fleexmon_pipeline.settings import GenAISettings


@dataclass(frozen=True)
class UsageLimits:
    """Per 60 minutes and per 24 hours. Failed attempts have limits of their own: an outage must not use up the day."""

    calls_per_hour: int = GenAISettings.calls_per_hour
    calls_per_day: int = GenAISettings.calls_per_day
    tokens_per_hour: int = GenAISettings.tokens_per_hour
    tokens_per_day: int = GenAISettings.tokens_per_day
    failures_per_hour: int = 30
    failures_per_day: int = 200


@dataclass(frozen=True)
class Prices:
    """Per million tokens. None: not set; with none set, costs are unknown.

    Cached tokens without a price cost like others.
    """

    tokens_in: Decimal | None = None
    tokens_out: Decimal | None = None
    tokens_cached: Decimal | None = None

    def cost(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> Decimal | None:
        """`tokens_cached`: the part of `tokens_in` that the service had cached."""
        if self.tokens_in is None and self.tokens_out is None and self.tokens_cached is None:
            return None
        price_in = self.tokens_in or Decimal(0)
        price_cached = price_in if self.tokens_cached is None else self.tokens_cached
        price_out = self.tokens_out or Decimal(0)
        cost = price_in * (tokens_in - tokens_cached) + price_cached * tokens_cached + price_out * tokens_out
        return cost / 1_000_000


@dataclass(frozen=True)
class Budget:
    limits: UsageLimits = UsageLimits()
    prices: Prices = Prices()
    redact_ip: bool = True

    @classmethod
    def of(cls, agent: GenAISettings | None) -> Budget:
        """The default budget if no agent is configured."""
        if agent is None:
            return cls()
        return cls(
            UsageLimits(agent.calls_per_hour, agent.calls_per_day, agent.tokens_per_hour, agent.tokens_per_day),
            Prices(agent.price_in, agent.price_out, agent.price_cached),
            agent.redact_ip,
        )

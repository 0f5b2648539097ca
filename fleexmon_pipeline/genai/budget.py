"""On which terms the agent is asked: how much may be spent, what that costs, and whether addresses are hidden from it.

Here: the operator's numbers and the arithmetic on them. What was spent: `ledger.py`; the variables: `settings.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fleexmon_pipeline.settings import GenAISettings


@dataclass(frozen=True)
class Budget:
    """Most in any 60 minutes and 24 hours. Failed attempts have their own: an outage must not use up the day."""

    calls_per_hour: int = GenAISettings.calls_per_hour
    calls_per_day: int = GenAISettings.calls_per_day
    tokens_per_hour: int = GenAISettings.tokens_per_hour
    tokens_per_day: int = GenAISettings.tokens_per_day
    failures_per_hour: int = 30
    failures_per_day: int = 200


@dataclass(frozen=True)
class Prices:
    """Of a million tokens; None where not told: then nothing is known to cost anything."""

    tokens_in: Decimal | None = None
    tokens_out: Decimal | None = None

    def cost(self, tokens_in: int, tokens_out: int) -> Decimal | None:
        if self.tokens_in is None and self.tokens_out is None:
            return None
        return ((self.tokens_in or 0) * Decimal(tokens_in) + (self.tokens_out or 0) * Decimal(tokens_out)) / 1_000_000


@dataclass(frozen=True)
class Terms:
    budget: Budget = Budget()
    prices: Prices = Prices()
    redact_ip: bool = True

    @classmethod
    def of(cls, found: GenAISettings | None) -> Terms:
        """The usual ones where no agent is configured."""
        if found is None:
            return cls()
        return cls(
            Budget(found.calls_per_hour, found.calls_per_day, found.tokens_per_hour, found.tokens_per_day),
            Prices(found.price_in, found.price_out),
            found.redact_ip,
        )

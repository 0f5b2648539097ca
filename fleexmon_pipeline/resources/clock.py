"""The time of assets and sensors. What they call gets it as an argument; tests put a fixed clock in its place."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg


class Clock(dg.ConfigurableResource):
    """The system's clock, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)

"""The time of assets and sensors. They pass it to other functions as an argument; tests use a fixed clock instead."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg


class Clock(dg.ConfigurableResource):
    """The system's clock, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)

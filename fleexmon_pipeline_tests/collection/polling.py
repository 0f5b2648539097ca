"""Helper for tests of collection over HTTP: poll an hour of the first node of an environment."""

from __future__ import annotations

from datetime import UTC, datetime

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.window import HOUR, Window

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)


def poll(**environment: str) -> tuple[int, str | None]:
    """The number of records from the first node, and the error of its answer."""
    node, *_ = settings.nodes(environment)
    with ask(Clients(), node, WINDOW) as answer:
        return sum(map(len, answer)), answer.error

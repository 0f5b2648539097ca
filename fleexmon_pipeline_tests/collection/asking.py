"""What the tests of the wire share: the first node of an environment, asked for an hour."""

from __future__ import annotations

from datetime import UTC, datetime

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.window import HOUR, Window

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)


def asked(**environment: str) -> tuple[int, str | None]:
    """How many records the first node gives, and what is told of the rest."""
    node, *_ = settings.nodes(environment)
    with ask(Clients(), node, WINDOW) as answer:
        return sum(map(len, answer)), answer.error

"""The nodes that are watched: those of the environment, else the demo nodes that `fleexmon up` started."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline.settings.watched_nodes import NODE_EXAMPLES, Node


def demo_note(environment: Mapping[str, str] = os.environ) -> Path:
    """Where `up` notes the addresses of its demo nodes, for commands beside it."""
    return settings.home(environment) / "demo-nodes.json"


def watched(environment: Mapping[str, str] = os.environ) -> tuple[list[Node], bool]:
    """The nodes, and whether they are the demo's. Raises SettingError when there is none, or one is malformed."""
    nodes = settings.nodes(environment)
    if nodes:
        return nodes, False
    try:
        noted = json.loads(demo_note(environment).read_text("utf-8"))
    except (OSError, ValueError):
        raise SettingError(
            "BLUE_HOST",
            "is not set, nor GREEN_HOST or LOG_SOURCES, and no demo nodes run here (`fleexmon up` starts them).",
            *NODE_EXAMPLES,
        ) from None
    limits = settings.limits(environment)
    return [
        Node(name, f"http://{address}/api/logs", address.rpartition(":")[0], limits=limits)
        for name, address in noted.items()
    ], True


class Nodes(dg.ConfigurableResource):
    """BLUE_HOST, GREEN_HOST and LOG_SOURCES, read when a run needs them: definitions load without."""

    def sources(self) -> list[Node]:
        """Raises dagster.Failure, with what to set, when there is no node or one is malformed."""
        try:
            return watched()[0]
        except SettingError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None

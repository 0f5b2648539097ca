"""The one place where the parts become a code location. Adding a stage: a file in assets/, a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from fleexmon_pipeline.assets.raw_logs import raw_logs
from fleexmon_pipeline.resources.nodes import Nodes
from fleexmon_pipeline.resources.postgres import Postgres

ASSETS = [raw_logs]
RESOURCES: dict[str, Any] = {"nodes": Nodes(), "postgres": Postgres()}


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The code location; tests put other resources in."""
    return dg.Definitions(
        assets=ASSETS,
        resources={**RESOURCES, **(resource_overrides or {})},
        executor=dg.in_process_executor,  # a chain of small steps takes a third of the time that processes would
    )


defs = build_defs()

"""The one place where the parts become a code location. To add a stage, add a file to assets/ and a line here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.analyzed_logs import analyzed_logs
from fleexmon_pipeline.assets.archived_logs import archived_logs
from fleexmon_pipeline.assets.data_retention import data_retention
from fleexmon_pipeline.assets.detected_issues import detected_issues
from fleexmon_pipeline.assets.digests import digests
from fleexmon_pipeline.assets.issue_alerts import issue_alerts
from fleexmon_pipeline.assets.listing import list_recent_partitions
from fleexmon_pipeline.assets.predictions import predictions
from fleexmon_pipeline.assets.raw_logs import raw_logs
from fleexmon_pipeline.jobs import JOBS
from fleexmon_pipeline.resources.channels import Channels
from fleexmon_pipeline.resources.clock import Clock
from fleexmon_pipeline.resources.genai import GenAI
from fleexmon_pipeline.resources.github import GitHub
from fleexmon_pipeline.resources.nodes import Nodes
from fleexmon_pipeline.resources.postgres import Postgres
from fleexmon_pipeline.schedules import SCHEDULES
from fleexmon_pipeline.sensors import SENSORS
from fleexmon_pipeline.workers.grouped_ticks import analyze_collected

ASSETS = [raw_logs, analyzed_logs, detected_issues, predictions, digests, issue_alerts, archived_logs, data_retention]
RESOURCES: dict[str, Any] = {
    "clock": Clock(),
    "postgres": Postgres(),
    "nodes": Nodes(),
    "genai": GenAI(),
    "github": GitHub(),
    "channels": Channels(),
}


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The code location. Tests override resources, such as the clock."""
    list_recent_partitions()
    return dg.Definitions(
        assets=ASSETS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=[*SENSORS, *_sensors_of_several_machines()],
        resources={**RESOURCES, **(resource_overrides or {})},
        executor=dg.in_process_executor,  # small steps in one process take a third of the time
    )


def _sensors_of_several_machines() -> list[dg.SensorDefinition]:
    """Empty on a single machine, which needs neither a broker nor its client packages."""
    sensors = []
    if os.environ.get("FLEEXMON_GROUPS", "1").strip() not in ("", "1"):  # the ticks report an invalid value
        sensors.append(analyze_collected)
    if settings.is_set(os.environ, "FLEEXMON_BROKER"):
        from fleexmon_pipeline.workers.lost_runs import fail_lost_runs  # noqa: PLC0415  an extra

        sensors.append(fail_lost_runs)
    return sensors


defs = build_defs()

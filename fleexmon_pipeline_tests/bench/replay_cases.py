"""Cases of a replay: other software than the demo's, other faults, six nodes that know nothing of each other.

Its messages are the small stock that the replay's script brings along: those of public logs may not be published here.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.genai.analyze import analyze_hour
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues.lifecycle import open_subjects, reconcile
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.settings import Topology
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.bench.case_documents import Fault, cases_of
from fleexmon_pipeline_tests.bench.replay_stored import serving
from fleexmon_pipeline_tests.bench.replays import Setting, generate, script

SHORT = Setting("cases", ("--days", "10", "--scale", "0.3", "--loghub", ""))  # a week of them to learn from
SEVERITIES = {  # of the truth: what a person on call would say
    "error_burst": "high", "new_template": "medium", "slow_ramp": "high", "silent_node": "high", "memory": "high",
    "connection_storm": "high", "deploy_divergence": "high", "volume_spike": "medium",
}  # fmt: skip


def run(url: str, connection: Connection, seed: int) -> Iterator[dict[str, Any]]:
    source = script()
    if source is None:
        raise FileNotFoundError("shared/replay is not here")
    rules = load_rules().rules
    with tempfile.TemporaryDirectory(prefix="fleexmon-cases-") as made:
        generate(source, seed, SHORT, Path(made))
        truth = json.loads((Path(made) / "incidents.json").read_text())
        window = Window(*(datetime.fromisoformat(truth[name]) for name in ("start", "end")))
        with serving(source, Path(made)) as nodes:
            collect(window, nodes, lambda: connect(url), now=window.until, run_id="cases")
    faults = [
        Fault(one["kind"], one["node"], _time(one["start"]), _time(one["end"]), SEVERITIES[one["kind"]])
        for one in truth["incidents"]
    ]
    miner = load_miner(connection)
    for hour in window.hours():
        analyze_hour(
            connection, hour, miner, Asker(None),
            ended_by=window.until, known_until=hour.until, now=window.until, deadline_seconds=0,
        )  # fmt: skip
        detect_hour(connection, hour, rules, now=hour.until, known_until=hour.until, live="blue")
        reconcile(connection, open_subjects(connection), now=hour.until, since=hour.since)
        refresh_incidents(connection, Topology({}))
        if hour.since >= _time(truth["scored_from"]):
            yield from cases_of(connection, hour, faults, f"replay {seed}")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

"""A replay end to end: served as nodes serve, collected, counted, judged hour by hour, predicted, reconciled.

Everything but Dagster around it, in PostgreSQL; with predictions, whose issues count like any other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.detection.budget import Budget
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.forecasting.announce import announce
from fleexmon_pipeline.forecasting.forecasts import make_forecasts
from fleexmon_pipeline.forecasting.predictors import predict
from fleexmon_pipeline.genai.analyze import analyze_hour
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.issues.lifecycle import open_subjects, reconcile, write_occurrences
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.settings import Node, false_alarms_per_day, node_of
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.bench.lives import Life
from fleexmon_pipeline_tests.bench.place import apart, empty, place
from fleexmon_pipeline_tests.bench.replay import Scores
from fleexmon_pipeline_tests.bench.replays import Setting, generate, script
from fleexmon_pipeline_tests.bench.table import Table

ISSUES = """
SELECT "detectedAt", "resolvedAt", type, source, metadata FROM "LogIssue" ORDER BY "detectedAt", id
"""


def measure(seeds: range, setting: Setting) -> Table:
    table = Table(
        "replay, end to end: served, collected, counted, judged, predicted", "PostgreSQL; issues of all sources"
    )
    scores = Scores()
    with place() as url:
        for seed in seeds:
            empty(url)
            truth, issues = apart(run, url, seed, setting)[0]
            scores.add(truth, issues)
    table.rows = [scores.row(setting.name, len(seeds))]
    table.note += f"\n  {scores.kinds()}; false: {dict(scores.false_types)}; {scores.told}"
    return table


def measure_life(seeds: range, lives: Sequence[Setting]) -> Table:
    """The same of the second world, scored by its own rules."""
    table = Table(
        "life, end to end: served, collected, counted, judged, predicted", "PostgreSQL; issues of all sources"
    )
    with place() as url:
        for setting in lives:
            life = Life()
            for seed in seeds:
                empty(url)
                truth, issues = apart(run, url, seed, setting)[0]
                life.add(truth, issues)
            table.rows.append(life.row(setting.name, len(seeds)))
            table.note += f"\n  {setting.name}: {life.summary()}"
    return table


def run(url: str, seed: int, setting: Setting) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Truth and rows of "LogIssue" of one replay."""
    source, server = script(setting.world), script()
    if source is None or server is None:
        raise FileNotFoundError(f"shared/{setting.world} or shared/replay is not here")
    rules = load_rules().rules
    budget = Budget(false_alarms_per_day({}), rules)
    with tempfile.TemporaryDirectory(prefix="fleexmon-replay-") as made:
        generate(source, seed, setting, Path(made))
        truth = json.loads((Path(made) / "incidents.json").read_text())
        window = Window(*(datetime.fromisoformat(truth[name]) for name in ("start", "end")))
        with serving(server, Path(made)) as nodes, connect(url) as connection:
            collect(window, nodes, lambda: connect(url), now=window.until, run_id="replay")
            miner = load_miner(connection)
            for hour in window.hours():
                analyze_hour(
                    connection, hour, miner, Asker(None),
                    ended_by=window.until, known_until=hour.until, now=window.until, deadline_seconds=0,
                )  # fmt: skip
            make_forecasts(connection, rules, window, now=window.until)  # each as of its hour's end
            for hour in window.hours():
                detect_hour(connection, hour, rules, now=hour.until, known_until=hour.until, budget=budget)
                predictions = predict(connection, rules, hour, now_end=hour.until) + announce(connection, rules, hour)
                subjects = write_occurrences(connection, predictions, source="predictor", window=hour)
                reconcile(connection, subjects | open_subjects(connection), now=hour.until, since=hour.since)
            rows = connection.execute(ISSUES.encode()).fetchall()
    for row in rows:
        for name in ("detectedAt", "resolvedAt"):
            row[name] = row[name].isoformat() if row[name] else None
    return truth, rows


@contextmanager
def serving(source: Path, made: Path) -> Iterator[list[Node]]:
    command = [sys.executable, str(source), "serve", "--dir", str(made), "--shape", "mixed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            addresses = json.loads(server.stdout.readline() if server.stdout else "{}")
            yield [node_of("LOG_SOURCES", name, f"http://{address}") for name, address in addresses.items()]
        finally:
            server.terminate()

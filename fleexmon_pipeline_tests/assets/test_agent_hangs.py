"""An agent that hangs takes only its share of a tick's time: rules judge the same window in the same run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import stamina

from fleexmon_pipeline.assets import analyzed_logs as stage
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, at, check, metadata, project, titles
from fleexmon_pipeline_tests.genai_server import GenAIServer
from fleexmon_pipeline_tests.node_server import NodeServer, lines

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

DAY = datetime(2026, 2, 3, tzinfo=UTC)
TEN = at(DAY, "10:00")


@pytest.mark.parametrize("fault", ["hang", "hang_mid_body"])
def test_rules_run_in_the_tick_in_which_the_agent_hangs(
    fault: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blue: NodeServer
) -> None:
    assert stage.TICK_GENAI_SECONDS == 20.0
    monkeypatch.setattr(stage, "TICK_GENAI_SECONDS", 2.5)
    blue.serve(lines(3, TEN, level="error", message="connect ECONNREFUSED 10.0.0.{n}:5432"))
    with (
        project(database, tmp_path, monkeypatch, in_memory=True) as dagster,
        stamina.set_testing(True),
        GenAIServer() as agent,
    ):
        dagster.watch(blue)
        dagster.it_is(at(DAY, "10:06"))
        monkeypatch.setenv("GENAI_AGENT_URL", agent.url)
        getattr(agent, fault)()

        result = dagster.run("monitoring", TEN, tick="slot")

        assert "Connection failures on blue: connect ECONNREFUSED <ip> (3 in 15 minutes)" in titles(database)
        passed, details = check(result, "everything_is_judged")
        assert not passed
        assert "timeout: no complete answer in 2 s" in details
        assert str(metadata(result, "analyzed_logs")["genai"]).startswith("timeout")
        (call,) = database.rows('SELECT outcome, error, "latencyMs" AS ms FROM "GenAICall"')
        assert call["outcome"] == "timeout"
        assert database.rows('SELECT count(*) AS n FROM "LogEntry" WHERE NOT analyzed') == [{"n": 3}]

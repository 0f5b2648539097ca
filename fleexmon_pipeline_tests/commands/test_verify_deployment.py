"""`fleexmon verify-deployment`: recorded once per workflow run, with issues, a verdict and a status."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fleexmon_pipeline.cli import app
from fleexmon_pipeline.issues.lifecycle import newest_covered, open_subjects, reconcile
from fleexmon_pipeline.window import HOUR, SLOT, Window, floor
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, project
from fleexmon_pipeline_tests.node_server import NodeServer
from fleexmon_pipeline_tests.stories import cover
from fleexmon_pipeline_tests.verification.test_results import GOOD

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

NOW = datetime.now(UTC)
DEPLOYED = floor(NOW, SLOT) - 12 * SLOT
TABLES = ('"LogEntry"', '"LogIssue"', '"IssueOccurrence"', '"IssueEpisode"', '"Deployment"', '"DeploymentVerification"')


@pytest.fixture
def shop(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Blue is live; green was deployed an hour ago and logs the same."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("LIVE_NODE", "blue")
    monkeypatch.delenv("GITHUB_RUN_ID", raising=False)
    since = floor(NOW, HOUR) - 40 * HOUR
    with database.connect() as connection:
        for node in ("blue", "green"):
            cover(connection, Window(since, floor(NOW, SLOT)), node)
        connection.execute(
            """INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")
            VALUES ('ok', 'request served in <num> ms', 'info', %s, %s, 1)""",
            [since, NOW],
        )
        slots = list(Window(since, floor(NOW, SLOT)).slots())
        with connection.cursor() as cursor:
            cursor.executemany(
                """INSERT INTO "LogPatternCount" (slot, node, pattern, level, count, samples)
                VALUES (%s, %s, 'ok', 'info', %s, '{}')""",
                [[slot.since, node, 100 + n % 7] for n, slot in enumerate(slots) for node in ("blue", "green")],
            )
    return database


def results(**changes: Any) -> dict[str, Any]:
    times = {"timestamp": NOW.isoformat(), "deployedAt": DEPLOYED.isoformat()}
    return {**GOOD, **times, **changes}


def verify(document: object, *options: str, status: int) -> Result:
    text = document if isinstance(document, str) else json.dumps(document)
    result = CliRunner().invoke(app, ["verify-deployment", "-", *options], input=text)
    assert result.exit_code == status, result.output
    return result


def issues(database: Database) -> list[dict[str, object]]:
    return database.rows(
        """SELECT type, status, severity, title, recommendation, metadata -> 'nodes' AS nodes,
        metadata ? 'regressionOf' AS regression, cardinality("affectedLogs") AS evidence
        FROM "LogIssue" ORDER BY type, "detectedAt" """
    )


def test_what_passed_is_a_line_a_deployment_and_a_verdict(shop: Database) -> None:
    told = verify(results(), status=0).output

    (line,) = shop.rows('SELECT level, message, source, metadata FROM "LogEntry"')
    assert (line["level"], line["source"]) == ("info", "e2e-verification")
    assert line["message"] == "deployment verification of green 1.4.2 passed: 8 checks"
    assert issues(shop) == []
    assert shop.rows('SELECT node, version FROM "Deployment"') == [{"node": "green", "version": "1.4.2"}]
    assert told.startswith("PASS  workflow run 4711: 8 checks, recorded")
    assert "lines since: pass, green 1.4.2, deployed" in told


def test_a_failure_is_one_issue_with_its_runbook_per_run(shop: Database) -> None:
    failed = results(greenHealth="down", versionVerified=False)

    first = json.loads(verify(failed, "--json", status=1).output)
    before = shop.fingerprint(*TABLES)
    again = json.loads(verify(failed, "--json", status=1).output)

    assert shop.fingerprint(*TABLES) == before
    assert (first["verdict"], first["new"], again["new"]) == ("fail", True, False)
    assert first["issues"] == again["issues"]
    health, version = issues(shop)
    assert (health["type"], health["severity"], health["nodes"], health["evidence"]) == (
        "e2e-health-check-failure", "high", ["green"], 1
    )  # fmt: skip
    assert health["title"] == "Health check failed on green after the deployment of 1.4.2: health check failed on green"
    assert "curl -sv http://127.0.0.1:3000/health" in str(health["recommendation"])
    assert version["title"] == "Version mismatch on green after the deployment of 1.4.2: version mismatch"
    assert "docker inspect" in str(version["recommendation"])


def test_the_next_run_that_passes_resolves_them_and_a_later_failure_is_a_regression(shop: Database) -> None:
    verify(results(greenHealth="down", webhookStatus=False), status=1)
    told = verify(results(workflowRunId=4712, webhookStatus=None), status=0).output
    verify(results(workflowRunId=4713, greenHealth="down", webhookStatus=None), status=1)

    assert told.count("- resolved: ") == 1
    states = [(one["type"], one["status"], one["regression"]) for one in issues(shop)]
    assert states == [
        ("e2e-health-check-failure", "resolved", False),
        ("e2e-health-check-failure", "open", True),
        ("e2e-webhook-failure", "open", False),  # was not verified again
    ]


def test_issues_last_whatever_the_nodes_coverage_and_later_ticks(shop: Database) -> None:
    verify(results(haproxyState="error"), status=1)
    with shop.connect() as connection:
        covered = newest_covered(connection)
        assert covered is not None
        reconcile(connection, open_subjects(connection), now=covered + timedelta(days=1))

    assert [one["status"] for one in issues(shop)] == ["open"]


def test_the_same_run_with_other_results_is_refused(shop: Database) -> None:
    verify(results(), status=0)

    told = verify(results(greenHealth="down"), status=2).output

    assert "run 4711 was recorded with other results at" in told
    assert "--run, such as 123.2" in told
    verify(results(greenHealth="down"), "--run", "4711.2", status=1)


def test_the_run_is_that_of_github_where_the_results_name_none(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {name: value for name, value in results().items() if name != "workflowRunId"}
    assert "--run is needed" in verify(document, status=2).output
    monkeypatch.setenv("GITHUB_RUN_ID", "99")
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "2")

    assert "workflow run 99.2" in verify(document, status=0).output


def test_a_dry_run_changes_nothing(shop: Database) -> None:
    before = shop.fingerprint(*TABLES)

    told = verify(results(greenHealth="down"), "--dry-run", status=1).output

    assert "would be recorded" in told
    assert shop.fingerprint(*TABLES) == before


def test_without_a_node_there_is_nothing_to_compare(shop: Database) -> None:
    document = {name: value for name, value in results().items() if name not in ("node", "version")}

    told = verify(document, status=3).output

    assert told.startswith("INCONCLUSIVE")
    assert "not compared: name the node that was deployed" in told


def test_lines_that_differ_since_the_deployment_fail_it(shop: Database) -> None:
    with shop.connect() as connection:
        connection.execute(
            """INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")
            VALUES ('bad', 'cannot read property of undefined', 'error', %s, %s, 1)""",
            [DEPLOYED, NOW],
        )
        for slot in Window(DEPLOYED, floor(NOW, SLOT)).slots():
            connection.execute(
                """INSERT INTO "LogPatternCount" (slot, node, pattern, level, count, samples)
                VALUES (%s, 'green', 'bad', 'error', 60, '{}')""",
                [slot.since],
            )

    told = verify(results(), status=1).output

    assert told.startswith("FAIL")
    assert "lines since: fail" in told
    assert issues(shop) == [], "the rule deployment-diverges reports it"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "the results are not JSON"),
        ('{"blueHealth": 5}', 'blueHealth: "5" is no result'),
        (
            '{"blueHealth": "up", "node": "purple", "runId": 1}',
            '--node: "purple" is not a node. Known nodes: blue, green',
        ),
        ('{"blueHealth": "up", "version": "a b", "runId": 1}', '--version: "a b" is not a version'),
    ],
    ids=["json", "value", "node", "version"],
)
def test_bad_input_is_named(shop: Database, text: str, reason: str) -> None:
    assert reason in verify(text, status=2).output
    assert shop.rows('SELECT * FROM "LogEntry"') == []


def test_a_file_that_is_not_there_is_named(shop: Database, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["verify-deployment", str(tmp_path / "none.json")])

    assert result.exit_code == 2
    assert "none.json" in result.output


def test_rules_about_lines_make_no_second_issue_of_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blue: NodeServer
) -> None:
    """The line is counted with the hour that it is in; its source is no node that is watched."""
    with project(database, tmp_path, monkeypatch, in_memory=True) as dagster:
        dagster.watch(blue)
        dagster.it_is(NOW)
        verify(results(greenHealth="down", node=None, version=None), status=1)
        dagster.it_is(NOW + 2 * HOUR)
        dagster.run("monitoring", floor(NOW, HOUR))

    assert [one["type"] for one in issues(database) if "e2e" in str(one)] == ["e2e-health-check-failure"]
    assert len(issues(database)) == 1
    counted = database.rows('SELECT node, level, count FROM "LogPatternCount"')
    assert counted == [{"node": "e2e-verification", "level": "error", "count": 1}]

"""GenAI and GitHub in the chain: their effect when they respond, and no loss when they do not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stamina

from fleexmon_pipeline.sensors import alert_when_due, catch_up
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, at, check, metadata, project, titles
from fleexmon_pipeline_tests.genai_server import GenAIServer, issue
from fleexmon_pipeline_tests.github_server import REPO, TOKEN, FakeGitHub, serve_github
from fleexmon_pipeline_tests.node_server import NodeServer, lines

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

DAY = datetime(2026, 2, 3, tzinfo=UTC)
TEN = at(DAY, "10:00")
MINUTE = timedelta(minutes=1)

REFUSED = "Connection failures on blue: connect ECONNREFUSED <ip> (2 in 15 minutes)"
DECLINED = "High error rate on blue: payment <num> failed: card declined (100.0%, 40 errors in 15 minutes)"
ALERTED = "High error rate on blue: payment <num> failed: card declined (40 errors in 15 min)"  # as an incident


@pytest.fixture
def blue() -> Iterator[NodeServer]:
    """A quiet error that no rule is loud enough for, and two failed connections that fire one."""
    with NodeServer() as node:
        records = lines(200, TEN, message="GET /products/{n} 200")
        records += lines(2, TEN + MINUTE, level="error", message="cannot write invoice {n}: no space left on device")
        records += lines(2, TEN + MINUTE, level="warn", message="connect ECONNREFUSED 10.0.0.{n}:5432")
        node.serve(records)
        yield node


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blue: NodeServer) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch, in_memory=True) as opened, stamina.set_testing(True):
        opened.it_is(at(DAY, "11:02"))
        opened.watch(blue)
        yield opened


@pytest.fixture
def agent(dagster: Project) -> Iterator[GenAIServer]:
    with GenAIServer(key="key-of-tests") as server:
        dagster.monkeypatch.setenv("GENAI_AGENT_URL", server.url)
        dagster.monkeypatch.setenv("GENAI_API_KEY", "key-of-tests")
        yield server


@pytest.fixture
def github(dagster: Project) -> Iterator[FakeGitHub]:
    with serve_github() as hub:
        for name, value in (("ALERTS_REPO", REPO), ("GH_TOKEN", TOKEN), ("GITHUB_API_URL", hub.url)):
            dagster.monkeypatch.setenv(name, value)
        yield hub
        assert hub.violations == []


def unanalyzed(database: Database) -> int:
    (row,) = database.rows('SELECT count(*) FILTER (WHERE NOT analyzed) AS waiting FROM "LogEntry"')
    return int(str(row["waiting"]))


# -- GenAI ----------------------------------------------------------------------------------------------------------


def test_what_genai_finds_becomes_an_issue_with_its_evidence(dagster: Project, agent: GenAIServer) -> None:
    agent.answer(issue(0))

    result = dagster.run("backfill_hours", TEN)

    assert titles(dagster.database) == [
        REFUSED,
        "Disk is full",
    ]
    (found,) = dagster.database.rows("""
        SELECT i.source, i."rootCause", array_agg(DISTINCT e.message ORDER BY e.message) AS evidence
        FROM "LogIssue" i JOIN "LogEntry" e ON e.id = ANY (i."affectedLogs") WHERE i.source = 'genai' GROUP BY i.id""")
    assert found["rootCause"] == "Logs were not rotated."
    assert found["evidence"] == [f"cannot write invoice {n}: no space left on device" for n in (0, 1)]
    assert unanalyzed(dagster.database) == 0
    assert metadata(result, "analyzed_logs")["genai_calls"] == 1
    asked = len(agent.questions)

    dagster.run("backfill_hours", TEN)

    assert len(agent.questions) == asked  # the ledger answers what was asked before


def test_while_genai_is_down_rows_wait_rules_go_on_and_the_check_says_why(dagster: Project, agent: GenAIServer) -> None:
    agent.always = lambda handler, _: handler.reply(503, {"id": "error", "message": "overloaded"}, {})

    result = dagster.run("backfill_hours", TEN)

    passed, details = check(result, "everything_is_judged")
    assert not passed
    assert details.startswith("- 2026-02-03 10:00 UTC: `http_503: ")
    assert "overloaded" in details
    assert unanalyzed(dagster.database) == 204
    assert titles(dagster.database) == [REFUSED]

    agent.always = None
    agent.answer(issue(0))
    assert dagster.ask(catch_up) == []  # not at once
    dagster.it_is(at(DAY, "11:07"))
    (request,) = dagster.ask(catch_up)
    assert request.tags["fleexmon/reason"].startswith("analyzed_logs: http_503")
    made_good = dagster.run_requested("backfill_hours", request)

    assert check(made_good, "everything_is_judged") == (True, "")
    assert unanalyzed(dagster.database) == 0
    assert titles(dagster.database) == [
        REFUSED,
        "Disk is full",
    ]
    assert dagster.ask(catch_up) == []


def test_an_outage_of_an_hour_leaves_tries_for_when_it_is_over(dagster: Project, agent: GenAIServer) -> None:
    agent.always = lambda handler, _: handler.drop()
    for minutes in range(5, 65, 5):
        dagster.it_is(TEN + minutes * MINUTE)
        dagster.run("monitoring", TEN, tick="slot")

    (row,) = dagster.database.rows('SELECT attempts FROM "StaleWindow"')
    assert row["attempts"] == 4
    assert len(agent.questions) < 12  # and the breaker spared an agent that does not answer


# -- GitHub ---------------------------------------------------------------------------------------------------------


def loud(blue: NodeServer) -> None:
    blue.serve(lines(40, TEN, level="error", message="payment {n} failed: card declined"))


def test_digest_and_alerts_are_posted_once(dagster: Project, blue: NodeServer, github: FakeGitHub) -> None:
    loud(blue)
    dagster.run("backfill_hours", TEN)

    dagster.run("digest", "2026-02-03")
    first = dagster.run("alert")
    posted = [(one["title"], [label["name"] for label in one["labels"]]) for one in github.issues]
    writes = len(github.writes())
    dagster.run("digest", "2026-02-03")
    second = dagster.run("alert")

    assert posted == [
        ("[Monitoring Digest] 2026-02-03", ["monitoring", "digest"]),
        (
            f"[high] {ALERTED}",
            ["monitoring", "alert", "high"],
        ),
    ]
    assert len(github.writes()) == writes
    assert (metadata(first, "issue_alerts")["sent"], metadata(second, "issue_alerts")["sent"]) == (1, 0)
    assert check(second, "everything_is_sent") == (True, "")
    assert dagster.ask(alert_when_due) == []


def test_what_github_could_not_take_is_recorded_and_sent_later(
    dagster: Project, blue: NodeServer, github: FakeGitHub
) -> None:
    loud(blue)
    dagster.run("backfill_hours", TEN)
    github.fail("*", status=503, times=1000)

    digest = dagster.run("digest", "2026-02-03")
    alert = dagster.run("alert", tick="alert")

    shown = metadata(digest, "digests")
    assert DECLINED in str(shown["digest"])  # the page is there all the same
    assert "mermaid" not in str(shown["digest"])  # which is drawn on GitHub alone
    assert "](/fleexmon/chart.svg?until=2026-02-04T00%3A00&hours=24)" in str(shown["digest"])
    assert shown["page"] == "/fleexmon/digests/2026-02-03"
    passed, details = check(alert, "everything_is_sent")
    assert not passed
    assert "503" in details
    assert metadata(alert, "issue_alerts")["waiting"] == 2
    assert github.issues == []
    assert dagster.ask(alert_when_due) == []  # not at once

    github.faults.clear()
    dagster.it_is(at(DAY, "11:10"))
    (request,) = dagster.ask(alert_when_due)
    made_good = dagster.run_requested("alert", request)

    assert sorted(str(one["title"]) for one in github.issues) == [
        "[Monitoring Digest] 2026-02-03",
        f"[high] {ALERTED}",
    ]
    assert check(made_good, "everything_is_sent") == (True, "")
    assert dagster.ask(alert_when_due) == []


def test_a_person_who_materializes_an_alert_does_not_wait_for_the_next_attempt(
    dagster: Project, blue: NodeServer, github: FakeGitHub
) -> None:
    loud(blue)
    dagster.run("backfill_hours", TEN)
    github.fail("*", status=503, times=1000)
    assert metadata(dagster.run("alert", tick="alert"), "issue_alerts")["waiting"] == 1
    github.faults.clear()

    scheduled = dagster.run("alert", tick="alert")
    assert (metadata(scheduled, "issue_alerts")["sent"], len(github.issues)) == (0, 0)
    by_hand = dagster.run("alert")

    assert (metadata(by_hand, "issue_alerts")["sent"], len(github.issues)) == (1, 1)


def test_without_github_digests_are_written_and_alerts_have_nothing_to_do(dagster: Project, blue: NodeServer) -> None:
    loud(blue)
    dagster.run("backfill_hours", TEN)

    digest = dagster.run("digest", "2026-02-03")
    alert = dagster.run("alert")

    assert DECLINED in str(metadata(digest, "digests")["digest"])
    assert metadata(alert, "issue_alerts") == {
        "sent": 0, "configured": False, "dagster/row_count": 0, "page": "/fleexmon/incidents",
    }  # fmt: skip
    assert dagster.database.rows('SELECT day::text FROM "LogDigest"') == [{"day": "2026-02-03"}]
    assert dagster.ask(alert_when_due) == []

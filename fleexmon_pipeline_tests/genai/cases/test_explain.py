"""The agent is asked about an open incident once, with all relevant facts; its headline issue gets the answer."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest

from fleexmon_pipeline.commands.incidents.page import page
from fleexmon_pipeline.commands.screen.clock import Clock
from fleexmon_pipeline.genai.agent import Agent, estimated_tokens
from fleexmon_pipeline.genai.analyze import analyze_hour
from fleexmon_pipeline.genai.budget import Budget, UsageLimits
from fleexmon_pipeline.genai.cases.explain import spent_seconds
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.incidents.people import handle
from fleexmon_pipeline.incidents.read import show_incident
from fleexmon_pipeline.incidents.story import read_story
from fleexmon_pipeline.issues.people import Scope, mute
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.genai.cases.shop import NOW, SECRET, TEN, Explainer, explained, incidents, outage
from fleexmon_pipeline_tests.genai_server import completion, issue

FACTS = """\
Likely began on blue.
Hypotheses:
- The database of blue is down. (the incident; the pattern that came first)
Facts:
- blue cannot reach the database. (the incident; the pattern that came first)"""


def test_the_agent_gets_the_incident_and_its_headline_gets_the_answer(explain: Explainer) -> None:
    outage(explain.connection)
    explain.server.say(explained(0, 1))

    done = explain()

    assert (done.asked, done.known, done.waiting) == (1, 0, 0)
    lines = explain.case()
    assert "incident" in lines[0]
    assert lines[0]["nodes"] == ["blue", "green"]
    assert lines[1]["firstPattern"] == "connect ECONNREFUSED <ip>"
    assert [(line["issue"], line["start"]) for line in lines if "issue" in line] == [
        ("New error on blue", "2026-11-20T10:00Z"), ("High error rate", "2026-11-20T10:05Z"),
    ]  # fmt: skip
    assert {line["node"] for line in lines if "line" in line} == {"blue", "green"}
    assert explain.server.questions[0]["messages"][0]["role"] == "system"
    causes = explain.root_causes()
    assert causes == {"New error on blue": FACTS, "High error rate": None}
    (incident,) = incidents(explain.connection)
    story = read_story(explain.connection, incident)
    assert (story.hypothesis, story.steps) == (FACTS, "Look at the database.")
    detail = show_incident(explain.connection, str(incident.id), now=NOW)
    assert "GenAI hypothesis (unverified)\n  Likely began on blue.\n" in page(detail, Clock(UTC, NOW))


def test_nothing_secret_leaves_and_addresses_come_back(explain: Explainer) -> None:
    outage(explain.connection)
    explain.server.say(explained(0, facts=[{"text": "<ip-1> refuses <password-1>", "evidence": [0]}]))

    explain()

    sent = explain.server.all_text()
    assert SECRET not in sent
    assert "10.1.2.3" not in sent
    assert "10.1.2.3 refuses <password-1>" in (explain.root_causes()["New error on blue"] or "")


def test_a_rerun_asks_nothing_and_changes_nothing(explain: Explainer, database: Database) -> None:
    outage(explain.connection)
    explain.server.say(explained(0))
    explain()
    tables = '"LogIssue"', '"IssueOccurrence"', '"GenAICall"', '"Incident"'
    before = [database.fingerprint(table) for table in tables]

    again, without = explain(), explain(agent=None)

    assert [(done.asked, done.known) for done in (again, without)] == [(0, 1), (0, 1)]
    assert [database.fingerprint(table) for table in tables] == before


def test_more_of_the_same_is_no_new_question_and_another_node_is(explain: Explainer) -> None:
    outage(explain.connection)
    explain.server.say(explained(0)).say(explained(0, facts=[{"text": "Now green as well.", "evidence": [0]}]))
    explain()
    rows = explain.connection.execute('SELECT "affectedLogs" FROM "LogIssue" ORDER BY "detectedAt"').fetchall()
    outage(explain.connection, slots=5, evidence=[row["affectedLogs"] for row in rows])
    assert explain(now=NOW + SLOT).asked == 0

    explain.connection.execute('UPDATE "Incident" SET nodes = nodes || ARRAY[%s]', ["worker"])
    assert explain(now=NOW + 2 * SLOT).asked == 1
    assert "Now green as well." in (explain.root_causes()["New error on blue"] or "")


def analyze(explain: Explainer, agent: Agent | None) -> None:
    analyze_hour(
        explain.connection, Window(TEN, TEN + HOUR), load_miner(explain.connection), Asker(agent, run_id="analysis"),
        ended_by=NOW, known_until=TEN + 4 * SLOT, now=NOW, deadline_seconds=30.0,
    )  # fmt: skip


def test_an_hour_that_is_analyzed_again_keeps_the_explanation(explain: Explainer) -> None:
    outage(explain.connection)
    explain.server.say(explained(0))
    explain()

    analyze(explain, None)

    assert explain.root_causes()["New error on blue"] == FACTS.replace("; the pattern that came first", "")


@pytest.mark.parametrize("order", ["ae", "ea", "eae", "aea", "eaea"])
def test_what_is_said_of_the_incident_counts_before_what_is_said_of_a_pattern(explain: Explainer, order: str) -> None:
    def answer(handler: Any, question: dict[str, Any]) -> None:
        lines = question["messages"][1]["content"]
        about = [json.loads(line) for line in lines.split("\n")[1:] if line.startswith("{")]
        numbers = [one["id"] for one in about if "template" in one]
        text = json.dumps({"issues": [issue(number) for number in numbers]}) if numbers else explained(0, 1)
        handler.reply(200, completion(text), {})

    outage(explain.connection)
    explain.server.always = answer
    for step in order:
        if step == "e":
            explain()
        else:
            analyze(explain, Agent(explain.server.settings))

    assert explain.root_causes()["New error on blue"] == FACTS
    assert len(explain.server.questions) == 2


def test_an_incident_that_is_gone_takes_its_explanation_along(explain: Explainer) -> None:
    outage(explain.connection)
    explain.server.say(explained(0))
    explain()
    explain.connection.execute('DELETE FROM "Incident"')

    explain()

    rows = explain.connection.execute("SELECT FROM \"IssueOccurrence\" WHERE source = 'genai'").fetchall()
    assert rows == []
    assert explain.root_causes() == {"New error on blue": None, "High error rate": None}


@pytest.mark.parametrize("status", ["muted", "harmless", "resolved"])
def test_only_what_somebody_is_called_for_is_asked_about(explain: Explainer, status: str) -> None:
    outage(explain.connection)
    column, value = {"harmless": ("severity", "medium"), "resolved": ("status", "resolved")}.get(status, ("", ""))
    if column:
        explain.connection.execute(f'UPDATE "Incident" SET {column} = %s'.encode(), [value])
    else:
        mute(explain.connection, Scope(everything=True), by="ann", why="works", now=TEN, until=None)

    assert explain().asked == 0
    assert explain.server.questions == []


@pytest.mark.parametrize(
    ("outcome", "calls"),
    [("content_filter", 1), ("refusal", 1), ("invalid_answer", 4), ("http_400", 4), ("tool_calls", 4)],
)
def test_a_question_in_vain_is_not_asked_all_day(explain: Explainer, outcome: str, calls: int) -> None:
    outage(explain.connection)
    for _ in range(12):
        match outcome:
            case "content_filter" | "tool_calls":
                explain.server.say(None, outcome)
            case "refusal":
                explain.server.say(None, refusal="I will not.")
            case "http_400":
                explain.server.refuse(400)
            case _:
                explain.server.say('{"root": "blue"}')

    for run in range(12):
        explain(now=NOW + run * HOUR)

    assert explain.ledger() == [outcome] * calls
    assert explain.root_causes() == {"New error on blue": None, "High error rate": None}


def test_an_answer_without_evidence_says_nothing_and_is_not_asked_again(explain: Explainer) -> None:
    outage(explain.connection)
    explain.server.say(explained(77, -1))

    first, second = explain(), explain(now=NOW + HOUR)

    assert (first.asked, first.cited, first.unsupported) == (1, 4, 4)
    assert (second.asked, second.known) == (0, 1)
    assert explain.root_causes()["New error on blue"] is None


def test_it_keeps_to_the_budget_and_the_time(explain: Explainer) -> None:
    outage(explain.connection)

    spent = explain(budget=Budget(UsageLimits(failures_per_hour=0)))
    late = explain(deadline_seconds=0.0)

    assert [(done.asked, done.waiting, done.outcome) for done in (spent, late)] == [
        (0, 1, "over_budget"), (0, 1, "deadline"),
    ]  # fmt: skip
    assert explain.server.questions == []


def test_steps_of_a_run_share_its_time(explain: Explainer) -> None:
    outage(explain.connection)
    explain.server.say(explained(0))
    explain(run_id="tick")
    explain.connection.execute('UPDATE "GenAICall" SET "latencyMs" = 1500')

    assert spent_seconds(explain.connection, "tick", NOW) == 1.5
    assert spent_seconds(explain.connection, "other", NOW) == 0.0


def test_what_happened_before_and_what_people_said_is_sent(explain: Explainer) -> None:
    incident = outage(explain.connection)
    explain.connection.execute(
        """INSERT INTO "Incident" SELECT gen_random_uuid(), 'Database was down', severity, 'resolved', nodes,
           "startedAt" - interval '9 days', "lastSeenAt" - interval '9 days', "startedAt" - interval '8 days',
           issues, headline, "firstPattern", figures, changes FROM "Incident" """
    )
    handle(explain.connection, incident.issues[:1], "ack", by="ann", why="disk of db-1 was full", now=TEN)
    explain.connection.execute(
        """UPDATE "Incident" SET changes = '[{"kind": "deployment", "node": "blue", "at": "2026-11-20T09:55:00Z",
           "text": "1.4.2"}]' WHERE status = 'open'"""
    )
    explain.server.say(explained(0))

    explain()

    lines = explain.case()
    (past,) = (line for line in lines if "pastIncident" in line)
    assert (past["pastIncident"], past["on"], past["said"]) == (
        "Database was down", "2026-11-11", "disk of db-1 was full"
    )  # fmt: skip
    (change,) = (line for line in lines if "change" in line)
    assert (change["node"], change["text"], change["verdict"]) == ("blue", "1.4.2", "no divergence reported so far")
    (runbook,) = (line for line in lines if "runbook" in line)
    assert runbook["steps"]
    assert estimated_tokens(m["content"] for m in explain.server.questions[0]["messages"]) <= 1_500

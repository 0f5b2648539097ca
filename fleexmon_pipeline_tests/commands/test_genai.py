"""A preview shows the text that would leave the machine; judging past hours again changes no issue."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.evaluation.known import known_cases
from fleexmon_pipeline.genai.judgement import Asker, judge
from fleexmon_pipeline.genai.prompt import PROMPT
from fleexmon_pipeline.issues.lifecycle import reconcile, write_occurrences
from fleexmon_pipeline.window import HOUR, Window, floor
from fleexmon_pipeline_tests.commands.conftest import FLEEXMON, Call, refused
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.genai.judging import plant
from fleexmon_pipeline_tests.genai_server import GenAIServer, completion, issue

START = floor(datetime.now(UTC), HOUR) - 5 * HOUR  # the commands have the clock's time
TEN = Window(START, START + HOUR)
HOURS = ("--from", START.isoformat(), "--to", (START + 2 * HOUR).isoformat())
KEY = "key-of-tests-0815"


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as connection:
        plant(
            connection, "disk", "no space left on /var, tell bob@acme.org, password=hunter2", slot=START,
            first_seen=START - HOUR,
        )  # fmt: skip
        plant(connection, "usual", "GET / 200", level="info", slot=START, first_seen=START - HOUR)
        yield connection


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[GenAIServer]:
    with GenAIServer(key=KEY) as server:
        monkeypatch.setenv("GENAI_AGENT_URL", server.url)
        monkeypatch.setenv("GENAI_API_KEY", KEY)
        yield server


def judged(connection: Connection, agent: GenAIServer, window: Window = TEN) -> None:
    """As the schedules do it."""
    asker = Asker(Agent(agent.settings), run_id="t")
    result = judge(connection, asker, window, now=window.until, deadline_seconds=5)
    subjects = write_occurrences(connection, result.occurrences, source="genai", window=window)
    reconcile(connection, subjects, now=window.until)


# -- preview --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("connection")
def test_a_preview_is_to_the_letter_what_is_sent(fleexmon: Call, connection: Connection, agent: GenAIServer) -> None:
    shown = json.loads(fleexmon("genai", "preview", "--json").out)
    assert agent.questions == []

    judged(connection, agent)

    assert shown["requests"] == agent.questions
    assert shown["url"] == f"{agent.url}/api/v1/chat/completions?agent=true"
    assert shown["authorization"] == "Bearer <GENAI_API_KEY, 17 characters>"
    assert json.loads(fleexmon("genai", "preview", "--json").out)["requests"] == []


@pytest.mark.usefixtures("connection")
def test_a_preview_needs_no_agent_and_costs_nothing(fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENAI_PRICE_PER_MILLION_INPUT", "0.65")
    monkeypatch.setenv("GENAI_PRICE_PER_MILLION_OUTPUT", "2")

    said = fleexmon("genai", "preview")

    assert said.status == 0
    assert said.out.startswith("GENAI_AGENT_URL is not set, so nothing is ever sent.")
    assert "1 request, about " in said.out
    assert ", at most 0.00" in said.out
    assert PROMPT.system in said.out
    assert '"template":"no space left on /var, tell <email-1>, password=<password-1>"' in said.out
    assert "hunter2" not in said.out
    assert "GET /" not in said.out


@pytest.mark.usefixtures("connection")
def test_an_hour_without_anything_to_ask_says_so(fleexmon: Call) -> None:
    said = fleexmon("genai", "preview", "--hour", (START - HOUR).isoformat())

    assert "0 requests" in said.out
    assert "Nothing to ask: every new, unusual or failing pattern" in said.out


def test_before_anything_was_analysed_there_is_nothing_to_show(fleexmon: Call) -> None:
    assert "materialize analyzed_logs" in refused(fleexmon("genai", "preview"))


# -- replay ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def told(connection: Connection, agent: GenAIServer) -> Connection:
    """Two hours with issues: one pattern each, the first in both."""
    plant(connection, "login", "login failed", slot=START + HOUR, first_seen=START + HOUR)
    plant(connection, "disk", "no space left", slot=START + HOUR)
    agent.answer(issue(0))
    judged(connection, agent)
    agent.answer(issue(0, title="Logins fail", severity="low"))
    judged(connection, agent, Window(START + HOUR, START + 2 * HOUR))
    agent.questions.clear()
    return connection


def replayed(fleexmon: Call, *more: str) -> tuple[int, list[str]]:
    said = fleexmon("genai", "replay", *HOURS, *more)
    return said.status, said.out.splitlines()


def test_a_replay_shows_what_another_prompt_changes_and_leaves_issues_alone(
    fleexmon: Call, told: Connection, database: Database, agent: GenAIServer, tmp_path: Path
) -> None:
    other = tmp_path / "prompt.txt"
    other.write_text("Judge. Answer with issues and affectedLogs.")
    before = database.fingerprint('"LogIssue"', '"IssueOccurrence"', '"LogEntry"')
    agent.answer(issue(0, severity="critical", title="The disk <b>is</b> full\x1b[31m"))
    agent.answer()

    status, lines = replayed(fleexmon, "--prompt", str(other), "--yes")

    assert status == 0
    assert "2 requests about 2 patterns" in lines[0]
    assert lines[2:] == [
        "gained 0, lost 1, severity changed 1, kept 0",
        "- low       Logins fail",
        "~ critical  The disk <b>is</b> full [31m  (was high)",
    ]
    assert {question["messages"][0]["content"] for question in agent.questions} == {other.read_text()}
    assert database.fingerprint('"LogIssue"', '"IssueOccurrence"', '"LogEntry"') == before

    asked = len(agent.questions)
    again = replayed(fleexmon, "--prompt", str(other))[1]
    assert (len(agent.questions), again[2:]) == (asked, lines[2:])  # answered from the ledger

    judged(told, agent)
    judged(told, agent, Window(START + HOUR, START + 2 * HOUR))
    assert len(agent.questions) == asked
    titles = [row["title"] for row in database.rows('SELECT title FROM "LogIssue" ORDER BY title')]
    assert titles == ["Disk is full", "Logins fail"]


@pytest.mark.usefixtures("told")
def test_the_same_answers_are_kept_issues(fleexmon: Call, agent: GenAIServer) -> None:
    agent.answer(issue(0)).answer(issue(0, title="Nobody can log in", severity="low"))

    lines = replayed(fleexmon, "--yes")[1]

    assert lines[2:] == ["gained 0, lost 0, severity changed 0, kept 2", "= high      Disk is full",
                         "= low       Nobody can log in"]  # fmt: skip


@pytest.mark.usefixtures("told")
def test_requests_are_sent_only_with_yes(fleexmon: Call, connection: Connection, agent: GenAIServer) -> None:
    for number in range(50):
        plant(connection, f"n{number}", f"failure {number}", slot=START, first_seen=START)

    status, lines = replayed(fleexmon)

    assert status == 1
    assert "5 requests about 52 patterns, about " in lines[0]
    assert "at most 5,000 in responses" in lines[0]
    assert lines[1:] == ["Nothing was sent. To send these requests, add --yes."]
    assert agent.questions == []
    assert replayed(fleexmon, "--yes")[0] == 0
    assert len(agent.questions) == 5


@pytest.mark.usefixtures("told", "fleexmon")
@pytest.mark.parametrize(("typed", "status", "sent"), [("n", 1, 0), ("y", 0, 2)])
def test_at_a_terminal_a_person_is_asked_after_the_cost_is_shown(
    typed: str, status: int, sent: int, connection: Connection, agent: GenAIServer
) -> None:
    plant(connection, "n", "failure", slot=START, first_seen=START)
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{typed}\n".encode())
    done = subprocess.run(
        [FLEEXMON, "genai", "replay", *HOURS], stdin=terminal, capture_output=True, text=True, timeout=60, check=False
    )
    for end in (keyboard, terminal):
        os.close(end)

    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.index("tokens") < done.stdout.index("Send these requests? [y/N]")
    assert len(agent.questions) == sent


@pytest.mark.usefixtures("told")
def test_a_replay_over_budget_says_so_and_goes_on_later(
    fleexmon: Call, agent: GenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENAI_MAX_CALLS_PER_HOUR", "1")

    status, lines = replayed(fleexmon, "--yes")
    assert status == 1
    assert lines[1].startswith("1 hour of 2 answered, 1 call,")
    assert lines[2].startswith("The others: over_budget: 1 of 1 calls this hour used.")

    monkeypatch.setenv("GENAI_MAX_CALLS_PER_HOUR", "9")
    assert replayed(fleexmon, "--yes")[0] == 0
    assert len(agent.questions) == 2


@pytest.mark.usefixtures("told")
def test_a_replay_does_not_try_a_dead_agent_for_each_hour(fleexmon: Call, agent: GenAIServer) -> None:
    agent.refuse(403).answer().answer()

    status, lines = replayed(fleexmon, "--yes")

    assert status == 1
    assert lines[1].startswith("0 hours of 2 answered, 0 calls,")
    assert "http_403" in lines[2]
    assert len(agent.questions) == 1


@pytest.mark.usefixtures("connection")
def test_what_cannot_be_replayed_is_refused(fleexmon: Call, tmp_path: Path) -> None:
    bad = tmp_path / "prompt.txt"
    bad.write_text("You are a pirate.")

    without = fleexmon("genai", "replay", "--from", "1d")
    assert without.status == 2
    assert "GENAI_AGENT_URL: is not set" in without.err
    assert "1 request about 1 pattern" in without.out  # the cost is shown all the same
    assert "fleexmon genai prompt" in refused(fleexmon("genai", "replay", "--from", "1d", "--prompt", str(bad)))
    assert "--from" in refused(fleexmon("genai", "replay", "--from", "some day"))
    assert "before --to" in refused(fleexmon("genai", "replay", "--from", "1h", "--to", "2h"))
    assert fleexmon("genai", "prompt").out.rstrip("\n") == PROMPT.system


def test_eval_states_tokens_and_cost_and_sends_nothing_on_a_dry_run(
    fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENAI_PRICE_PER_MILLION_INPUT", "1")

    said = fleexmon("genai", "eval", "--dry-run", "--limit", "2")
    document = json.loads(fleexmon("genai", "eval", "--dry-run", "--json").out)

    assert said.status == 0
    assert said.out.startswith("2 cases, about ")
    assert "at your GENAI_PRICE_* settings" in said.out
    assert document["tokensEstimated"] <= 1_500 * document["cases"]


def test_eval_asks_any_agent_with_progress_and_cost_beside_rules_alone(
    fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = {case.messages[1]["content"]: case.truth.node for case in known_cases()}

    def right(handler: Any, question: dict[str, Any]) -> None:
        claim = {"text": "It fails.", "evidence": [0]}
        root = roots[question["messages"][1]["content"]]
        text = {"facts": [claim], "hypotheses": [claim], "rootNode": root, "severity": "high"}
        handler.reply(200, completion(json.dumps(text)), {})

    with GenAIServer() as agent:
        agent.always = right
        monkeypatch.setenv("GENAI_AGENT_URL", agent.url)
        monkeypatch.setenv("GENAI_PRICE_PER_MILLION_INPUT", "1")
        held = fleexmon("genai", "eval")
        sent = len(agent.questions)
        said = fleexmon("genai", "eval", "--yes")
        document = json.loads(fleexmon("genai", "eval", "--yes", "--json", "--limit", "3").out)

    assert (held.status, sent) == (1, 0)
    assert (said.status, said.err) == (0, "")
    cases = len(known_cases())
    assert f"{cases}/{cases}  " in said.out
    for line in (f"root node named           {cases} of {cases}", "rules alone", "unsupported citations", "tokens in"):
        assert line in said.out
    assert document["agent"]["node_named"] == 3
    assert document["goalsMet"]


def test_eval_without_an_agent_says_what_to_set(fleexmon: Call) -> None:
    said = fleexmon("genai", "eval", "--yes")

    assert said.status == 2
    assert "GENAI_AGENT_URL" in said.err

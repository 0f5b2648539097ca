"""An agent that answers badly, late, never or too expensively: rows wait, with the reason, and are done later."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from fleexmon_pipeline.genai.agent import Agent
from fleexmon_pipeline.genai.budget import Budget, UsageLimits
from fleexmon_pipeline.genai.judgement import Judgement, mark_analyzed
from fleexmon_pipeline.settings import GenAISettings
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.genai.judging import NOW, TEN, WINDOW, Judge, plant
from fleexmon_pipeline_tests.genai_server import GenAIServer, completion, issue


def nobody_listens(_: GenAIServer) -> GenAISettings:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return GenAISettings(f"http://127.0.0.1:{unused.getsockname()[1]}", None)


FAULTS: list[tuple[str, int, Callable[[GenAIServer], object]]] = [
    ("refused", 3, nobody_listens),
    ("dns", 3, lambda _: GenAISettings("https://no-such-host.invalid", None)),
    ("tls", 1, lambda server: GenAISettings(server.url.replace("http:", "https:"), None)),
    ("http_400", 1, lambda server: server.refuse(400)),
    ("http_401", 1, lambda server: server.refuse(401)),
    ("http_403", 1, lambda server: server.refuse(403)),
    ("http_429", 1, lambda server: server.refuse(429, Retry_After="900")),
    ("http_429", 3, lambda server: [server.refuse(429) for _ in range(3)]),
    ("http_500", 3, lambda server: [server.refuse(500) for _ in range(3)]),
    ("http_529", 3, lambda server: [server.refuse(529) for _ in range(3)]),
    ("timeout", 1, lambda server: server.hang()),
    ("timeout", 1, lambda server: server.hang_mid_body()),
    ("broken_off", 1, lambda server: server.drop()),
    ("not_json", 1, lambda server: server.send(200, b"<html>Welcome</html>")),
    ("not_json", 1, lambda server: server.send(200, b'{"choices": [{"mess')),
    ("empty_choices", 1, lambda server: server.send(200, {"choices": []})),
    ("invalid_answer", 2, lambda server: server.say("All fine!").say("Really!")),
    ("invalid_answer", 2, lambda server: server.say("[]").say('[{"title": "x", "affectedLogs": [0]}]')),
    ("invalid_answer", 2, lambda server: server.say("```json\nno\n```").say("```\n[]\n```")),
    ("tool_calls", 1, lambda server: server.say(None, "tool_calls")),
    ("reasoning_only", 1, lambda server: server.say("", "length", reasoning_content="First, the records.")),
    ("truncated", 2, lambda server: server.say('{"issues": [', "length").say('{"issues": [', "length")),
]


@pytest.mark.parametrize(("outcome", "rows", "fault"), FAULTS, ids=[f"{f[0]}-{n}" for n, f in enumerate(FAULTS)])
def test_every_failure_leaves_the_rows_waiting_and_is_made_good_later(
    judged: Judge, outcome: str, rows: int, fault: Callable[[GenAIServer], object]
) -> None:
    plant(judged.connection, "disk", "no space left")
    found = fault(judged.server)
    settings = found if isinstance(found, GenAISettings) else judged.server.settings

    failed = judged(agent=Agent(settings, first_wait=0.01), deadline_seconds=2.3 if outcome == "timeout" else 7.6)

    same = {outcome, "unreachable"} if outcome == "dns" else {outcome}  # where a resolver does not answer at all
    assert (failed.judged, failed.waiting, failed.evaluated_hours) == (False, 1, [])
    assert failed.outcome in same
    assert failed.reason
    assert failed.occurrences == []
    assert set(judged.ledger()) <= same
    assert len(judged.ledger()) == rows
    reasons = judged.connection.execute('SELECT error FROM "GenAICall"').fetchall()
    assert all(row["error"] for row in reasons)

    judged.server.answer(issue(0))
    later = judged(now=NOW + HOUR)
    assert (later.judged, len(later.occurrences)) == (True, 1)


def test_an_answer_that_cannot_be_used_gets_one_repair_try(judged: Judge) -> None:
    plant(judged.connection, "disk", "no space left")
    judged.server.say("The disk is full.").answer(issue(0))

    result = judged()

    assert (result.judged, result.calls, len(result.occurrences)) == (True, 2, 1)
    assert judged.ledger() == ["invalid_answer", "ok"]
    roles = [message["role"] for message in judged.server.questions[1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert "no JSON object" in judged.server.questions[1]["messages"][3]["content"]


def test_one_question_that_fails_does_not_stop_the_others(judged: Judge) -> None:
    for number in range(20):
        plant(judged.connection, f"p{number:02}", f"failure {number}")
    judged.server.refuse(400).answer(issue(0))

    result = judged()

    assert (result.outcome, result.waiting, len(result.occurrences)) == ("http_400", 15, 1)


REFUSALS: dict[str, Callable[[GenAIServer], object]] = {
    "content_filter": lambda server: server.say("I am sorry.", "content_filter"),
    "refusal": lambda server: server.say(None, refusal="I cannot help with that."),
}


@pytest.mark.parametrize("outcome", REFUSALS)
def test_what_was_refused_is_not_asked_again_for_a_day_and_does_not_wait(judged: Judge, outcome: str) -> None:
    plant(judged.connection, "disk", "no space left", first_seen=TEN)
    plant(judged.connection, "disk", "no space left", slot=TEN + HOUR)
    REFUSALS[outcome](judged.server)

    refused = judged()
    again = judged(now=NOW + SLOT)
    later = judged(now=NOW + HOUR, window=Window(TEN + HOUR, TEN + 2 * HOUR))

    assert [one.judged for one in (refused, again, later)] == [True] * 3
    assert refused.outcome == outcome
    assert judged.ledger() == [outcome]
    row = judged.connection.execute('SELECT "tokensIn", "tokensOut" FROM "GenAICall"').fetchone()
    assert row == {"tokensIn": 120, "tokensOut": 30}

    judged.server.answer(issue(0))
    assert len(judged(now=NOW + 25 * HOUR).occurrences) == 1


def test_a_refusal_takes_back_nothing_and_holds_back_nothing_else(judged: Judge) -> None:
    plant(judged.connection, "disk", "no space left")
    judged.server.answer(issue(0))
    assert len(judged().occurrences) == 1
    plant(judged.connection, "disk", "no space left", level="fatal", slot=TEN + SLOT)
    plant(judged.connection, "queue", "queue is full")
    judged.server.say(None, "content_filter")

    refused = judged(now=NOW + SLOT)
    plant(judged.connection, "cable", "cable is cut")
    judged.server.answer(issue(0))
    other = judged(now=NOW + 2 * SLOT)

    assert [one.subject.pattern for one in refused.occurrences] == ["disk"]
    assert sorted(str(one.subject.pattern) for one in other.occurrences) == ["cable", "disk"]
    assert judged.ledger() == ["ok", "content_filter", "ok"]


def test_what_was_answered_before_the_agent_failed_is_kept(judged: Judge) -> None:
    for number in range(20):
        plant(judged.connection, f"p{number:02}", f"failure {number}")
    judged.server.answer(issue(0)).refuse(403)

    result = judged()
    assert (result.outcome, result.waiting, len(result.occurrences)) == ("http_403", 5, 1)

    later = judged()
    assert (later.judged, later.calls, later.answered, len(later.occurrences)) == (True, 1, 15, 1)


def test_over_budget_the_rows_wait_and_the_most_severe_went_first(judged: Judge) -> None:
    for number in range(20):
        plant(judged.connection, f"p{number:02}", f"failure {number}", level="fatal" if number > 17 else "error")

    result = judged(budget=Budget(UsageLimits(calls_per_hour=1)))

    assert (result.outcome, result.waiting, len(judged.server.questions)) == ("over_budget", 5, 1)
    assert [record["level"] for record in judged.server.records()][:3] == ["fatal", "fatal", "error"]
    assert judged(budget=Budget(UsageLimits(calls_per_hour=1)), now=NOW + 2 * HOUR).judged


def test_failures_have_a_budget_of_their_own(judged: Judge) -> None:
    plant(judged.connection, "disk", "no space left")
    judged.server.refuse(401)
    budget = Budget(UsageLimits(failures_per_hour=1, calls_per_hour=1))

    assert judged(budget=budget).outcome == "http_401"
    assert judged(budget=budget).outcome == "over_budget"
    assert judged(budget=budget, now=NOW + 2 * HOUR).judged


def test_a_dead_agent_costs_ticks_nothing_and_other_runs_one_probe(judged: Judge) -> None:
    for number in range(20):
        plant(judged.connection, f"p{number:02}", f"failure {number}")
    judged.server.always = lambda handler, _: handler.reply(401, {"message": "no"}, {})
    outcomes = [judged(now=NOW + n * SLOT, scheduled=True).outcome for n in range(3)]
    last = NOW + 2 * SLOT
    assert outcomes == ["http_401"] * 3
    assert len(judged.server.questions) == 3

    held = judged(now=last + timedelta(minutes=4), scheduled=True)
    assert (held.outcome, held.judged, len(judged.server.questions)) == ("held_back", False, 3)
    assert judged(now=last + timedelta(minutes=4)).outcome == "http_401"  # another run probes, once
    assert len(judged.server.questions) == 4
    assert judged(now=last + timedelta(minutes=13), scheduled=True).outcome == "held_back"  # 10 minutes by now

    judged.server.always = None
    recovered = judged(now=last + timedelta(minutes=15), scheduled=True)
    assert (recovered.judged, recovered.calls) == (True, 2)


def test_a_run_that_met_a_dead_agent_does_not_try_it_again_for_each_hour(judged: Judge) -> None:
    plant(judged.connection, "disk", "no space left")
    plant(judged.connection, "disk", "no space left", slot=TEN + HOUR)
    judged.server.refuse(401)

    first = judged(run_id="backfill")
    second = judged(run_id="backfill", window=Window(TEN + HOUR, TEN + 2 * HOUR), now=NOW + SLOT)

    assert (first.outcome, second.outcome, len(judged.server.questions)) == ("http_401", "held_back", 1)
    assert judged(run_id="next", window=Window(TEN, TEN + 2 * HOUR), now=NOW + 2 * SLOT).judged


def test_the_deadline_bounds_the_whole_window(judged: Judge) -> None:
    for number in range(40):
        plant(judged.connection, f"p{number:02}", f"failure {number}")
    time = iter(range(0, 1000, 4))  # every look at the clock is 4 s later

    result = judged(deadline_seconds=20.0, clock=lambda: float(next(time)))

    assert result.outcome == "deadline"
    assert 0 < result.calls < 3
    assert result.waiting > 0


def test_two_runs_on_one_hour_ask_once(judged: Judge, database: Database) -> None:
    plant(judged.connection, "disk", "no space left")
    other: list[Judgement] = []

    def meanwhile(handler: Any, question: dict[str, Any]) -> None:
        with database.connect() as second:
            other.append(Judge(second, judged.server)())
        handler.reply(200, completion(json.dumps({"issues": [issue(0)]})), {})

    judged.server.then(meanwhile)

    assert judged().judged
    assert (other[0].outcome, other[0].judged, other[0].calls) == ("busy", False, 0)
    assert judged.ledger() == ["ok"]


def test_without_an_agent_nothing_is_asked(judged: Judge) -> None:
    plant(judged.connection, "disk", "no space left")

    result = judged(agent=None)

    assert (result.outcome, result.waiting, result.occurrences) == ("not_configured", 1, [])


def test_rows_are_marked_once(judged: Judge, database: Database) -> None:
    plant(judged.connection, "disk", "no space left", "no space left")
    plant(judged.connection, "disk", "no space left", slot=TEN + HOUR)

    assert mark_analyzed(judged.connection, WINDOW) == 2
    before = database.fingerprint('"LogEntry"')
    assert mark_analyzed(judged.connection, WINDOW) == 0
    assert database.fingerprint('"LogEntry"') == before

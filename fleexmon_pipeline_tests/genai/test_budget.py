"""Costs of GenAI: tokens and calls, the most severe first, answers that are valid for a day, and payments."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from fleexmon_pipeline.genai.budget import Budget, Prices, UsageLimits
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.window import DAY, HOUR, Window
from fleexmon_pipeline_tests.genai.judging import NOW, TEN, Judge, plant
from fleexmon_pipeline_tests.genai_server import completion, issue

ELEVEN = Window(TEN + HOUR, TEN + 2 * HOUR)


def many(judged: Judge, count: int, level: str = "error", name: str = "p") -> None:
    for number in range(count):
        plant(judged.connection, f"{name}{number:02}", f"failure {number}", level=level, first_seen=TEN)


# -- budgets --------------------------------------------------------------------------------------------------------


def test_tokens_are_bounded_by_the_hour_and_what_is_over_waits(judged: Judge) -> None:
    many(judged, 20)
    budget = Budget(UsageLimits(tokens_per_hour=3_000))

    first = judged(budget=budget)  # 15 patterns; the server counts 150 tokens, ours are estimated before
    assert (first.outcome, first.calls, first.waiting) == ("ok", 2, 0)

    many(judged, 20, name="q")
    small = Budget(UsageLimits(tokens_per_hour=1_000))
    second = judged(budget=small)
    assert (second.outcome, second.calls, second.waiting, second.judged) == ("over_budget", 0, 20, False)
    assert second.reason == "300 of 1,000 tokens this hour used"
    assert judged(budget=small, now=NOW + 2 * HOUR).calls == 1  # the first question of an hour always fits


def test_tokens_are_bounded_by_the_day(judged: Judge) -> None:
    many(judged, 1)
    judged()
    many(judged, 1, name="q")
    budget = Budget(UsageLimits(tokens_per_day=1_000))

    assert judged(budget=budget, now=NOW + 3 * HOUR).reason == "150 of 1,000 tokens this day used"
    assert judged(budget=budget, now=NOW + DAY + HOUR).judged


def test_an_agent_that_does_not_count_its_tokens_is_counted_for(judged: Judge) -> None:
    many(judged, 1)
    answer = completion('{"issues": []}')
    del answer["usage"]
    judged.server.send(200, answer)

    result = judged()

    assert 200 < result.tokens_in < 2_000
    assert 0 < result.tokens_out < 20
    row = judged.connection.execute('SELECT "tokensIn", "tokensOut" FROM "GenAICall"').fetchone()
    assert row == {"tokensIn": result.tokens_in, "tokensOut": result.tokens_out}


def test_a_timeout_may_have_been_paid_for(judged: Judge) -> None:
    many(judged, 1)
    judged.server.hang()

    judged(deadline_seconds=2.3)

    row = judged.connection.execute('SELECT outcome, "tokensIn" FROM "GenAICall"').fetchone()
    assert row
    assert row["outcome"] == "timeout"
    assert row["tokensIn"] > 200


def test_the_last_quarter_is_kept_for_errors(judged: Judge) -> None:
    budget = Budget(UsageLimits(calls_per_hour=4))
    for number in range(3):
        many(judged, 1, name=f"n{number}", level="info")
        assert judged(budget=budget).judged
    many(judged, 1, name="greeting", level="info")

    held = judged(budget=budget)
    assert (held.outcome, held.reason, held.waiting) == (
        "over_budget", "3 of 4 calls this hour used, the rest is kept for errors", 1
    )  # fmt: skip

    plant(judged.connection, "disk", "no space left", slot=TEN + HOUR, first_seen=TEN + HOUR)
    later = judged(window=Window(TEN, TEN + 2 * HOUR), budget=budget)
    assert [record["template"] for record in judged.server.records()] == ["no space left"]
    assert (later.waiting, later.evaluated_hours) == (1, [ELEVEN])


def test_what_was_paid_is_in_the_ledger_where_prices_are_known(judged: Judge) -> None:
    many(judged, 1)
    judged(budget=Budget(prices=Prices(Decimal("0.65"), Decimal(2))))
    many(judged, 1, name="q")
    judged()
    many(judged, 1, name="r")
    judged.server.say('{"issues": []}', cached=100)
    judged(budget=Budget(prices=Prices(Decimal("0.65"), Decimal(2), Decimal("0.1"))))

    rows = judged.connection.execute('SELECT cost FROM "GenAICall" ORDER BY ctid').fetchall()
    paid = (120 * Decimal("0.65") + 30 * 2) / 1_000_000
    assert [row["cost"] for row in rows] == [paid, None, (20 * Decimal("0.65") + 100 * Decimal("0.1") + 60) / 1_000_000]


def test_cached_tokens_without_a_price_of_their_own_cost_like_others() -> None:
    assert Prices(Decimal(1)).cost(1_000_000, 0, 900_000) == 1
    assert Prices(Decimal(1), tokens_cached=Decimal(0)).cost(1_000_000, 0, 900_000) == Decimal("0.1")
    assert Prices().cost(1, 1, 1) is None


# -- answers that stand ---------------------------------------------------------------------------------------------


def test_an_answer_about_errors_that_go_on_stands_for_a_day(judged: Judge) -> None:
    for hours in (0, 1, 23, 25):
        plant(judged.connection, "disk", "no space left", slot=TEN + hours * HOUR)
    judged.server.answer(issue(0)).answer(issue(0, severity="low"))

    found = [judged(window=Window(at, at + HOUR)) for at in (TEN, TEN + HOUR, TEN + 23 * HOUR, TEN + 25 * HOUR)]

    assert [result.calls for result in found] == [1, 0, 0, 1]
    assert all(result.judged for result in found)
    assert [one.severity for result in found for one in result.occurrences] == [Severity.HIGH] * 3 + [Severity.LOW]
    assert {one.fingerprint for result in found for one in result.occurrences} == {"genai:pattern:disk@blue"}
    assert [one.metadata["judgedFor"] for result in found for one in result.occurrences][:3] == [
        "2026-11-20T10:00Z"
    ] * 3


def test_what_got_worse_is_asked_about_at_once(judged: Judge) -> None:
    plant(judged.connection, "disk", "no space left", level="error")
    judged()
    plant(judged.connection, "disk", "no space left", level="fatal", slot=TEN + HOUR)

    assert judged(window=ELEVEN).calls == 1


def test_an_answer_about_what_stopped_failing_makes_no_issue_later(judged: Judge) -> None:
    plant(judged.connection, "disk", "no space left")
    plant(judged.connection, "login", "login failed")
    judged.server.answer(issue(0, 1))
    assert len(judged().occurrences) == 1

    plant(judged.connection, "disk", "space is back", level="info", slot=TEN + HOUR)
    plant(judged.connection, "login", "login failed", slot=TEN + HOUR)
    result = judged(window=ELEVEN)

    assert (result.judged, result.calls, result.occurrences) == (True, 0, [])


def test_hours_judged_in_any_order_keep_what_was_said_of_each(judged: Judge) -> None:
    plant(judged.connection, "disk", "no space left")
    plant(judged.connection, "disk", "no space left", slot=TEN + HOUR)
    judged.server.answer(issue(0, severity="low")).answer(issue(0, severity="high"))

    later = judged(window=ELEVEN)
    earlier = judged()

    assert (later.calls, earlier.calls) == (1, 1)
    assert judged(window=ELEVEN).occurrences == later.occurrences
    assert judged().occurrences == earlier.occurrences


@pytest.mark.parametrize("hours", [1, 5])
def test_an_agent_that_is_down_leaves_standing_answers_alone(judged: Judge, hours: int) -> None:
    plant(judged.connection, "disk", "no space left")
    judged.server.answer(issue(0))
    judged()
    at = TEN + hours * HOUR
    plant(judged.connection, "disk", "no space left", slot=at)
    plant(judged.connection, "new", "kernel panic", slot=at, first_seen=at)
    judged.server.refuse(401)

    result = judged(window=Window(at, at + HOUR), now=NOW + timedelta(hours=hours))

    assert (result.outcome, result.waiting) == ("http_401", 1)
    assert [one.title for one in result.occurrences] == ["Disk is full"]

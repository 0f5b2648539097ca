"""Rules about deployments: one issue for a candidate that diverges, none for one that does not; in any order."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleexmon_pipeline.commands.compare import as_document
from fleexmon_pipeline.comparison.deployments import Deployment, record_deployment
from fleexmon_pipeline.comparison.read import compare_nodes
from fleexmon_pipeline.comparison.recent_deployments import compare_recent_deployments
from fleexmon_pipeline.comparison.watch import hours_to_reevaluate
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.divergence import longest_watch
from fleexmon_pipeline.detection.evaluate import evaluate
from fleexmon_pipeline.detection.rule_files import BUILT_IN, load_rules
from fleexmon_pipeline.detection.rule_kinds import Divergence
from fleexmon_pipeline.issues.lifecycle import open_subjects, reconcile
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.patterns.labels import label
from fleexmon_pipeline.replays.rules import backtest
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.comparison.two_nodes import NOON, Change, Rates, as_usual, lines, store
from fleexmon_pipeline_tests.conftest import Database

RULES = [rule for rule in load_rules().rules if isinstance(rule, Divergence)]
HOURS = [Window.hour_of(NOON + hour * HOUR) for hour in range(-1, 5)]
DEPLOYED = Deployment("green", "1.4.2", NOON + timedelta(minutes=3), "ann", "person")
HALF = HOUR / 2


def new_error(node: str, slot: int, rates: Rates) -> Rates:
    return rates | ({("schema", "error"): 0.7} if node == "green" and slot >= 1 else {})


def story(
    connection: Connection, change: Change, *, seed: int = 1, deployed: Iterable[Deployment] = (DEPLOYED,)
) -> None:
    store(connection, lines(seed, change, days=2, hours=5))
    for each in deployed:
        record_deployment(connection, each)


def rule(**changes: Any) -> Divergence:
    (shipped,) = RULES
    return shipped.model_copy(update=changes)


def judge(connection: Connection, hour: Window, rules: Iterable[Divergence] = RULES) -> list[Occurrence]:
    detected = detect_hour(connection, hour, list(rules), now=hour.until, known_until=hour.until)
    reconcile(connection, open_subjects(connection), now=hour.until)
    return list(detected.in_hour())


def issues(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute('SELECT * FROM "LogIssue" ORDER BY "detectedAt"').fetchall()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as opened:
        yield opened


def test_a_new_error_after_a_deployment_is_one_issue_that_ends_by_itself(connection: Connection) -> None:
    story(connection, new_error)
    row = uuid.uuid4()
    connection.execute('UPDATE "LogPatternCount" SET samples = %s WHERE pattern = %s', [[row], "schema"])
    for hour in HOURS[:3]:
        judge(connection, hour)
    (open_,) = issues(connection)
    for hour in HOURS[3:]:
        judge(connection, hour)
    (issue,) = issues(connection)

    assert (open_["status"], issue["status"]) == ("open", "resolved")
    assert issue["type"] == "deployment-diverges"
    assert issue["severity"] == "high"
    assert issue["title"] == "Deployment of 1.4.2 on green differs from blue: 1 error never seen before (16 lines)"
    assert (
        "green has run 1.4.2 since 2026-11-20 12:03 UTC. Compared with blue over the next 2 hours"
        in issue["description"]
    )
    assert issue["description"].endswith("Pattern that stands out most: the schema of <num>")
    assert issue["affectedLogs"] == [row]
    assert (issue["detectedAt"], issue["resolvedAt"]) == (NOON + HALF, NOON + 3 * HOUR)
    told = issue["metadata"]
    assert (told["nodes"], told["occurrences"], told["verdict"]) == (["green"], 4, "fail")
    assert told["deployment"] == {"version": "1.4.2", "at": "2026-11-20T12:03:00Z", "by": "ann", "source": "person"}
    assert told["command"] in issue["recommendation"]
    assert told["command"] == (
        "fleexmon compare --baseline blue --candidate green --from 2026-11-20T12:00 --to 2026-11-20T14:00"
    )


def test_what_the_issue_tells_is_what_its_command_shows(connection: Connection) -> None:
    story(connection, new_error)
    said = [each for hour in HOURS for each in judge(connection, hour)]
    for each in said:
        window = Window(datetime.fromisoformat(each.metadata["window"]["since"]), each.slot + SLOT)
        shown = as_document(compare_nodes(connection, window, "blue", "green"))

        assert (each.metadata["verdict"], each.metadata["reasons"]) == (shown["verdict"], shown["reasons"])
        assert each.metadata["patterns"][0].items() <= shown["patterns"][0].items()


def test_the_check_says_what_the_rule_says(connection: Connection) -> None:
    story(connection, new_error)
    fails = {each.slot + SLOT: each.metadata["reasons"] for hour in HOURS for each in judge(connection, hour)}

    for half in range(1, 8):
        now = NOON + half * HALF + timedelta(minutes=4)
        (shown,) = compare_recent_deployments(connection, live=None, now=now, after=longest_watch(RULES))
        assert shown.comparison is not None
        assert shown.comparison.outcome.verdict == "fail"
        assert shown.comparison.outcome.reasons == fails[min(NOON + half * HALF, NOON + 2 * HOUR)]


@pytest.mark.parametrize("seed", range(20, 24))
def test_a_harmless_deployment_makes_none_and_neither_do_two_nodes_that_are_alike(
    connection: Connection, seed: int
) -> None:
    def harmless(node: str, slot: int, rates: Rates) -> Rates:
        restarts = node == "green" and slot in (0, 1)
        new = {("feature flag", "info"): 3.0, ("cache warming", "debug"): 2.0}
        return {} if restarts else rates | (new if node == "green" and slot >= 0 else {})

    change = harmless if seed % 2 else as_usual
    story(connection, change, seed=seed, deployed=[DEPLOYED, Deployment("blue", "1.4.2", NOON + HOUR, "ann", "person")])

    assert [each for hour in HOURS for each in judge(connection, hour)] == []
    assert issues(connection) == []


def test_a_candidate_that_is_idle_is_not_judged(connection: Connection) -> None:
    def idle(node: str, slot: int, rates: Rates) -> Rates:
        return {} if node == "green" and slot >= 0 else rates

    story(connection, idle)

    assert [each for hour in HOURS for each in judge(connection, hour)] == []


def test_hours_in_any_order_twice_and_two_at_once_give_the_same(database: Database) -> None:
    def rows() -> list[dict[str, object]]:
        return database.rows("""
            SELECT fingerprint, slot, title, description, metadata, evidence FROM "IssueOccurrence" ORDER BY 1, 2""")

    with database.connect() as connection:
        story(
            connection, new_error, deployed=[DEPLOYED, Deployment("green", "1.4.3", NOON + 3 * HALF, "bob", "person")]
        )
        for hour in HOURS:
            judge(connection, hour)
        expected, once = rows(), database.fingerprint('"IssueOccurrence"', '"LogIssue"')
        order = HOURS * 2
        random.Random(5).shuffle(order)
        for hour in order:
            judge(connection, hour)
        assert database.fingerprint('"IssueOccurrence"', '"LogIssue"') == once

        connection.execute('TRUNCATE "IssueOccurrence", "LogIssue", "IssueEpisode"')
    random.Random(6).shuffle(order)

    def one(hour: Window) -> None:
        with database.connect() as own:
            judge(own, hour)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, order))

    assert rows() == expected
    assert [row["slot"] for row in expected] == [NOON + half * HALF - SLOT for half in (1, 2, 3, 4, 5, 6, 7)]


def test_a_deployment_that_is_told_late_has_its_hours_judged_again(connection: Connection) -> None:
    story(connection, new_error, deployed=[])
    assert [each for hour in HOURS for each in judge(connection, hour)] == []
    record_deployment(connection, DEPLOYED)

    assert hours_to_reevaluate(connection, DEPLOYED) == [hour.since for hour in HOURS[1:]]


def test_what_the_rule_says_of_whom_for_how_long_and_how_long_it_holds(connection: Connection) -> None:
    def fails(of: Divergence) -> list[datetime]:
        return [each.slot + SLOT for hour in HOURS for each in evaluate(connection, [of], hour, until=hour.until)]

    story(connection, new_error)
    watched = rule().divergence

    assert fails(rule(nodes=("blue",))) == []
    assert fails(rule(enabled=False)) == []
    assert fails(rule(for_=HALF)) == [NOON + half * HALF for half in (2, 3, 4)]
    assert fails(rule(divergence=watched.model_copy(update={"after": 3 * HOUR}))) == [
        NOON + half * HALF for half in range(1, 7)
    ]
    assert longest_watch([rule(divergence=watched.model_copy(update={"after": 3 * HOUR}))]) == 3 * HOUR
    assert longest_watch([rule(mode="shadow")]) == 2 * HOUR


def test_a_marginal_verdict_fires_only_where_the_rule_wants_it(connection: Connection) -> None:
    def missing(node: str, slot: int, rates: Rates) -> Rates:
        return {key: rate for key, rate in rates.items() if key[0] != "cart" or node == "blue" or slot < 0}

    story(connection, missing)
    wanted = rule(divergence=rule().divergence.model_copy(update={"verdict": "marginal"}))
    last = HOURS[2]
    (said,) = [
        each for each in evaluate(connection, [wanted], last, until=last.until) if each.slot + SLOT == last.until
    ]

    assert evaluate(connection, RULES, last, until=last.until) == []
    assert (said.metadata["verdict"], said.metadata["patterns"][0]["status"]) == ("marginal", "missing")


def test_what_people_ignore_is_no_divergence(connection: Connection) -> None:
    story(connection, new_error)
    label(connection, "schema", by="ann", now=NOON, ignored=True, why="known")

    assert [each for hour in HOURS for each in judge(connection, hour)] == []
    assert "1 ignored pattern left out" in compare_nodes(connection, HOURS[1], "blue", "green").outcome.reasons


def test_a_backtest_replays_deployments(connection: Connection) -> None:
    story(connection, new_error)
    short = rule(divergence=rule().divergence.model_copy(update={"after": HOUR}))
    short._version = "other"
    found = backtest(connection, RULES, [short], Window(HOURS[0].since, HOURS[-1].until))
    none = backtest(connection, RULES, [], Window(HOURS[0].since, HOURS[-1].until))

    assert [(each.since, each.until, each.slots) for each in found.against] == [
        (NOON + HALF - SLOT, NOON + 2 * HOUR, 4)
    ]
    assert [(each.since, each.until, each.slots) for each in found.kept] == [(NOON + HALF - SLOT, NOON + HOUR, 2)]
    assert len(none.lost) == 1
    assert not any("not replayed" in note for note in found.notes)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("after: 2h", "after: 5h", "a multiple of 30m, up to 4h"),
        ("after: 2h", "after: 45m", "a multiple of 30m, up to 4h"),
        ("verdict: fail", "verdict: inconclusive", "'fail' or 'marginal'"),
        ("{reason}", "{cause}", "{cause} is unknown here"),
    ],
)
def test_a_mistake_names_line_and_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = (BUILT_IN / "deployment-diverges.yaml").read_text()
    assert old in text
    (tmp_path / "mine.yaml").write_text(text.replace(old, new))
    (problem,) = load_rules(tmp_path).problems

    assert problem.line == next(n for n, line in enumerate(text.splitlines(), 1) if old in line)
    assert reason in problem.reason


def test_where_nothing_was_deployed_nothing_is_read(connection: Connection) -> None:
    story(connection, as_usual, deployed=[])
    connection.execute('DROP TABLE "LogPatternCount"')

    assert evaluate(connection, RULES, HOURS[1], until=HOURS[1].until) == []

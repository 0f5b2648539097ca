"""If some data is missing, the run succeeds, and a check says what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import stamina

from fleexmon_pipeline.sensors import catch_up
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import (
    DAGSTERS_OWN,
    DEFINITIONS,
    REPOSITORY,
    Project,
    at,
    check,
    fingerprints,
    metadata,
    project,
    titles,
)
from fleexmon_pipeline_tests.node_server import NodeServer, lines

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

DAY = datetime(2026, 2, 3, tzinfo=UTC)
TEN = at(DAY, "10:00")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def blue() -> Iterator[NodeServer]:
    with NodeServer() as node:
        node.serve(lines(60, TEN, every=MINUTE, level="error", message="payment {n} failed: card declined"))
        yield node


@pytest.fixture
def green() -> Iterator[NodeServer]:
    with NodeServer() as node:
        node.serve(lines(60, TEN, every=MINUTE))
        yield node


@pytest.fixture
def dagster(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blue: NodeServer, green: NodeServer
) -> Iterator[Project]:
    """One attempt at a node that is down, in place of three with pauses."""
    with project(database, tmp_path, monkeypatch, in_memory=True) as opened, stamina.set_testing(True):
        opened.it_is(at(DAY, "11:02"))
        opened.watch(blue, green)
        yield opened


def down(node: NodeServer) -> None:
    node.stop()


def html(node: NodeServer) -> None:
    node.answer(body=b"<html><body>Please log in</body></html>", headers={"Content-Type": "text/html"})


def error_500(node: NodeServer) -> None:
    node.answer(status=500, body=b"oops")


def garbage(node: NodeServer) -> None:
    node.answer(body=b"\x00\xff\xfe garbage \x80")


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(down, "refused"), (html, "HTML"), (error_500, "HTTP 500"), (garbage, "")],
)
def test_a_node_that_cannot_be_read_is_named_with_the_reason_and_made_good_when_it_can(
    dagster: Project, green: NodeServer, trouble: Callable[[NodeServer], None], reason: str
) -> None:
    trouble(green)

    result = dagster.run("backfill_hours", TEN)

    passed, details = check(result, "every_node_answers")
    assert not passed
    assert "**green**: 12 slots missing between 2026-02-03 10:00 and 2026-02-03 11:00 UTC" in details
    assert reason.lower() in details.lower()
    assert "blue" not in details
    assert status_of(dagster.database) == {"blue": {"complete"}, "green": {"missing"}}
    assert "High error rate on blue: payment <num> failed: card declined (100.0%, 15 errors in 15 minutes)" in titles(
        dagster.database
    )  # of the node that answered, in the same run

    if trouble is down:
        green.start()
    else:
        green.serve(lines(60, TEN, every=MINUTE))
    dagster.it_is(at(DAY, "11:20"))
    request = dagster.ask(catch_up)[0]
    assert request.partition_key == "2026-02-03-10:00"
    made_good = dagster.run_requested("backfill_hours", request)

    assert status_of(dagster.database)["green"] == {"complete"}
    assert metadata(made_good, "raw_logs")["dagster/partition_row_count"] == 120
    assert check(made_good, "every_node_answers") == (True, "")


def status_of(database: Database) -> dict[str, set[str]]:
    rows = database.rows("""SELECT node, array_agg(DISTINCT status::text) AS status FROM "LogCoverage"
        WHERE slot >= '2026-02-03 10:00' AND slot < '2026-02-03 11:00' GROUP BY node""")
    return {str(row["node"]): set(row["status"]) for row in rows}  # type: ignore[call-overload]


def test_both_nodes_down_is_a_run_that_succeeds_and_a_check_that_fails(
    dagster: Project, blue: NodeServer, green: NodeServer
) -> None:
    blue.stop()
    green.stop()

    result = dagster.run("backfill_hours", TEN)

    passed, details = check(result, "every_node_answers")
    assert not passed
    assert "**blue**: 12 slots" in details
    assert "**green**: 12 slots" in details
    assert titles(dagster.database) == []
    assert metadata(result, "predictions")["titles"] == "nothing fired"


def test_records_that_are_garbage_are_rejected_one_by_one(dagster: Project, green: NodeServer) -> None:
    good = lines(3, TEN, every=MINUTE)
    green.serve(
        [*good, {"level": "info", "message": "when?"}, "not a record", {"timestamp": "yesterday", "message": 1}]
    )

    result = dagster.run("backfill_hours", TEN)

    account = metadata(result, "raw_logs")
    assert (account["received"], account["dagster/partition_row_count"], account["rejected"]) == (66, 63, 3)
    assert dagster.database.rows('SELECT source, count(*) AS count FROM "RejectedLog" GROUP BY source') == [
        {"source": "green", "count": 3}
    ]


def test_a_tick_cannot_hide_what_an_earlier_run_did_not_get(dagster: Project, green: NodeServer) -> None:
    """The check is shown for the asset, by its latest run: it speaks of the tables, not of that run's hour."""
    green.stop()
    dagster.run("monitoring", TEN)
    green.start()
    dagster.it_is(at(DAY, "11:07"))

    tick = dagster.run("monitoring", at(DAY, "11:00"), tick="slot")

    passed, details = check(tick, "every_node_answers")
    assert not passed
    assert "**green**: 12 slots missing between 2026-02-03 10:00" in details


def test_what_a_node_says_cannot_write_into_the_page(dagster: Project, green: NodeServer) -> None:
    green.answer(body=b"<script>alert(1)</script> | ![x](https://evil.example/p.png) \n# heading", times=9)

    result = dagster.run("monitoring", TEN)

    _, details = check(result, "every_node_answers")
    quoted = "`answered not JSON: <script>alert(1)</script> \\| ![x](https://evil.example/p.png) # heading`"
    assert details.endswith(quoted)
    assert quoted in str(metadata(result, "raw_logs")["nodes"])


def test_a_secret_in_an_answer_that_is_no_answer_is_not_shown(dagster: Project, green: NodeServer) -> None:
    green.answer(body=b"starting with password=hunter2-of-a-log-line\n", times=9)

    result = dagster.run("monitoring", TEN)

    _, details = check(result, "every_node_answers")
    assert "not JSON: starting with password=" in details
    assert "hunter2" not in details + str(dagster.database.rows('SELECT error FROM "LogCoverage"'))


# -- checks alone -----------------------------------------------------------------------------------------------------


def test_every_check_can_be_executed_alone() -> None:
    """The UI offers Execute for checks that no other step has to run with."""
    graph = REPOSITORY.asset_graph
    assert {key.name: graph.get_execution_set_identifier(key) for key in graph.asset_check_keys} == dict.fromkeys(
        [
            "every_node_answers", "everything_is_judged", "patterns_are_sound", "rules_are_sound", "rules_are_believed",
            "deployments_are_sound", "forecasts_hold", "everything_is_sent", "archive_is_whole",
        ]
    )  # fmt: skip


def test_a_check_alone_reads_the_tables_and_changes_nothing(dagster: Project, blue: NodeServer) -> None:
    dagster.run("backfill_hours", TEN)
    before, requests = fingerprints(dagster.database), len(blue.requests)
    every_check = DEFINITIONS.resolve_implicit_global_asset_job_def()
    first, *others = sorted(REPOSITORY.asset_graph.asset_check_keys)

    def execute(keys: list[dg.AssetCheckKey]) -> dg.ExecuteInProcessResult:
        subset = every_check.get_subset(asset_selection=set(), asset_check_selection=set(keys))
        return subset.execute_in_process(instance=dagster.instance)

    one, all_others = execute([first]), execute(others)

    assert [each.asset_check_key for each in one.get_asset_check_evaluations()] == [first]
    assert sorted(each.asset_check_key for each in all_others.get_asset_check_evaluations()) == others
    assert all(each.passed for each in all_others.get_asset_check_evaluations())
    assert not any(result.get_asset_materialization_events() for result in (one, all_others))
    assert fingerprints(dagster.database) == before
    assert len(blue.requests) == requests

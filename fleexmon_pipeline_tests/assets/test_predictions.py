"""The predictions asset: an issue of a forecast, its check, and other divisions and orders of runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleexmon_pipeline.detection.rule_files import BUILT_IN
from fleexmon_pipeline.issues.shadows import write_shadows
from fleexmon_pipeline.window import DAY, HOUR, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, check, contents, fingerprints, project
from fleexmon_pipeline_tests.forecasting.test_forecasts import END, climbing, put, store

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

HOURS = (END - 2 * HOUR, END)  # first and last
FORECAST_ISSUES = 'SELECT title, "detectedAt" FROM "LogIssue" WHERE type = \'error-rate-forecast\''


@pytest.fixture
def dagster(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project(database, tmp_path, monkeypatch) as opened:
        opened.it_is(END + HOUR)
        with database.connect() as connection:
            store(connection, "blue", END, 24 * 8, climbing)
        yield opened


def test_a_forecast_becomes_an_issue_once_and_a_rerun_changes_nothing(dagster: Project, database: Database) -> None:
    first = dagster.run("predict", *HOURS)
    issues = database.rows(FORECAST_ISSUES)
    before = fingerprints(database)

    dagster.run("predict", *HOURS)

    assert issues == [{"title": "Error rate will cross 5% on blue in about 2 h (80% likely: 1-3 h)", "detectedAt": END}]
    assert fingerprints(database) == before
    assert check(first, "forecasts_hold") == (True, "")


def test_hours_in_any_order_give_the_same(dagster: Project, database: Database) -> None:
    dagster.run("predict", *HOURS)
    whole = contents(database)
    with database.connect() as connection:
        connection.execute('TRUNCATE "LogForecast", "IssueOccurrence", "IssueEpisode", "LogIssue"')
    for back in (1, 2, 0):
        dagster.run("predict", END - back * HOUR)
    assert contents(database) == whole


def test_forecasts_that_proved_useless_are_seen_in_the_check_and_make_no_issue(
    dagster: Project, database: Database
) -> None:
    with database.connect() as connection:
        put(connection, "error-rate", number=240, since=END - 12 * DAY, hit=False)
    found = dagster.run("predict", *HOURS)
    assert database.rows(FORECAST_ISSUES) == []
    passed, details = check(found, "forecasts_hold")
    assert not passed
    assert "`blue`: forecasts make no issues: only" in details


def test_an_issue_made_before_the_record_was_known_is_taken_back(dagster: Project, database: Database) -> None:
    dagster.run("predict", *HOURS)
    assert len(database.rows(FORECAST_ISSUES)) == 1
    with database.connect() as connection:
        put(connection, "error-rate", number=240, since=END - 12 * DAY, hit=False)
    dagster.run("predict", END - 40 * HOUR)
    assert database.rows(FORECAST_ISSUES) == []


@pytest.mark.parametrize(("change", "shadows"), [("enabled: false", 0), ("mode: shadow", 2)])
def test_a_forecast_rule_is_switched_off_or_tried_by_its_name(
    dagster: Project, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, shadows: int
) -> None:
    own = tmp_path / "own rules"
    own.mkdir()
    built_in = (BUILT_IN / "forecast-high-error-rate.yaml").read_text("utf-8")
    (own / "mine.yaml").write_text(f"{built_in}{change}\n", "utf-8")
    monkeypatch.setenv("FLEEXMON_RULES", str(own))
    for _ in range(2):
        dagster.run("predict", *HOURS)
        with database.connect() as connection:  # as detection does: it leaves alone what predictors would have said
            write_shadows(connection, [], Window(HOURS[0], END + HOUR), rules=["silent-node"])
        assert database.rows(FORECAST_ISSUES) == []
        assert len(database.rows('SELECT * FROM "ShadowOccurrence"')) == shadows
    assert bool(database.rows('SELECT * FROM "LogForecast" WHERE figures IS NOT NULL')) is (shadows > 0)

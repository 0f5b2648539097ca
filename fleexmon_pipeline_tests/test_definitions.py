"""The code location in Dagster: its definitions and partitions, and that it loads without any variable."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

import fleexmon_pipeline
from fleexmon_pipeline.assets.asset import PAGES_OF, rules_version
from fleexmon_pipeline.assets.digests import digests
from fleexmon_pipeline.assets.tables import COLUMNS, column_schema
from fleexmon_pipeline.definitions import ASSETS
from fleexmon_pipeline.jobs import JOBS
from fleexmon_pipeline.partitions import COLD_DAYS, DAILY, HOURLY
from fleexmon_pipeline.schedules import SCHEDULES
from fleexmon_pipeline.sensors import SENSORS
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, HOURLY_CHAIN, REPOSITORY

pytestmark = pytest.mark.filterwarnings(DAGSTERS_OWN)

GRAPH = REPOSITORY.asset_graph
AT_HALF_PAST_TEN = datetime(2026, 2, 3, 10, 30, tzinfo=UTC)


def test_the_assets_are_called_what_users_know_them_by() -> None:
    assert {key.to_user_string() for key in GRAPH.get_all_asset_keys()} == {
        "raw_logs", "analyzed_logs", "detected_issues", "predictions", "digests", "issue_alerts", "archived_logs",
        "data_retention",
    }  # fmt: skip


def test_the_lineage_is_that_of_the_guide() -> None:
    parents = {
        key.to_user_string(): sorted(parent.to_user_string() for parent in GRAPH.get(key).parent_keys)
        for key in GRAPH.get_all_asset_keys()
    }
    assert parents == {
        "raw_logs": [],
        "analyzed_logs": ["raw_logs"],
        "detected_issues": ["analyzed_logs"],
        "predictions": ["detected_issues"],
        "digests": ["detected_issues", "predictions"],
        "issue_alerts": ["analyzed_logs", "detected_issues", "predictions"],
        "archived_logs": [],
        "data_retention": [],
    }


def test_hours_for_the_chain_days_for_the_rest_and_nothing_for_alerts() -> None:
    partitions = {key.to_user_string(): GRAPH.get(key).partitions_def for key in GRAPH.get_all_asset_keys()}

    assert {name for name, found in partitions.items() if found == HOURLY} == set(HOURLY_CHAIN)
    assert {name for name, found in partitions.items() if found == DAILY} == {"digests", "data_retention"}
    assert partitions["archived_logs"] == COLD_DAYS
    assert partitions["issue_alerts"] is None


def test_the_hour_and_the_day_that_run_can_be_materialised() -> None:
    assert HOURLY.get_partition_keys(current_time=AT_HALF_PAST_TEN)[-1] == "2026-02-03-10:00"
    assert DAILY.get_partition_keys(current_time=AT_HALF_PAST_TEN)[-1] == "2026-02-03"
    assert HOURLY.get_first_partition_key() == "2026-01-01-00:00"
    assert DAILY.get_first_partition_key() == "2026-01-01"


@pytest.mark.parametrize("upstream", ["detected_issues", "predictions"])
@pytest.mark.parametrize(("day", "hours"), [("2026-02-02", 24), ("2026-02-03", 11)])
def test_a_days_digest_is_made_of_that_days_hours_as_far_as_they_exist(day: str, hours: int, upstream: str) -> None:
    mapping = digests.get_partition_mapping(dg.AssetKey(upstream))
    assert mapping is not None
    with_day = DAILY.empty_subset().with_partition_keys([day])

    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        with_day, DAILY, HOURLY, current_time=AT_HALF_PAST_TEN
    )

    keys = list(found.partitions_subset.get_partition_keys())
    assert keys == [f"{day}-{hour:02}:00" for hour in range(hours)]


def test_a_range_is_one_run() -> None:
    policies = {asset.key.to_user_string(): asset.backfill_policy for asset in ASSETS}
    assert policies.pop("issue_alerts") is None
    assert set(policies.values()) == {dg.BackfillPolicy.single_run()}


def test_every_asset_has_an_owner_and_a_group_that_says_what_it_does() -> None:
    groups = {asset.key.to_user_string(): asset.get_asset_spec().group_name for asset in ASSETS}
    assert groups == {
        "raw_logs": "monitoring",
        "analyzed_logs": "monitoring",
        "detected_issues": "monitoring",
        "predictions": "monitoring",
        "digests": "reporting",
        "issue_alerts": "reporting",
        "archived_logs": "storage",
        "data_retention": "storage",
    }
    assert {tuple(asset.get_asset_spec().owners) for asset in ASSETS} == {("team:operators",)}


@pytest.mark.parametrize("name", PAGES_OF)
def test_every_asset_says_what_it_is_where_to_look_and_how_to_run_it_again(name: str) -> None:
    (spec,) = (asset.get_asset_spec() for asset in ASSETS if asset.key.to_user_string() == name)

    assert re.search(r"\*\*Pages:\*\* \[[a-z ,]+\]\(/fleexmon", spec.description or "")
    assert "**Run it again:**" in (spec.description or "")
    assert spec.tags["fleexmon/window"] in ("hour", "day", "none")
    assert "page" in spec.metadata


def test_everything_that_has_a_name_has_a_description() -> None:
    described = {one.name: one.description for one in JOBS}
    described |= {one.name: one.description for one in SCHEDULES}
    described |= {one.name: one.description for one in SENSORS}
    checks = [spec for asset in ASSETS for spec in asset.check_specs]

    assert [name for name, text in described.items() if not text] == []
    assert [spec.name for spec in checks if not spec.description] == []
    assert len(checks) == 9


def test_the_code_version_of_rules_changes_with_a_file_and_survives_a_bad_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_in = rules_version()
    own = tmp_path / "rules"
    monkeypatch.setenv("FLEEXMON_RULES", str(own))
    missing = rules_version()
    own.mkdir()
    (own / "mine.yaml").write_text("name: mine\n", "utf-8")
    one = rules_version()
    (own / "mine.yaml").write_text("name: other\n", "utf-8")
    other = rules_version()
    (own / "a directory.yaml").mkdir()
    odd = rules_version()

    assert len({built_in, missing, one, other, odd}) == 5


@pytest.mark.parametrize("table", COLUMNS)
def test_column_schemas_are_those_of_the_database(database: Database, table: str) -> None:
    rows = database.rows(
        """SELECT column_name, udt_name, is_nullable = 'YES' AS nullable FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = %(table)s ORDER BY ordinal_position""",
        table=table,
    )
    in_database = [(row["column_name"], row["udt_name"], row["nullable"]) for row in rows]
    array_of = {"uuid[]": "_uuid", "varchar[]": "_varchar"}
    columns = column_schema(table).columns

    assert [(c.name, array_of.get(c.type, c.type), c.constraints.nullable) for c in columns] == in_database


LOAD = "import fleexmon_pipeline.definitions"


def test_loading_warns_nobody() -> None:
    """Not of beta features of Dagster either: operators can do nothing about them."""
    load = [sys.executable, "-W", "error", "-W", DAGSTERS_OWN.rpartition(":")[0], "-c", LOAD]
    subprocess.run(load, env={"PATH": os.environ["PATH"]}, check=True, timeout=60)


def test_dg_finds_the_project_and_its_definitions() -> None:
    dg_command = [str(Path(sys.executable).with_name("dg")), "list", "defs", "--json"]
    done = subprocess.run(
        dg_command,
        cwd=Path(fleexmon_pipeline.__file__).parent.parent,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "VIRTUAL_ENV": sys.prefix},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert '"raw_logs"' in done.stdout
    assert "Warning" not in done.stderr


def test_sensors_run_by_default() -> None:
    sensors = REPOSITORY.sensor_defs
    assert {sensor.name for sensor in sensors} == {"catch_up", "remember_failures", "watch_pipeline", "alert_when_due"}
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.RUNNING}


def test_definitions_are_valid_where_no_variable_is_set(tmp_path: Path) -> None:
    """As in CI, or in an image that is built: no database, no nodes, not even a home."""
    shutil.copy(Path(fleexmon_pipeline.__file__).parent.parent / "workspace.yaml", tmp_path)
    done = subprocess.run(
        [str(Path(sys.executable).parent / "dagster"), "definitions", "validate"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Validation successful" in done.stdout + done.stderr
    assert not (tmp_path / ".fleexmon").exists()  # no server was started for it

"""`fleexmon up` on an empty machine: what a person sees in the terminal, the browser and the shell, and how
it ends. One start serves all that only look (one a worker, unless xdist is told --dist loadfile): it takes half a
minute.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from fleexmon_pipeline.commands.up.command import DEMO_LINES
from fleexmon_pipeline.window import DAY, floor
from fleexmon_pipeline_tests.running_product import Product, free_port

pytestmark = pytest.mark.long

KEY, TOKEN = "genai-key-of-tests-4711", "ghp_ofTestsOnly0123456789abcdefghijABCD"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Up, with its first look done; GitHub is configured and cannot be reached."""
    secrets = {"GENAI_API_KEY": KEY, "GH_TOKEN": TOKEN, "ALERTS_REPO": "acme/shop"}
    product = Product(
        tmp_path_factory.mktemp("up") / "a home with spaces",
        GITHUB_API_URL=f"http://127.0.0.1:{free_port()}",
        **secrets,
    )
    try:
        product.start()
        yield product
    finally:
        product.kill()


# -- while it runs ----------------------------------------------------------------------------------------------------


def test_it_fills_the_last_day_and_says_where_to_look(product: Product) -> None:
    said = product.said()

    assert "fleexmon is watching two demo nodes" in said
    assert f"{product.url}/assets\n" in said
    assert said.count("25/25") >= 4
    assert "not complete" not in said
    assert (product.home / DEMO_LINES).exists()


def test_the_seven_assets_are_materialised(product: Product) -> None:
    nodes = product.ask(
        "{ assetNodes { assetKey { path } partitionStats { numMaterialized numPartitions numFailed } } }"
    )["assetNodes"]
    stats = {node["assetKey"]["path"][0]: node["partitionStats"] for node in nodes}

    assert set(stats) == {
        "raw_logs", "analyzed_logs", "detected_issues", "predictions", "digests", "issue_alerts", "archived_logs",
        "data_retention",
    }  # fmt: skip
    for name in ("raw_logs", "analyzed_logs", "detected_issues", "predictions"):
        assert stats[name]["numMaterialized"] >= 24
    assert stats["digests"]["numMaterialized"] >= 1
    assert stats["data_retention"]["numMaterialized"] >= 1
    # The lineage is green: what the UI lists is filled, except for an hour that has ended since.
    assert all(one["numPartitions"] - one["numMaterialized"] <= 1 for one in stats.values() if one)
    assert all(one["numFailed"] == 0 for one in stats.values() if one)


def test_every_run_succeeded(product: Product) -> None:
    """Also those that GitHub kept from their aim."""
    runs = product.ask("{ runsOrError { ... on Runs { results { status jobName } } } }")["runsOrError"]["results"]

    assert len(runs) >= 4
    assert {run["status"] for run in runs} <= {"SUCCESS", "QUEUED", "STARTING", "STARTED"}


def test_schedules_and_sensors_are_on(product: Product) -> None:
    found = product.ask("""{ repositoriesOrError { ... on RepositoryConnection { nodes {
        schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } }""")
    (repository,) = found["repositoriesOrError"]["nodes"]

    assert {each["scheduleState"]["status"] for each in repository["schedules"]} == {"RUNNING"}
    assert {each["sensorState"]["status"] for each in repository["sensors"]} == {"RUNNING"}
    assert len(repository["schedules"]) == 6
    assert len(repository["sensors"]) == 4


def test_the_daemons_are_well(product: Product) -> None:
    deadline = time.monotonic() + 60
    wanted = {"SCHEDULER", "SENSOR", "BACKFILL", "QUEUED_RUN_COORDINATOR", "MONITORING"}
    while time.monotonic() < deadline:
        answer = product.ask("{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }")
        statuses = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
        if wanted <= {each["daemonType"] for each in statuses if each["healthy"]}:
            return
        time.sleep(0.5)
    pytest.fail(str(statuses))


def test_no_secret_is_shown(product: Product) -> None:
    shown = product.ask("""{
        repositoriesOrError { ... on RepositoryConnection { nodes { allTopLevelResourceDetails {
            name description resourceType configFields { name } configuredValues { key value type } } } } }
        instance { info }
        runsOrError { ... on Runs { results { runConfigYaml tags { key value } } } }
        workspaceOrError { ... on Workspace { locationEntries { displayMetadata { key value } } } }
        assetsOrError { ... on AssetConnection { nodes { assetMaterializations(limit: 50) {
            metadataEntries { label ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr } } } } } }
    }""")

    text = json.dumps(shown)
    assert "postgres" in text
    assert KEY not in text
    assert TOKEN not in text
    assert KEY not in product.said()
    assert TOKEN not in product.said()
    for log in (product.home / "logs").iterdir():
        assert KEY not in log.read_text("utf-8", "replace"), log.name
        assert TOKEN not in log.read_text("utf-8", "replace"), log.name


def test_issues_and_digest_are_read_beside_it(product: Product) -> None:
    issues = product.run("issues", "list", "--json")
    digest = product.run("digest")

    assert issues.returncode == 0, issues.stderr
    found = json.loads(issues.stdout)
    assert isinstance(found, list)
    assert found
    assert {"id", "title", "severity", "status"} <= set(found[0])
    assert digest.returncode == 0, digest.stderr
    assert "|" in digest.stdout


def test_a_second_one_for_the_same_home_is_refused(product: Product) -> None:
    second = product.run("up", FLEEXMON_PORT=str(free_port()))

    assert second.returncode == 1
    assert "is already running" in second.stderr
    assert str(product.home) in second.stderr


def test_a_port_that_is_taken_is_refused(product: Product) -> None:
    other = product.run("up", FLEEXMON_HOME=str(product.home.parent / "another home"))

    assert other.returncode == 1
    assert f"FLEEXMON_PORT: 127.0.0.1:{product.port} cannot be used" in other.stderr
    assert not (product.home.parent / "another home" / "postgres").exists()


def test_it_listens_on_loopback_alone(product: Product) -> None:
    """Dagster's UI has no login."""
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = [fields[1] for fields in listening if fields[1].endswith(f":{product.port:04X}") and fields[3] == "0A"]

    assert ours == [f"0100007F:{product.port:04X}"]


def test_another_web_page_cannot_start_or_stop_anything(product: Product) -> None:
    """The attacks one by one, and what is let through: `web/test_webserver.py`."""
    attack = 'mutation { setConcurrencyLimit(concurrencyKey: "attack", limit: 1) }'
    foreign = {"Host": "evil.example.com", "Origin": "https://evil.example.com"}

    by_name = httpx.get(f"{product.url}/graphql", params={"query": attack}, headers=foreign)
    by_image = httpx.get(f"{product.url}/graphql", params={"query": attack})
    by_page = httpx.post(f"{product.url}/graphql", json={"query": attack}, headers={"Origin": foreign["Origin"]})
    product.ask(attack.replace("attack", "ours"))

    assert [answer.status_code for answer in (by_name, by_image, by_page)] == [403, 405, 403]
    keys = product.ask("{ instance { concurrencyLimits { concurrencyKey } } }")["instance"]["concurrencyLimits"]
    assert [key["concurrencyKey"] for key in keys] == ["ours"]


# -- in the browser ---------------------------------------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium, chromium-browser or google-chrome on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def test_the_lineage_page_shows_the_stages_and_the_catalog_the_seven_assets(product: Product, page: Page) -> None:
    page.goto(f"{product.url}/asset-groups")
    for group in ("monitoring", "reporting", "storage"):
        page.get_by_text(group, exact=True).first.wait_for()

    page.goto(f"{product.url}/assets")
    for name in (
        "raw_logs",
        "analyzed_logs",
        "detected_issues",
        "predictions",
        "digests",
        "issue_alerts",
        "archived_logs",
        "data_retention",
    ):
        page.get_by_text(name, exact=True).first.wait_for()


def test_an_hours_page_shows_what_was_collected(product: Product, page: Page) -> None:
    hour = datetime.now(UTC) - timedelta(hours=2)
    page.goto(f"{product.url}/assets/raw_logs?view=partitions&partition={hour:%Y-%m-%d-%H:00}")

    page.get_by_text("Materialized", exact=True).first.wait_for()
    page.get_by_role("cell", name="received", exact=True).first.wait_for()
    for node in ("blue", "green"):
        page.get_by_role("cell", name=node, exact=True).wait_for()


def test_a_digest_is_read_in_the_ui(product: Product, page: Page) -> None:
    yesterday = floor(datetime.now(UTC), DAY) - DAY
    page.goto(f"{product.url}/assets/digests?view=partitions&partition={yesterday:%Y-%m-%d}")

    page.get_by_text("[Show Markdown]").click()

    written = product.run("digest", "--date", f"{yesterday:%Y-%m-%d}").stdout
    headings = re.findall("^## (.+)$", written, re.MULTILINE)
    assert len(headings) > 3
    for heading in headings:
        page.get_by_role("heading", name=heading).first.wait_for()


# -- how it ends; from here on the shared one is used up --------------------------------------------------------------


def test_ctrl_c_ends_it_and_leaves_no_process(product: Product) -> None:
    running = product.processes()
    assert len(running) >= 6  # itself, the database, the demo nodes, code server, webserver and daemon

    status = product.end(signal.SIGINT)

    assert status == 0
    assert product.said().rstrip().endswith("stopped")
    assert product.left_after(5) == []
    assert not (product.home / "demo-nodes.json").exists()


def test_after_a_kill_everything_ends_and_the_next_start_works(product: Product) -> None:
    product.start("--no-backfill")
    product.process.kill()
    product.process.wait()
    assert product.left_after(30) == []

    product.start("--no-backfill")

    assert product.ask("{ version }")["version"]
    assert json.loads(product.run("issues", "list", "--json").stdout)
    assert product.end(signal.SIGTERM) == 0  # as a service manager does
    assert product.left_after(5) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_first_look_ends_with_it(tmp_path: Path, number: signal.Signals) -> None:
    product = Product(tmp_path / "home")
    try:
        product.start(until="demo nodes … ready")
        deadline = time.monotonic() + 60
        while not any("materialize" in command for command in product.processes().values()):
            assert time.monotonic() < deadline, product.said()
            time.sleep(0.05)

        status = product.end(number)

        assert status == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        # Killed so early, nobody may be left to stop the database; the next start finds it and goes on with it.
        spared = "nothing" if number == signal.SIGTERM else "bin/postgres -D"
        assert product.left_after(30, but=spared) == []
    finally:
        product.kill()

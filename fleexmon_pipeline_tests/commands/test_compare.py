"""`fleexmon compare` and `fleexmon deployed`: output, exit statuses, refusals."""

from __future__ import annotations

import json

import pytest

from fleexmon_pipeline_tests.commands.conftest import Call, refused
from fleexmon_pipeline_tests.comparison.two_nodes import Rates, as_usual, lines, store
from fleexmon_pipeline_tests.conftest import Database

ROW = "00000000-0000-0000-0000-000000000007"
TIMES = ("--from", "2026-11-20T12:00", "--to", "2026-11-20T14:00")


def new_error(node: str, slot: int, rates: Rates) -> Rates:
    return rates | ({("schema", "error"): 0.7} if node == "green" and slot >= 0 else {})


@pytest.fixture
def failed(database: Database) -> None:
    with database.connect() as connection:
        store(connection, lines(1, new_error, days=2))
        connection.execute("""UPDATE "LogPattern" SET template = '[red]bad[/] \x1b[31m \u202e' WHERE id = 'schema'""")
        connection.execute("UPDATE \"LogPatternCount\" SET samples = ARRAY[%s::uuid] WHERE pattern = 'schema'", [ROW])


@pytest.mark.usefixtures("failed")
def test_a_failed_comparison_shows_why_and_ends_with_1(fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    said = fleexmon("compare", "--baseline", "blue", "--candidate", "green", *TIMES)

    assert said.status == 1
    assert said.out.startswith("FAIL  green against blue, 2026-11-20 12:00-14:00 UTC: ")
    assert "- 1 error never seen before (" in said.out
    assert "[red]bad[/] [31m" in said.out, "markup and colours of a line are text"
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    assert ROW in said.out


@pytest.mark.usefixtures("failed")
def test_json_is_one_document_with_the_evidence(fleexmon: Call) -> None:
    said = fleexmon("compare", "--baseline", "blue", "--candidate", "green", *TIMES, "--json")

    found = json.loads(said.out)
    assert said.status == 1
    assert found["verdict"] == "fail"
    assert found["window"] == {"since": "2026-11-20T12:00:00Z", "until": "2026-11-20T14:00:00Z"}
    first = found["patterns"][0]
    assert (first["pattern"], first["status"], first["weight"]) == ("schema", "unknown", "fail")
    assert set(first["evidence"]) == {ROW}


def test_pass_is_0_and_inconclusive_is_3(database: Database, fleexmon: Call) -> None:
    with database.connect() as connection:
        store(connection, lines(2, as_usual, days=2))

    assert fleexmon("compare", "--baseline", "blue", "--candidate", "green", *TIMES).status == 0
    short = fleexmon("compare", "--from", "2026-11-20T12:00", "--to", "2026-11-20T12:10")
    assert (short.status, short.out.split()[0]) == (3, "INCONCLUSIVE")


@pytest.mark.usefixtures("failed")
def test_what_is_not_said_is_the_live_colour_and_the_other(fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_NODE", "green")
    assert "blue against green" in fleexmon("compare", *TIMES).out
    assert "green against blue" in fleexmon("compare", "--candidate", "green", "--baseline", "blue", *TIMES).out
    monkeypatch.setenv("LIVE_NODE", "red")
    assert 'LIVE_NODE: "red" is not a node. Known nodes: blue, green' in refused(fleexmon("compare", *TIMES))


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--candidate", "red", *TIMES], '--candidate: "red" is not a node. Known nodes: blue, green'),
        (["--baseline", "green", "--candidate", "green", *TIMES], "--candidate: green would be compared with itself"),
        (["--from", "2026-11-20T12:00", "--to", "2026-11-20T12:00"], "is not after --from"),
        (["--from", "2026-11-20T12:00", "--to", "2026-11-20T11:00"], "is not after --from"),
        (["--from", "soon"], '--from: "soon" is not a time'),
        (["--from", "2026-11-01", "--to", "2026-11-20"], "is more than 7 days"),
        (["--from", "2026-10-20T12:00", "--to", "2026-10-20T14:00"], "no counted lines of blue or green"),
    ],
)
def test_what_cannot_be_compared_is_refused(options: list[str], sentence: str, fleexmon: Call) -> None:
    assert sentence in refused(fleexmon("compare", *options))


def test_a_database_without_nodes_says_so(fleexmon: Call) -> None:
    for options in (["--candidate", "green"], []):
        assert "there is nothing to compare. `fleexmon up` collects" in refused(fleexmon("compare", *options, *TIMES))


@pytest.mark.usefixtures("failed")
def test_a_deployment_is_marked_once_and_listed(fleexmon: Call) -> None:
    first = fleexmon("deployed", "green", "1.4.2", "--at", "2026-11-20T12:00")
    again = fleexmon("deployed", "green", "1.4.2", "--at", "2026-11-20T12:00", "--json")
    listed = fleexmon("deployed", "--list")

    assert first.out.startswith("recorded: green has 1.4.2 since 2026-11-20 12:00 UTC (by ")
    assert (again.status, json.loads(again.out)["new"]) == (0, False)
    assert listed.out.splitlines()[0].startswith("2026-11-20 12:00  green         1.4.2")
    assert listed.out.splitlines()[-1] == "1 deployment"
    assert [each["version"] for each in json.loads(fleexmon("deployed", "--list", "--json").out)] == ["1.4.2"]
    assert fleexmon("deployed", "blue", "--list").out == "0 deployments\n"


@pytest.mark.usefixtures("failed")
def test_a_deployment_recorded_by_mistake_is_removed_after_a_look_at_it(fleexmon: Call, database: Database) -> None:
    fleexmon("deployed", "green", "1.4.2", "--at", "2026-11-20T12:00", "--by", "ben")
    with database.connect() as connection:
        for hour in ("11:00", "12:00", "18:00"):
            connection.execute("""INSERT INTO "DetectedHour" VALUES (%s, '')""", [f"2026-11-20 {hour}"])
    before = database.fingerprint('"Deployment"', '"StaleWindow"')

    looked = fleexmon("deployed", "green", "1.4.2", "--remove", "--dry-run", "--by", "anna")
    assert database.fingerprint('"Deployment"', '"StaleWindow"') == before
    removed = fleexmon("deployed", "green", "1.4.2", "--remove", "--by", "anna", "--json")
    again = fleexmon("deployed", "green", "1.4.2", "--remove")

    what = "green 1.4.2, deployed 2026-11-20 12:00 UTC (by ben)"
    assert (looked.status, looked.out) == (0, f"would be removed: {what}\n")
    document = json.loads(removed.out)
    assert (document["by"], document["removedBy"], document["removed"]) == ("ben", "anna", True)
    assert fleexmon("deployed", "--list").out == "0 deployments\n"
    waiting = database.rows("""SELECT to_char(hour, 'HH24:MI') AS hour, reason FROM "StaleWindow" ORDER BY 1""")
    assert [row["hour"] for row in waiting] == ["12:00"]
    assert waiting[0]["reason"] == "anna removed the deployment of green 1.4.2 at 12:00"
    assert "green 1.4.2 is not among the deployments. See `deployed --list`." in refused(again)


@pytest.mark.usefixtures("failed")
def test_of_several_records_one_is_chosen_and_what_lines_announced_stays(fleexmon: Call, database: Database) -> None:
    for version, hour in (("1.4.2", "09:00"), ("1.4.1", "10:00"), ("1.4.2", "11:00")):
        fleexmon("deployed", "green", version, "--at", f"2026-11-20T{hour}")
    with database.connect() as connection:
        connection.execute(
            """INSERT INTO "Deployment" VALUES ('blue', '1.5.0', '2026-11-20 12:00:07', 'lines', 'line')"""
        )

    several = fleexmon("deployed", "green", "1.4.2", "--remove")
    announced = fleexmon("deployed", "blue", "1.5.0", "--remove")
    chosen = fleexmon("deployed", "green", "1.4.2", "--remove", "--at", "2026-11-20T11:00")

    assert "Choose one with --at: 2026-11-20T09:00, 2026-11-20T11:00." in refused(several)
    assert "was detected in the node's lines at 2026-11-20 12:00 UTC, and would be detected again" in refused(announced)
    assert chosen.out.startswith("removed by ")
    rows = database.rows("""SELECT version, to_char(at, 'HH24:MI') AS at FROM "Deployment" ORDER BY 2""")
    assert [(row["version"], row["at"]) for row in rows] == [("1.4.2", "09:00"), ("1.4.1", "10:00"), ("1.5.0", "12:00")]


@pytest.mark.usefixtures("failed")
def test_recording_can_be_tried_first(fleexmon: Call, database: Database) -> None:
    tried = fleexmon("deployed", "green", "1.4.2", "--at", "2026-11-20T12:00", "--dry-run")

    assert tried.out.startswith("would be recorded: green has 1.4.2 since 2026-11-20 12:00 UTC")
    assert database.rows('SELECT * FROM "Deployment"') == []


@pytest.mark.usefixtures("failed")
def test_hours_that_were_judged_before_a_deployment_was_told_are_asked_for_again(
    fleexmon: Call, database: Database
) -> None:
    with database.connect() as connection:
        for hour in ("10:00", "11:00", "12:00", "15:00", "17:00"):
            connection.execute("""INSERT INTO "DetectedHour" VALUES (%s, '')""", [f"2026-11-20 {hour}"])
    for _ in range(2):
        fleexmon("deployed", "green", "1.4.2", "--at", "2026-11-20T11:50")
    waiting = database.rows("""SELECT asset, to_char(hour, 'HH24:MI') AS hour, reason FROM "StaleWindow" ORDER BY 2""")

    assert [(row["asset"], row["hour"]) for row in waiting] == [
        ("detected_issues", "11:00"), ("detected_issues", "12:00"), ("detected_issues", "15:00"),
    ]  # fmt: skip
    assert waiting[0]["reason"] == "green got 1.4.2 at 11:50, recorded after the hour was evaluated"


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["green"], "NODE and VERSION are needed"),
        (["red", "1.4.2"], 'NODE: "red" is not a node. Known nodes: blue, green'),
        (["green", "1 4"], 'VERSION: "1 4" is not a version'),
        (["green", "1.4.2", "--at", "2100-01-01"], "--at: 2100-01-01 00:00 UTC is in the future."),
        (["green", "1.4.2", "--at", "noon"], '--at: "noon" is not a time'),
        (["green", "1.4.2", "--list"], "--list takes no VERSION"),
    ],
)
def test_what_cannot_be_marked_is_refused(arguments: list[str], sentence: str, fleexmon: Call) -> None:
    assert sentence in refused(fleexmon("deployed", *arguments))

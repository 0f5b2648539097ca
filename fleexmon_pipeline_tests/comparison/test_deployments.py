"""When a node got a version: recorded once, detected cautiously, compared by the check."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from fleexmon_pipeline.assets.checks import check_deployments
from fleexmon_pipeline.comparison.deployments import (
    Deployment,
    announcements,
    deployments,
    is_version,
    record_announced,
    record_deployment,
    version_changes,
    version_in,
)
from fleexmon_pipeline.comparison.recent_deployments import MAX_COMPARED, compare_recent_deployments
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import HOUR, Window
from fleexmon_pipeline_tests.comparison.two_nodes import NOON, WINDOW, Rates, at, lines, store
from fleexmon_pipeline_tests.conftest import Database

ALWAYS = Window(NOON - timedelta(days=9), NOON + timedelta(days=9))


def deployed(version: str = "1.4.2", when: datetime = NOON, node: str = "green") -> Deployment:
    return Deployment(node, version, when, "ann", "person")


@pytest.mark.parametrize(
    ("message", "version"),
    [
        ("starting shop, version=1.4.2", "1.4.2"),
        ("Started shop-api v2.0.1-rc.1 in 3.2 seconds", "2.0.1-rc.1"),
        ("Release 3.12.4 is up after 4231 ms", "3.12.4"),
        ("Deploying release 3.12.4, draining connections", "3.12.4"),
        ("service start: Version: 10.2", "10.2"),
        ("request took 1.4.2 ms", None),
        ("client version 1.4.2 connected", None),
        ("starting worker on 10.0.0.5", None),
        ("starting with schema version 3", None),
        ("starting from v1.4.2, migrating to version 1.5.0", None),
        ("starting version 1.2.3.4.5.6", None),
        ("starting version 1.2.3 " + "x" * 300, None),
    ],
)
def test_only_a_start_with_one_version_is_an_announcement(message: str, version: str | None) -> None:
    assert version_in(message) == version


@pytest.mark.parametrize("text", ["1.4.2", "2026-11-20", "9f3c1ab", "shop:1.4.2", "registry/shop@sha256:12ab"])
def test_versions_a_person_may_name(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize("text", ["", " ", "-1", "a b", "a\x1b[31m", "é", "x" * 101])
def test_versions_that_are_none(text: str) -> None:
    assert not is_version(text)


def test_marking_twice_is_marking_once(database: Database) -> None:
    with database.connect() as connection:
        assert record_deployment(connection, deployed()) is None
        once = database.fingerprint('"Deployment"')
        assert record_deployment(connection, deployed(when=NOON + timedelta(days=1))) == deployed()
        assert record_deployment(connection, deployed(when=NOON - timedelta(minutes=20))) == deployed()
        assert database.fingerprint('"Deployment"') == once

        assert record_deployment(connection, deployed("1.5.0", NOON + HOUR)) is None
        assert record_deployment(connection, deployed("1.4.2", NOON + 2 * HOUR)) is None, "rolled back"
        assert [deployment.version for deployment in deployments(connection, ALWAYS)] == ["1.4.2", "1.5.0", "1.4.2"]
        assert deployments(connection, ALWAYS, nodes=["blue"]) == []


def test_hours_that_are_read_in_any_order_tell_the_same(database: Database) -> None:
    def noticed(version: str, hours: float) -> Deployment:
        return Deployment("green", version, NOON + hours * HOUR, "lines", "line")

    story = [noticed("1.4.2", 0), noticed("1.4.2", 0.05), noticed("1.4.2", 3), noticed("1.5.0", 5), noticed("1.5.0", 8)]
    with database.connect() as connection:
        for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]):
            connection.execute('DELETE FROM "Deployment"')
            for place in order:
                record_deployment(connection, story[place])
            deployed = deployments(connection, ALWAYS)

            assert [(deployment.version, deployment.at, deployment.until) for deployment in deployed] == [
                ("1.5.0", NOON + 5 * HOUR, None), ("1.4.2", NOON, NOON + 5 * HOUR),
            ]  # fmt: skip


def test_two_that_mark_at_once_mark_once(database: Database) -> None:
    def one(minute: int) -> None:
        with database.connect() as connection:
            record_deployment(connection, deployed(when=NOON + timedelta(minutes=minute)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))

    assert len(database.rows('SELECT FROM "Deployment"')) == 1


def test_lines_that_name_several_versions_announce_none() -> None:
    def row(node: str, minute: int, message: str) -> dict[str, Any]:
        return {"node": node, "timestamp": NOON + timedelta(minutes=minute), "message": message}

    deployed = announcements([
        row("green", 1, "Deploying release 1.4.2, draining"), row("green", 4, "Release 1.4.2 is up after 4 ms"),
        row("blue", 1, "started plugin v1.0.0"), row("blue", 2, "started plugin v2.0.0"),
        row("red", 1, "started plugin v1.0.0"), row("red", 40, "started mailer v2.0.0"),
    ], WINDOW)  # fmt: skip

    one = NOON + timedelta(minutes=1)
    assert [(deployment.node, deployment.version, deployment.at) for deployment in deployed] == [
        ("green", "1.4.2", one),
        ("red", "1.0.0", one),
    ]


@pytest.mark.parametrize(
    ("versions_by_slot", "expected"),
    [
        (["1.0.0", "1.0.0", "1.1.0", "1.1.0"], [("1.1.0", 2)]),
        (["1.0.0", "1.0.0", "1.0.0", "1.0.0"], []),
        (["1.0.0", "1.0.0", "1.1.0"], []),  # not sure yet
        (["1.0.0 2.0.0", "1.0.0 2.0.0", "1.1.0 2.0.0", "1.1.0 2.0.0"], []),  # two programs
        (["1.0.0", "1.1.0", "1.0.0", "1.1.0"], []),  # in turn
        (["blue", "blue", "green", "green"], []),
    ],
)
def test_metadata_that_changes_for_good_is_a_deployment(
    versions_by_slot: list[str], expected: list[tuple[str, int]]
) -> None:
    rows = [
        {"node": "green", "timestamp": at(slot), "metadata": {"version": version, "other": 1}}
        for slot, versions in enumerate(versions_by_slot)
        for version in versions.split()
    ]

    assert [(deployment.version, deployment.at) for deployment in version_changes(rows)] == [
        (version, at(slot)) for version, slot in expected
    ]


def tell(connection: Connection, slot: int, pattern: str, message: str, metadata: dict[str, Any] | None = None) -> None:
    row = uuid.uuid4()
    connection.execute(
        'INSERT INTO "LogEntry" (id, timestamp, source, hostname, level, message, metadata) '
        "VALUES (%s, %s, 'green', 'green', 'info', %s, %s)",
        [row, at(slot) + timedelta(seconds=30), message, Jsonb(metadata)],
    )
    connection.execute(
        'INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion") '
        "VALUES (%s, %s, 'info', %s, %s, 1) ON CONFLICT DO NOTHING",
        [pattern, message.replace("1.4.2", "<ver>"), at(slot), at(slot)],
    )
    connection.execute(
        """INSERT INTO "LogPatternCount" VALUES (%s, 'green', %s, 'info', 1, %s)""", [at(slot), pattern, [row]]
    )


def test_a_start_line_and_metadata_are_noticed_once(database: Database) -> None:
    with database.connect() as connection:
        tell(connection, 2, "start", "Starting shop, version 1.4.2")
        for slot, version in enumerate(["1.4.2", "1.4.2", "1.5.0", "1.5.0"], start=3):
            tell(connection, slot, "request", "GET /", {"version": version})

        deployed = record_announced(connection, Window(NOON, NOON + HOUR))
        once = database.fingerprint('"Deployment"')
        again = record_announced(connection, Window(NOON, NOON + HOUR))

    assert [(deployment.version, deployment.source) for deployment in deployed] == [
        ("1.4.2", "line"),
        ("1.5.0", "metadata"),
    ]
    assert deployed[0].at == at(2) + timedelta(seconds=30)
    assert again == []
    assert database.fingerprint('"Deployment"') == once


def new_error(node: str, slot: int, rates: Rates) -> Rates:
    return rates | ({("schema", "error"): 0.7} if node == "green" and slot >= 0 else {})


def test_the_check_shows_the_newest_deployment_and_warns_when_it_fails(database: Database) -> None:
    with database.connect() as connection:
        store(connection, lines(1, new_error, days=3))
        connection.execute("""UPDATE "LogPattern" SET template = '[x](http://evil) | <num>' WHERE id = 'schema'""")
        none = check_deployments(compare_recent_deployments(connection, live=None, now=WINDOW.until))
        record_deployment(connection, deployed())
        early = check_deployments(compare_recent_deployments(connection, live=None, now=NOON + HOUR / 3))
        result = check_deployments(compare_recent_deployments(connection, live="blue", now=WINDOW.until))
        late = check_deployments(compare_recent_deployments(connection, live="blue", now=NOON + timedelta(days=2)))

    assert none.passed
    assert none.description == "no deployment in the last day"
    assert early.passed
    assert "will be compared half an hour after the deployment" in str(early.description)
    assert not result.passed
    assert str(result.description).startswith(
        "fail: green 1.4.2, deployed 2026-11-20 12:00 UTC: 1 error never seen before ("
    )
    assert "`[x](http://evil) \\| <num>`" in str(result.metadata["details"].value)
    assert late.passed


def test_a_version_that_is_markup_has_no_effect_in_the_checks_line(database: Database) -> None:
    """Dagster's UI shows a description as Markdown, and would load a picture."""
    with database.connect() as connection:
        store(connection, lines(1, new_error, days=3))
        record_deployment(connection, deployed("![x](http://evil/x.png)<img>"))
        result = check_deployments(compare_recent_deployments(connection, live="blue", now=WINDOW.until))

    assert "\\!\\[x\\]" in str(result.description) or "!\\[x\\]" in str(result.description)
    assert "![x](" not in str(result.description)
    assert "<img>" not in str(result.description).replace("\\<", "")


def test_a_restart_of_blue_does_not_hide_what_came_to_green(database: Database) -> None:
    with database.connect() as connection:
        store(connection, lines(1, new_error, days=3))
        record_deployment(connection, deployed("1.4.1", NOON - timedelta(days=1) + 3 * HOUR))
        record_deployment(connection, deployed())
        record_deployment(connection, deployed(node="blue", when=NOON + HOUR))

        result = check_deployments(compare_recent_deployments(connection, live=None, now=WINDOW.until))

    assert not result.passed
    assert str(result.description).startswith("fail: green 1.4.2, deployed 2026-11-20 12:00 UTC")
    assert "green 1.4.1, deployed 2026-11-19 15:00 UTC" in str(result.description)  # each is listed


def test_a_deployment_that_was_recorded_by_mistake_does_not_hide_the_real_one(database: Database) -> None:
    with database.connect() as connection:
        store(connection, lines(1, new_error, days=3))
        record_deployment(connection, deployed())
        record_deployment(connection, deployed("9.9.9", NOON + HOUR))
        record_deployment(connection, deployed("9.9.8", NOON + HOUR + timedelta(minutes=10)))
        for number in range(12):
            record_deployment(connection, deployed(f"0.{number}", NOON - timedelta(minutes=90 - number)))

        newest = compare_recent_deployments(connection, live=None, now=WINDOW.until)
        result = check_deployments(newest)

    assert len(newest) == 15
    assert sum(one.comparison is not None for one in newest) <= MAX_COMPARED
    assert not result.passed
    assert "fail: green 1.4.2, deployed 2026-11-20 12:00 UTC" in str(result.description)
    assert "green 9.9.9, deployed 2026-11-20 13:00 UTC: not compared: another version came at 13:10" in str(
        [one.sentence for one in newest]
    )
    assert str(result.description).endswith("; and 5 more")


def test_who_is_compared_where_the_candidate_is_live_or_unknown(database: Database) -> None:
    with database.connect() as connection:
        store(connection, lines(1, days=2))
        record_deployment(connection, deployed())
        (live,) = compare_recent_deployments(connection, live="green", now=WINDOW.until)
        (odd,) = compare_recent_deployments(connection, live="red", now=WINDOW.until)

    assert live.comparison is not None
    assert live.comparison.baseline == "blue"
    assert odd.comparison is None
    assert "LIVE_NODE names no other known node" in odd.sentence


def test_a_comparison_that_the_database_refuses_is_a_sentence(database: Database) -> None:
    with database.connect() as connection:
        connection.execute('DROP TABLE "Deployment"')

        newest = compare_recent_deployments(connection, live=None, now=WINDOW.until)

        assert newest[0].sentence == "could not be compared: UndefinedTable"
        assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}
    assert check_deployments(newest).passed

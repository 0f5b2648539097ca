"""Which issues become one incident, and which do not."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fleexmon_pipeline.comparison.deployments import Deployment, record_deployment, remove_deployment
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues.lifecycle import write_occurrences
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.incidents.story import about, at, firings, incidents, tell
from fleexmon_pipeline_tests.issues.story import settle


def _shared(*numbers: int) -> dict[str, Any]:
    return {"evidence": [uuid.UUID(int=1_000 + number) for number in numbers]}


def test_what_begins_together_on_a_node_is_one_incident(database: Database) -> None:
    with database.connect() as connection:
        (incident,) = tell(
            connection,
            firings(about("blue", "aaaa"), range(4), severity=Severity.MEDIUM),
            firings(about("blue"), range(3, 9), rule="high-error-rate"),
        )

    assert incident.nodes == ["blue"]
    assert len(incident.issues) == 2
    assert incident.id == incident.issues[0]
    assert (incident.severity, incident.status) == ("high", "open")
    assert (incident.started_at, incident.last_seen_at) == (at(0), at(9))
    assert incident.first_pattern == "aaaa"


def test_two_faults_at_one_time_on_different_nodes_stay_two(database: Database) -> None:
    with database.connect() as connection:
        found = tell(connection, firings(about("blue", "aaaa"), range(4)), firings(about("worker", "bbbb"), range(4)))

    assert [incident.nodes for incident in found] == [["blue"], ["worker"]]


def test_one_message_on_two_nodes_is_one_incident(database: Database) -> None:
    with database.connect() as connection:
        (incident,) = tell(
            connection, firings(about("blue", "aaaa"), range(4)), firings(about("green", "aaaa"), range(2, 4))
        )

    assert incident.nodes == ["blue", "green"]


def _pattern(connection: Connection, name: str, level: str) -> None:
    connection.execute("""INSERT INTO "LogPattern" VALUES (%s, %s, %s, %s, %s, 1)""", (name, name, level, at(0), at(0)))


def _loudest(pattern: str) -> dict[str, Any]:
    return {"metadata": {"topPatterns": [{"pattern": pattern, "template": "x", "count": 3}]}}


def test_the_same_rate_is_the_same_trouble_again_only_with_the_same_message_behind_it(database: Database) -> None:
    rate: dict[str, Any] = {"rule": "high-error-rate"}
    with database.connect() as connection:
        _pattern(connection, "aaaa", "error")
        _pattern(connection, "bbbb", "error")
        _pattern(connection, "info", "info")
        first = firings(about("blue"), range(4), **rate, **_loudest("aaaa"))
        assert len(tell(connection, first, firings(about("blue"), range(60, 64), **rate, **_loudest("aaaa")))) == 1
        assert len(tell(connection, first, firings(about("blue"), range(60, 64), **rate, **_loudest("bbbb")))) == 2
        both: dict[str, Any] = {"metadata": {"topPatterns": [{"pattern": "bbbb"}, {"pattern": "aaaa"}]}}
        of_both = firings(about("blue"), range(4), **rate, **both)
        assert len(tell(connection, of_both, firings(about("blue"), range(60, 64), **rate, **_loudest("bbbb")))) == 1
        assert len(tell(connection, of_both, firings(about("blue"), range(60, 64), **rate, **_loudest("aaaa")))) == 2
        volume = [firings(about("green"), slots, rule="unusual-volume", **_loudest("info"))
                  for slots in (range(4), range(60, 64))]  # fmt: skip
        assert len(tell(connection, *volume)) == 2


def test_a_rate_joins_another_node_by_the_message_behind_it(database: Database) -> None:
    loud = _loudest("aaaa")
    with database.connect() as connection:
        _pattern(connection, "aaaa", "error")
        found = tell(
            connection,
            firings(about("blue"), range(4), rule="high-error-rate", **loud),
            firings(about("green"), range(1, 4), rule="high-error-rate", **loud),
        )

    assert [incident.nodes for incident in found] == [["blue", "green"]]


def test_a_node_and_what_it_depends_on_are_one_incident_where_people_say_so(database: Database) -> None:
    parts = firings(about("blue", "aaaa"), range(4)), firings(about("worker", "bbbb"), range(2, 6))
    with database.connect() as connection:
        assert len(tell(connection, *parts)) == 2
        connection.execute('INSERT INTO "IncidentMark" (issue) SELECT id FROM "LogIssue"')
        found = tell(connection, *parts, depends={"blue": frozenset({"worker"})})

    assert [incident.nodes for incident in found] == [["blue", "worker"]]


def test_a_gateways_rate_with_two_causes_an_hour_apart_does_not_join_them(database: Database) -> None:
    """worker calls both. It fires for green, pauses, fires louder for blue within its grace, and again hours later."""
    rate: dict[str, Any] = {"rule": "high-error-rate", "grace": timedelta(hours=1)}
    depends = {"worker": frozenset({"blue", "green"})}
    with database.connect() as connection:
        _pattern(connection, "aaaa", "error")
        _pattern(connection, "bbbb", "error")
        found = tell(
            connection,
            firings(about("green", "gggg"), range(2)),
            [
                *firings(about("worker"), range(1, 3), **rate, **_loudest("aaaa")),
                *firings(about("worker"), range(13, 16), **rate, **_loudest("bbbb"), affected=50, **_shared(1, 2, 3)),
            ],
            firings(about("blue", "eeee"), range(12, 16)),
            firings(about("worker", "bbbb"), range(13, 16), **_shared(1, 2, 3)),
            firings(about("worker"), range(60, 62), **rate, **_loudest("bbbb")),
            depends=depends,
        )

    assert [incident.nodes for incident in found] == [["green", "worker"], ["blue", "worker"], ["worker"]]


def test_what_depends_on_a_node_feels_its_trouble_at_once_or_not_at_all(database: Database) -> None:
    depends = {"worker": frozenset({"blue"})}
    with database.connect() as connection:
        long = firings(about("worker", "aaaa"), range(14))
        assert len(tell(connection, long, firings(about("blue", "bbbb"), range(6, 8)), depends=depends)) == 1
        assert len(tell(connection, long, firings(about("blue", "bbbb"), range(12, 14)), depends=depends)) == 2


def test_what_begins_hours_later_is_another_incident_though_the_first_still_fires(database: Database) -> None:
    with database.connect() as connection:
        found = tell(
            connection, firings(about("blue", "aaaa"), range(60)), firings(about("blue", "bbbb"), range(50, 55))
        )

    assert len(found) == 2


def test_what_begins_an_hour_later_is_the_same_only_while_the_first_still_fires(database: Database) -> None:
    over, burning = range(2), range(14)
    with database.connect() as connection:
        later = firings(about("blue", "bbbb"), range(12, 15))
        assert len(tell(connection, firings(about("blue", "aaaa"), over), later)) == 2
        assert len(tell(connection, firings(about("blue", "aaaa"), burning), later)) == 1


def test_the_same_lines_behind_two_rules_are_one_incident_however_late(database: Database) -> None:
    with database.connect() as connection:
        slow = firings(about("blue", "aaaa"), range(60), **_shared(1, 2, 3))
        found = tell(
            connection, slow, firings(about("blue"), range(50, 60), rule="high-error-rate", **_shared(2, 3, 4, 5))
        )
        assert len(found) == 1

        other = tell(
            connection, slow, firings(about("blue"), range(50, 60), rule="high-error-rate", **_shared(3, 4, 5, 6))
        )

    assert len(other) == 2  # one line of three


def test_nodes_that_fall_silent_together_are_one_incident(database: Database) -> None:
    silent: dict[str, Any] = {"rule": "silent-node", "affected": 0}
    with database.connect() as connection:
        found = tell(
            connection,
            firings(about("blue"), range(4), **silent),
            firings(about("worker"), range(1, 4), **silent),
            firings(about("green"), range(4, 6), **silent),
        )

    assert [incident.nodes for incident in found] == [["blue", "worker"], ["green"]]


def test_a_deployment_that_failed_takes_in_what_began_since(database: Database) -> None:
    failed: dict[str, Any] = {"metadata": {"window": {"since": at(1).isoformat(), "until": at(30).isoformat()}}}
    with database.connect() as connection:
        found = tell(
            connection,
            firings(about("green", "old1"), range(1)),
            firings(about("green", "new1"), range(8, 10)),
            firings(about("green"), range(24, 30), rule="deployment-diverges", **failed),
            firings(about("blue", "else"), range(9, 10)),
        )

    assert [(incident.nodes, len(incident.issues)) for incident in found] == [
        (["green"], 1),
        (["green"], 2),
        (["blue"], 1),
    ]


def test_a_forecast_and_what_it_announced_are_one_incident(database: Database) -> None:
    forecast = [
        replace(fired, source="predictor")
        for fired in firings(
            about("blue"), range(13), rule="forecast-high-error-rate", metadata={"announces": "high-error-rate"}
        )
    ]
    with database.connect() as connection:
        write_occurrences(connection, forecast, source="predictor", window=Window(at(0), at(13)))
        tell(connection, firings(about("blue"), range(48, 50), rule="high-error-rate"))
        settle(connection, ["node:blue"])
        refresh_incidents(connection)
        (incident,) = incidents(connection)

    assert len(incident.issues) == 2


def test_a_deployment_that_somebody_records_afterwards_is_what_changed_just_before(database: Database) -> None:
    deployed = Deployment("blue", "1.4.2", at(0) - timedelta(minutes=20), "ann", "person")
    with database.connect() as connection:
        (found,) = tell(connection, firings(about("blue", "aaaa"), range(4)))
        assert found.changes == []
        record_deployment(connection, deployed)
        refresh_incidents(connection)
        (found,) = incidents(connection)
        assert ["1.4.2" in change.text for change in found.changes] == [True]

        assert remove_deployment(connection, deployed)
        refresh_incidents(connection)
        assert [found.changes for found in incidents(connection)] == [[]]

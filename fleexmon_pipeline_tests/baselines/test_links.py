"""Pairs of nodes that have errors at the same time, for other reasons than traffic, one outage or the time of day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pytest

from fleexmon_pipeline.baselines.links import learn_links, linked
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.refresh import is_due, refresh_incidents
from fleexmon_pipeline.numerics import Floats
from fleexmon_pipeline.settings import Topology
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.incidents.story import about, firings, incidents, tell
from fleexmon_pipeline_tests.stories import HOUR_OF_TEN, TEN

A_DAY = DAY // SLOT
DAYS = 10
RANDOM = np.random.default_rng(20)
SEEDED = RANDOM.bit_generator.state
Counts = Mapping[str, tuple[Floats, Floats]]


@pytest.fixture(autouse=True)
def _the_same_numbers() -> None:
    RANDOM.bit_generator.state = SEEDED


def traffic(days: int = DAYS) -> Floats:
    """By day and night, and with bursts that reach every node."""
    hours = np.arange(days * A_DAY) / A_DAY * 2 * np.pi
    return 300 * (1.2 - np.cos(hours)) * RANDOM.gamma(4, 1 / 4, hours.size)


def small(lines: Floats, rate: float = 0.0005) -> Floats:
    """The errors of every day: some tenths a slot."""
    return RANDOM.poisson(lines * rate).astype(float)


def world(**extra: Floats) -> Counts:
    lines = traffic()
    return {node: (lines, small(lines) + extra.get(node, 0)) for node in ("blue", "edge", "green", "mail")}


def pairs(counts: Counts) -> list[tuple[str, str]]:
    return list(linked(counts))


def test_nodes_that_share_the_small_errors_of_every_day_are_linked() -> None:
    shared = small(traffic(), 0.0003)

    assert pairs(world(blue=shared, edge=shared)) == [("blue", "edge")]


def test_nodes_that_share_traffic_alone_are_not_linked() -> None:
    assert [pairs(world()) for _ in range(20)] == [[]] * 20


def test_one_outage_of_everything_links_nothing() -> None:
    outage = np.zeros(DAYS * A_DAY)
    outage[4 * A_DAY + 100 : 4 * A_DAY + 160] = RANDOM.poisson(40, 60)

    assert pairs(world(blue=outage, edge=outage, green=outage, mail=outage)) == []


def test_what_fails_at_the_same_hour_every_night_is_not_linked() -> None:
    nightly = np.zeros(DAYS * A_DAY)
    nightly[36::A_DAY] = 5

    assert pairs(world(blue=nightly, mail=nightly)) == []


@pytest.mark.parametrize("days", [0, 1, 2])
def test_a_young_installation_has_no_links(days: int) -> None:
    lines = traffic(days)
    shared = small(lines, 0.01)

    assert pairs({"blue": (lines, shared), "edge": (lines, shared)}) == []


@pytest.mark.parametrize("trouble", [np.zeros(DAYS * A_DAY), np.ones(DAYS * A_DAY)], ids=["none", "constant"])
def test_trouble_that_never_changes_says_nothing(trouble: Floats) -> None:
    assert pairs({"blue": (np.ones(DAYS * A_DAY), trouble), "edge": (np.ones(DAYS * A_DAY), trouble)}) == []


def live(connection: Connection, *, shared: bool, until: datetime = TEN) -> None:
    """Ten days of blue and worker: errors in one slot of ten or so, the same ones if shared."""
    lines, begin = traffic(), until - 10 * HOUR - DAYS * DAY
    own, other = small(lines), small(lines)
    rows = []
    for node, trouble in (("blue", own), ("worker", own if shared else other)):
        for place, (count, errors) in enumerate(zip(lines, trouble, strict=True)):
            rows += [
                (begin + place * SLOT, node, "info", int(count) + 1),
                (begin + place * SLOT, node, "error", int(errors)),
            ]
    with connection.cursor() as cursor:
        cursor.executemany(
            'INSERT INTO "LogPatternCount" (slot, node, pattern, level, count, samples) '
            "VALUES (%s, %s, %s, %s, %s, ARRAY[]::uuid[])",
            [(slot, node, f"{node} {level}", level, count) for slot, node, level, count in rows if count],
        )


def trouble_of_both(connection: Connection) -> int:
    """How many incidents there are, after blue and worker have trouble from ten o'clock on."""
    return len(
        tell(connection, firings(about("blue", "aaaa"), range(4)), firings(about("worker", "bbbb"), range(2, 6)))
    )


@pytest.mark.parametrize(("shared", "told"), [(True, 1), (False, 2)])
def test_trouble_of_linked_nodes_is_one_incident(database: Database, shared: bool, told: int) -> None:
    with database.connect() as connection:
        live(connection, shared=shared)
        learn_links(connection, HOUR_OF_TEN)

        assert trouble_of_both(connection) == told


def test_incidents_that_were_told_before_their_day_was_learnt_are_derived_again(database: Database) -> None:
    with database.connect() as connection:
        assert trouble_of_both(connection) == 2
        live(connection, shared=True)
        learn_links(connection, HOUR_OF_TEN)
        assert is_due(connection)
        refresh_incidents(connection)

        assert [incident.nodes for incident in incidents(connection)] == [["blue", "worker"]]


def test_people_can_say_that_two_nodes_have_nothing_to_do_with_each_other(database: Database) -> None:
    with database.connect() as connection:
        live(connection, shared=True)
        learn_links(connection, HOUR_OF_TEN)
        trouble_of_both(connection)
        connection.execute('INSERT INTO "IncidentMark" (issue) SELECT id FROM "LogIssue"')
        refresh_incidents(connection, Topology(unrelated={"worker": frozenset({"blue"})}))

        assert len(incidents(connection)) == 2


def test_links_are_learnt_once_a_day_and_again_when_the_past_changed(database: Database) -> None:
    later = Window(HOUR_OF_TEN.since + HOUR, HOUR_OF_TEN.until + HOUR)
    with database.connect() as connection:
        live(connection, shared=True)
        learn_links(connection, HOUR_OF_TEN)
        connection.execute('DELETE FROM "LogPatternCount"')
        learn_links(connection, later)
        stored = connection.execute('SELECT day, links FROM "NodeLinks"').fetchall()
        assert [(row["day"], row["links"]) for row in stored] == [(TEN - 10 * HOUR, [["blue", "worker"]])]

        connection.execute('INSERT INTO "DetectedHour" VALUES (%s, %s)', [TEN - 2 * DAY, "judged again"])
        learn_links(connection, later)

        assert [row["links"] for row in connection.execute('SELECT links FROM "NodeLinks"')] == [[]]

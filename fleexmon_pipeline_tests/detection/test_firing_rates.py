"""How often rules fire on an installation's own history."""

from __future__ import annotations

import pytest

from fleexmon_pipeline.assets.checks import check_rates
from fleexmon_pipeline.detection.budget import Kept
from fleexmon_pipeline.detection.firing_rates import firing_rates
from fleexmon_pipeline.issues.occurrence import Subject
from fleexmon_pipeline.issues.people import resolve_issues
from fleexmon_pipeline.issues.shadows import write_shadows
from fleexmon_pipeline.window import DAY, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import NODE, at, cover, fire, firing, issues
from fleexmon_pipeline_tests.stories import TEN

TWO_DAYS = range(576)


def test_rates_are_issues_a_day_of_what_is_known(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, TWO_DAYS)
        fire(
            connection, firing(0), firing(1), firing(400), firing(300, rule="high-error-rate", subject=Subject("blue"))
        )
        write_shadows(connection, [firing(3, rule="tried")], Window(at(0), at(12)))
        found = firing_rates(connection, ["silent-node", "repeated-error"], until=at(576))
        later = firing_rates(connection, ["silent-node"], until=at(576) + 8 * DAY)
    assert (found.days, found.nodes, found.problems()) == (2.0, 1, [])
    assert [(r.rule, r.shadow, r.slots, r.issues, r.a_day) for r in found.rules] == [
        ("repeated-error", False, 3, 2, 1.0), ("high-error-rate", False, 1, 1, 0.5), ("tried", True, 1, 1, 0.5),
        ("silent-node", False, 0, 0, 0.0),
    ]  # fmt: skip
    assert found.sentence() == "3 issues in 2.0 days, 1.5 a day; 1 nodes"
    assert (later.days, later.rules, later.problems()) == (0.0, [], [])


@pytest.mark.parametrize(("slots", "told"), [(TWO_DAYS, 1), (range(240), 0)])
def test_a_rule_that_fires_all_the_time_is_named_once_a_day_is_known(
    database: Database, slots: range, told: int
) -> None:
    with database.connect() as connection:
        cover(connection, slots)
        fire(connection, *[firing(slot, subject=NODE, grace=SLOT) for slot in range(0, 240, 10)])
        found = firing_rates(connection, [], until=TEN + 2 * DAY)
    assert len(found.problems()) == told
    result = check_rates(found, Kept(0.25, 2.0, 24, 0, 0, 0, 0, 0))
    assert result.passed is not bool(told)
    assert "repeated-error" in str(result.metadata)


def test_issues_of_one_incident_are_read_once(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, TWO_DAYS)
        fire(connection, *[firing(slot, subject=NODE, grace=SLOT) for slot in range(0, 240, 10)])
        apart = firing_rates(connection, [], until=TEN + 2 * DAY)
        connection.execute(
            """INSERT INTO "Incident" (id, title, severity, status, nodes, "startedAt", "lastSeenAt", issues, headline,
                 figures, changes)
               SELECT (array_agg(id))[1], 'one', 'high', 'open', '{blue}', %(at)s, %(at)s, array_agg(id),
                 (array_agg(id))[1], '{}', '[]' FROM "LogIssue" """,
            {"at": at(0)},
        )
        together = firing_rates(connection, [], until=TEN + 2 * DAY)

    assert (apart.rules[0].issues, apart.rules[0].incidents, len(apart.problems())) == (24, 24, 1)
    assert (together.rules[0].issues, together.rules[0].incidents, together.problems()) == (24, 1, [])


def test_a_rule_whose_issues_are_called_noise_is_named(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, TWO_DAYS)
        fire(connection, *[firing(slot, subject=NODE) for slot in (0, 100, 200, 300, 400)])
        for row in issues(connection)[:3]:
            resolve_issues(connection, [str(row["id"])], by="ann", why="", verdict="noise", now=at(576))
        found = firing_rates(connection, [], until=at(576))
    assert found.problems() == [("repeated-error", "3 of its 5 issues were marked as noise")]

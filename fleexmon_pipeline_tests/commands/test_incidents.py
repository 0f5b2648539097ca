"""Incidents in a terminal and as JSON; how issues become incidents is tested in `incidents/`."""

from __future__ import annotations

import json

import pytest

from fleexmon_pipeline.incidents.read import Incident
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline_tests.commands.conftest import Call, refused
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.incidents.story import about, firings, tell


@pytest.fixture
def found(database: Database) -> list[Incident]:
    """One of blue and green with two issues, open; one of the worker, over."""
    with database.connect() as connection:
        both = tell(
            connection,
            firings(about("worker", "cccc"), range(2), title="an old \x1b[31m story", severity=Severity.MEDIUM),
            firings(about("blue", "aaaa"), range(30, 34), title="new"),
            firings(about("green", "aaaa"), range(31, 34), title="new"),
        )
        return sorted(both, key=lambda incident: incident.nodes)


def test_the_list_has_open_ones_and_how_many_issues_each_has(found: list[Incident], fleexmon: Call) -> None:
    line, total = fleexmon("incidents", "list").out.splitlines()

    assert line.startswith(f"{str(found[0].id)[:18]}  high      open      11-20 12:30 – 11-20 12:50")
    assert line.endswith("[2 issues]")
    assert total == "1 open incident"
    every = fleexmon("incidents", "list", "--status", "all").out
    assert "\x1b" not in every
    assert every.splitlines()[-1] == "2 incidents"
    assert fleexmon(
        "incidents", "list", "--status", "all", "--node", "worker", "--since", "2026-11-20T09:00"
    ).out.endswith("1 incident\n")
    (row,) = json.loads(fleexmon("incidents", "list", "--json").out)
    assert (row["id"], len(row["issues"]), row["nodes"]) == (str(found[0].id), 2, ["blue", "green"])


def test_one_is_shown_by_the_id_of_any_of_its_issues(found: list[Incident], fleexmon: Call) -> None:
    incident = found[0]
    by_first, by_last = (fleexmon("incidents", "show", str(issue)).out for issue in incident.issues)

    assert by_first == by_last
    for part in (str(incident.id), "open, high", "blue, green", "Issues, oldest first"):
        assert part in by_first
    shown = json.loads(fleexmon("incidents", "show", str(incident.id)[:18], "--json").out)
    assert [row["id"] for row in shown["issues"]] == [str(issue) for issue in incident.issues]


def test_acknowledged_and_assigned_with_who_and_why(found: list[Incident], fleexmon: Call) -> None:
    name = str(found[0].id)
    dry = fleexmon("incidents", "ack", name, "--by", "ann", "--dry-run")
    assert dry.out.startswith(f"{name}  would be acknowledged: ")
    assert "acknowledged  by" not in fleexmon("incidents", "show", name).out

    fleexmon("incidents", "ack", name, "--by", "ann", "--why", "on it")
    (row,) = json.loads(fleexmon("incidents", "assign", name, "--to", "bob", "--by", "ann", "--json").out)
    assert (row["id"], row["assignee"], len(row["issues"])) == (name, "bob", 2)
    page = fleexmon("incidents", "show", name).out
    for part in ("acknowledged by ann, ", "assigned to  bob", "ann: ack (on it)", "ann: assign to bob"):
        assert part in page
    assert "  ack ann " in fleexmon("incidents", "list").out

    fleexmon("issues", "unack", *map(str, found[0].issues), "--by", "ann")
    fleexmon("incidents", "assign", name, "--to", "nobody")
    page = fleexmon("incidents", "show", name).out
    assert "acknowledged by" not in page
    assert "assigned to " not in page


def test_resolved_with_all_its_issues(found: list[Incident], fleexmon: Call, database: Database) -> None:
    name = str(found[0].issues[1])
    looked = fleexmon("incidents", "resolve", name, "--dry-run", "--as", "noise")
    assert looked.out.startswith(f"{found[0].id}  2 issues would be resolved: ")
    assert fleexmon("incidents", "list").out.endswith("1 open incident\n")

    done = fleexmon("incidents", "resolve", name, "--as", "noise", "--why", "a test", "--by", "ann")
    assert done.out.startswith(f"{found[0].id}  2 issues resolved: ")
    assert fleexmon("incidents", "list").out == "0 open incidents\n"
    assert fleexmon("incidents", "resolve", name).out.startswith(f"{found[0].id}  already resolved: ")
    assert len(database.rows("""SELECT issue FROM "IssueVerdict" WHERE verdict = 'noise'""")) == 2


def test_everything_is_muted_for_maintenance_and_no_longer(found: list[Incident], fleexmon: Call) -> None:
    assert "--all: give its end with --for or --until" in refused(
        fleexmon("issues", "mute", "--all", "--why", "moving")
    )
    said = fleexmon("issues", "mute", "--all", "--why", "moving", "--for", "2h")
    assert ": everything (2 open issues)" in said.out
    assert "  muted   " in fleexmon("incidents", "list").out
    assert fleexmon("issues", "unmute", "--all").out == "1 mute ended: everything\n"
    assert "  muted   " not in fleexmon("incidents", "list").out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["show", "zzzz"], "incident 'zzzz': not an id"),
        (["show", "0123456789"], "incident 0123456789: not found"),
        (["ack", "zzzz", "yyyy"], "incident 'yyyy': not an id"),
        (["assign", "ID", "--to", ""], "--to: give a name of 1 to 100 characters"),
        (["assign", "ID", "--to", "x" * 101], "--to: give a name of 1 to 100 characters"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    arguments: list[str], reason: str, found: list[Incident], fleexmon: Call
) -> None:
    names = [str(found[0].id) if argument == "ID" else argument for argument in arguments]
    assert reason in refused(fleexmon("incidents", *names))

"""Nodes for a person: collected and missing lines, and the effect of changed settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleexmon_pipeline.catch_up import MAX_ATTEMPTS
from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.lookup.nodes import NodeState, node_states
from fleexmon_pipeline.settings import Node, node_of
from fleexmon_pipeline.window import HOUR, SLOT, Window
from fleexmon_pipeline_tests.commands.conftest import Call, refused
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.node_server import NodeServer, lines

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
NOON = TEN + 2 * HOUR
MINUTE = timedelta(minutes=1)


def facts(database: Database, *nodes: Node, now: datetime = NOON + 10 * MINUTE) -> dict[str, NodeState]:
    with database.connect() as connection:
        return {each.node: each for each in node_states(connection, list(nodes), demo=False, now=now)}


def ask(database: Database, name: str, server: NodeServer, since: datetime, until: datetime) -> Node:
    node = Node(name, server.url, "127.0.0.1")
    collect(Window(since, until), [node], database.connect, now=until, run_id="test")
    return node


def test_what_is_known_of_each_node(database: Database) -> None:
    with NodeServer() as server:
        server.serve([*lines(60, TEN, every=MINUTE), {"message": "no time"}])
        blue = ask(database, "blue", server, TEN, NOON)
        server.serve(lines(1, TEN))
        ask(database, "green", server, TEN, TEN + HOUR)
        server.answer(status=404)
        ask(database, "green", server, TEN + HOUR, TEN + HOUR + SLOT)
    new = Node("red", "http://me:hunter2@10.0.0.9:3000/api/logs?key=hunter2", "10.0.0.9")

    found = facts(database, new, blue)

    assert list(found) == ["red", "blue", "green"]
    assert found["blue"] == NodeState(
        "blue", True, False, blue.url, TEN, TEN + 59 * MINUTE, 71 * 60,
        {"complete": 12, "empty": 12, "partial": 0, "missing": 0},
        {"hours": 0, "givenUp": 0, "oldest": None}, 1, {},
    )  # fmt: skip
    green = found["green"]
    assert (green.watched, green.address, green.last_line) == (False, None, TEN)
    assert green.last_day == {"complete": 1, "empty": 11, "partial": 0, "missing": 1}
    assert green.gaps == {"hours": 1, "givenUp": 0, "oldest": TEN + HOUR}  # it is not asked for what came after
    assert found["red"].address == "http://10.0.0.9:3000/api/logs"
    assert (found["red"].since, found["red"].last_line, found["red"].lag_seconds) == (None, None, None)


def test_hours_nobody_asked_for_are_gaps_and_those_given_up_are_told(database: Database) -> None:
    with NodeServer() as server:
        blue = ask(database, "blue", server, TEN, TEN + HOUR)
    with database.connect() as connection:
        connection.execute(
            "UPDATE \"LogCoverage\" SET status = 'missing', attempts = %s WHERE slot < %s", [MAX_ATTEMPTS, TEN + SLOT]
        )

    assert facts(database, blue)["blue"].gaps == {"hours": 2, "givenUp": 1, "oldest": TEN}


def test_a_person_reads_a_page_and_what_changing_a_node_does(
    database: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no node is watched" in fleexmon("nodes").out
    monkeypatch.setenv("BLUE_HOST", "10.0.0.5")
    monkeypatch.setenv("GREEN_HOST", "10.0.0.6")
    with NodeServer() as server:
        server.serve([{"message": "no time"}])
        ask(database, "blue", server, TEN, TEN + HOUR)

    said = fleexmon("nodes")

    assert said.status == 0
    assert (
        f"blue  watched  {node_of('BLUE_HOST', 'blue', '10.0.0.5').url}\n  since      2026-11-20 10:00 UTC" in said.out
    )
    assert "last line  none yet" in said.out
    assert "1 record: fleexmon rejected list --node blue" in said.out
    assert "green  watched  http://10.0.0.6:3000/api/logs\n  not polled yet" in said.out
    for word in ("Adding a node", "Renaming a node", "Removing a node", "identity"):
        assert word in said.out


def test_json_is_one_document(database: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(fleexmon("nodes", "--json").out) == []
    monkeypatch.setenv("LOG_SOURCES", "worker-1=10.0.0.7")

    assert json.loads(fleexmon("nodes", "--json").out) == [{
        "node": "worker-1", "watched": True, "demo": False, "address": "http://10.0.0.7:3000/api/logs", "since": None,
        "lastLine": None, "lagSeconds": None, "lastDay": {"complete": 0, "empty": 0, "partial": 0, "missing": 0},
        "gaps": {"hours": 0, "givenUp": 0, "oldest": None}, "rejected": 0, "labels": {},
    }]  # fmt: skip
    assert database.rows('SELECT 1 FROM "LogCoverage"') == []


def test_many_nodes_are_summed_up_by_label_and_those_in_trouble_come_first(
    database: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = [
        f"  - {{name: n{place}, address: 10.0.0.{place}, labels: {{role: {'web' if place % 2 else 'db'}}}}}"
        for place in range(1, 31)
    ]
    (tmp_path / "nodes.yaml").write_text("nodes:\n" + "\n".join(listed))
    monkeypatch.setenv("FLEEXMON_NODES", str(tmp_path / "nodes.yaml"))
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogCoverage" (node, slot, status, received, stored, "updatedAt") '
            "SELECT 'n' || node, now() AT TIME ZONE 'UTC' - interval '1 hour', 'empty', 0, 0, now() "
            "FROM generate_series(1, 28) AS node"
        )

    every, some = fleexmon("nodes").out.splitlines(), fleexmon("nodes", "--label", "role=web").out.splitlines()

    assert every[0] == "30 nodes, 30 nodes with gaps or not polled yet"
    assert every[1] == "role=db   15 nodes, 15 nodes with gaps or not polled yet"
    assert sum(line.endswith("role=web") for line in every) == 15
    assert some[0].startswith("15 nodes")
    assert sum("role=db" in line for line in some) == 0


def test_a_malformed_node_is_a_sentence(fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_HOST", "http//10.0.0.5")

    assert "BLUE_HOST" in refused(fleexmon("nodes"))

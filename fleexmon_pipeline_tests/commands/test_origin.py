"""`fleexmon origin`: output, exit statuses, refusals."""

from __future__ import annotations

import json

import pytest

from fleexmon_pipeline_tests.commands.conftest import Call, refused
from fleexmon_pipeline_tests.comparison.test_origin import incident
from fleexmon_pipeline_tests.comparison.two_nodes import lines, store
from fleexmon_pipeline_tests.conftest import Database

TIMES = ("--since", "2026-11-20T12:00", "--until", "2026-11-20T13:00")


def test_the_first_node_is_shown_with_its_pattern(database: Database, fleexmon: Call) -> None:
    with database.connect() as connection:
        store(connection, incident())

    shown, document = fleexmon("origin", *TIMES), fleexmon("origin", *TIMES, "--json")

    assert shown.status == document.status == 0
    first = next(line for line in shown.out.splitlines() if line.startswith(("green", "blue")))
    assert first.startswith("green")
    assert "new error: the schema of <num>" in shown.out
    nodes = json.loads(document.out)["nodes"]
    assert [node["node"] for node in nodes] == ["green", "blue"]
    assert nodes[0]["signs"][0]["template"] == "the schema of <num>"
    assert nodes[0]["signs"][0]["began"] == "2026-11-20T12:15:00Z"


def test_where_nothing_stands_out_it_says_so_with_3(database: Database, fleexmon: Call) -> None:
    with database.connect() as connection:
        store(
            connection, ((n, p, level, slot, 5) for n, p, level, slot, _ in lines(1, days=1, hours=1) if p == "login")
        )

    said = fleexmon("origin", *TIMES)

    assert said.status == 3
    assert said.out.startswith("No node stands out in 2026-11-20 12:00-13:00 UTC.")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--since", "2026-11-20T12:00", "--until", "2026-11-20T11:00"), "--until: 2026-11-20 11:00 UTC is not after"),
        (("--since", "2026-11-20T12:00", "--until", "2026-11-20T19:00"), "is more than 6 h"),
    ],
    ids=["backwards", "too long"],
)
@pytest.mark.usefixtures("database")
def test_a_window_of_no_use_is_refused(options: tuple[str, ...], sentence: str, fleexmon: Call) -> None:
    assert sentence in refused(fleexmon("origin", *options))

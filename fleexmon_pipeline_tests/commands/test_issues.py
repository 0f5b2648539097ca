"""Issues in a terminal and as JSON; what they are made of is tested in `detection/`."""

from __future__ import annotations

import json
import uuid

import pytest

from fleexmon_pipeline.detection.occurrence import Severity, Subject
from fleexmon_pipeline_tests.commands.conftest import Call, refused
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.detection.story import cover, fire, firing

EVIDENCE = uuid.UUID(int=7)


@pytest.fixture
def found(database: Database) -> list[str]:
    """Ids of an open issue of blue, high, and a resolved one of green, medium."""
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, source, hostname, level, message) '
            "VALUES (%s, '2026-11-20 10:00:01', 'blue', 'blue', 'error', 'no \x1b[31mmore space')",
            [EVIDENCE],
        )
        for node in ("blue", "green"):
            cover(connection, range(40), node=node)
        fire(connection, firing(0, subject=Subject("green", "3c4d"), title="an old story"))
        fire(connection, firing(38, severity=Severity.HIGH, title="disk \x1b[31m full", evidence=[EVIDENCE]))
        rows = connection.execute('SELECT id, title FROM "LogIssue" ORDER BY "detectedAt" DESC').fetchall()
        return [str(row["id"]) for row in rows]


def test_the_list_tells_the_open_ones_and_how_many(found: list[str], fleexmon: Call) -> None:
    said = fleexmon("issues", "list")

    line, total = said.out.splitlines()
    assert line.startswith(f"{found[0][:18]}  high      open")
    assert line.endswith("blue          disk \ufffd[31m full")
    assert total == "1 open issues"
    assert fleexmon("issues", "list", "--status", "all").out.splitlines()[-1] == "2 issues"
    assert fleexmon("issues", "list", "--status", "all", "--limit", "1").out.splitlines()[-1] == "1 issues or more"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [0]),
        (["--status", "all"], [0, 1]),
        (["--status", "resolved"], [1]),
        (["--status", "all", "--severity", "medium"], [1]),
        (["--status", "all", "--node", "blue"], [0]),
        (["--status", "all", "--since", "2026-11-20T12:00"], [0]),
        (["--node", "red"], []),
    ],
)
def test_json_is_one_array(options: list[str], expected: list[int], found: list[str], fleexmon: Call) -> None:
    said = fleexmon("issues", "list", *options, "--json")

    assert (said.status, said.err) == (0, "")
    assert [row["id"] for row in json.loads(said.out)] == [found[n] for n in expected]


def test_one_is_shown_with_its_evidence_by_the_beginning_of_its_id(found: list[str], fleexmon: Call) -> None:
    said = fleexmon("issues", "show", found[0][:18])

    assert said.status == 0
    for part in ("disk \ufffd[31m full", found[0], "open, high, repeated-error by detector", "no \ufffd[31mmore space",
                 "Evidence (the newest 1 of 1 rows"):  # fmt: skip
        assert part in said.out

    shown = json.loads(fleexmon("issues", "show", found[0], "--json").out)
    assert shown["issue"]["id"] == found[0]
    assert shown["evidence"][0]["id"] == str(EVIDENCE)


def test_a_beginning_that_two_share_is_refused_with_both(found: list[str], fleexmon: Call) -> None:
    common = next(n for n, (a, b) in enumerate(zip(*found, strict=True)) if a != b)

    told = refused(fleexmon("issues", "show", found[0][: max(common, 4)]))

    assert "2 ids begin so" in told
    assert all(name in told for name in found)

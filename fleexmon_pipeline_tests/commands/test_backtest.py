"""`fleexmon rules backtest` in a terminal and as JSON; the replay itself is tested in `detection/`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleexmon_pipeline.detection.rule_files import BUILT_IN
from fleexmon_pipeline.window import DAY
from fleexmon_pipeline_tests.commands.conftest import Call, refused
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.detection.test_observe import MIDNIGHT, live, more

SPAN = ("--from", "2026-11-20", "--to", "2026-11-20T11:00")


@pytest.fixture
def past(database: Database) -> None:
    """Eight ordinary days and a storm of errors from 9:30 to 9:50, loud enough for the rule from 9:40 on."""
    with database.connect() as connection:
        live(connection, MIDNIGHT - 8 * DAY)
        more(connection, 40, range(-6, -2))
        connection.execute("""UPDATE "LogPattern" SET template = 'card \x1b[31m declined' WHERE id = 'declined'""")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A directory in which repeated errors are not looked for any more."""
    directory = tmp_path / "rules"
    directory.mkdir()
    text = (BUILT_IN / "repeated-error.yaml").read_text()
    (directory / "repeated-error.yaml").write_text(f"enabled: false\n{text}")
    return directory


@pytest.mark.usefixtures("past")
def test_what_is_lost_is_told_by_rule_and_day(rules: Path, fleexmon: Call) -> None:
    said = fleexmon("rules", "backtest", *SPAN, "--rules", str(rules))

    assert said.status == 0
    assert "\x1b" not in said.out
    lines = said.out.splitlines()
    assert lines[0].endswith("rules that differ: repeated-error")
    (of_rule,) = [number for number, line in enumerate(lines) if line.startswith("repeated-error")]
    assert lines[of_rule].split() == ["repeated-error", "all", "0", "-1"]
    assert lines[of_rule + 1].split() == ["2026-11-20", "0", "-1"]
    assert "Lost (1)" in lines
    lost = lines[lines.index("Lost (1)") + 1]
    assert lost.startswith("- 2026-11-20 09:40-09:50  medium    blue  repeated-error: "), said.out
    assert "None was marked as noise or real yet" in said.out


@pytest.mark.usefixtures("past")
def test_json_is_one_document_and_the_other_way_round_it_is_gained(rules: Path, fleexmon: Call) -> None:
    said = fleexmon("rules", "backtest", *SPAN, "--against", str(rules), "--json")

    assert (said.status, said.err) == (0, "")
    found = json.loads(said.out)
    assert (found["from"], found["to"]) == ("2026-11-20T00:00:00Z", "2026-11-20T11:00:00Z")
    assert found["by_rule"]["repeated-error"] == {"2026-11-20": {"kept": 0, "gained": 1, "lost": 0}}
    assert found["issues"]["gained"] == len(found["gained"]) == 1
    assert found["false_alarms_a_day"] == {"before": 0, "after": 0}


@pytest.mark.usefixtures("past")
def test_the_same_rules_are_all_kept(fleexmon: Call) -> None:
    said = fleexmon("rules", "backtest", *SPAN)
    assert "rules that differ: none" in said.out
    assert not {"Gained", "Lost"} & {line.split(" ")[0] for line in said.out.splitlines()}


def test_what_cannot_be_replayed_is_refused_with_a_remedy(rules: Path, fleexmon: Call, tmp_path: Path) -> None:
    assert "no node has responded yet" in refused(fleexmon("rules", "backtest", *SPAN))
    assert "--rules: nowhere is not a directory" in refused(fleexmon("rules", "backtest", "--rules", "nowhere"))
    assert "--against: nowhere" in refused(fleexmon("rules", "backtest", "--against", "nowhere"))
    assert "--from" in refused(fleexmon("rules", "backtest", "--from", "2026-11-20", "--to", "2026-11-19"))
    assert "more than a year" in refused(fleexmon("rules", "backtest", "--from", "2024-11-20", "--to", "2026-11-19"))
    (rules / "mine.yaml").write_text("name: mine\nkind: magic\n")
    told = refused(fleexmon("rules", "backtest", *SPAN, "--rules", str(rules)))
    assert f'{rules}/mine.yaml:2: kind "magic" is unknown' in told

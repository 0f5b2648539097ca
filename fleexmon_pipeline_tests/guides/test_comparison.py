"""The comparison with other tools names commands, options, pages and rules that exist, and counts its own verdicts."""

from __future__ import annotations

import re
import shlex
from collections import Counter

import pytest

from fleexmon_pipeline.cli import COMMANDS as NAMED
from fleexmon_pipeline.cli import load
from fleexmon_pipeline.web.pages.site import VIEWS
from fleexmon_pipeline_tests.guides.blocks import PROJECT

TEXT = (PROJECT / "docs" / "comparison.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)]
OURS = [row[8] for row in ROWS]
COMMANDS = sorted({command for ours in OURS for command in re.findall(r"`(fleexmon [^`]+)`", ours)})
PAGES = sorted({page for ours in OURS for page in re.findall(r"`/fleexmon([^`]*)`", ours)})
RULES = sorted({name for ours in OURS for name in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", ours)})


def test_there_are_32_rows_and_their_verdicts_are_counted() -> None:
    verdicts = Counter(re.findall(r"\*\*(ahead|level|behind)\*\*", " ".join(row[9] for row in ROWS)))

    assert [row[0] for row in ROWS] == [str(number) for number in range(1, 33)]
    assert sum(verdicts.values()) == 32
    counted = f"Ahead in {verdicts['ahead']}, level in {verdicts['level']}, behind in {verdicts['behind']}."
    assert counted in TEXT


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_and_its_options_exist(command: str) -> None:
    _, name, *words = shlex.split(command)
    assert name in NAMED
    found = load(name)
    while words and (commands := getattr(found, "commands", {})):
        found = commands[words.pop(0)]

    options = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("-") and word != "-"} <= options


@pytest.mark.parametrize("page", PAGES)
def test_a_page_exists(page: str) -> None:
    assert page in VIEWS or page == "/compare"


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_exists(rule: str) -> None:
    assert (PROJECT / "fleexmon_pipeline" / "rules" / f"{rule}.yaml").is_file()

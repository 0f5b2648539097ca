"""The layout of the package: imports point down, and no package has too many modules for an overview.

The layers themselves: `[tool.importlinter]` in pyproject.toml. Why they are as they are: docs/decisions/0022.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).parent.parent
MAX_MODULES = 15


def test_imports_point_down_and_stages_do_not_know_dagster() -> None:
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    checked = subprocess.run(lint, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 kept, 0 broken" in checked.stdout


def test_no_package_has_too_many_modules() -> None:
    package = PROJECT / "fleexmon_pipeline"
    modules = Counter(
        str(module.parent.relative_to(package)) for module in package.rglob("*.py") if module.name != "__init__.py"
    )

    assert modules["detection"] > 5  # the count really counts
    too_many = {name: count for name, count in modules.items() if count > MAX_MODULES}
    assert too_many == {}


def test_each_decision_has_a_number_of_its_own_and_stands_in_the_index() -> None:
    decisions = PROJECT / "docs" / "decisions"
    names = sorted(path.name for path in decisions.glob("[0-9]*.md"))
    index = (decisions / "README.md").read_text()

    assert len({name[:4] for name in names}) == len(names)
    assert [name for name in names if f"- [{name[:4]}]({name}) " not in index] == []

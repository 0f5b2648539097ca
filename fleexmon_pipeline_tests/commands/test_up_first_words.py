"""Output of `fleexmon up` before a successful start, which is tested in `test_up.py`."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.up.command import DEMO_LINES, _warn_of_demo_lines
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.running_product import Product


def test_code_that_cannot_be_loaded_is_said_before_anything_looks_well(database: Database, tmp_path: Path) -> None:
    """The UI answers all the same, and schedules that are nowhere defined do not fail."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'fleexmon_pipeline.jobs':\n"
        "            raise ImportError('my stage has a mistake')\n"
        "sys.meta_path.insert(0, Broken())\n"
    )
    product = Product(tmp_path / "home", DATABASE_URL=database.url, BLUE_HOST="127.0.0.1:9")

    said = product.run("up", PYTHONPATH=str(tmp_path))

    assert said.returncode == 1
    assert "the code server did not start" in said.stderr
    assert "my stage has a mistake" in said.stderr
    assert str(product.home / "logs" / "code-server.log") in said.stderr
    assert "is watching" not in said.stdout
    assert "BLUE_HOST … not ready (http://127.0.0.1:9/api/logs: ConnectError" in said.stdout
    assert product.left_after(5) == []


def test_nodes_of_ones_own_are_not_taken_for_the_demos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who tries the demo first and then sets BLUE_HOST has two shops under one name."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    said = StringIO()
    nodes = settings.nodes({"BLUE_HOST": "10.0.0.5"})

    _warn_of_demo_lines(tmp_path, nodes, Console(file=said))
    assert said.getvalue() == ""

    (tmp_path / DEMO_LINES).touch()
    _warn_of_demo_lines(tmp_path, nodes, Console(file=said))
    assert f"The database in {tmp_path} has lines of the demo nodes" in said.getvalue()

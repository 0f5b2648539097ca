"""`fleexmon rules`: valid and invalid rules, with places; the rules themselves are tested in `detection/`."""

from __future__ import annotations

from pathlib import Path

from fleexmon_pipeline_tests.commands.conftest import Call


def test_the_rules_that_come_with_the_product_are_listed_and_prove_themselves(fleexmon: Call) -> None:
    assert "connection-failure (threshold, medium" in fleexmon("rules", "list").out
    assert fleexmon("rules", "test").status == 0


def test_a_file_that_is_no_rule_is_refused_and_the_status_tells(fleexmon: Call, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("name: odd\nkind: nonsense\n")

    said = fleexmon("rules", "test", str(tmp_path))

    assert said.status == 1
    assert "odd.yaml" in said.out
    assert "Traceback" not in said.err

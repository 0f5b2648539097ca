"""A stored digest, on stdout as Markdown or JSON, or as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleexmon_pipeline_tests.commands.conftest import Call, refused
from fleexmon_pipeline_tests.conftest import Database


@pytest.fixture(autouse=True)
def written(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogDigest" VALUES '
            "('2026-11-19', '{\"lines\": 1}', '# the day before', '<p>before</p>', now()), "
            "('2026-11-20', '{\"lines\": 2}', '# thé day', '<p>thé day</p>', now())"
        )


def test_the_newest_is_shown_unless_a_day_is_named(fleexmon: Call) -> None:
    assert fleexmon("digest").out == "# thé day\n"
    assert fleexmon("digest", "--date", "2026-11-19").out == "# the day before\n"
    assert json.loads(fleexmon("digest", "--json").out) == {"lines": 2}


def test_the_page_is_written_where_asked(fleexmon: Call, tmp_path: Path) -> None:
    said = fleexmon("digest", "--html", str(tmp_path / "digest.html"))

    assert said.out == f"wrote the digest of 2026-11-20 to {tmp_path / 'digest.html'}\n"
    assert (tmp_path / "digest.html").read_text("utf-8") == "<p>thé day</p>"
    assert "No such file" in refused(fleexmon("digest", "--html", str(tmp_path / "none" / "digest.html")))


def test_a_day_without_one_is_told_with_the_way_to_write_it(fleexmon: Call) -> None:
    told = refused(fleexmon("digest", "--date", "2026-11-01"))

    assert "no digest of 2026-11-01" in told
    assert "--select digests --partition 2026-11-01" in told

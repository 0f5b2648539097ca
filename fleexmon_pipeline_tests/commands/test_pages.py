"""`fleexmon open` and `fleexmon web`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues.occurrence import Subject
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests import stories
from fleexmon_pipeline_tests.commands.conftest import FLEEXMON, Call, refused
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import fire, firing
from fleexmon_pipeline_tests.running_product import CHECKOUT, free_port
from fleexmon_pipeline_tests.stories import TEN


@pytest.fixture
def issues(database: Database) -> list[str]:
    """Two of one incident, the first first."""
    with database.connect() as connection:
        stories.cover(connection, Window(TEN, TEN + 4 * SLOT))
        fire(connection, firing(0, subject=Subject("blue", "aaaa")), firing(1, subject=Subject("blue", "bbbb")))
        refresh_incidents(connection)
    return [str(row["id"]) for row in database.rows('SELECT id FROM "LogIssue" ORDER BY "detectedAt"')]


def test_open_prints_the_address_of_the_page(
    fleexmon: Call, issues: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    assert fleexmon("open").out == "http://127.0.0.1:3000/fleexmon\n"
    assert fleexmon("open", issues[0]).out == f"http://127.0.0.1:3000/fleexmon/incidents/{issues[0]}\n"
    assert fleexmon("open", issues[1]).out == f"http://127.0.0.1:3000/fleexmon/issues/{issues[1]}\n"
    monkeypatch.setenv("FLEEXMON_UI_URL", "https://fleexmon.example.com")
    assert fleexmon("open", "--print").out == "https://fleexmon.example.com/fleexmon\n"


def test_open_of_what_does_not_exist_says_so(fleexmon: Call) -> None:
    assert "not found" in refused(fleexmon("open", "0123456789ab"))


def test_web_serves_the_pages_alone(database: Database, issues: list[str], tmp_path: Path) -> None:
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": database.url, "PYTHONPATH": CHECKOUT,
    }  # fmt: skip
    command = [FLEEXMON, "web", "--port", str(port)]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        assert address == f"http://127.0.0.1:{port}/fleexmon"
        deadline = time.monotonic() + 30
        while True:
            try:
                answer = httpx.get(f"{address}/issues/{issues[1]}", timeout=30)
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

        assert answer.status_code == 200
        assert 'href="http://127.0.0.1:3000/assets/detected_issues?' in answer.text
        assert httpx.get(address, headers={"Host": "evil.example.com"}).status_code == 403
        assert httpx.get(f"http://127.0.0.1:{port}/", follow_redirects=True).url == f"{address}"
        assert httpx.get(f"http://127.0.0.1:{port}/graphql").status_code == 404
        taken = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        process.send_signal(signal.SIGTERM)

    assert taken.returncode == 2
    assert f"fleexmon: --port: 127.0.0.1:{port} cannot be used" in taken.stderr

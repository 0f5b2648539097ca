"""Exit statuses agree with the page of `fleexmon help exit-status`, which is part of the operator guide."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from fleexmon_pipeline.cli import COMMANDS, load
from fleexmon_pipeline.commands.help.command import text_of
from fleexmon_pipeline_tests.commands.conftest import FLEEXMON, Call, execute
from fleexmon_pipeline_tests.conftest import Database

GUIDE = Path(__file__).parent.parent.parent / "docs" / "operators.md"
PAGE = text_of("exit-status")
WRONG_RULE = "name: broken\nkind: threshold\n"


@pytest.mark.parametrize("topic", ["exit-status", "times"])
def test_the_page_is_in_the_guide_word_for_word(topic: str) -> None:
    assert text_of(topic).strip() in GUIDE.read_text("utf-8")


def test_the_page_names_commands_that_exist_and_all_that_document_a_one() -> None:
    rows = re.findall(r"^\| (`[a-z].*?) \|", PAGE, re.MULTILINE)
    named = {command for row in rows for command in re.findall(r"`([a-z -]+)`", row)}

    documented = set()
    for name in COMMANDS:
        command = load(name)
        for sub, one in (command.commands if hasattr(command, "commands") else {"": command}).items():
            if re.search(r"(?i)exit(s| status)[^.]*\b1\b", " ".join((one.help or "").split())):
                documented.add(f"{name} {sub}".strip())
    assert documented <= named
    assert {name.split()[0] for name in named} <= set(COMMANDS)


@pytest.mark.parametrize(
    ("status", "arguments", "variables"),
    [
        (0, ["issues", "list"], {}),
        (0, ["logs"], {}),
        (0, ["status"], {}),
        (0, ["patterns", "list"], {}),
        (0, ["shadow", "list"], {}),
        (0, ["rules", "list"], {}),
        (0, ["open", "--print"], {}),
        (1, ["rules", "test", "broken rules"], {}),
        (1, ["read", "no records"], {}),
        (1, ["channels", "list"], {"FLEEXMON_CHANNELS": "bad=nosuch://service"}),
        (1, ["channels", "test", "ops"], {"FLEEXMON_CHANNELS": "ops=json://127.0.0.1:9/"}),
        (1, ["doctor"], {"LOG_RETENTION_DAYS": "-5"}),
        (1, ["genai", "eval"], {"GENAI_AGENT_URL": "http://127.0.0.1:9"}),
        (2, ["issues", "list", "--sort", "odd"], {}),
        (2, ["issues", "show", "0192abcd"], {}),
        (2, ["open", "0192abcd"], {}),
        (2, ["digest"], {}),
        (2, ["patterns", "/nonexistent"], {}),
        (2, ["logs", "-i"], {}),
        (2, ["logs", "-C", "5", "-f"], {}),
        (2, ["help", "nosuch"], {}),
        (2, ["completion", "tcsh"], {}),
        (2, ["genai", "eval"], {}),
        (2, ["verify-deployment", "/nonexistent"], {}),
        (2, ["issues", "list"], {"DATABASE_URL": "postgresql://me@127.0.0.1:1/shop"}),
        (3, ["status"], {"DATABASE_URL": ""}),
        (3, ["shadow", "list"], {"DATABASE_URL": ""}),
        (3, ["patterns", "list"], {"DATABASE_URL": ""}),
        (3, ["origin"], {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, (list, dict)) else str(value),
)
def test_a_command_ends_as_the_page_says(
    status: int, arguments: list[str], variables: dict[str, str], fleexmon: Call, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "broken rules").mkdir()
    (tmp_path / "broken rules" / "broken.yaml").write_text(WRONG_RULE)
    (tmp_path / "no records").write_text('[{"a": 1}]')
    monkeypatch.chdir(tmp_path)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)

    said = fleexmon(*arguments)

    assert said.status == status, said.out + said.err
    assert "Traceback" not in said.err


def test_up_that_cannot_start_ends_with_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = execute("up", environment={"FLEEXMON_HOME": str(tmp_path / "home"), "FLEEXMON_PORT": port})

    assert said.status == 1
    assert f"127.0.0.1:{port} cannot be used" in said.err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_with_its_number(number: signal.Signals, status: int, database: Database) -> None:
    with database.connect() as connection, connection.transaction():
        connection.execute('LOCK TABLE "LogIssue" IN ACCESS EXCLUSIVE MODE')
        with subprocess.Popen(
            [FLEEXMON, "issues", "list"], env={**os.environ, "DATABASE_URL": database.url}, stderr=subprocess.PIPE
        ) as process:
            waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'fleexmon'"
            with database.connect() as other:
                while process.poll() is None and other.execute(waiting).fetchone() is None:
                    pass
            process.send_signal(number)
            assert process.wait(20) == status

"""The command as a shell meets it: help that suffices, sentences for mistakes, pipes, signals, a first start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import typer.main

from fleexmon_pipeline.cli import app
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline_tests.commands.conftest import FLEEXMON, Call, execute, refused

COMMAND = typer.main.get_command(app)
PATHS = [
    (name, *sub)
    for name, command in sorted(COMMAND.commands.items())  # type: ignore[attr-defined]
    for sub in ([(), *((one,) for one in sorted(command.commands))] if hasattr(command, "commands") else [()])
]


def test_help_names_every_command() -> None:
    said = execute("--help", environment={"COLUMNS": "100"})

    assert said.status == 0
    for name in ("up", "doctor", "patterns", "logs", "issues", "rules", "digest", "demo-nodes"):
        assert name in said.out
    assert execute().status == 2


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_says_what_each_command_and_each_of_its_options_is_for(path: tuple[str, ...], fleexmon: Call) -> None:
    said = fleexmon(*path, "--help")
    assert said.status == 0

    command = COMMAND
    for name in path:
        command = command.commands[name]  # type: ignore[attr-defined]
    assert command.help
    assert [option.name for option in command.params if not getattr(option, "help", None)] == []
    for option in command.params:
        if not getattr(option, "hidden", False):
            assert any(word in said.out for word in (*option.opts, str(option.name)))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["logs", "--since", "yesterday"], '--since: "yesterday" is not a time. Examples: --since 15m'),
        (["logs", "--since", "999999w"], "is not a time"),
        (["logs", "--since", "0001-01-01T00:00+14:00"], "is not a time"),
        (["logs", "--until", "٣h"], "is not a time"),
        (["logs", "--level", "loud"], '--level: "loud" is none of debug, info, warn'),
        (["logs", "--grep", "("], "--grep: not a regular expression"),
        (["logs", "--limit", "0"], "--limit"),
        (["logs", "--limit", "many"], "--limit"),
        (["issues", "list", "--status", "odd"], "open, resolved, all"),
        (["issues", "list", "--severity", "odd"], "low, medium, high, critical"),
        (["issues", "list", "--since", "odd"], "is not a time"),
        (["issues", "list", "--limit", "-1"], "--limit"),
        (["issues", "show", "zz"], "not an id"),
        (["issues", "show", "0192"], "not found"),
        (["digest", "--date", "2026-02-31"], "is not a day such as 2026-11-20"),
        (["digest", "--date", "today"], "is not a day"),
        (["digest"], "there is no digest yet; write one: dagster asset materialize"),
        (["patterns", "/nonexistent/file"], "/nonexistent/file: No such file or directory"),
        (["patterns", "/"], "/: Is a directory"),
        (["rules", "test", "/nonexistent"], "does not exist"),
        (["demo-nodes", "--blue-port", "99999999"], "--blue-port"),
        (["nosuch"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_a_sentence_on_stderr(arguments: list[str], reason: str, fleexmon: Call) -> None:
    told = refused(fleexmon(*arguments))

    assert reason in " ".join(told.replace("│", " ").split())


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"DATABASE_URL": "mysql://me:hunter2@db/shop"}, "DATABASE_URL: is not a postgresql:// URL"),
        ({"DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/shop"}, "DATABASE_URL: 127.0.0.1:1/shop: connection"),
        ({"FLEEXMON_HOME": "/dev/null/x"}, "/dev/null/x: Not a directory"),
        ({"FLEEXMON_HOME": "~nobody-of-this-name"}, "FLEEXMON_HOME: "),
    ],
)
def test_a_wrong_setting_is_told_in_a_sentence_on_stderr(
    environment: dict[str, str], reason: str, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    for arguments in (["logs"], ["issues", "list", "--json"], ["issues", "show", "0192abcd"], ["digest"]):
        told = refused(fleexmon(*arguments))
        assert reason in told
        assert "hunter2" not in told


def test_a_first_start_needs_nothing_but_a_place_and_leaves_no_server(tmp_path: Path) -> None:
    place = {"FLEEXMON_HOME": str(tmp_path / "first start")}

    said = execute("issues", "list", "--json", environment=place)

    assert said.status == 0
    assert json.loads(said.out) == []
    assert f"nothing was collected in {tmp_path / 'first start'} yet" in said.err  # it may be the wrong directory
    assert execute("issues", "list", environment=place).err == ""
    server = EmbeddedServer(tmp_path / "first start")
    assert not server.is_running()

    with subprocess.Popen([FLEEXMON, "logs", "--follow"], env=os.environ | place) as follower:
        deadline = time.monotonic() + 20
        while not server.is_running() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.is_running()
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(20) == 128 + signal.SIGTERM
    assert not server.is_running()


def test_a_reader_that_has_enough_ends_the_command_without_a_word(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("".join(f"request {n} took {n} ms at node-{n % 7}\n" for n in range(100_000)))

    with subprocess.Popen([FLEEXMON, "patterns", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["line"] == 0
        process.stdout.close()
        assert process.stderr.read() == b""


def test_what_the_terminal_cannot_show_does_not_end_the_command() -> None:
    said = execute(
        "patterns", "-", "--summary", stdin="cart – open\n".encode(), environment={"PYTHONIOENCODING": "latin-1"}
    )

    assert (said.status, said.err) == (0, "")
    assert "cart ? open" in said.out


def test_a_dot_env_here_counts_and_what_is_exported_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=mysql://from-the-file/x\n")
    monkeypatch.chdir(tmp_path)

    assert "DATABASE_URL: is not a postgresql:// URL" in refused(execute("issues", "list"))
    assert "names no database" in refused(
        execute("issues", "list", environment={"DATABASE_URL": "postgresql://exported"})
    )

"""The command in a shell: sufficient help, sentences for mistakes, pipes, signals, a first start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleexmon_pipeline.cli import COMMANDS, load
from fleexmon_pipeline.commands.home import remember
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline_tests.commands.conftest import FLEEXMON, Call, execute, refused
from fleexmon_pipeline_tests.conftest import Database

PATHS = [
    (name, *sub)
    for name, command in ((name, load(name)) for name in sorted(COMMANDS))
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

    command = load(path[0])
    for name in path[1:]:
        command = command.commands[name]
    assert command.help
    assert [option.name for option in command.params if not getattr(option, "help", None)] == []
    for option in command.params:
        if not getattr(option, "hidden", False):
            assert any(word in said.out for word in (*option.opts, str(option.name)))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["logs", "--since", "last week"], '--since: "last week" is not a time. Examples: --since 15m'),
        (["logs", "--since", "999999w"], "is not a time"),
        (["logs", "--since", "0001-01-01T00:00+14:00"], "is not a time"),
        (["logs", "--until", "٣h"], "is not a time"),
        (["logs", "--level", "loud"], "Invalid value for '--level': 'loud' is not one of 'debug', 'info', 'warn'"),
        (["logs", "--grep", "("], "--grep: not a regular expression"),
        (["logs", "--limit", "0"], "--limit"),
        (["logs", "--limit", "many"], "Invalid value for '--limit': a whole number is expected"),
        (["issues", "list", "--status", "odd"], "'open', 'resolved', 'all'"),
        (["issues", "list", "--severity", "odd"], "'low', 'medium', 'high', 'critical'"),
        (["issues", "list", "--since", "odd"], "is not a time"),
        (["issues", "list", "--limit", "-1"], "--limit"),
        (["issues", "show", "zz"], "not an id"),
        (["issues", "show", "0192"], "not found"),
        (["digest", "--date", "2026-02-31"], "is not a day such as 2026-11-20"),
        (["digest", "--date", "today"], "is not a day"),
        (["digest"], "there is no digest yet. One is written every morning; to write one now: dagster asset"),
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


READS = (
    ["issues", "list", "--json"], ["issues", "mutes"], ["logs"], ["nodes"], ["digest"], ["rejected", "list"],
    ["deployed", "--list"], ["compare", "--from", "2h"], ["origin"], ["patterns", "labels"], ["genai", "preview"],
    ["rules", "backtest"],
)  # fmt: skip


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_without_a_home_a_read_is_refused_and_creates_nothing(
    arguments: list[str], fleexmon: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    said = fleexmon(*arguments)

    assert (said.status, said.out) == (3, "")
    assert f"there is no fleexmon home in {tmp_path / 'home'}" in said.err
    assert "set FLEEXMON_HOME" in said.err
    assert not (tmp_path / "home").exists()


def test_in_the_wrong_directory_the_homes_that_are_known_are_named(
    fleexmon: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above, dagster, earlier, gone = (tmp_path / name for name in (".fleexmon", "of dagster", "earlier", "gone"))
    for home in (above, dagster, earlier):
        (home / "postgres").mkdir(parents=True)
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for variable in ("DATABASE_URL", "FLEEXMON_HOME"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DAGSTER_HOME", str(dagster / "dagster"))
    for home in (earlier, gone, above):
        remember(home)

    said = fleexmon("issues", "list")

    assert said.status == 3
    assert f"there is no fleexmon home in {tmp_path / 'inner' / '.fleexmon'}. " in said.err
    assert f"Known homes: {above}, {dagster}, {earlier}. Set FLEEXMON_HOME to one of them" in said.err
    assert not (tmp_path / "inner" / ".fleexmon").exists()


def test_the_list_of_homes_is_short_and_a_place_that_cannot_be_written_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for number in [*range(30), 15]:
        remember(tmp_path / f"home {number}")
    listed = (tmp_path / "fleexmon" / "homes").read_text().splitlines()
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    remember(tmp_path)

    assert len(listed) == 20
    assert listed[-2:] == [f"{tmp_path}/home 29", f"{tmp_path}/home 15"]


def test_a_command_starts_the_server_of_its_home_and_stops_it(tmp_path: Path) -> None:
    place = {"FLEEXMON_HOME": str(tmp_path / "some home")}
    server = EmbeddedServer(tmp_path / "some home")
    server.acquire()
    server.release()

    said = execute("issues", "list", "--json", environment=place)

    assert (said.status, json.loads(said.out), said.err) == (0, [], "")
    assert not server.is_running()
    with subprocess.Popen([FLEEXMON, "logs", "--follow"], env=os.environ | place) as follower:
        deadline = time.monotonic() + 20
        while not server.is_running() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.is_running()
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(20) == 128 + signal.SIGTERM
    assert not server.is_running()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_introduced_in_the_list_as_in_its_own_help(name: str) -> None:
    command = load(name)

    assert command.help.startswith(COMMANDS[name].removesuffix("."))
    assert not {option.name for option in command.params} & {"install_completion", "show_completion"}


def imported_by(code: str, **variables: str) -> set[str]:
    """Which of the two packages that take a second or two to import a process has loaded in the end."""
    ending = '\nimport sys\nprint("\\n" + " ".join({"dagster", "pandas"} & set(sys.modules)))'
    done = subprocess.run(
        [sys.executable, "-c", code + ending], env={**os.environ, **variables}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("\n\n")[2].split())


RUN = """
from fleexmon_pipeline.cli import app
try:
    app({arguments!r})
except SystemExit:
    pass
"""


@pytest.mark.parametrize("arguments", [["--help"], ["patterns", "--help"], ["--version"]], ids=" ".join)
def test_the_way_to_help_and_patterns_does_not_import_dagster(arguments: list[str]) -> None:
    assert imported_by(RUN.format(arguments=arguments)) == set()


@pytest.mark.parametrize("name", ["nodes", "doctor"])
def test_looking_at_nodes_does_not_import_dagster(name: str, database: Database) -> None:
    code = RUN.format(arguments=[name, "--json"])
    assert imported_by(code, DATABASE_URL=database.url, BLUE_HOST="127.0.0.1:9") == set()


def test_loading_any_command_does_not_import_dagster() -> None:
    code = "from fleexmon_pipeline.cli import COMMANDS, load\nfor name in COMMANDS: load(name)"
    assert "dagster" not in imported_by(code)


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

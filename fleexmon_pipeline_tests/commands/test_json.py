"""`--json` is on every command that reports something, and prints one JSON document on stdout and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleexmon_pipeline.cli import COMMANDS, load
from fleexmon_pipeline_tests.commands.conftest import Call
from fleexmon_pipeline_tests.conftest import Database

WITHOUT = {
    "up",
    "web",
    "worker",
    "demo-nodes",
    "completion",
    "help",
    "database",
    "password",
}  # servers, and what is a text
ONE_A_LINE = {("logs",), ("read",), ("patterns", "of")}


def commands() -> list[tuple[str, ...]]:
    return [
        (name, *([sub] if sub else []))
        for name in COMMANDS
        if name not in WITHOUT
        for sub in (load(name).commands if hasattr(load(name), "commands") else ("",))
    ]


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_has_it(path: tuple[str, ...]) -> None:
    command = load(path[0])
    command = command.commands[path[1]] if len(path) > 1 else command

    assert "--json" in {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"], ["open"], ["doctor"], ["nodes"], ["origin"], ["deployed", "--list"], ["incidents", "list"],
        ["issues", "list"], ["issues", "mutes"], ["channels", "list"], ["rules", "list"], ["rules", "test"],
        ["shadow", "list"], ["shadow", "show", "x"], ["rejected", "list"], ["rejected", "retry"], ["patterns", "list"],
        ["patterns", "labels"], ["genai", "prompt"], ["genai", "eval", "--dry-run"], ["redact", "some lines"],
        ["read", "records", "--summary"], ["issues", "mute", "--rule", "new-error", "--why", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_it_prints_one_document(
    arguments: list[str], fleexmon: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some lines").write_text("password=hunter2\n")
    (tmp_path / "records").write_text('[{"ts": "2026-11-20T10:05:00Z", "lvl": "ERROR", "msg": "card declined"}]')

    said = fleexmon(*arguments, "--json")

    assert said.status in (0, 1, 3), said.err
    assert len(said.out.splitlines()) == 1
    assert json.loads(said.out) is not None


def test_a_digest_written_to_a_file_leaves_stdout_to_the_document(
    database: Database, fleexmon: Call, tmp_path: Path
) -> None:
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogDigest" (day, figures, markdown, html, "generatedAt") '
            "VALUES ('2026-11-20', '{\"lines\": 3}', 'text', '<p>page</p>', now())"
        )

    said = fleexmon("digest", "--json", "--html", str(tmp_path / "page.html"))

    assert json.loads(said.out) == {"lines": 3}
    assert "wrote the digest" in said.err
    assert (tmp_path / "page.html").read_text() == "<p>page</p>"

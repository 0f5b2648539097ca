"""Secrets from files: as if they were in the variable; an unusable file is an error and never shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.doctor.command import examine
from fleexmon_pipeline.database.server import configured_url
from fleexmon_pipeline.settings.credentials import credentials
from fleexmon_pipeline_tests.refusals import refusal
from fleexmon_pipeline_tests.stories import TEN

URL = "postgresql://ann:hunter2@db.example.com/fleexmon"
TOKEN = "hunter2-hunter2-hunter2"
HOOK = "https://hc-ping.com/hunter2"
AGENT = {"GENAI_AGENT_URL": "https://agent.example.com"}
READ: dict[str, tuple[Callable[[dict[str, str]], object], dict[str, str], str]] = {
    "DATABASE_URL": (configured_url, {}, URL),
    "GH_TOKEN": (settings.github, {"ALERTS_REPO": "acme/alerts"}, TOKEN),
    "GENAI_API_KEY": (settings.genai, AGENT, TOKEN),
    "FLEEXMON_MCP_TOKEN": (settings.mcp_token, {}, TOKEN),
    "FLEEXMON_HEARTBEAT_URL": (settings.heartbeat_url, {}, HOOK),
    "FLEEXMON_CHANNELS": (settings.channels, {}, "ops=slack://hunter2/#alerts"),
    "FLEEXMON_CHANNEL_OPS_SECRET": (settings.channels, {"FLEEXMON_CHANNELS": "ops=slack://x/#alerts"}, TOKEN),
    "BLUE_TOKEN": (lambda environment: credentials(environment, "blue", "https://b"), {}, TOKEN),
    "BLUE_PASSWORD": (lambda environment: credentials(environment, "blue", "https://b"), {"BLUE_USER": "ann"}, TOKEN),
}


@pytest.mark.parametrize("variable", READ)
def test_a_secret_in_a_file_is_what_it_is_in_the_variable(variable: str, tmp_path: Path) -> None:
    read, others, value = READ[variable]
    (tmp_path / "secret").write_text(f"  {value}\n\n")

    from_file = read({**others, f"{variable}_FILE": str(tmp_path / "secret")})

    assert from_file
    assert from_file == read({**others, variable: value})


@pytest.mark.parametrize("variable", READ)
def test_a_file_that_cannot_be_used_is_refused_by_its_variable(variable: str, tmp_path: Path) -> None:
    read, others, value = READ[variable]
    empty, binary, large = (tmp_path / name for name in ("empty", "binary", "large"))
    empty.write_text(" \n")
    binary.write_bytes(b"hunter2\xff")
    large.write_text("hunter2" * 20_000)

    for path, reason in (
        (str(tmp_path / "none"), "No such file"), (str(tmp_path), "directory"), (str(empty), "is empty"),
        (str(binary), "is not UTF-8"), (str(large), "is larger than"), ("\0", "not a path"),
    ):  # fmt: skip
        told = refusal(read, **others, **{f"{variable}_FILE": path})
        assert told.variable == f"{variable}_FILE"
        assert reason in str(told)
        assert "hunter2" not in str(told)
    (tmp_path / "secret").write_text(value)
    both = refusal(read, **others, **{variable: value, f"{variable}_FILE": str(tmp_path / "secret")})
    assert f"and so is {variable}" in str(both)
    assert "hunter2" not in str(both)


def test_a_file_of_channels_may_refer_to_a_secret_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "slack").write_text("xoxb-hunter2\n")
    (tmp_path / "channels.yaml").write_text("channels: [{name: ops, url: 'slack://${SLACK_TOKEN}/#alerts'}]")

    found = settings.channels(
        {"FLEEXMON_CHANNELS": str(tmp_path / "channels.yaml"), "SLACK_TOKEN_FILE": str(tmp_path / "slack")}
    )

    assert found[0].url == "slack://xoxb-hunter2/#alerts"


def test_a_secret_that_is_replaced_is_used_at_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    environment = {"FLEEXMON_MCP_TOKEN_FILE": str(file)}
    file.write_text(TOKEN)
    first = settings.mcp_token(environment)
    file.write_text(TOKEN[::-1])

    assert (first, settings.mcp_token(environment)) == (TOKEN, TOKEN[::-1])


def test_doctor_names_a_file_that_is_missing(tmp_path: Path) -> None:
    environment = {"FLEEXMON_HOME": str(tmp_path), "FLEEXMON_MCP_TOKEN_FILE": str(tmp_path / "none")}

    wrong = {finding.subject: finding.told for finding in examine(environment, now=TEN) if finding.state == "wrong"}

    assert "cannot be read" in wrong["FLEEXMON_MCP_TOKEN_FILE"]

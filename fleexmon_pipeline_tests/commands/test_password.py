"""`fleexmon password`: its line is valid in FLEEXMON_LOGIN's file, and `doctor` checks the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleexmon_pipeline.settings import PasswordFile, password_hashes
from fleexmon_pipeline.web.passwords import is_password
from fleexmon_pipeline_tests.commands.conftest import Call, execute, refused

PASSWORD = "correct horse: bättery"


def test_its_lines_are_a_file_of_users(tmp_path: Path, fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "passwords"
    lines = [fleexmon("password", name, stdin=f"{PASSWORD}\r\n".encode()).out for name in ("alice", "bob")]
    path.write_text("".join(lines), "utf-8")
    path.chmod(0o640)

    hashes = password_hashes(PasswordFile(path))

    assert list(hashes) == ["alice", "bob"]
    assert all(is_password(PASSWORD, hash_) for hash_ in hashes.values())
    assert PASSWORD not in path.read_text("utf-8")
    monkeypatch.setenv("FLEEXMON_LOGIN", str(path))
    assert of_doctor(fleexmon) == ("ok", f"2 users with a password in {path}")
    path.chmod(0o644)
    state, told = of_doctor(fleexmon)
    assert (state, "chmod o=" in told) == ("warn", True)


def of_doctor(fleexmon: Call) -> tuple[str, str]:
    (row,) = (row for row in json.loads(fleexmon("doctor", "--json").out) if row["subject"] == "FLEEXMON_LOGIN")
    return row["state"], row["told"]


def test_a_name_that_is_none_and_a_short_password_are_refused(fleexmon: Call) -> None:
    assert "is not a name" in refused(fleexmon("password", "a:b", stdin=PASSWORD.encode()))
    short = refused(fleexmon("password", "alice", stdin=b"hunter2"))
    assert "the password has 7 characters; at least 12 are needed." in short
    assert "hunter2" not in short


def test_up_does_not_start_with_a_login_that_cannot_be_used(tmp_path: Path) -> None:
    said = execute(
        "up", environment={"FLEEXMON_LOGIN": str(tmp_path / "nowhere"), "FLEEXMON_HOME": str(tmp_path / "home")}
    )

    assert said.status != 0
    assert "FLEEXMON_LOGIN: " in said.err
    assert "cannot be read" in said.err
    assert not (tmp_path / "home" / "postgres").exists()

"""`fleexmon redact`: redacted text, and the places of secrets."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = "started\nlogin password=hunter2 from bob@acme.org\n"


def redact(*arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "fleexmon_pipeline.cli", "redact", *arguments],
        input=stdin, cwd=cwd, capture_output=True, check=False, timeout=60,
    )  # fmt: skip


def test_secrets_are_replaced_and_nothing_else(tmp_path: Path) -> None:
    done = redact("-", stdin=TEXT.encode(), cwd=tmp_path)

    assert (done.returncode, done.stdout.decode()) == (0, "started\nlogin password=<password> from <email>\n")
    assert list(tmp_path.iterdir()) == []  # no home, no database


def test_a_compressed_file_and_places_as_json(tmp_path: Path) -> None:
    (tmp_path / "app.log.gz").write_bytes(gzip.compress(TEXT.encode()))

    done = redact("app.log.gz", "--json", cwd=tmp_path)

    assert json.loads(done.stdout) == {
        "lines": 2, "changed": 1, "kinds": {"email": 1, "password": 1},
        "found": [
            {"line": 2, "column": 16, "length": 7, "kind": "password"},
            {"line": 2, "column": 29, "length": 12, "kind": "email"},
        ],
    }  # fmt: skip
    assert b"hunter2" not in done.stdout


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is not text"),
        (b"x" * 10_500_000, "more than 10,000,000 bytes"),
    ],
    ids=["empty", "image", "too_large"],
)
def test_input_that_is_not_text_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    done = redact("-", stdin=content)

    assert done.returncode == 2
    assert reason in done.stderr.decode()

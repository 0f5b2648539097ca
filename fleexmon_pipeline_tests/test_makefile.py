"""`make` on a fresh clone: twice at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
INTERPRETER = """\
#!/bin/sh
# Says when it begins and ends to install, and takes its time.
case "$*" in *"--version"*) exit 0;; esac
echo begin >> calls
sleep 0.1
echo end >> calls
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")
def test_two_makes_at_once_install_one_after_the_other_and_once(tmp_path: Path) -> None:
    clone = tmp_path / "a fresh clone"
    (clone / "bin").mkdir(parents=True)
    (clone / ".venv").mkdir()
    shutil.copy(PROJECT / "Makefile", clone)
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (clone / name).touch()
    (clone / "bin" / "python").write_text(INTERPRETER)
    (clone / "bin" / "python").chmod(0o755)

    makes = [
        subprocess.Popen(
            ["make", f"PYTHON='{sys.executable}'", "BIN=bin", target], cwd=clone, stdout=subprocess.PIPE, text=True
        )
        for target in (".venv/installed", ".venv/installed-dev", ".venv/installed-dev")
    ]
    said = [make.communicate(timeout=60)[0] for make in makes]

    assert [make.returncode for make in makes] == [0, 0, 0]
    calls = (clone / "calls").read_text().split()
    assert calls == ["begin", "end"] * 4  # the packages, the product, its bytecode, the tools: each once
    assert "another make is installing" in "".join(said)
    assert "".join(said).count("installing the locked packages") == 1

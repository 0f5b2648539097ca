"""Shells complete commands, options and their values with the script that `fleexmon completion` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fleexmon_pipeline_tests.commands.a_terminal import terminal
from fleexmon_pipeline_tests.commands.conftest import FLEEXMON, Call

ENVIRONMENT = {**os.environ, "PATH": f"{Path(FLEEXMON).parent}{os.pathsep}{os.environ['PATH']}"}
CASES = [
    ("fleexmon iss", {"issues"}),
    ("fleexmon issues li", {"list"}),
    ("fleexmon issues list --so", {"--sort"}),
    ("fleexmon issues list --sort se", {"severity"}),
]
BASH = """
source <(fleexmon completion bash)
COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _fleexmon_completion fleexmon; printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_bash_completes(line: str, offered: set[str]) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", line], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )

    assert set(done.stdout.split()) == offered


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish on this machine")
@pytest.mark.parametrize(("line", "offered"), CASES)
def test_fish_completes(line: str, offered: set[str], tmp_path: Path) -> None:
    script = "fleexmon completion fish | source; complete -C $argv[1]"
    environment = {**ENVIRONMENT, "HOME": str(tmp_path)}
    done = subprocess.run(["fish", "-c", script, line], env=environment, capture_output=True, text=True, check=True)

    assert {found.split("\t")[0] for found in done.stdout.splitlines()} == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh on this machine")
def test_zsh_completes_as_it_is_typed(tmp_path: Path) -> None:
    (tmp_path / ".zshrc").write_text(
        "PS1='> '; autoload -Uz compinit && compinit -u\nsource <(fleexmon completion zsh)\necho is ready\n"
    )
    environment = {**ENVIRONMENT, "ZDOTDIR": str(tmp_path), "HOME": str(tmp_path)}
    with terminal("zsh", "-i", environment=environment, columns=120) as opened:
        opened.read(until="is ready")
        opened.type("fleexmon issues list --sort sev\t")
        assert "--sort severity" in opened.read(until="severity", seconds=60)


def test_another_shell_is_refused(fleexmon: Call) -> None:
    said = fleexmon("completion", "tcsh")

    assert said.status == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in " ".join(said.err.replace("│", " ").split())

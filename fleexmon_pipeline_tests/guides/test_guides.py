"""Every command of the README and the guides is run, in order, in a scratch copy with a running product.

A command that does not exist any more, a flag that was renamed, a path that is wrong: a reader would find it, so this
finds it first. Blocks that cannot be run say why, see `blocks.py`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleexmon_pipeline.window import DAY
from fleexmon_pipeline_tests.guides.blocks import PAGES, PROJECT, Block, blocks
from fleexmon_pipeline_tests.running_product import Product

pytestmark = pytest.mark.long

COMMANDS = ("bash", "console")
MAX_REASON = 120
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".fleexmon", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info")
SECONDS_A_BLOCK = 240


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """`fleexmon up` with its demo, in a copy of the project whose path has a space."""
    place = tmp_path_factory.mktemp("guides") / "a scratch copy"
    shutil.copytree(PROJECT, place, ignore=LEFT_OUT, symlinks=True)
    (place / ".venv").symlink_to(PROJECT / ".venv")
    (place / "app.log").write_text("".join(f"2026-11-20 10:00:{n:02} INFO order {n} paid\n" for n in range(60)))
    product = Product(place / ".fleexmon", PYTHONPATH=str(place))  # the copy's code, not that of this project
    try:
        product.start()
        yield product
    finally:
        product.kill()


def runnable() -> list[Block]:
    """In the order of the pages, files among the commands that need them."""
    every = (block for page in PAGES for block in blocks(page))
    return [block for block in every if block.file or (block.language in COMMANDS and not block.not_run)]


@pytest.mark.parametrize("block", runnable(), ids=str)
def test_the_commands_of_a_block_work(block: Block, product: Product) -> None:
    place = product.home.parent
    if block.file:
        (place / block.file).parent.mkdir(exist_ok=True)
        (place / block.file).write_text(block.text)
        return
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(_as_here(command, place) for command in block.commands())],
        cwd=place,
        env={**product.environment, "PATH": f"{place / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_A_BLOCK, check=False,
    )  # fmt: skip

    assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_a_block_that_is_not_run_says_why() -> None:
    reasons = [block.not_run for page in PAGES for block in blocks(page) if block.not_run]

    assert all(0 < len(reason) <= MAX_REASON for reason in reasons)
    assert len(runnable()) > len(reasons) / 2  # the rule, not the exception


def _as_here(command: str, place: Path) -> str:
    """The pages speak of /opt/fleexmon, of /var/lib/fleexmon and of 2026-11-20; here it is this copy, and yesterday."""
    today = datetime.now(UTC)
    command = command.replace("/opt/fleexmon", str(place)).replace("/var/lib/fleexmon", str(place / ".fleexmon"))
    for day, date in (("2026-11-20", today - DAY), ("2026-11-21", today)):
        command = command.replace(day, f"{date:%Y-%m-%d}")
    return re.sub(r"(?<![\w/])\.venv/bin/", f"{place}/.venv/bin/".replace(" ", r"\ "), command)

"""The first start: run the last 24 hours through the whole chain, so that there is something to see.

Here: which windows, in which order, and the progress bars. It runs `dagster asset materialize` in child processes and
reads their logs, so you can do the same by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fleexmon_pipeline.commands.up.processes import end_with_parent
from fleexmon_pipeline.window import HOUR, Window, floor

HOURS = 24
CHAIN = ("raw_logs", "analyzed_logs", "detected_issues", "predictions")
_DONE = re.compile(r" - (\w+) - (\d{4}-\d\d-\d\d \d\d:\d\d)-")  # the log line of an asset about one hour


def first_look(console: Console, home: Path, *, now: datetime | None = None) -> bool:
    """Collect, analyze and evaluate the last 24 hours, then write digests. On failure, prints the path of the log and
    returns False."""
    now = now or datetime.now(UTC)
    first, last = floor(now, HOUR) - HOURS * HOUR, floor(now, HOUR)
    log = home / "logs" / "first-look.log"
    days = list(Window(first, now).days())
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        hourly = {name: progress.add_task(f"last 24 h: {name}", total=HOURS + 1) for name in CHAIN}
        chain = ["--select", ",".join(CHAIN), "--partition-range", f"{first:%Y-%m-%d-%H:00}...{last:%Y-%m-%d-%H:00}"]
        succeeded = _materialize(chain, log, lambda name: progress.advance(hourly[name]) if name in hourly else None)
        rest = progress.add_task("digest, alerts, retention", total=3)
        span = f"{days[0].since:%Y-%m-%d}...{days[-1].since:%Y-%m-%d}"
        for selection in (["digests", "--partition-range", span], ["issue_alerts"],
                          ["data_retention", "--partition", f"{now:%Y-%m-%d}"]):  # fmt: skip
            succeeded = succeeded and _materialize(["--select", *selection], log, lambda _: None)
            progress.advance(rest)
    if not succeeded:
        console.print(
            f"[yellow]the last 24 hours could not be processed completely; the schedules continue from here. "
            f"The reason is in {log}[/]"
        )
    return succeeded


def _materialize(options: Sequence[str], log: Path, hour_done: Callable[[str], None]) -> bool:
    command = [
        str(Path(sys.executable).parent / "dagster"),
        "asset",
        "materialize",
        "-m",
        "fleexmon_pipeline.definitions",
    ]
    with (
        log.open("a") as file,
        subprocess.Popen(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509  as in processes.py
        ) as process,
    ):
        done: set[tuple[str, str]] = set()
        try:
            for line in process.stdout or ():
                file.write(line)
                match = _DONE.search(line) if " - INFO - " in line else None
                if match and (match[1], match[2]) not in done:
                    done.add((match[1], match[2]))
                    hour_done(match[1])
            return process.wait() == 0
        finally:
            process.terminate()  # the signal that ended `up` may not have reached it

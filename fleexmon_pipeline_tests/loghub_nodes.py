"""Two nodes that serve real log lines (Loghub) as if they were written now: for trying the product on real input.

Here: reading a data set's CSV and moving its lines in time. The node API itself: `fleexmon_pipeline.demo.server`.

    python -m fleexmon_pipeline_tests.loghub_nodes --blue OpenSSH --green Spark --port-base 4301 --spread-hours 24

The 2,000 lines of a set are spread evenly, in order, over the hours before now (from a whole hour on, so that a restart
within the hour gives the same lines at the same times), and then begin again, so that new lines keep coming.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from fleexmon_pipeline.demo.page import Record
from fleexmon_pipeline.demo.server import RunningNode, run_until_stopped, serve, stop, utc_now
from fleexmon_pipeline.window import HOUR, floor
from fleexmon_pipeline_tests.node_server import stamp

# For sets without a level: a word in the line stands for it. The first that matches counts. "failure" is no error: PAM
# says "authentication failure" of every stranger at the door, at level notice.
_LEVEL_WORDS = (
    ("error", re.compile(r"\b(error|exception|fatal|panic)\b", re.IGNORECASE)),
    ("warn", re.compile(r"\b(failed|failure|invalid|denied|refused|timeout|timed out|unavailable)\b", re.IGNORECASE)),
)


class NoDataError(Exception):
    """A data set that is not there."""


def data_directory() -> Path:
    """`shared/data/loghub`, in the first directory above this file that has one."""
    for directory in Path(__file__).resolve().parents:
        found = directory / "shared" / "data" / "loghub"
        if found.is_dir():
            return found
    raise NoDataError(f"no shared/data/loghub in any directory above {Path(__file__).resolve()}")


def read(name: str, directory: Path) -> list[Record]:
    """The set's lines as records without a timestamp; the level is the set's own word where it has levels."""
    path = directory / name / f"{name}_2k.log_structured.csv"
    if not path.is_file():
        there = ", ".join(sorted(entry.name for entry in directory.iterdir() if entry.is_dir()))
        raise NoDataError(f"{path} is missing; there are {there}")
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {
                "level": row.get("Level") or level_of(row["Content"]),
                "message": row["Content"],
                "metadata": {"dataset": name, "lineId": int(row["LineId"]), "component": row.get("Component")},
            }
            for row in csv.DictReader(file)
        ]


def level_of(message: str) -> str:
    return next((level for level, words in _LEVEL_WORDS if words.search(message)), "info")


def spread(
    rows: Sequence[Record], begin: datetime, length: timedelta, since: datetime, until: datetime
) -> Iterator[list[Record]]:
    """Rows with since <= time < until, where all of them fill `length` from `begin` on, and then again and again.

    Whole milliseconds, as the nodes tell them; a line is at the first one that is not before its place.
    """
    millisecond = timedelta(milliseconds=1)
    whole, count = length // millisecond, len(rows)

    def first_from(moment: datetime) -> int:
        """Ordinal of the first line at or after `moment`, counted on through all repetitions."""
        passed = -((begin - moment) // millisecond)  # rounded up
        return max(0, (passed - 1) * count // whole + 1)

    for n in range(first_from(since), first_from(until)):
        place = -(-n * whole // count)  # rounded up
        yield [{"timestamp": stamp(begin + place * millisecond), **rows[n % count]}]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="loghub_nodes", description="Serve Loghub lines over the node API.")
    parser.add_argument("--blue", default="OpenSSH", metavar="SET")
    parser.add_argument("--green", default="Spark", metavar="SET")
    parser.add_argument("--port-base", type=int, default=0, help="blue's port, green's is the next; 0: any free ones")
    parser.add_argument("--spread-hours", type=float, default=24.0)
    parser.add_argument("--repeat", type=int, default=1, help="how often the set is repeated within the spread")
    options = parser.parse_args(arguments)
    if options.repeat < 1 or not 0.01 <= options.spread_hours <= 10_000:
        parser.error("--repeat is at least 1, --spread-hours between 0.01 and 10000")
    length = timedelta(hours=options.spread_hours)
    begin = floor(utc_now() - length, HOUR)

    def start() -> list[RunningNode]:
        directory = data_directory()
        started: list[RunningNode] = []
        try:
            for offset, (name, data_set) in enumerate((("blue", options.blue), ("green", options.green))):
                source = partial(spread, read(data_set, directory), begin, length / options.repeat)
                started.append(serve(name, source, port=options.port_base and options.port_base + offset))
        except BaseException:
            stop(started)
            raise
        return started

    try:
        run_until_stopped(start, lambda name, port: print(f"{name} 127.0.0.1:{port}", flush=True))
    except (NoDataError, OSError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()

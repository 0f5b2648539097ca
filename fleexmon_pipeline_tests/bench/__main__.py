"""Run the measurements one after the other, print a table for each, write all of them as one JSON document."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from fleexmon_pipeline_tests.bench import backfill, collection, counts, growth, patterns, tick
from fleexmon_pipeline_tests.bench.table import Table

NAMES = ("collection", "growth", "patterns", "counts", "tick", "backfill")
SIZES, QUICK = (20_000, 200_000, 2_000_000), (20_000,)
TABLES, SMALL_TABLES = (100_000, 10_000_000), (10_000, 200_000)


def main() -> None:
    options = _options()
    rounds = 2 if options.quick else 5
    sizes = QUICK if options.quick else SIZES
    measurements: dict[str, Callable[[], Table]] = {
        "collection": lambda: collection.measure(sizes, rounds),
        "growth": lambda: growth.measure(SMALL_TABLES if options.quick else TABLES, rounds),
        "patterns": lambda: patterns.measure(100_000 if options.quick else 1_000_000),
        "counts": lambda: counts.measure(QUICK[0] if options.quick else SIZES[1], rounds),
        "tick": lambda: tick.measure(rounds),
        "backfill": lambda: backfill.measure(6 if options.quick else 24),
    }
    tables = {}
    for name in options.only or NAMES:
        begun = time.perf_counter()
        tables[name] = measurements[name]()
        print(f"{tables[name]}\n  measured in {time.perf_counter() - begun:.0f} s\n", flush=True)
    if options.json:
        document = {"machine": _machine(), "tables": {name: asdict(table) for name, table in tables.items()}}
        options.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fleexmon_pipeline_tests.bench", description="What the product costs.")
    parser.add_argument("--only", action="append", choices=NAMES, help="this measurement; may be given again")
    parser.add_argument("--quick", action="store_true", help="small sizes, two rounds: does it still run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args()


def _machine() -> dict[str, str | int | None]:
    """What figures must share to be compared."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip() or None,
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()

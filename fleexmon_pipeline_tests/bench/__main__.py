"""Run the measurements one after the other, print a table for each, write all of them as one JSON document."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from fleexmon_pipeline_tests.bench import (
    backfill,
    cold_texts,
    collection,
    companions,
    comparison,
    counts,
    detection,
    durations,
    forecast_accuracy,
    forecasts,
    gateway_incidents,
    grouping,
    growth,
    incidents,
    judges,
    leaks,
    leaks_in_texts,
    lives,
    many_nodes,
    nab,
    origin,
    pages,
    patterns,
    quiet_series,
    replay,
    replay_stored,
    retention,
    score_series,
    series,
    statements,
    stored_sizes,
    tick,
)
from fleexmon_pipeline_tests.bench.replays import Setting, script
from fleexmon_pipeline_tests.bench.table import Table

NAMES = (
    "collection",
    "growth",
    "nodes",
    "patterns",
    "counts",
    "detection",
    "tick",
    "backfill",
    "compare",
    "origin",
    "replay",
    "replay-stored",
    "replay-forecasts",
    "forecast-accuracy",
    "life",
    "life-stored",
    "plant",
    "services",
    "incidents",
    "gateway",
    "durations",
    "companions",
    "series",
    "series-rates",
    "nab",
    "pages",
    "cold-texts",
    "sizes",
    "retention",
    "trace-index",
    "judges",
)
SIZES, QUICK = (20_000, 200_000, 2_000_000), (20_000,)
TABLES, SMALL_TABLES = (100_000, 10_000_000), (10_000, 200_000)


def main() -> None:
    if sys.argv[1:2] == ["score-series"]:
        sys.exit(score_series.main(sys.argv[2:]))
    if sys.argv[1:2] == ["grouping"]:
        sys.exit(grouping.main(sys.argv[2:]))
    if sys.argv[1:2] == ["statements"]:
        sys.exit(statements.main(sys.argv[2:]))
    if sys.argv[1:2] == ["leaks"]:
        sys.exit(leaks.main(sys.argv[2:]))
    if sys.argv[1:2] == ["leaks-in-texts"]:
        sys.exit(leaks_in_texts.main(sys.argv[2:]))
    options = _options()
    rounds = 2 if options.quick else 5
    sizes = QUICK if options.quick else SIZES
    measurements: dict[str, Callable[[], Table]] = {
        "collection": lambda: collection.measure(sizes, rounds),
        "growth": lambda: growth.measure(SMALL_TABLES if options.quick else TABLES, rounds),
        "nodes": lambda: many_nodes.measure(100 if options.quick else 1_000, (2,) if options.quick else (2, 20)),
        "patterns": lambda: patterns.measure(100_000 if options.quick else 1_000_000),
        "counts": lambda: counts.measure(QUICK[0] if options.quick else SIZES[1], rounds),
        "detection": lambda: (
            detection.measure((20_000, 100_000), 50_000, 50_000, 2)
            if options.quick
            else detection.measure((100_000, 5_000_000), 1_000_000, 1_000_000, rounds)
        ),
        "tick": lambda: tick.measure(rounds),
        "backfill": lambda: backfill.measure(6 if options.quick else 24),
        "compare": lambda: comparison.measure(_seeds(options, quick=1, usual=2), shops=1 if options.quick else 6),
        "origin": lambda: origin.measure(_seeds(options, quick=1, usual=2)),
        "replay": lambda: replay.measure(_seeds(options, quick=1, usual=4), _settings(options)),
        "replay-stored": lambda: replay_stored.measure(_seeds(options, quick=1, usual=1), _settings(options)[0]),
        "replay-forecasts": lambda: forecasts.measure(_seeds(options, quick=1, usual=2), _settings(options)),
        "forecast-accuracy": lambda: forecast_accuracy.measure(_seeds(options, quick=1, usual=2)),
        "life": lambda: lives.measure(_seeds(options, quick=1, usual=4)),
        "plant": lambda: lives.measure(_seeds(options, quick=1, usual=3), lives.PLANT),
        "services": lambda: lives.measure(_seeds(options, quick=1, usual=1), lives.services(options.data)),
        "incidents": lambda: incidents.measure(_seeds(options, quick=1, usual=3)),
        "gateway": lambda: gateway_incidents.measure(_seeds(options, quick=1, usual=3)),
        "life-stored": lambda: replay_stored.measure_life(_seeds(options, quick=1, usual=1), lives.LIVES),
        "durations": lambda: durations.measure(_seeds(options, quick=1, usual=4)),
        "companions": lambda: companions.measure(_seeds(options, quick=1, usual=4)),
        "series": lambda: series.measure(_seeds(options, quick=1, usual=12)),
        "series-rates": lambda: quiet_series.measure(_seeds(options, quick=1, usual=4)),
        "nab": nab.measure,
        "cold-texts": lambda: cold_texts.measure(*((2, 20_000, 2) if options.quick else (5, 2_000_000, 3))),
        "pages": lambda: pages.measure(100_000 if options.quick else 5_000_000, 5 if options.quick else 20),
        "sizes": lambda: stored_sizes.measure(
            SMALL_TABLES if options.quick else tuple(sorted(options.lines or (100_000, 5_000_000))),
            rounds,
            same_hour=options.same_hour,
        ),
        "retention": lambda: retention.measure(
            (20_000,) if options.quick else tuple(options.lines or (1_000_000, 10_000_000))
        ),
        "judges": lambda: judges.measure(_seeds(options, quick=1, usual=3)),
        "trace-index": lambda: pages.measure_trace_index(20_000 if options.quick else 500_000, rounds),
    }
    # The judges are other measurements over again, so they run where they are asked for.
    names = [name for name in options.only or NAMES[:-1] if _is_here(name) and (name != "services" or options.data)]
    tables = {}
    for name in names:
        begun = time.perf_counter()
        tables[name] = measurements[name]()
        print(f"{tables[name]}\n  measured in {time.perf_counter() - begun:.0f} s\n", flush=True)
    if options.json:
        document = {"machine": _machine(), "tables": {name: asdict(table) for name, table in tables.items()}}
        options.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def _is_here(name: str) -> bool:
    """Whether the outside material of this measurement is on this machine."""
    if name.startswith("life"):
        return script("life") is not None
    if name == "incidents":
        return script("life") is not None and script() is not None
    if name.startswith("replay"):
        return script() is not None
    return name != "nab" or nab.folder() is not None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fleexmon_pipeline_tests.bench", description="What the product costs.")
    parser.add_argument("--only", action="append", choices=NAMES, help="this measurement; may be given again")
    parser.add_argument("--quick", action="store_true", help="small sizes, two rounds: does it still run?")
    parser.add_argument(
        "--lines",
        type=int,
        action="append",
        metavar="N",
        help="sizes, retention: a month, or a day, of N lines; may be given again",
    )
    parser.add_argument(
        "--same-hour", action="store_true", help="sizes: the same last hours in each month, and the same ten nodes"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--seeds", metavar="N-M", help="replays: of these seeds; 1-10 were looked at, report on others")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="services: the folder of Nezha's rca_data and construct_data"
    )
    parser.add_argument("--mode", choices=("hard", "quiet", "coupled"), help="replays: with incidents, without, harder")
    parser.add_argument("--replay-options", default="", metavar="TEXT", help='replays: for the script, "--scale 0.3"')
    parser.add_argument("--params", type=json.loads, default={}, metavar="JSON", help="replays: fields of its Params")
    options = parser.parse_args()
    if "services" in (options.only or []) and options.data is None:
        parser.error("services needs --data: the folder with rca_data and construct_data of Nezha's repository")
    return options


def _seeds(options: argparse.Namespace, *, quick: int, usual: int) -> range:
    if options.seeds:
        first, _, last = options.seeds.partition("-")
        return range(int(first), int(last or first) + 1)
    return range(1000, 1000 + (quick if options.quick else usual))


def _settings(options: argparse.Namespace) -> list[Setting]:
    """Those asked for; what is changed by hand has no name of its own."""
    usual = [replay.HARD, replay.QUIET, replay.COUPLED]
    found = [each for each in usual if options.mode in (None, each.name)]
    if not options.replay_options and not options.params:
        return found
    more, params = tuple(options.replay_options.split()), tuple(sorted(options.params.items()))
    return [Setting(f"{each.name}, changed", each.options + more, each.params + params) for each in found]


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

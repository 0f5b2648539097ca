"""Soak the collection, print what became of every line, and end with 1 where one is lost or double; or watch sizes.

`week`: seven days of all jobs, and what is stored at the end of each.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from fleexmon_pipeline.window import HOUR, Window
from fleexmon_pipeline_tests.soak.compare import table
from fleexmon_pipeline_tests.soak.faults import ANSWERS, draw
from fleexmon_pipeline_tests.soak.live import live
from fleexmon_pipeline_tests.soak.log import Log
from fleexmon_pipeline_tests.soak.simulate import Outcome, simulate
from fleexmon_pipeline_tests.soak.week import main as week

SINCE = datetime(2026, 3, 3, tzinfo=UTC)


def main() -> None:
    options = _options()
    if options.what == "week":
        week(options.days)
        return
    names = [("blue", "green", *(f"node-{n}" for n in range(3, 100)))[n] for n in range(options.nodes)]
    seed = options.seed if options.seed is not None else int(time.time())
    a_minute = max(1, round(options.rate * 60 / options.nodes))
    if options.what == "simulate":
        plan = draw(seed, Window(SINCE, SINCE + options.hours * HOUR), names)
        print(plan, flush=True)
        logs = [Log(name, seed, a_minute, plan.window, plan.skews.get(name, ()), options.every) for name in names]
        outcome = simulate(plan, logs, told=_tell)
    else:
        outcome = live(seed, timedelta(minutes=options.minutes), names, a_minute, options.every, told=_tell)
    _report(outcome)
    sys.exit(not outcome.is_sound)


def _tell(text: str) -> None:
    print(f"  {text}", flush=True)


def _report(outcome: Outcome) -> None:
    print(f"\n{table(outcome.found, outcome.window)}\n")
    faults = Counter({kind: count for kind, count in outcome.events.items() if kind in ANSWERS})
    print(f"faulty answers survived: {_listed(faults)}")
    print(f"the rest: {_listed(outcome.events - faults)}")
    stored = sum(found.stored for found in outcome.found)
    spent = outcome.seconds - outcome.of_them_comparing
    print(f"{outcome.seconds:,.0f} s ({outcome.of_them_comparing:,.0f} comparing), {stored / spent:,.0f} lines/s")
    for found in outcome.found:
        for line in (*found.unsound[:10], *found.examples[:10]):
            print(f"  {found.node}: {line}")
    for line in outcome.unfinished[:20]:
        print(f"  still asked for: {line}")
    print("0 lost, 0 double" if outcome.is_sound else "NOT SOUND")


def _listed(events: Counter[str]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(events.items()) if count)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fleexmon_pipeline_tests.soak", description=__doc__)
    parser.add_argument("what", choices=("simulate", "live", "week"))
    parser.add_argument("--days", type=int, default=7, help="of a week (default 7)")
    parser.add_argument("--hours", type=int, default=24, help="simulated (default 24)")
    parser.add_argument("--minutes", type=int, default=30, help="of real time, for live (default 30)")
    parser.add_argument("--rate", type=float, default=100, help="lines/s of all nodes together (default 100)")
    parser.add_argument("--nodes", type=int, default=2, help="two or more (default 2)")
    parser.add_argument("--every", type=int, default=499, help="one line of so many is of each odd kind (default 499)")
    parser.add_argument("--seed", type=int, help="of everything that is drawn; default: another each time")
    options = parser.parse_args()
    if not 2 <= options.nodes < 100 or options.hours < 2 or options.minutes < 6 or options.every < 7:
        parser.error("two nodes to 99, two hours, six minutes, and one of seven lines at least")
    return options


if __name__ == "__main__":
    main()

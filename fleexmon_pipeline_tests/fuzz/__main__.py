"""Fuzz for a bounded time: other inputs in each run, or those of a seed. Ends with 1 where one breaks something."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, given, seed, settings

from fleexmon_pipeline_tests.fuzz.targets import TARGETS, Target

ROUND = 200  # inputs between two looks at the clock


def fuzz(target: Target, *, seconds: float, first_seed: int) -> int:
    """How many inputs were tried. Raises what the first, shrunk one that breaks it raises."""
    tried, number, end = 0, first_seed, time.monotonic() + seconds

    def count(given_input: object) -> None:
        nonlocal tried
        tried += 1
        target.check(given_input)

    while time.monotonic() < end:
        bounded = settings(
            max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink], derandomize=False,
        )  # fmt: skip
        seed(number)(bounded(given(target.inputs)(count)))()
        number += 1
    return tried


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each target (default: %(default)s)")
    parser.add_argument("--only", choices=list(TARGETS), action="append", help="this target; may be repeated")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9, help="of the first round")
    options = parser.parse_args()
    broken = 0
    for name in options.only or TARGETS:
        try:
            tried = fuzz(TARGETS[name], seconds=options.seconds, first_seed=options.seed)
            print(f"{name}: {tried:,} inputs, nothing found (seed {options.seed})", flush=True)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            broken += 1
            print(f"{name}: broken (seed {options.seed})", flush=True)
            traceback.print_exception(error, limit=-3)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

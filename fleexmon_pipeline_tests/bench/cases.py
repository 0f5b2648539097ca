"""Makes the published cases of `fleexmon genai eval`, through the whole pipeline.

`python -m fleexmon_pipeline_tests.bench.cases SEED… > fleexmon_pipeline/genai/evaluation/cases.yaml`: of each seed a
day of the demo (`demo_cases.py`), and of the last one a replay (`replay_cases.py`). Here: which of them are published.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline_tests.bench import demo_cases, replay_cases
from fleexmon_pipeline_tests.bench.place import empty, place

HEAD = """\
# Made by fleexmon_pipeline_tests/bench/cases.py from the demo's shop and from replays with messages that their script
# brings along; redacted as everything that is sent.
"""


def make(seeds: Sequence[int]) -> list[dict[str, Any]]:
    made = []
    with place() as url:
        for seed in seeds:
            empty(url)
            with connect(url) as connection:
                made += list(demo_cases.run(url, connection, seed))
        empty(url)
        with connect(url) as connection:
            made += list(replay_cases.run(url, connection, seeds[-1]))
    return list(_chosen(made))


def _chosen(made: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All in which a bystander could be blamed, one of each kind without; of a fault that is told twice, the first."""
    names, kinds = set[str](), set[str]()
    for case in made:
        kind = case["name"].partition(" ")[0]
        if case["name"] not in names and (case["truth"]["bystanders"] or kind not in kinds):
            yield case
        names.add(case["name"])
        if not case["truth"]["bystanders"]:
            kinds.add(kind)


if __name__ == "__main__":
    sys.stdout.write(HEAD)
    yaml.safe_dump(
        make([int(seed) for seed in sys.argv[1:]]), sys.stdout, sort_keys=False, width=1_000, allow_unicode=True
    )

"""Lines a second of the pattern miner: from nothing, everything known, in batches, and at its worst.

One thread, a seeded corpus, so that runs compare with each other; what other miners do on the same lines is not here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from fleexmon_pipeline.analysis.patterns import PatternMiner

LINES = 200_000
BATCH = 1_000
KINDS = 300  # different statements in the code of the imagined services

_WORDS = """order payment cart session user request reply cache queue worker node pool index query upstream gateway
token stock mail invoice started stopped failed accepted refused expired opened closed for of from to with in after
while retry timeout limit exceeded missing found created removed updated slow healthy""".split()  # noqa: SIM905


@dataclass(frozen=True)
class Rate:
    what: str
    lines: int
    seconds: float

    def __str__(self) -> str:
        rate = self.lines / self.seconds
        return f"{self.what:<28} {rate:>12,.0f} lines/s   ({self.lines:,} lines, {self.seconds:.2f} s)"


def corpus(lines: int, *, seed: int = 1) -> list[str]:
    rnd = random.Random(seed)
    values: list[Callable[[], str]] = [
        lambda: str(rnd.randrange(100_000)),
        lambda: f"10.0.{rnd.randrange(256)}.{rnd.randrange(256)}:{rnd.randrange(65536)}",
        lambda: f"/var/lib/shop/{rnd.randrange(1000)}.json",
        lambda: f"{rnd.randrange(5000)} ms",
    ]
    kinds = []
    for _ in range(KINDS):
        words = rnd.choices(_WORDS, k=rnd.randint(4, 12))
        places = {rnd.randrange(len(words)): rnd.choice(values) for _ in range(rnd.randint(0, 3))}
        kinds.append((words, places))
    found = []
    for words, places in rnd.choices(kinds, weights=[1 / (rank + 1) for rank in range(KINDS)], k=lines):
        found.append(" ".join(places[i]() if i in places else word for i, word in enumerate(words)))
    return found


def measure() -> list[Rate]:
    messages = corpus(LINES)
    rnd = random.Random(2)
    unlike = [f"{message} trace {rnd.getrandbits(64):016x}" for message in messages[: LINES // 4]]
    cold, batched, none_known = PatternMiner(), PatternMiner(), PatternMiner()
    batches = [messages[start : start + BATCH] for start in range(0, LINES, BATCH)]
    return [
        _timed("patterns, cold", LINES, lambda: cold.identify(messages)),
        _timed("patterns, known", LINES, lambda: cold.identify(messages)),
        _timed(f"patterns, batches of {BATCH:,}", LINES, lambda: [batched.identify(batch) for batch in batches]),
        _timed("patterns, no shape twice", len(unlike), lambda: none_known.identify(unlike)),
    ]


def _timed(what: str, lines: int, work: Callable[[], object]) -> Rate:
    begun = time.perf_counter()
    work()
    return Rate(what, lines, time.perf_counter() - begun)


if __name__ == "__main__":
    for rate in measure():
        print(rate)

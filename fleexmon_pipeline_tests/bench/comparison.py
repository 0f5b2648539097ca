"""A candidate compared with the baseline where the right verdict is known: issues found, and false ones.

Deployments of replays (those that diverge, those that do not, and none at all: A/A) and of the tests' made-up shop,
watched as rules of kind divergence do, through `comparison.judge`, with counts from memory.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fleexmon_pipeline.comparison.deployments import Deployment
from fleexmon_pipeline.comparison.judge import Verdict, compare
from fleexmon_pipeline.comparison.pair import pair_of
from fleexmon_pipeline.comparison.read import COLOURS, PAST, bucket_of
from fleexmon_pipeline.comparison.watch import AFTER, compared_windows
from fleexmon_pipeline.window import HOUR, SLOT, Window, slot_number, slot_start
from fleexmon_pipeline_tests.bench.replay import CACHE, resolved
from fleexmon_pipeline_tests.bench.replays import Replay, Setting, replay, script
from fleexmon_pipeline_tests.bench.table import Row, Table
from fleexmon_pipeline_tests.comparison import two_nodes

PAIR = ("--nodes", ",".join(COLOURS), "--scale", "0.3")
HARD, QUIET = Setting("pair-hard", PAIR), Setting("pair-quiet", (*PAIR, "--mode", "quiet"))
EVERY = 12 * HOUR  # one A/A
BEFORE = 3 * SLOT  # an incident that began so shortly before makes a deployment not harmless
Counted = tuple[int, str, str, str, int]  # slot, node, resolved pattern, level, lines; ascending
Verdicts = list[tuple[Window, Verdict]]


@dataclass
class Scores:
    """Of deployments that are alike. `verdicts` are those of the whole two hours."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    told_after: list[float] = field(default_factory=list)  # minutes; one for each that made an issue

    def add(self, verdicts: Verdicts) -> None:
        self.verdicts[verdicts[-1][1]] += 1
        failed = next((window for window, verdict in verdicts if verdict == "fail"), None)
        if failed:
            self.told_after.append(failed.length.total_seconds() / 60)

    def row(self, what: str) -> Row:
        return {
            "what": what,
            "deployments": sum(self.verdicts.values()),
            "issues": len(self.told_after),
            "told_after_min": f"{statistics.median(self.told_after):.0f}" if self.told_after else "-",
            **{verdict: self.verdicts[verdict] for verdict in ("fail", "marginal", "pass", "inconclusive")},
        }


def measure(seeds: Sequence[int], *, shops: int, cache: Path = CACHE) -> Table:
    """`shops`: of how many seeds; replays are left out where the outside material is not."""
    table = Table(
        "compare: deployments watched for two hours", "counts from memory; issues: one of four comparisons fails"
    )
    scores: defaultdict[str, Scores] = defaultdict(Scores)
    for seed in seeds if script() else ():
        for setting in (HARD, QUIET):
            for what, verdicts in _of_replay(replay(seed, setting, cache)):
                scores[what].add(verdicts)
    for seed in range(seeds[0], seeds[0] + shops):
        for what, change in SHOP.items():
            lines = two_nodes.lines(seed, change)
            rows = sorted(
                (slot_number(two_nodes.at(slot)), node, pattern, level, n) for node, pattern, level, slot, n in lines
            )
            scores[f"shop, {what}"].add(watched(rows, two_nodes.NOON, "green"))
    table.rows = [score.row(what) for what, score in sorted(scores.items())]
    return table


def watched(rows: Sequence[Counted], at: datetime, candidate: str, known_before: Collection[str] = ()) -> Verdicts:
    """Every comparison after a deployment. `known_before`: patterns from before the past."""
    baseline = _other(candidate)
    verdicts: Verdicts = []
    for window in compared_windows(Deployment(candidate, "1.0.0", at, "bench", "line"), AFTER):
        wide, since = bucket_of(window) // SLOT, slot_number(window.since)
        past = (since - max(rows[0][0], since - PAST // SLOT)) // wide
        counts: Counter[tuple[str, str, str, int]] = Counter()
        slots: Counter[tuple[str, str, str, int]] = Counter()
        first, last = (bisect_left(rows, (slot,)) for slot in (since - past * wide, slot_number(window.until)))
        for slot, node, pattern, level, lines in rows[first:last]:
            key = node, pattern, level, (slot - since) // wide
            counts[key] += lines
            slots[key] += 1
        every = ((*key, lines, slots[key]) for key, lines in counts.items())
        pair = pair_of(every, baseline, candidate, past=past, buckets=-(-window.length // (wide * SLOT)))
        outcome = compare(pair, baseline=baseline, candidate=candidate, known_before=known_before)
        verdicts.append((window, outcome.verdict))
    return verdicts


def _other(node: str) -> str:
    return next(colour for colour in COLOURS if colour != node)


# -- replays --------------------------------------------------------------------------------------------------------


def _of_replay(made: Replay) -> Iterator[tuple[str, Verdicts]]:
    """Deployments of the scored week, and pretended ones where there was none."""
    end = made.first + made.slots
    rows = [(slot, node, resolved(made, pattern, end), level, lines) for slot, node, pattern, level, lines in made.rows]
    came: dict[str, int] = {}
    for slot, _, pattern, *_ in rows:
        came.setdefault(pattern, slot)
    incidents = [(one["kind"], one["node"], *_span(one)) for one in made.truth["incidents"]]
    deploys = [(one["node"], *_span(one)) for one in made.truth["not_incidents"] if one["kind"] == "deploy"]

    def quiet(at: datetime) -> bool:
        return not any(begin < at + AFTER and at - BEFORE < over for *_, begin, over in incidents)

    def look(at: datetime, node: str) -> Verdicts:
        past = slot_number(at - PAST)
        return watched(rows, at, node, [pattern for pattern, first in came.items() if first < past])

    since, until = slot_start(made.first) + PAST, slot_start(end) - AFTER
    for kind, node, begin, _ in incidents:
        if kind == "deploy_divergence" and begin < until:
            yield "replay, diverging", look(begin, node)
    for node, begin, _ in deploys:
        if since <= begin < until and quiet(begin):
            yield "replay, harmless", look(begin, node)
    for count in range((until - since) // EVERY):
        at = since + count * EVERY
        if quiet(at) and not any(begin < at + AFTER and at < over for _, begin, over in deploys):
            yield "replay, A/A", look(at, COLOURS[count % 2])


def _span(incident: dict[str, Any]) -> tuple[datetime, datetime]:
    begin, over = (datetime.fromisoformat(incident[name]) for name in ("start", "end"))
    return begin, over


# -- the made-up shop -----------------------------------------------------------------------------------------------


def _with(rates: two_nodes.Rates) -> two_nodes.Change:
    def change(node: str, slot: int, usual: two_nodes.Rates) -> two_nodes.Rates:
        return usual | rates if node == "green" and slot >= 0 else usual

    return change


SHOP: dict[str, two_nodes.Change] = {
    "A/A": two_nodes.as_usual,
    "harmless: a new info message": _with({("feature flag", "info"): 3.0}),
    "a new error, 10 lines": _with({("schema", "error"): 0.4}),
    "a known error, 5 times": _with({("declined", "error"): 4.0}),
    "a message is missing": _with({("stock", "debug"): 0.0}),
}

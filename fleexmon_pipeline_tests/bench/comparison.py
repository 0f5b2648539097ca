"""A candidate compared with the baseline where the right verdict is known: issues found, and false ones.

Deployments of two worlds (those that diverge, those that do not, and none at all: A/A) and of the tests' made-up shop,
watched as rules of kind divergence do, through `comparison.judge`, with counts from memory.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fleexmon_pipeline.comparison.deployments import Deployment
from fleexmon_pipeline.comparison.judge import Outcome, Verdict, compare
from fleexmon_pipeline.comparison.pair import Pair, pair_of
from fleexmon_pipeline.comparison.read import COLOURS, PAST, bucket_length
from fleexmon_pipeline.comparison.watch import AFTER, compared_windows
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, slot_number, slot_start
from fleexmon_pipeline_tests.bench.replay import CACHE, resolved
from fleexmon_pipeline_tests.bench.replays import Replay, Setting, replay, script
from fleexmon_pipeline_tests.bench.table import Row, Table
from fleexmon_pipeline_tests.comparison import two_nodes

DEPLOYS = ("--start", "2026-11-09", "--incidents")
LIFE = (
    Setting("deployments", ("--days", "20", "--warmup", "8", *DEPLOYS, "--life", "switch,deploy"), world="life"),
    Setting(
        "deployments, one colour",
        ("--days", "16", "--warmup", "6", *DEPLOYS, "--each", "1", "--life", "deploy"),
        world="life",
    ),
)
PAIR = ("--nodes", ",".join(COLOURS), "--scale", "0.3")
HARD, QUIET = Setting("pair-hard", PAIR), Setting("pair-quiet", (*PAIR, "--mode", "quiet"))
EVERY = 12 * HOUR  # one A/A
MIN_PAST = 12 * HOUR  # of history before the first deployment that is compared
BEFORE = 3 * SLOT  # an incident that began so shortly before makes a deployment not harmless
Outcomes = list[tuple[Window, Outcome]]


@dataclass
class Scores:
    """Of deployments that are alike. `verdicts` are those of the whole two hours."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    told_after: list[float] = field(default_factory=list)  # minutes; one for each that made an issue

    def add(self, outcomes: Outcomes) -> None:
        self.verdicts[outcomes[-1][1].verdict] += 1
        failed = next((window for window, outcome in outcomes if outcome.verdict == "fail"), None)
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
    """`shops`: of how many seeds; worlds are left out where the outside material is not."""
    table = Table(
        "compare: deployments watched for two hours", "counts from memory; issues: one of four comparisons fails"
    )
    scores: defaultdict[str, Scores] = defaultdict(Scores)
    for world, settings in (("replay", (HARD, QUIET)), ("life", LIFE)):
        for seed in seeds if script(world) else ():
            for setting in settings:
                for what, outcomes in _of(replay(seed, setting, cache), setting):
                    scores[what].add(outcomes)
    for seed in range(seeds[0], seeds[0] + shops):
        for what, change in SHOP.items():
            rows = sorted(
                (slot_number(two_nodes.at(slot)), node, pattern, level, n)
                for node, pattern, level, slot, n in two_nodes.lines(seed, change)
            )
            scores[f"shop, {what}"].add(watched(Counted(rows), two_nodes.NOON, "blue", "green"))
    table.rows = [score.row(what) for what, score in sorted(scores.items())]
    return table


@dataclass
class Counted:
    """Counts in memory, asked as `comparison.read` asks the database."""

    rows: Sequence[tuple[int, str, str, str, int]]  # slot, node, own pattern, level, lines; ascending
    resolve: Callable[[str, int], str] = lambda pattern, _slot: pattern
    templates: Mapping[str, str] = field(default_factory=dict)
    deployed: Sequence[tuple[datetime, str]] = ()  # every deployment and its node
    came: dict[str, int] = field(default_factory=dict)  # own pattern → its first slot, on any node

    def __post_init__(self) -> None:
        for slot, _, pattern, *_ in self.rows:
            self.came.setdefault(pattern, slot)

    def pair(self, window: Window, baseline: str, candidate: str) -> tuple[Pair, set[str]]:
        """And the patterns from before the past."""
        bucket = bucket_length(window)
        wide, since, until = bucket // SLOT, slot_number(window.since), slot_number(window.until)
        past = (since - max(self.rows[0][0], since - PAST // SLOT)) // wide
        resolved = {pattern: self.resolve(pattern, until - 1) for pattern in self.came}
        counts: Counter[tuple[str, str, str, int]] = Counter()
        slots: Counter[tuple[str, str, str, int]] = Counter()
        first, last = (bisect_left(self.rows, (slot,)) for slot in (since - past * wide, until))
        for slot, node, pattern, level, lines in self.rows[first:last]:
            key = node, resolved[pattern], level, (slot - since) // wide
            counts[key] += lines
            slots[key] += 1
        sides = baseline, candidate
        day = window.since - past * bucket + DAY
        last_deployed = max(
            (at for at, node in self.deployed if node in sides and day <= at < window.since), default=None
        )
        gap = -(-(window.since - last_deployed) // bucket) if last_deployed else 0
        every = ((*key, lines, slots[key]) for key, lines in counts.items())
        made = pair_of(every, *sides, past=past, buckets=-(-window.length // bucket), gap=gap)
        return made, {resolved[own] for own, slot in self.came.items() if slot < since - past * wide}


def watched(counted: Counted, at: datetime, baseline: str, candidate: str) -> Outcomes:
    """Every comparison after a deployment."""
    outcomes: Outcomes = []
    for window in compared_windows(Deployment(candidate, "1.0.0", at, "bench", "line"), AFTER):
        pair, known_before = counted.pair(window, baseline, candidate)
        outcome = compare(
            pair, baseline=baseline, candidate=candidate, known_before=known_before, templates=counted.templates
        )
        outcomes.append((window, outcome))
    return outcomes


# -- worlds with a truth --------------------------------------------------------------------------------------------


def _of(made: Replay, setting: Setting) -> Iterator[tuple[str, Outcomes]]:
    """Deployments of the scored days, and pretended ones where there was none."""
    world, end = setting.world, made.first + made.slots
    incidents = [(one["kind"], one["node"], *_span(one)) for one in made.truth["incidents"]]
    deploys = [(one["node"], *_span(one)) for one in made.truth["not_incidents"] if one["kind"] == "deploy"]
    bad = [(node, begin) for kind, node, begin, _ in incidents if kind in ("deploy_divergence", "bad_release")]
    deployed: list[tuple[datetime, str]] = [
        *((begin, node) for node, begin, _ in deploys),
        *((begin, node) for node, begin in bad),
    ]
    templates = dict(zip(made.patterns, made.templates, strict=True))
    counted = Counted(made.rows, lambda pattern, slot: resolved(made, pattern, slot), templates, deployed)

    def quiet(at: datetime) -> bool:
        return not any(begin < at + AFTER and at - BEFORE < over for *_, begin, over in incidents)

    def look(at: datetime, node: str) -> Outcomes:
        """As rules do without LIVE_NODE; where the node is no colour, as they do with it."""
        live = _busiest(counted, at)
        return watched(counted, at, next(colour for colour in (live, *COLOURS) if colour != node), node)

    since, until = slot_start(made.first) + MIN_PAST, slot_start(end) - AFTER
    for node, begin in bad:
        if begin < until:
            yield f"{setting.name}, bad release", look(begin, node)
    for node, begin, _ in deploys:
        if since <= begin < until and quiet(begin):
            what = "harmless" if node in COLOURS else "harmless, a worker and LIVE_NODE"
            yield f"{setting.name}, {what}", look(begin, node)
    for count in range((until - since) // EVERY) if world == "replay" else ():
        at = since + count * EVERY
        if quiet(at) and not any(begin < at + AFTER and at < over for _, begin, over in deploys):
            yield f"{setting.name}, A/A", look(at, COLOURS[count % 2])


def _busiest(counted: Counted, at: datetime) -> str:
    """Of the colours, in the two hours after."""
    first, last = (bisect_left(counted.rows, (slot_number(moment),)) for moment in (at, at + AFTER))
    lines: Counter[str] = Counter()
    for _, node, _, _, count in counted.rows[first:last]:
        lines[node] += count
    return max(COLOURS, key=lambda colour: lines[colour])


def _span(incident: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(incident["start"]), datetime.fromisoformat(incident["end"])


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

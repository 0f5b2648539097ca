"""Detection on replays with a known truth: what is found, how soon, and how often it cries wolf.

Through the functions that the stages call, with counts read from arrays (`observations`) or, end to end, from
PostgreSQL by way of the stored lines. Scored by the replay folder's own `score`. The original's four rules run beside,
at their bare thresholds. Seeds up to 10 were looked at while rules were written; report on others.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, joined_patterns
from fleexmon_pipeline.baselines.companions import carry_over, fleet_lines, frequent, lines_of_rest, with_fleet
from fleexmon_pipeline.baselines.expectation import with_peers
from fleexmon_pipeline.baselines.learn import learn
from fleexmon_pipeline.baselines.slot_grid import SlotGrid, grid, sketches, varieties
from fleexmon_pipeline.baselines.store import HISTORY
from fleexmon_pipeline.detection.budget import shares_of
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.detection.observe import READ_BACK
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.detection.rule_model import Bare, Detector, all_series, text_conditions
from fleexmon_pipeline.issues.episodes import RETURNS_WITHIN, CoveredTime, FiringSpan, episodes
from fleexmon_pipeline.settings import false_alarms_per_day
from fleexmon_pipeline.window import DAY, SETTLED, SLOT, Window, slot_number, slot_start
from fleexmon_pipeline_tests.bench.replays import Replay, Setting, replay, scorer
from fleexmon_pipeline_tests.bench.table import Row, Table

CACHE = Path.home() / ".cache" / "fleexmon-replays"
A_DAY = DAY // SLOT
HARD, QUIET = Setting("hard"), Setting("quiet", ("--mode", "quiet"))
COUPLED = Setting("coupled", params=(("load_error_coupling", 1.5),))
Issue = dict[str, Any]


def shipped() -> list[Detector]:
    return [rule for rule in load_rules().rules if isinstance(rule, Detector) and rule.enabled]


def originals() -> list[Detector]:
    """The guide's four, as it has them."""
    bare = [rule for rule in shipped() if isinstance(rule, Bare)]
    return [rule.model_copy(update={"bare": True}) for rule in bare]


@dataclass
class Scores:
    """Of several replays together."""

    incidents: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    delays: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rows: int = 0
    false: int = 0
    days: float = 0.0
    node_days: float = 0.0
    false_types: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def add(self, truth: dict[str, Any], issues: Sequence[Issue]) -> None:
        module = scorer()
        score = module.score(list(issues), truth)
        self.rows += score["issues"]
        self.false += score["false_alarms"]
        self.days += score["scored_days"]
        self.node_days += score["scored_days"] * score["nodes"]
        self.false_types.update(score["false_by_type"])
        self.told += [f"missed: {each}" for each in score["missed"]]
        for kind, of_kind in score["by_kind"].items():
            self.incidents[kind] += of_kind["incidents"]
            self.found[kind] += of_kind["found"]
        for incident in truth["incidents"]:  # the script tells medians of one replay; here they are over all
            begin, end = (module.parse_time(incident[name]) for name in ("start", "end"))
            hits = [
                at - begin
                for issue in issues
                if begin <= (at := module.parse_time(issue["detectedAt"])) <= end + 6 * SLOT
                and (not issue["metadata"]["nodes"] or incident["node"] in issue["metadata"]["nodes"])
            ]
            if hits:
                self.delays[incident["kind"]].append(min(hits).total_seconds() / 60)

    def row(self, what: str, seeds: int) -> Row:
        every = [delay for delays in self.delays.values() for delay in delays]
        fast = [*self.delays["error_burst"], *self.delays["new_template"]]
        incidents, found = sum(self.incidents.values()), sum(self.found.values())
        return {
            "what": what,
            "seeds": seeds,
            "recall": f"{found / incidents:.3f}" if incidents else "-",
            "precision": f"{1 - self.false / self.rows:.3f}" if self.rows and incidents else "-",
            "false_a_day": f"{self.false / self.days:.3f}",
            "false_a_node_day": f"{self.false / self.node_days:.4f}",
            "delay_min": _median(every),
            "fast_min": _median(fast),
            "rows_an_incident": f"{(self.rows - self.false) / incidents:.1f}" if incidents else "-",
        }

    def kinds(self) -> str:
        return "; ".join(
            f"{kind} {self.found[kind]} of {count}, {_median(self.delays[kind])} min"
            for kind, count in sorted(self.incidents.items())
        )


def _median(delays: list[float]) -> str:
    return f"{statistics.median(delays):.1f}" if delays else "-"


def measure(seeds: Sequence[int], settings: Sequence[Setting], cache: Path = CACHE) -> Table:
    table = Table("replay: issues against a known truth", "through the stages' functions, counts from memory")
    for setting in settings:
        ours, theirs = Scores(), Scores()
        for seed in seeds:
            made = replay(seed, setting, cache)
            ours.add(made.truth, detect(made, shipped()))
            theirs.add(made.truth, detect(made, originals()))
        table.rows += [ours.row(setting.name, len(seeds)), theirs.row(f"{setting.name}, original", len(seeds))]
        table.note += f"\n  {setting.name}: {ours.kinds()}; false: {dict(ours.false_types)}; {ours.told}"
    return table


def detect(made: Replay, rules: Sequence[Detector], nodes: Sequence[str] | None = None) -> list[Issue]:
    """Rows as "LogIssue" has them, of every slot."""
    fired: defaultdict[tuple[str, str, str | None], list[FiringSpan]] = defaultdict(list)
    for observation, ends in observations(made, rules, nodes or made.nodes):
        for rule, hit in evaluate_node(rules, observation, ends):
            slot = slot_start(observation.grid.first + hit.slot)
            fired[rule.name, observation.grid.node, hit.pattern].append(
                FiringSpan(slot, slot, rule.grace, 1, RETURNS_WITHIN if hit.pattern else timedelta())
            )
    covered = CoveredTime([Window(slot_start(made.first), slot_start(made.first + made.slots))])
    found = []
    templates = dict(zip(made.patterns, made.templates, strict=True))
    for (name, node, pattern), runs in fired.items():
        for episode in episodes(sorted(runs, key=lambda run: run.first), covered):
            over = covered.grace_ends(episode.end, episode.grace)
            found.append({
                "detectedAt": (episode.first + SLOT).isoformat(),
                "resolvedAt": over.isoformat() if over else None,
                "type": name, "source": "detector", "metadata": {"nodes": [node]},
                "what": templates.get(pattern or "", ""),
            })  # fmt: skip
    return found


def observations(
    made: Replay, rules: Sequence[Detector], nodes: Iterable[str]
) -> Iterator[tuple[Observation, list[datetime]]]:
    """What `read_observations` reads from the tables, day by day and node by node, and the ends to evaluate."""
    series = all_series(rules)
    budget = shares_of(rules, len(made.nodes), false_alarms_per_day({}), {})
    templates = dict(zip(made.patterns, made.templates, strict=True))
    of_node: defaultdict[str, list[tuple[int, str, str, int]]] = defaultdict(list)
    measured: defaultdict[str, list[tuple[int, str, str, int, float, float, bool]]] = defaultdict(list)
    for slot, node, pattern, level, count, p50, p95, steps in made.durations:
        measured[node].append((slot, pattern, level, count, p50, p95, steps))
    compared: defaultdict[str, list[tuple[int, str, str, int, int]]] = defaultdict(list)
    for slot, node, pattern, level, count, fields in made.varieties:
        compared[node].append((slot, pattern, level, count, fields))
    came: dict[str, int] = {}
    for slot, node, pattern, level, count in made.rows:
        of_node[node].append((slot, pattern, level, count))
        came.setdefault(pattern, slot)
    texts = _texts(made, rules)
    resolve = partial(resolved, made)
    settled, end = SETTLED // SLOT, made.first + made.slots
    for day in range(slot_number(_floor(made.first - settled)), end, A_DAY):
        begin, until = max(day + settled, made.first), min(day + settled + A_DAY, end)
        first, past_first = begin - READ_BACK // SLOT, max(day - HISTORY // SLOT, made.first)
        first_seen = _first_seen(made, came)
        grids = {
            node: _grid(
                node,
                first,
                until - first,
                _between(of_node[node], first, until, resolve),
                _between(measured[node], first, until, resolve),
                _between(compared[node], first, until, resolve),
            )
            for node in nodes
        }
        learnt: dict[str, Baseline] = {}
        pasts: dict[str, SlotGrid] = {}
        for node in nodes if past_first < day else ():
            past_rows = _between(of_node[node], past_first, day, resolve, as_of=day - 1)
            past_measured = _between(measured[node], past_first, day, resolve, as_of=day - 1)
            past_compared = _between(compared[node], past_first, day, resolve, as_of=day - 1)
            pasts[node] = _grid(node, past_first, day - past_first, past_rows, past_measured, past_compared)
        lines: Counter[str] = Counter()
        for past in pasts.values():
            lines.update({name: int(row.sum()) for name, row in lines_of_rest(past).items()})
        fleet = fleet_lines(pasts.values(), frequent(lines, (day - past_first) / A_DAY))
        for node, past in pasts.items():
            if baseline := learn(replace(past, fleet=fleet), series):
                _carry_over(baseline, made, until)
                learnt[node] = baseline
        learnt = with_peers(learnt)
        for node in nodes:
            seen = {name: _row(row.get(node, Counter()), first, until) for name, row in texts.items()}
            others = [grids[other] for other in nodes if other != node]
            counterparts = learnt[node].counterparts if node in learnt else {}
            observation = Observation(
                with_fleet(grids[node], grids.values(), counterparts),
                learnt.get(node),
                made.first,
                templates,
                first_seen,
                seen,
                templates,
                others,
                budget=budget,
            )
            yield observation, [slot_start(slot + 1) for slot in range(begin, until)]


def _between(
    rows: Sequence[Any],
    first: int,
    until: int,
    resolve: Callable[[str, int], str],
    as_of: int | None = None,
) -> list[Any]:
    """Rows of these slots with their patterns as they were merged by then, or by the slot `as_of`."""
    begin, end = (bisect_left(rows, slot, key=itemgetter(0)) for slot in (first, until))
    return [(slot, resolve(pattern, as_of or slot), *rest) for slot, pattern, *rest in rows[begin:end]]


def _floor(slot: int) -> datetime:
    return slot_start(slot - slot % A_DAY)


def _grid(
    node: str,
    first: int,
    slots: int,
    rows: list[tuple[int, str, str, int]],
    measured: list[tuple[int, str, str, int, float, float, bool]],
    compared: list[tuple[int, str, str, int, int]],
) -> SlotGrid:
    spoken = np.zeros(slots, bool)
    spoken[[row[0] - first for row in rows]] = True
    counted = grid(node, first, slots, rows, np.ones(slots, bool), ~spoken)
    return replace(counted, durations=sketches(first, slots, measured), varieties=varieties(first, slots, compared))


def _row(counts: Counter[int], first: int, until: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([counts[slot] for slot in range(first, until)], np.int64)


def _texts(made: Replay, rules: Sequence[Detector]) -> dict[str, dict[str, Counter[int]]]:
    found: dict[str, dict[str, Counter[int]]] = {}
    for name, where in text_conditions(rules).items():
        of_rule: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for slot, node, level, message in made.texts:
            if where.has_level(level) and where.has_text(message):
                of_rule[node][slot] += 1
        found[name] = of_rule
    return found


def resolved(made: Replay, pattern: str, slot: int) -> str:
    while (alias := made.alias_of.get(pattern)) and alias[1] <= slot:
        pattern = alias[0]
    return pattern


def _first_seen(made: Replay, came: dict[str, int]) -> dict[str, int]:
    """As `history._ancestry`: merges that arose after a pattern came do not make it old."""
    found = dict(came)
    for pattern, slot in came.items():
        target = pattern
        while alias := made.alias_of.get(target):
            target = alias[0]
            if target not in came or alias[1] <= came[target]:
                found[target] = min(found.get(target, slot), slot)
    return found


def _carry_over(baseline: Baseline, made: Replay, until: int) -> None:
    for pattern, past in list(baseline.patterns.items()):
        root = resolved(made, pattern, until)
        if root != pattern:
            baseline.patterns[root] = joined_patterns([baseline.patterns.get(root, {}), past])
            carry_over(baseline.companions, pattern, root)
            carry_over(baseline.counterparts, pattern, root)
            carry_over(baseline.starts, pattern, root)

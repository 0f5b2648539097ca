"""Incidents against a known truth: how often one fault is told, how often two are mixed, and how many are none.

Through the functions that the stages use (`incidents/relate.py`), with issues of rules from counts in memory: so
without the relation by the same lines, and without deployments. Beside it, in the same run: every issue for itself, and
everything that begins within ten minutes as one. `at once`: replays laid over one another, so that faults coincide.
Faults of one node at one time are one incident, as the relation says; `no_node_shared` counts those that mix faults of
different nodes. Seeds up to 4 of `life` and 3 of the replays were looked at when the relation was chosen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from fleexmon_pipeline.baselines.links import MIN_DAYS, linked
from fleexmon_pipeline.baselines.store import HISTORY
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.detection.evaluate import evaluate_node
from fleexmon_pipeline.detection.firing import firing_of
from fleexmon_pipeline.incidents.facts import TROUBLE
from fleexmon_pipeline.incidents.relate import REACH, Dependencies, IssueFacts, groups
from fleexmon_pipeline.issues.episodes import RETURNS_WITHIN, CoveredTime, FiringSpan, episodes
from fleexmon_pipeline.window import DAY, SLOT, Window, slot_start
from fleexmon_pipeline_tests.bench.lives import LATE, LIVES
from fleexmon_pipeline_tests.bench.replay import A_DAY, CACHE, COUPLED, HARD, observations, shipped
from fleexmon_pipeline_tests.bench.replays import Replay, Setting, replay
from fleexmon_pipeline_tests.bench.table import Row, Table

TOGETHER = timedelta(minutes=10)  # of the baseline
Grouping = Callable[[Sequence[IssueFacts], Dependencies], list[list[IssueFacts]]]


@dataclass(frozen=True)
class Fault:
    """An incident of the truth."""

    start: datetime
    end: datetime
    nodes: frozenset[str]


@dataclass
class Story:
    """What rules found in one world, or in several laid over one another."""

    faults: list[Fault]
    issues: list[IssueFacts]
    depends: Dependencies
    since: datetime
    until: datetime


@dataclass
class Told:
    """Counts over several stories. `told`: groups that hold a fault, counted once for each fault."""

    faults: int = 0
    found: int = 0
    told: int = 0
    true: int = 0
    mixed: int = 0
    apart: int = 0  # of them, those with faults that share no node
    false: int = 0
    issues: int = 0
    days: float = 0.0

    def add(self, story: Story, grouping: Grouping) -> None:
        of_fault: defaultdict[int, set[UUID]] = defaultdict(set)
        for group in grouping(story.issues, story.depends):
            if not story.since <= group[0].first + SLOT < story.until:
                continue
            hits = [_faults_of(issue, story.faults) for issue in group]
            every = set().union(*hits)
            self.issues += len(group)
            if not every:
                self.false += 1
                continue
            self.true += 1
            main = max(every, key=lambda fault: sum(fault in some for some in hits))
            others = set().union(*(some for some in hits if main not in some))
            self.mixed += bool(others)
            self.apart += any(not story.faults[main].nodes & story.faults[other].nodes for other in others)
            for fault in every:
                of_fault[fault].add(group[0].id)
        self.faults += len(story.faults)
        self.found += len(of_fault)
        self.told += sum(map(len, of_fault.values()))
        self.days += (story.until - story.since).total_seconds() / 86400

    def row(self, world: str, grouping: str) -> Row:
        return {
            "world": world,
            "told_as": grouping,
            "faults": self.faults,
            "found": self.found,
            "told_a_fault": f"{self.told / self.found:.2f}" if self.found else "-",
            "mix_two_faults": f"{self.mixed} of {self.true}",
            "no_node_shared": self.apart,
            "false_a_day": f"{self.false / self.days:.2f}",
        }


def _faults_of(issue: IssueFacts, faults: Sequence[Fault]) -> set[int]:
    at = issue.first + SLOT
    return {
        place
        for place, fault in enumerate(faults)
        if fault.start <= at <= fault.end + LATE and issue.nodes & fault.nodes
    }


def measure(seeds: Sequence[int]) -> Table:
    table = Table("incidents: how often one fault is told", "rules alone, counts from memory")
    everything = next(life for life in LIVES if life.name == "everything")
    for setting in (HARD, COUPLED, everything):
        with ProcessPoolExecutor(2) as pool:
            stories = list(pool.map(_story, [(seed, setting) for seed in seeds]))
        table.rows += _rows(setting.name, stories)
        if len(stories) > 1:
            pairs = [_laid_over(pair) for pair in zip(stories, [*stories[1:], stories[0]], strict=True)]
            table.rows += _rows(f"{setting.name}, two at once", pairs)
        if len(stories) > 2:
            table.rows += _rows(f"{setting.name}, {len(stories)} at once", [_laid_over(stories)])
    return table


def _rows(world: str, stories: Sequence[Story]) -> Iterable[Row]:
    for name, grouping in GROUPINGS.items():
        told = Told()
        for story in stories:
            told.add(story, grouping)
        yield told.row(world, name)


def _related(issues: Sequence[IssueFacts], depends: Dependencies) -> list[list[IssueFacts]]:
    return groups(issues, depends, lambda _one, _other: 0.0)


def _without_links(issues: Sequence[IssueFacts], _depends: Dependencies) -> list[list[IssueFacts]]:
    """Nodes that have trouble at the same time are not learnt."""
    return _related(issues, Dependencies())


def _without_messages(issues: Sequence[IssueFacts], depends: Dependencies) -> list[list[IssueFacts]]:
    """What is loudest behind a rate is left out."""
    return _related([issue if issue.about_pattern else replace(issue, began_with=[]) for issue in issues], depends)


def _alone(issues: Sequence[IssueFacts], _depends: Dependencies) -> list[list[IssueFacts]]:
    return [[issue] for issue in issues]


def _together(issues: Sequence[IssueFacts], _depends: Dependencies) -> list[list[IssueFacts]]:
    found: list[list[IssueFacts]] = []
    for issue in sorted(issues, key=lambda issue: issue.first):
        if found and issue.first - found[-1][-1].first <= TOGETHER:
            found[-1].append(issue)
        else:
            found.append([issue])
    return found


GROUPINGS: Mapping[str, Grouping] = {
    "incidents": _related,
    "  without links that were learnt": _without_links,
    "  without messages behind rates": _without_messages,
    "  issues": _alone,
    "  all within 10 min": _together,
}


def _story(task: tuple[int, Setting]) -> Story:
    seed, setting = task
    made = replay(seed, setting, CACHE)
    start, end = _time(made.truth["scored_from"]), _time(made.truth["end"])
    faults = [
        Fault(_time(row["start"]), _time(row["end"]), frozenset(row.get("nodes") or [row["node"]]))
        for row in made.truth["incidents"]
    ]
    return Story(faults, _issues(made), _links(made), start, end)


def _links(made: Replay) -> Dependencies:
    """What `learn_links` would have stored on each day."""
    begin = -(-made.first // A_DAY) * A_DAY
    counts = {node: (np.zeros(made.slots), np.zeros(made.slots)) for node in made.nodes}
    for slot, node, _pattern, level, count in made.rows:
        if slot >= begin:
            counts[node][0][slot - begin] += count
            counts[node][1][slot - begin] += count * (level in TROUBLE)
    learnt = {}
    for day in range(MIN_DAYS, (made.first + made.slots - begin) // A_DAY + 1):
        past = slice(max(0, day - HISTORY // DAY) * A_DAY, day * A_DAY)
        pairs = linked({node: (lines[past], trouble[past]) for node, (lines, trouble) in counts.items()})
        learnt[slot_start(begin + day * A_DAY)] = frozenset(map(frozenset, pairs))
    return Dependencies(learnt=learnt)


def _issues(made: Replay) -> list[IssueFacts]:
    rules = shipped()
    fired: defaultdict[tuple[str, str, str | None], list[FiringSpan]] = defaultdict(list)
    behind: dict[tuple[str, str, str | None, datetime], list[str]] = {}
    trouble = {pattern for _, _, pattern, level, _ in made.rows if level in TROUBLE}
    for observation, ends in observations(made, rules, made.nodes):
        for rule, hit in evaluate_node(rules, observation, ends):
            slot = slot_start(observation.grid.first + hit.slot)
            returns = RETURNS_WITHIN if hit.pattern else timedelta()
            fired[rule.name, observation.grid.node, hit.pattern].append(FiringSpan(slot, slot, rule.grace, 1, returns))
            loudest = firing_of(rule, observation, hit).metadata.get("topPatterns", ())
            patterns = [top["pattern"] for top in loudest if top["pattern"] in trouble]
            behind[rule.name, observation.grid.node, hit.pattern, slot] = patterns
    covered = CoveredTime([Window(slot_start(made.first), slot_start(made.first + made.slots))])
    by_name = {rule.name: rule for rule in rules}
    found = []
    for (name, node, pattern), runs in fired.items():
        runs.sort(key=lambda run: run.first)
        subject = f"pattern:{pattern}@{node}" if pattern else f"node:{node}"
        for episode in episodes(runs, covered):
            slots = [
                run.first for run in runs if episode.first <= run.first <= min(episode.last, episode.first + REACH)
            ]
            patterns = [pattern] if pattern else behind[name, node, pattern, slots[0]]
            found.append(
                IssueFacts(
                    id=uuid8(episode.first, name.encode(), subject.encode()), first=episode.first, last=episode.end,
                    severity=str(by_name[name].severity), status="resolved", ended=episode.end, title=name, type=name,
                    source="detector", fingerprint=f"{name}:{subject}", nodes=frozenset([node]),
                    patterns=patterns, began_with=patterns, about_pattern=pattern is not None,
                    affected=0 if by_name[name].absence else 1, slots=slots,
                )
            )  # fmt: skip
    return found


def _laid_over(stories: Sequence[Story]) -> Story:
    """All at the time of the first. Its messages are its own: each world has other ones."""
    first = stories[0]
    faults, issues = list[Fault](), list[IssueFacts]()
    learnt: defaultdict[datetime, frozenset[frozenset[str]]] = defaultdict(frozenset)
    for place, story in enumerate(stories):
        shift = first.since - story.since
        for day, pairs in story.depends.learnt.items():
            learnt[day + shift] |= frozenset(pairs)
        faults += [replace(fault, start=fault.start + shift, end=fault.end + shift) for fault in story.faults]
        issues += [
            replace(
                issue, id=uuid8(issue.first + shift, issue.id.bytes, bytes([place])), first=issue.first + shift,
                last=issue.last + shift, slots=[slot + shift for slot in issue.slots],
                began_with=[f"{place} {pattern}" for pattern in issue.began_with],
            )
            for issue in story.issues
        ]  # fmt: skip
    return Story(faults, issues, Dependencies(learnt=learnt), first.since, first.until)


def _time(text: Any) -> datetime:
    moment = datetime.fromisoformat(text) if isinstance(text, str) else text
    return moment if moment.tzinfo else moment.replace(tzinfo=slot_start(0).tzinfo)

"""Detection in a second world with a known truth: what is found by kind of incident, and what ordinary life costs.

Here: scoring by the rules of that folder's README, by kind and by age of the installation. Lines into counts:
`replays.py`; counts into issues: `replay.py`. Seeds up to 99 were looked at while rules were written.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fleexmon_pipeline_tests.bench.replay import CACHE, Issue, detect, originals, shipped
from fleexmon_pipeline_tests.bench.replays import Setting, replay
from fleexmon_pipeline_tests.bench.table import Row, Table

LATE = timedelta(minutes=30)  # after an incident's end, an issue still counts as its own
BEFORE = timedelta(hours=2)  # so long after an event of ordinary life began, a false alarm is put down to it
AGES = (("day 1", 1), ("2-3", 3), ("4-7", 7), ("later", 10_000))  # days since the first line
EVERYTHING = "switch,deploy,holiday,campaign,growth,night,dst,added,hiccups,levels"
FROM_MONDAY = ("--start", "2026-11-09")


def _life(name: str, days: int, warmup: int, *options: str) -> Setting:
    return Setting(name, ("--days", str(days), "--warmup", str(warmup), *FROM_MONDAY, *options), world="life")


LIVES = (
    _life("ordinary week", 20, 8, "--incidents"),
    _life("everything", 20, 8, "--incidents", "--life", EVERYTHING),
    _life("quiet", 16, 8),
    _life("quiet, everything", 16, 8, "--life", EVERYTHING),
    _life("quiet, first switch, idle colour silent", 12, 8, "--first-switch", "--life", "switch,quietidle"),
    _life("first week", 8, 0, "--incidents", "--each", "1"),
)
PLANT = (
    Setting("plant", ("--incidents",), world="plant"),
    Setting("plant, quiet", world="plant"),
)
TITLES = {
    "life": "life: a second world with a known truth",
    "plant": "plant: a third world with a known truth",
    "services": "services: real services with injected faults",
}


def services(data: Path) -> tuple[Setting, ...]:
    """`data`: the public data that they are drawn from."""
    options = ("--data", str(data.resolve()))
    return (
        Setting("services", (*options, "--incidents"), world="services"),
        Setting("services, quiet", options, world="services"),
    )


@dataclass
class Life:
    """Of several seeds of one life together."""

    incidents: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    issues: int = 0
    hits: int = 0
    days: float = 0.0
    false_by_life: Counter[str] = field(default_factory=Counter)
    false_by_rule: Counter[str] = field(default_factory=Counter)
    false_by_age: Counter[str] = field(default_factory=Counter)
    days_by_age: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    listed: list[str] = field(default_factory=list)  # what was missed and what was false, for who wants to look

    def add(self, truth: dict[str, Any], issues: Sequence[Issue]) -> None:
        start, scored, end = (_time(truth[name]) for name in ("start", "scored_from", "end"))
        rows = [(_time(issue["detectedAt"]), issue) for issue in issues]
        rows = sorted((row for row in rows if scored <= row[0] < end), key=lambda row: row[0])
        used: set[int] = set()
        for incident in truth["incidents"]:
            begin, over = _time(incident["start"]), _time(incident["end"]) + LATE
            kind = incident["kind"]
            of_it = [
                place
                for place, (at, issue) in enumerate(rows)
                if begin <= at <= over
                and (set(issue["metadata"]["nodes"]) & set(incident["nodes"]) or not issue["metadata"]["nodes"])
            ]
            used.update(of_it)
            self.incidents[kind] += 1
            if of_it:
                self.found[kind] += 1
                self.delays.append((rows[of_it[0]][0] - begin).total_seconds() / 60)
            else:
                self.listed.append(f"missed {kind} {incident['nodes']} {begin:%d %H:%M}-{over:%H:%M}")
        self.issues += len(rows)
        self.hits += len(used)
        self.days += (end - scored).total_seconds() / 86400
        for age, (name, until) in enumerate(AGES):
            since = start + timedelta(days=AGES[age - 1][1] if age else 0)
            span = min(end, start + timedelta(days=until)) - max(scored, since)
            self.days_by_age[name] += max(span.total_seconds() / 86400, 0)
        for place, (at, issue) in enumerate(rows):
            if place in used:
                continue
            life = _life_at(at, issue["metadata"]["nodes"], truth["not_incidents"])
            self.false_by_life[life] += 1
            self.false_by_rule[issue["type"]] += 1
            self.false_by_age[next(name for name, until in AGES if at < start + timedelta(days=until))] += 1
            self.listed.append(
                f"false {issue['type']} {issue['metadata']['nodes']} {at:%d %H:%M} ({life}) {issue.get('what', '')}"
            )

    def row(self, what: str, seeds: int) -> Row:
        incidents, found, false = sum(self.incidents.values()), sum(self.found.values()), self.issues - self.hits
        ages = " ".join(
            f"{name}: {self.false_by_age[name] / days:.2f}" for name, days in self.days_by_age.items() if days
        )
        return {
            "life": what,
            "seeds": seeds,
            "incidents": incidents,
            "recall": f"{found / incidents:.3f}" if incidents else "-",
            "precision": f"{self.hits / self.issues:.3f}" if incidents and self.issues else "-",
            "false_a_day": f"{false / self.days:.2f}",
            "by_age": ages,
            "delay_min": f"{statistics.median(self.delays):.0f}" if self.delays else "-",
            "issues_an_incident": f"{self.hits / found:.1f}" if found else "-",
        }

    def summary(self) -> str:
        kinds = ", ".join(f"{kind} {self.found[kind]}/{count}" for kind, count in sorted(self.incidents.items()))
        return f"{kinds}; false by life {dict(self.false_by_life)}; by rule {dict(self.false_by_rule)}"


def _time(text: str | datetime) -> datetime:
    return (datetime.fromisoformat(text) if isinstance(text, str) else text).replace(tzinfo=None)


def _life_at(at: datetime, nodes: Sequence[str], entries: Sequence[Issue]) -> str:
    """The event of ordinary life that began last, of those that the issue began in or up to two hours after."""
    kinds = [
        entry["kind"]
        for entry in entries
        if _time(entry["start"]) <= at <= max(_time(entry["end"]), _time(entry["start"]) + BEFORE)
        and set(nodes) & set(entry["nodes"])
    ]
    return kinds[-1] if kinds else "nothing"


def measure(seeds: Sequence[int], lives: Sequence[Setting] = LIVES) -> Table:
    """Ours, and beside it the developer guide's four rules at their bare thresholds."""
    table = Table(TITLES[lives[0].world], "through the stages' functions, counts from memory")
    for setting in lives:
        ours, bare = Life(), Life()
        with ProcessPoolExecutor(2) as pool:
            for truth, found, found_bare in pool.map(_one, [(seed, setting) for seed in seeds]):
                ours.add(truth, found)
                bare.add(truth, found_bare)
        table.rows += [ours.row(setting.name, len(seeds)), bare.row("  bare thresholds", len(seeds))]
        table.note += f"\n  {setting.name}: {ours.summary()}"
    return table


def _one(task: tuple[int, Setting]) -> tuple[dict[str, Any], Sequence[Issue], Sequence[Issue]]:
    seed, setting = task
    made = replay(seed, setting, CACHE)
    return made.truth, detect(made, shipped()), detect(made, originals())

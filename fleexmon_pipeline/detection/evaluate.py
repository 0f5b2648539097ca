"""Detector rules over a window: for every slot that ended, what fired at its end.

Here: reading once for all rules. Conditions: `detection/conditions/rates.py`, of deployments `divergence.py`; counts,
history and lines: `patterns/read_counts.py`, `observe.py`, `text_scan.py`; what a firing says: `firing.py`; what
becomes of it: `issues/lifecycle.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR
from fleexmon_pipeline.baselines.store import day_of
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.conditions.by_kind import asked_by, conditions, width_of
from fleexmon_pipeline.detection.conditions.thresholds import stands_out
from fleexmon_pipeline.detection.divergence import diverged
from fleexmon_pipeline.detection.firing import Firing, firing_of, occurrence
from fleexmon_pipeline.detection.observation import Finding, Scene
from fleexmon_pipeline.detection.observe import LOOK_BACK, past_templates, read_scenes
from fleexmon_pipeline.detection.rule_model import (
    Detector,
    Divergence,
    New,
    Rate,
    Repeated,
    Rule,
    Silence,
    Spike,
    Threshold,
    Trend,
)
from fleexmon_pipeline.detection.text_scan import Matches, find_texts
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.patterns.labels import read_labels
from fleexmon_pipeline.patterns.read_counts import Counts, Samples, read_counts, read_samples
from fleexmon_pipeline.window import SLOT, Window, slot_number


def evaluate(
    connection: Connection,
    rules: Sequence[Rule],
    window: Window,
    *,
    until: datetime,
    live: str | None = None,
    evidence: bool = True,
) -> list[Occurrence]:
    """What the detector rules say at the end of each slot of `window` that ends no later than `until`.

    A rule sees lines before the slot's end, and nothing later: a line that comes in afterwards changes no earlier slot.
    Predictors and disabled rules are passed over. Ordered by slot, rule, subject.

    Reads the counts of the window and of LOOK_BACK before it, once; lines only where a rule looks for texts, once for
    all of them; what is usual from a baseline that is learnt once a day. `live`: LIVE_NODE, for rules about
    deployments. `evidence`: whether the rows behind a firing are wanted.
    """
    ends = [slot.until for slot in window.slots() if slot.until <= until]
    if not ends:
        return []
    divergences = [rule for rule in rules if rule.enabled and isinstance(rule, Divergence)]
    found = list(diverged(connection, divergences, ends, live=live))
    if active := [rule for rule in rules if rule.enabled and isinstance(rule, Detector)]:
        by_day: defaultdict[datetime, list[datetime]] = defaultdict(list)
        for end in ends:
            by_day[day_of(end - SLOT)].append(end)
        asked = asked_of(rules)
        found += [each for part in by_day.values() for each in _evaluate(connection, active, asked, part, evidence)]
    return sorted(found, key=lambda each: (each.slot, each.rule, str(each.subject)))


def improbable(connection: Connection, rules: Sequence[Rule], rule: Trend | Spike, end: datetime) -> set[str]:
    """The nodes at which a predictor's figure is improbable at `end`, or of which too little is known to say so."""
    (of_rule,) = asked_by(rule)
    seen = Window(end - max(LOOK_BACK, (of_rule.width + SLOTS_AN_HOUR) * SLOT), end)
    scenes = read_scenes(connection, read_counts(connection, seen), Window(end - SLOT, end), seen, asked_of(rules))
    return {scene.grid.node for scene in scenes if stands_out(rule, scene, of_rule)}


def asked_of(rules: Sequence[Rule]) -> set[Series]:
    """What all of the rules judge, predictors and disabled ones included: they share baselines, learnt once a day."""
    return {each for rule in rules for each in asked_by(rule)}


def _evaluate(
    connection: Connection,
    rules: Sequence[Detector],
    asked: Collection[Series],
    ends: Sequence[datetime],
    evidence: bool,
) -> Iterator[Occurrence]:
    lasts = max(rule.for_ for rule in rules)
    longest = max(width_of(rule) for rule in rules) * SLOT + lasts
    seen = Window(ends[0] - max(LOOK_BACK + lasts, longest), ends[-1])
    counts = read_counts(connection, seen)
    of_texts = [rule for rule in rules if isinstance(rule, Threshold) and rule.where.has_words]
    read_back = max(map(width_of, of_texts), default=0) * SLOT + lasts  # lines cost more than counts: no further
    texts = find_texts(connection, of_texts, Window(ends[0] - read_back, ends[-1]))
    scenes = read_scenes(connection, counts, Window(ends[0] - SLOT, ends[-1]), seen, asked)
    labels = read_labels(connection)
    firings: defaultdict[str, list[tuple[Firing, int]]] = defaultdict(list)
    by_name = {rule.name: rule for rule in rules}
    for scene in scenes:
        scene = with_texts(connection, scene, texts)  # noqa: PLW2901
        for rule, finding in judge(rules, scene, ends):
            label = labels.get(finding.pattern or "")
            if not (label and label.ignored):
                firings[rule.name].append(
                    (firing_of(rule, scene, finding, label.name if label else None), finding.width)
                )
    samples: dict[tuple[object, ...], Samples] = {}
    for name, fired in firings.items():
        rule = by_name[name]
        if isinstance(rule, Silence) or not evidence:
            yield from (occurrence(rule, firing) for firing, _ in fired)
            continue
        lines: Matches | Samples
        if name in texts:
            lines = texts[name]
        else:  # rules of the same levels share what was read
            key = _samples_of(rule)
            if key not in samples:
                alike = [each for other in firings if _samples_of(by_name[other]) == key for each in firings[other]]
                samples[key] = _read_samples(connection, counts, rule, alike)
            lines = samples[key]
        for firing, width in fired:
            yield occurrence(rule, firing, lines.newest(firing.subject, firing.end, width))


def _samples_of(rule: Detector) -> tuple[object, ...]:
    if isinstance(rule, Silence):
        return ()
    per_pattern = isinstance(rule, Repeated | New) or (isinstance(rule, Rate) and rule.rate.per == "pattern")
    return per_pattern, frozenset(rule.where.level or LEVELS)


def _read_samples(
    connection: Connection, counts: Counts, rule: Detector, fired: Sequence[tuple[Firing, int]]
) -> Samples:
    levels = LEVELS if isinstance(rule, Silence) else rule.where.level or LEVELS
    return read_samples(
        connection,
        counts,
        Window(min(f.end - SLOT * width for f, width in fired), max(f.end for f, _ in fired)),
        nodes={firing.subject.node for firing, _ in fired if firing.subject.node},
        levels=levels,
        patterns={firing.subject.pattern for firing, _ in fired if firing.subject.pattern} or None,
    )


def with_texts(connection: Connection, scene: Scene, texts: dict[str, Matches]) -> Scene:
    """The scene with the lines that text rules found; with the templates of its past where there are any."""
    rows = {}
    for name, matches in texts.items():
        row = np.zeros(scene.grid.slots, np.int64)
        for slot, lines in matches.counts.get(scene.grid.node, {}).items():
            row[slot_number(slot) - scene.grid.first] += lines
        rows[name] = row
    some = any(row.any() for row in rows.values())
    return replace(scene, texts=rows, past_templates=past_templates(connection, scene) if some else {})


def judge(rules: Collection[Detector], scene: Scene, ends: Sequence[datetime]) -> Iterator[tuple[Detector, Finding]]:
    """What the rules find at these ends. A node that is silent has no other issue: what is missing looks like many."""
    wanted = {slot_number(end) - 1 - scene.grid.first for end in ends}
    silent = any(isinstance(rule, Silence) for rule in rules)
    held = set(np.flatnonzero(scene.silent[0]).tolist()) if silent else set()
    for rule in rules:
        if not rule.is_about(scene.grid.node):
            continue
        for finding in lasting(conditions(rule, scene), rule.for_ // SLOT):
            if finding.slot in wanted and (isinstance(rule, Silence) or finding.slot not in held):
                yield rule, finding


def lasting(findings: Iterable[Finding], slots: int) -> Iterator[Finding]:
    """Those whose condition has held for so many slots before as well, without a gap."""
    runs: dict[str | None, tuple[int, int]] = {}  # pattern → slot of its last finding, how many in a row
    for finding in findings:
        last, run = runs.get(finding.pattern, (-2, 0))
        run = run + 1 if finding.slot == last + 1 else 1
        runs[finding.pattern] = finding.slot, run
        if run > slots:
            yield finding

"""Evaluate detector rules over a window, slot by slot.

Here: reading the data once for all rules. Conditions: `detection/conditions/`, for deployments `divergence.py`; counts,
history and lines: `patterns/read_counts.py`, `observe.py`, `text_scan.py`; figures and texts: `firing.py`.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from fleexmon_pipeline.baselines.baseline import Series
from fleexmon_pipeline.baselines.slot_grid import SLOTS_AN_HOUR
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.budget import Budget
from fleexmon_pipeline.detection.conditions.by_kind import hits_of
from fleexmon_pipeline.detection.conditions.thresholds import stands_out
from fleexmon_pipeline.detection.divergence import diverged
from fleexmon_pipeline.detection.firing import Firing, firing_of, naming, occurrence
from fleexmon_pipeline.detection.observation import Hit, Observation
from fleexmon_pipeline.detection.observe import READ_BACK, baseline_templates, read_observations
from fleexmon_pipeline.detection.rule_kinds import Divergence, Silence
from fleexmon_pipeline.detection.rule_model import Bare, Detector, Rule, all_series, text_conditions
from fleexmon_pipeline.detection.text_scan import Matches, find_texts
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.levels import LEVELS
from fleexmon_pipeline.patterns.labels import read_labels
from fleexmon_pipeline.patterns.read_counts import Counts, Samples, read_counts, read_messages, read_samples
from fleexmon_pipeline.patterns.shared_values import MAX_MESSAGE_CHARS, hides_names
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import DAY, SLOT, Window, history_day, slot_number

MAX_COMPARED = 20  # evidence lines of a firing that are read to find shared values


def evaluate(
    connection: Connection,
    rules: Sequence[Rule],
    window: Window,
    *,
    until: datetime,
    live: str | None = None,
    evidence: bool = True,
    budget: Budget | None = None,
) -> list[Occurrence]:
    """Occurrences of the detector rules at the end of each slot of `window` that ends by `until`.

    A rule sees only lines before the slot's end, so later lines change no earlier slot. Predictors and disabled rules
    are skipped. Ordered by slot, rule, subject.

    Reads the counts of the window and of READ_BACK before it once, lines only for rules that search text (once for all
    of them), and baselines. live: LIVE_NODE, for rules about deployments. evidence: whether to read the rows behind
    occurrences. budget: of false alarms; None: the rates in the rule files apply.
    """
    ends = [slot.until for slot in window.slots() if slot.until <= until]
    if not ends:
        return []
    divergences = [rule for rule in rules if rule.enabled and isinstance(rule, Divergence)]
    occurrences = list(diverged(connection, divergences, ends, live=live))
    if active := [rule for rule in rules if rule.enabled and isinstance(rule, Detector)]:
        by_day: defaultdict[datetime, list[datetime]] = defaultdict(list)
        for end in ends:
            by_day[history_day(end - SLOT)].append(end)
        series = all_series(rules)
        for day, ends_of_day in by_day.items():
            share = budget.shares(connection, day) if budget else {}
            occurrences += _evaluate(connection, active, series, ends_of_day, share, evidence=evidence)
    return sorted(occurrences, key=lambda fired: (fired.slot, fired.rule, str(fired.subject)))


def improbable(connection: Connection, rules: Sequence[Rule], rule: Bare, end: datetime) -> set[str]:
    """The nodes on which a predictor's figure is improbable at `end`, or about which too little is known."""
    (series,) = rule.series()
    seen = Window(end - max(READ_BACK, (series.width + SLOTS_AN_HOUR) * SLOT), end)
    counts = read_counts(connection, seen)
    observations = read_observations(connection, counts, Window(end - SLOT, end), seen, all_series(rules))
    return {observation.grid.node for observation in observations if stands_out(rule, observation, series)}


def _evaluate(
    connection: Connection,
    rules: Sequence[Detector],
    series: Collection[Series],
    ends: Sequence[datetime],
    budget: Mapping[str, float],
    *,
    evidence: bool,
) -> Iterator[Occurrence]:
    """Evaluate at `ends`, which belong to one `history_day` and so share baselines."""
    max_duration = max(rule.for_ for rule in rules)
    max_window = max(rule.width + rule.look_back for rule in rules) * SLOT + max_duration
    seen = Window(ends[0] - max(READ_BACK + max_duration, max_window), ends[-1])
    counts = read_counts(connection, seen)
    conditions = text_conditions(rules)
    max_text_width = max((rule.width for rule in rules if rule.name in conditions), default=0)
    lines_since = ends[0] - max_text_width * SLOT - max_duration  # not further, because lines cost more than counts
    texts = find_texts(connection, conditions, Window(lines_since, ends[-1]))
    observations = read_observations(connection, counts, Window(ends[0] - SLOT, ends[-1]), seen, series)
    labels = read_labels(connection)
    fired: defaultdict[str, list[tuple[Firing, int]]] = defaultdict(list)
    for counted in observations:
        observation = _with_text_lines(connection, replace(counted, budget=budget), texts)
        for rule, hit in evaluate_node(rules, observation, ends):
            label = labels.get(hit.pattern or "")
            if not (label and label.ignored):
                firing = firing_of(rule, observation, hit, label.name if label else None)
                fired[rule.name].append((firing, hit.width))
    by_name = {rule.name: rule for rule in rules}
    lines = _evidence(connection, counts, by_name, fired, texts) if evidence else {}
    with_evidence = [
        (name, firing, rows.newest(firing.source, firing.end, width) if (rows := lines.get(name)) else [])
        for name, firings in fired.items()
        for firing, width in firings
    ]
    for name, firing, ids in _with_shared_values(connection, counts, with_evidence):
        yield occurrence(by_name[name], firing, ids)


def _with_shared_values(
    connection: Connection, counts: Counts, firings: Sequence[tuple[str, Firing, list[uuid.UUID]]]
) -> Iterator[tuple[str, Firing, list[uuid.UUID]]]:
    """Put values that all evidence lines of a firing share into its texts. Reads the lines once for all firings."""
    hiding = {pattern: template for pattern, template in counts.templates.items() if hides_names(template)}
    compared = {id_ for _, firing, ids in firings if firing.subject.pattern in hiding for id_ in _some(ids)}
    ends = [firing.end for _, firing, _ in firings]
    window = Window(min(ends) - DAY, max(ends)) if ends else None  # no rule's lines are older
    messages = {
        id_: redact(message) if len(message) < MAX_MESSAGE_CHARS else ""  # half a secret would not be recognized
        for id_, message in (read_messages(connection, compared, window) if window else {}).items()
    }
    for name, firing, ids in firings:
        template = hiding.get(firing.subject.pattern or "")
        own = [messages[id_] for id_ in _some(ids) if id_ in messages]
        yield name, naming(firing, template, own) if template and own else firing, ids


def _some(ids: Sequence[uuid.UUID]) -> Sequence[uuid.UUID]:
    """At most MAX_COMPARED ids, evenly spread."""
    return ids[:: -(-len(ids) // MAX_COMPARED) or 1]


def _evidence(
    connection: Connection,
    counts: Counts,
    rules: Mapping[str, Detector],
    fired: Mapping[str, Sequence[tuple[Firing, int]]],
    texts: Mapping[str, Matches],
) -> dict[str, Matches | Samples]:
    """Rule → the rows behind its firings. Rules with the same levels share one query."""
    rows: dict[str, Matches | Samples] = {}
    sharing: defaultdict[tuple[bool, frozenset[str]], list[str]] = defaultdict(list)
    for name in fired:
        rule = rules[name]
        if name in texts:
            rows[name] = texts[name]
        elif not rule.absence:
            by_pattern = any(firing.source.pattern for firing, _ in fired[name])
            sharing[by_pattern, frozenset(rule.lines.level or LEVELS)].append(name)
    for (_, levels), names in sharing.items():
        firings = [firing for name in names for firing in fired[name]]
        samples = read_samples(
            connection,
            counts,
            Window(min(f.end - SLOT * width for f, width in firings), max(f.end for f, _ in firings)),
            nodes={firing.subject.node for firing, _ in firings if firing.subject.node},
            levels=levels,
            patterns={firing.source.pattern for firing, _ in firings if firing.source.pattern} or None,
        )
        rows |= dict.fromkeys(names, samples)
    return rows


def _with_text_lines(connection: Connection, observation: Observation, texts: Mapping[str, Matches]) -> Observation:
    """The observation with the lines that text rules match and, if there are any, its baseline's templates."""
    rows = {}
    for name, matches in texts.items():
        row = np.zeros(observation.grid.slots, np.int64)
        for slot, lines in matches.counts.get(observation.grid.node, {}).items():
            row[slot_number(slot) - observation.grid.first] += lines
        rows[name] = row
    matched = any(row.any() for row in rows.values())
    templates = baseline_templates(connection, observation) if matched else {}
    return replace(observation, text_lines=rows, baseline_templates=templates)


def evaluate_node(
    rules: Collection[Detector], observation: Observation, ends: Sequence[datetime]
) -> Iterator[tuple[Detector, Hit]]:
    """The rules' hits at these ends. On a silent node only Silence fires: missing lines look like many problems."""
    slots = {slot_number(end) - 1 - observation.grid.first for end in ends}
    watched = any(isinstance(rule, Silence) for rule in rules)
    silent = set(np.flatnonzero(observation.silent[0]).tolist()) if watched else set()
    for rule in rules:
        if not rule.is_about(observation.grid.node):
            continue
        for hit in lasting(hits_of(rule, observation), rule.for_ // SLOT):
            if hit.slot in slots and (isinstance(rule, Silence) or hit.slot not in silent):
                yield rule, hit


def lasting(hits: Iterable[Hit], slots: int) -> Iterator[Hit]:
    """Hits whose condition also held in each of the `slots` slots before."""
    runs: dict[str | None, tuple[int, int]] = {}  # pattern → slot of its last hit, how many in a row
    for hit in hits:
        last, run = runs.get(hit.pattern, (-2, 0))
        run = run + 1 if hit.slot == last + 1 else 1
        runs[hit.pattern] = hit.slot, run
        if run > slots:
            yield hit

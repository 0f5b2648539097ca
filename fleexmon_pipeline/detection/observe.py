"""Read the observation of each node: coverage, first sightings, baseline, and counts around silences.

Baselines: `baselines/store.py`; conditions: `detection/conditions/`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, Series, joined_patterns
from fleexmon_pipeline.baselines.companions import carry_over, with_fleet
from fleexmon_pipeline.baselines.expectation import with_peers
from fleexmon_pipeline.baselines.handover import HANDOVER
from fleexmon_pipeline.baselines.silence import STEADY_SLOTS
from fleexmon_pipeline.baselines.slot_grid import SlotGrid, grid, sketches, varieties
from fleexmon_pipeline.baselines.store import read_baselines
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.observation import Observation
from fleexmon_pipeline.numerics import Flags
from fleexmon_pipeline.patterns.read_counts import Counts, read_counts
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, history_day, slot_number, slot_start

SQL = statements("history")
READ_BACK = 5 * HOUR  # before the evaluated slots: the longest window (3 h), and the load of the hour before it
LEARNING_STAGES = (  # days of history that built-in rules need
    ("new patterns are reported after 1 day, before that in bulk only", 1),
    ("unusual rates after 3 days", 3),
    ("thresholds are bare for 7 days", 7),
)
MAX_SILENCE = 30 * DAY


def read_observations(
    connection: Connection, counts: Counts, window: Window, seen: Window, series: Collection[Series]
) -> list[Observation]:
    """Observations of all nodes that were polled or have lines in `seen`, by name. window: within one `history_day`."""
    first, slots = slot_number(seen.since), seen.length // SLOT
    known, empty = _coverage(connection, seen)
    nodes = sorted(set(counts.rows) | set(known))
    baselines = with_peers(read_baselines(connection, nodes, history_day(window.since), series))
    since = {row["node"]: row["slot"] for row in connection.execute(SQL["known_since"], {"nodes": nodes})}
    grids: dict[str, SlotGrid] = {}
    for node in nodes:
        rows = counts.rows.get(node, [])
        has_lines = np.zeros(slots, bool)
        has_lines[[row.slot - first for row in rows]] = True
        node_known = known.get(node, np.zeros(slots, bool)) | has_lines
        node_empty = empty.get(node, np.zeros(slots, bool)) & ~has_lines
        counted = grid(node, first, slots, rows, node_known, node_empty)
        grids[node] = replace(
            counted,
            durations=sketches(first, slots, counts.durations.get(node, ())),
            varieties=varieties(first, slots, counts.varieties.get(node, ())),
        )
    first_seen = _ancestry(connection, counts, grids, baselines, window)
    observations = []
    read: dict[Window, Counts] = {}
    for node in nodes:
        others = [grids[other] for other in nodes if other != node]
        before = _before(connection, grids[node])
        baseline = baselines.get(node)
        observations.append(
            Observation(
                with_fleet(grids[node], grids.values(), baseline.counterparts) if baseline else grids[node],
                baseline,
                slot_number(since[node]) if since.get(node) else None,
                counts.templates,
                first_seen,
                others=others,
                before=before,
                when_silent=_when_silent(connection, before, read) if before else {},
                absorbed_before=_absorbed_before(baselines.get(node), history_day(window.since)),
            )
        )
    return observations


def still_learning(connection: Connection, hour: Window) -> str:
    """Sentences about nodes polled in this hour that are too new for some rules; empty if there are none."""
    where = {"since": hour.since, "until": hour.until}
    nodes = sorted({row["node"] for row in connection.execute(SQL["coverage"], where)})
    sentences = []
    for row in connection.execute(SQL["known_since"], {"nodes": nodes}):
        days = (hour.until - row["slot"]) / DAY if row["slot"] else 0.0
        if days < 7:
            since = f"for {days:.1f} days" if row["slot"] else "not at all"
            stages = [stage for stage, min_days in LEARNING_STAGES if days < min_days]
            sentences.append(f"{row['node']} is known {since}: {'; '.join(stages)}")
    return "\n".join(sentences)


def baseline_templates(connection: Connection, observation: Observation) -> dict[str, str]:
    """Templates of the patterns in an observation's baseline."""
    ids = list(observation.baseline.patterns) if observation.baseline else []
    return {row["id"]: row["template"] for row in connection.execute(SQL["templates"], {"ids": ids})}


def _coverage(connection: Connection, window: Window) -> tuple[dict[str, Flags], dict[str, Flags]]:
    slots, first = window.length // SLOT, slot_number(window.since)
    known: defaultdict[str, Flags] = defaultdict(lambda: np.zeros(slots, bool))
    empty: defaultdict[str, Flags] = defaultdict(lambda: np.zeros(slots, bool))
    for row in connection.execute(SQL["coverage"], {"since": window.since, "until": window.until}):
        place = slot_number(row["slot"]) - first
        known[row["node"]][place] = row["status"] in ("complete", "empty")
        empty[row["node"]][place] = row["status"] == "empty"
    return dict(known), dict(empty)


def _before(connection: Connection, now: SlotGrid) -> SlotGrid | None:
    """The slots before the grid, if a silence begins in its first 3 hours or began earlier. A silence is compared with
    the 3 hours before it, so with them a slot has the same result in every window."""
    silent = now.empty[int(np.argmax(now.known))]  # at the grid's start
    if not (silent or now.empty[:STEADY_SLOTS].any()):
        return None
    since = now.first - STEADY_SLOTS
    if silent:
        before = slot_start(now.first)
        where = {"node": now.node, "before": before, "since": before - MAX_SILENCE}
        row = connection.execute(SQL["last_spoke"], where).fetchone()
        since = min(since, slot_number(row["slot"]) + 1 - STEADY_SLOTS) if row else since
    where = {"node": now.node, "since": slot_start(since), "until": slot_start(now.first)}
    known, empty = (np.zeros(now.first - since, bool) for _ in range(2))
    lines = np.zeros((1, now.first - since), np.int64)
    for row in connection.execute(SQL["lines_before"], where):
        place = slot_number(row["slot"]) - since
        known[place], empty[place], lines[0, place] = True, row["status"] == "empty", row["lines"]
    return SlotGrid(now.node, since, known, empty, [("", "")], lines)


def _when_silent(connection: Connection, before: SlotGrid, read: dict[Window, Counts]) -> dict[str, SlotGrid]:
    """All nodes' lines around the start of a node's silence, if that is before the grid. read: a cache of counts."""
    slots = min(STEADY_SLOTS + HANDOVER, before.slots)
    window = Window(slot_start(before.first), slot_start(before.first + slots))
    counts = read.get(window) or read.setdefault(window, read_counts(connection, window))
    unknown = np.zeros(slots, bool)
    return {node: grid(node, before.first, slots, rows, unknown, unknown) for node, rows in counts.rows.items()}


def _absorbed_before(baseline: Baseline | None, day: datetime) -> int:
    """Number of the first slot too recent for its silence to have skewed the baseline. A silence over a fifth of the
    learnt days makes silence normal."""
    return slot_number(day - baseline.days / 5 * DAY) if baseline else 0


def _ancestry(
    connection: Connection,
    counts: Counts,
    grids: Mapping[str, SlotGrid],
    baselines: dict[str, Baseline],
    window: Window,
) -> dict[str, int]:
    """Pattern → slot of its first line on any node, or of the first line of a pattern that was merged into it. Only for
    patterns that no baseline knows.

    A merge counts from its slot on: a later merge does not make a pattern old in hindsight, so the order in which hours
    are evaluated does not matter. Also adds the baselines of merged patterns to the pattern they became.
    """
    counted = {pattern for of_node in grids.values() for pattern, _ in of_node.keys}
    learnt = {pattern for baseline in baselines.values() for pattern in baseline.patterns}
    roots = sorted(counted - learnt)
    merged: defaultdict[str, list[tuple[str, datetime | None]]] = defaultdict(list)
    for row in connection.execute(SQL["members"], {"roots": roots}):
        merged[row["root"]].append((row["id"], row["since"]))
    ids = {id_ for root in roots for id_ in (root, *counts.members.get(root, ()), *(id_ for id_, _ in merged[root]))}
    came = {
        row["id"]: slot_number(row["slot"])
        for row in connection.execute(SQL["first_slots"], {"ids": sorted(ids)})
        if row["slot"] is not None
    }
    first_seen: dict[str, int] = {}
    for root in roots:
        firsts = [came[id_] for id_ in {root, *counts.members.get(root, ())} if id_ in came]
        if not firsts:
            continue
        first = min(firsts)
        earlier = [
            came[id_] for id_, since in merged[root] if id_ in came and (since is None or slot_number(since) <= first)
        ]
        first_seen[root] = min([first, *earlier])
        for node, baseline in baselines.items():
            of_merged = [
                baseline.patterns[id_]
                for id_, since in merged[root]
                if id_ in baseline.patterns and (since is None or since < window.until)
            ]
            if of_merged:
                baselines[node].patterns[root] = joined_patterns(of_merged)
                for id_, since in merged[root]:
                    if since is None or since < window.until:
                        carry_over(baseline.companions, id_, root)
                        carry_over(baseline.counterparts, id_, root)
                        carry_over(baseline.starts, id_, root)
    return first_seen

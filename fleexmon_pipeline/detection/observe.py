"""What rules may know beside the counts of the hour: coverage, first sightings, and what is usual for each node.

Here: reading it, and what was seen of an hour. What is usual: `baselines/store.py`; how it is judged:
`detection/conditions/rates.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

import numpy as np

from fleexmon_pipeline.baselines.baseline import Baseline, Series
from fleexmon_pipeline.baselines.silence import STEADY_SLOTS
from fleexmon_pipeline.baselines.slot_grid import SlotGrid, grid, group_of
from fleexmon_pipeline.baselines.store import day_of, read_baselines
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.observation import Scene
from fleexmon_pipeline.numerics import Flags
from fleexmon_pipeline.patterns.read_counts import Counts
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, slot_number, slot_start

SQL = statements("history")
LOOK_BACK = 5 * HOUR  # the longest window, 3 h, and the load of the hour before it
STAGES = (  # what the built-in rules wait for, days
    ("new patterns are told from 1 day on", 1),
    ("unusual rates from 3 days on", 3),
    ("thresholds are bare up to 7 days", 7),
)
LONGEST_SILENCE = 30 * DAY


def read_scenes(
    connection: Connection, counts: Counts, window: Window, seen: Window, asked: Collection[Series]
) -> list[Scene]:
    """All nodes that spoke or were asked in `seen`, by name. `window`, the slots that are judged, has one `day_of`."""
    first, slots = slot_number(seen.since), seen.length // SLOT
    known, empty = _coverage(connection, seen)
    nodes = sorted(set(counts.rows) | set(known))
    baselines = read_baselines(connection, nodes, day_of(window.since), asked)
    since = {row["node"]: row["slot"] for row in connection.execute(SQL["known_since"], {"nodes": nodes})}
    grids: dict[str, SlotGrid] = {}
    for node in nodes:
        rows = counts.rows.get(node, [])
        spoken = np.zeros(slots, bool)
        spoken[[row.slot - first for row in rows]] = True
        answered = known.get(node, np.zeros(slots, bool)) | spoken
        nothing = empty.get(node, np.zeros(slots, bool)) & ~spoken
        grids[node] = grid(node, first, slots, rows, answered, nothing)
    first_seen = _ancestry(connection, counts, grids, baselines, window)
    return [
        Scene(
            grids[node],
            baselines.get(node),
            slot_number(since[node]) if since.get(node) else None,
            counts.templates,
            first_seen,
            before=_before(connection, grids[node]),
            unlearnt=_unlearnt(baselines.get(node), day_of(window.since)),
        )
        for node in nodes
    ]


def still_learning(connection: Connection, hour: Window) -> str:
    """Which nodes asked in this hour are too young for what their rules need, in words; empty where all is known."""
    where = {"since": hour.since, "until": hour.until}
    nodes = sorted({row["node"] for row in connection.execute(SQL["coverage"], where)})
    told = []
    for row in connection.execute(SQL["known_since"], {"nodes": nodes}):
        days = (hour.until - row["slot"]) / DAY if row["slot"] else 0.0
        if days < 7:
            since = f"for {days:.1f} days" if row["slot"] else "not at all"
            waits = [what for what, least in STAGES if days < least]
            told.append(f"{row['node']} is known {since}: {'; '.join(waits)}")
    return "\n".join(told)


def past_templates(connection: Connection, scene: Scene) -> dict[str, str]:
    """Templates of the patterns that a scene's baseline knows."""
    ids = list(scene.baseline.patterns) if scene.baseline else []
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
    """What a silence is measured by that begins in the first 3 hours of the grid, or has begun before: the slots from 3
    hours before it on. So a slot is judged alike in whatever window it is read."""
    silent = now.empty[int(np.argmax(now.known))]  # when the grid begins
    if not (silent or now.empty[:STEADY_SLOTS].any()):
        return None
    since = now.first - STEADY_SLOTS
    if silent:
        before = slot_start(now.first)
        where = {"node": now.node, "before": before, "since": before - LONGEST_SILENCE}
        row = connection.execute(SQL["last_spoke"], where).fetchone()
        since = min(since, slot_number(row["slot"]) + 1 - STEADY_SLOTS) if row else since
    where = {"node": now.node, "since": slot_start(since), "until": slot_start(now.first)}
    known, empty = (np.zeros(now.first - since, bool) for _ in range(2))
    lines = np.zeros((1, now.first - since), np.int64)
    for row in connection.execute(SQL["lines_before"], where):
        place = slot_number(row["slot"]) - since
        known[place], empty[place], lines[0, place] = True, row["status"] == "empty", row["lines"]
    return SlotGrid(now.node, since, known, empty, [("", "")], lines)


def _unlearnt(baseline: Baseline | None, day: datetime) -> int:
    """A silence that takes a fifth of the days that a baseline was learnt from has made silence usual."""
    return slot_number(day - baseline.days / 5 * DAY) if baseline else 0


def _ancestry(
    connection: Connection,
    counts: Counts,
    grids: Mapping[str, SlotGrid],
    baselines: dict[str, Baseline],
    window: Window,
) -> dict[str, int]:
    """When each warning or error that no baseline knows first came, at any node, or what had merged into it before.

    A merge counts from its slot on: what merges into a pattern after it came does not make it old in hindsight, and the
    order in which hours are judged cannot matter. What a baseline knows of merged patterns holds for what they became.
    """
    sparse = {pattern for each in grids.values() for pattern, level in each.keys if group_of(level) != "rest"}
    known = {pattern for baseline in baselines.values() for pattern in baseline.patterns}
    roots = sorted(sparse - known)
    merged: defaultdict[str, list[tuple[str, datetime | None]]] = defaultdict(list)
    for row in connection.execute(SQL["members"], {"roots": roots}):
        merged[row["root"]].append((row["id"], row["since"]))
    own = {id_ for root in roots for id_ in (root, *counts.members.get(root, ()), *(each for each, _ in merged[root]))}
    came = {
        row["id"]: slot_number(row["slot"])
        for row in connection.execute(SQL["first_slots"], {"ids": sorted(own)})
        if row["slot"] is not None
    }
    found: dict[str, int] = {}
    for root in roots:
        firsts = [came[id_] for id_ in {root, *counts.members.get(root, ())} if id_ in came]
        if not firsts:
            continue
        first = min(firsts)
        old = [
            came[id_] for id_, since in merged[root] if id_ in came and (since is None or slot_number(since) <= first)
        ]
        found[root] = min([first, *old])
        for node, baseline in baselines.items():
            pasts = [
                baseline.patterns[id_]
                for id_, since in merged[root]
                if id_ in baseline.patterns and (since is None or since < window.until)
            ]
            if pasts:
                baselines[node].patterns[root] = max(pasts, key=lambda past: past.lines)
    return found

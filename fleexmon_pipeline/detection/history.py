"""What rules may know beside the counts of the hour: coverage, first sightings, and what is usual for each node.

Here: reading and keeping. What is learnt: `baseline.py`; how it is judged: `unusual.py`. Why the past ends where it
does: docs/decisions/0018.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property

import msgspec
import numpy as np

from fleexmon_pipeline.collection.records import read_level
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.baseline import STEADY_SLOTS, Asked, Baseline
from fleexmon_pipeline.detection.counts import Counts, Resolve, read_patterns
from fleexmon_pipeline.detection.grid import Flags, Grid, Ints, grid, group_of, moment, number
from fleexmon_pipeline.detection.learning import learn
from fleexmon_pipeline.detection.occurrence import Occurrence
from fleexmon_pipeline.detection.scene import Scene
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, floor

SQL = statements("history")
VERSION = "1"  # of what is learnt; a change of `baseline.py` that matters counts it up
HISTORY = 14 * DAY
SETTLED = 3 * HOUR  # the day before is learnt from only then: late lines come 10 and 70 minutes after an hour's end
LOOK_BACK = 5 * HOUR  # the longest window, 3 h, and the load of the hour before it
OLDEST_KEPT = 60 * DAY
STAGES = (  # what the built-in rules wait for, days
    ("new patterns are told from 1 day on", 1),
    ("unusual rates from 3 days on", 3),
    ("thresholds are bare up to 7 days", 7),
)
LONGEST_SILENCE = 30 * DAY


def day_of(slot: datetime) -> datetime:
    """The day whose beginning ends the past that this slot is compared with."""
    return floor(slot - SETTLED, DAY)


def read_scenes(
    connection: Connection, counts: Counts, window: Window, seen: Window, asked: Collection[Asked]
) -> list[Scene]:
    """All nodes that spoke or were asked in `seen`, by name. `window`, the slots that are judged, has one `day_of`."""
    first, slots = number(seen.since), seen.length // SLOT
    known, empty = _coverage(connection, seen)
    nodes = sorted(set(counts.rows) | set(known))
    baselines = read_baselines(connection, nodes, day_of(window.since), asked)
    since = {row["node"]: row["slot"] for row in connection.execute(SQL["known_since"], {"nodes": nodes})}
    grids: dict[str, Grid] = {}
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
            number(since[node]) if since.get(node) else None,
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
    slots, first = window.length // SLOT, number(window.since)
    known: defaultdict[str, Flags] = defaultdict(lambda: np.zeros(slots, bool))
    empty: defaultdict[str, Flags] = defaultdict(lambda: np.zeros(slots, bool))
    for row in connection.execute(SQL["coverage"], {"since": window.since, "until": window.until}):
        place = number(row["slot"]) - first
        known[row["node"]][place] = row["status"] in ("complete", "empty")
        empty[row["node"]][place] = row["status"] == "empty"
    return dict(known), dict(empty)


def _before(connection: Connection, now: Grid) -> Grid | None:
    """What a silence is measured by that begins in the first 3 hours of the grid, or has begun before: the slots from 3
    hours before it on. So a slot is judged alike in whatever window it is read."""
    silent = now.empty[int(np.argmax(now.known))]  # when the grid begins
    if not (silent or now.empty[:STEADY_SLOTS].any()):
        return None
    since = now.first - STEADY_SLOTS
    if silent:
        before = moment(now.first)
        where = {"node": now.node, "before": before, "since": before - LONGEST_SILENCE}
        row = connection.execute(SQL["last_spoke"], where).fetchone()
        since = min(since, number(row["slot"]) + 1 - STEADY_SLOTS) if row else since
    where = {"node": now.node, "since": moment(since), "until": moment(now.first)}
    known, empty = (np.zeros(now.first - since, bool) for _ in range(2))
    lines = np.zeros((1, now.first - since), np.int64)
    for row in connection.execute(SQL["lines_before"], where):
        place = number(row["slot"]) - since
        known[place], empty[place], lines[0, place] = True, row["status"] == "empty", row["lines"]
    return Grid(now.node, since, known, empty, [("", "")], lines)


def _unlearnt(baseline: Baseline | None, day: datetime) -> int:
    """A silence that takes a fifth of the days that a baseline was learnt from has made silence usual."""
    return number(day - baseline.days / 5 * DAY) if baseline else 0


def _ancestry(
    connection: Connection, counts: Counts, grids: Mapping[str, Grid], baselines: dict[str, Baseline], window: Window
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
        row["id"]: number(row["slot"])
        for row in connection.execute(SQL["first_slots"], {"ids": sorted(own)})
        if row["slot"] is not None
    }
    found: dict[str, int] = {}
    for root in roots:
        firsts = [came[id_] for id_ in {root, *counts.members.get(root, ())} if id_ in came]
        if not firsts:
            continue
        first = min(firsts)
        old = [came[id_] for id_, since in merged[root] if id_ in came and (since is None or number(since) <= first)]
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


# -- baselines ------------------------------------------------------------------------------------------------------


def read_baselines(
    connection: Connection, nodes: Sequence[str], day: datetime, asked: Collection[Asked], read: Read | None = None
) -> dict[str, Baseline]:
    """What is usual on that day, by node; learnt anew where that was not done yet or the past has changed since.

    `read`: counts of these nodes that were read for several days at once.
    """
    window = Window(day - HISTORY, day)
    made_of = _made_of(connection, window, asked)
    found: dict[str, Baseline] = {}
    missing = set(nodes)
    for row in connection.execute(SQL["baseline"], {"nodes": list(nodes), "day": day}):
        if row["made_of"] == made_of:
            missing.discard(row["node"])
            if row["figures"]:
                found[row["node"]] = msgspec.json.decode(row["figures"], type=Baseline)
    if missing:
        learnt = learn_baselines(read or Read(connection, sorted(missing), window), missing, window, asked)
        for node in sorted(missing):
            figures = msgspec.json.encode(learnt[node]).decode() if node in learnt else None
            connection.execute(SQL["keep_baseline"], {"node": node, "day": day, "made_of": made_of, "figures": figures})
        for forgotten in ("forget_baselines", "forget_shadows"):
            connection.execute(SQL[forgotten], {"before": day - OLDEST_KEPT})
        found |= learnt
    return found


def _made_of(connection: Connection, window: Window, asked: Collection[Asked]) -> str:
    """The same as long as the rules ask for the same and the hours are as detection saw them."""
    told = hashlib.sha256(VERSION.encode())
    for name in sorted({each.name for each in asked}):
        told.update(name.encode())
    for row in connection.execute(SQL["seen_hours"], {"since": window.since, "until": window.until}):
        told.update(f"{row['hour'].isoformat()} {row['made_of']}".encode())
    return told.hexdigest()[:32]


def learn_days(
    connection: Connection, nodes: Sequence[str], days: Sequence[datetime], asked: Collection[Asked]
) -> None:
    """What `read_baselines` would learn of these days one by one, from counts that are read once for all of them."""
    read = Read(connection, nodes, Window(min(days) - HISTORY, max(days)))
    for day in days:
        read_baselines(connection, nodes, day, asked, read)


class Read:
    """The counts and the coverage of some nodes; read when they are asked for."""

    def __init__(self, connection: Connection, nodes: Collection[str], window: Window) -> None:
        self._connection = connection
        self._where = {"nodes": list(nodes), "since": window.since, "until": window.until}

    @cached_property
    def rows(self) -> list[tuple[str, str, str, Ints, Ints]]:
        """Node, stored pattern, level; numbers of slots and their counts."""
        rows = self._connection.execute(SQL["past"], self._where).fetchall()
        return [
            (row["node"], row["pattern"], read_level(row["level"]), _numbers(row["slots"]), _numbers(row["counts"]))
            for row in rows
        ]

    @cached_property
    def coverage(self) -> dict[str, tuple[Ints, Ints]]:
        """Numbers of the slots that each node is known in, and was empty in, ascending."""
        rows = self._connection.execute(SQL["past_coverage"], self._where)
        return {row["node"]: (_numbers(row["known"]), _numbers(row["empty"])) for row in rows}

    @cached_property
    def resolve(self) -> Resolve:
        return read_patterns(self._connection, {row[1] for row in self.rows})[1]


def learn_baselines(read: Read, nodes: set[str], window: Window, asked: Collection[Asked]) -> dict[str, Baseline]:
    """From the counts of whole days; nodes of which nothing is known are left out."""
    first, last, end = number(window.since), number(window.until), window.until - SLOT
    pieces: defaultdict[str, list[tuple[str, str, Ints, Ints]]] = defaultdict(list)
    for node, stored, level, slots, counts in read.rows:
        inside = (slots >= first) & (slots < last)
        if node in nodes and inside.any():
            pieces[node].append((read.resolve(stored, end), level, slots[inside], counts[inside]))
    found: dict[str, Baseline] = {}
    for node in sorted(nodes & read.coverage.keys()):
        known, empty = (slots[(slots >= first) & (slots < last)] for slots in read.coverage[node])
        past = _past(node, window, pieces[node], known, empty)
        if past is not None and (baseline := learn(past, asked)) is not None:
            found[node] = baseline
    return found


def _numbers(text: str | None) -> Ints:
    return np.array((text or "").split(), np.int64)


def _past(
    node: str, window: Window, pieces: Iterable[tuple[str, str, Ints, Ints]], known: Ints, empty: Ints
) -> Grid | None:
    """From the first whole day on that the node answered in."""
    if not len(known):
        return None
    first = number(floor(moment(int(known[0])), DAY))
    slots = number(window.until) - first
    index: dict[tuple[str, str], int] = {}
    pieces = list(pieces)
    for pattern, level, _, _ in pieces:
        index.setdefault((pattern, level), len(index))
    counts = np.zeros((len(index), slots), np.int64)
    for pattern, level, places, lines in pieces:
        inside = places >= first
        np.add.at(counts[index[pattern, level]], places[inside] - first, lines[inside])
    answered, nothing = np.zeros(slots, bool), np.zeros(slots, bool)
    answered[known - first] = True
    nothing[empty - first] = True
    return Grid(node, first, answered | counts.any(axis=0), nothing & ~counts.any(axis=0), list(index), counts)


# -- what was seen of an hour ---------------------------------------------------------------------------------------


def note_seen(connection: Connection, hour: Window) -> list[datetime]:
    """Write down what the hour is judged by. Returns the later hours, judged before, that looked back into it when it
    was different: they are to be judged again."""
    bounds = {"since": hour.since, "until": hour.until}
    row = connection.execute(SQL["look_at_hour"], bounds).fetchone()
    changed = connection.execute(
        SQL["note_hour"], {"hour": hour.since, "made_of": row["made_of"] if row else ""}
    ).fetchone()
    if changed is None:
        return []
    reach = {"since": hour.until, "until": hour.until + LOOK_BACK}
    return [each["hour"] for each in connection.execute(SQL["seen_hours"], reach)]


# -- shadows --------------------------------------------------------------------------------------------------------


def write_shadows(
    connection: Connection, occurrences: Sequence[Occurrence], window: Window, *, rules: Collection[str] | None = None
) -> None:
    """Replace what rules in shadow mode (only these, where given) would have said of the window's slots."""
    said = {(each.fingerprint, each.slot): each for each in occurrences}
    keys = {"fingerprints": [name for name, _ in said], "slots": [slot for _, slot in said]}
    bounds = {"since": window.since, "until": window.until, "rules": None if rules is None else list(rules)}
    with connection.transaction():
        connection.execute(SQL["delete_shadows"], {**bounds, **keys})
        for (fingerprint, slot), each in sorted(said.items()):
            row = {"fingerprint": fingerprint, "slot": slot, "rule": each.rule, "severity": str(each.severity)}
            told = {"title": each.title, "nodes": list(each.nodes), "affected": each.affected}
            connection.execute(SQL["say_shadow"], {**row, **told})

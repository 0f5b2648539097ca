"""Compare two nodes: read their counts from "LogPatternCount", and the log rows behind the patterns that stand out.

Here: the database. What the counts mean: `judge.py`.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from psycopg.rows import tuple_row

from fleexmon_pipeline.comparison.deployments import deployments
from fleexmon_pipeline.comparison.judge import ComparedPattern, Outcome, compare
from fleexmon_pipeline.comparison.pair import Pair, pair_of
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.patterns.labels import read_labels
from fleexmon_pipeline.patterns.read_counts import read_patterns
from fleexmon_pipeline.window import DAY, SLOT, Window
from fleexmon_pipeline.wording import counted

SQL = statements("comparison")
PAST = 7 * DAY
BUCKET = timedelta(minutes=30)  # bursts last 15 to 30 minutes
SHORT_BUCKET = timedelta(minutes=15)  # in windows of less than an hour
MAX_WINDOW = 7 * DAY
MAX_SHOWN = 20  # patterns for which evidence is read
MAX_ROWS = 5  # of evidence for each
MIN_COLLECTED = 0.5  # share of a node's slots; with fewer nothing passes
COLOURS = ("blue", "green")

BucketRow = tuple[str, str, str, int, int, int]  # node, pattern, level, bucket, lines, slots


@dataclass(frozen=True)
class Comparison:
    """An outcome with its templates and the rows behind it."""

    window: Window
    baseline: str
    candidate: str
    outcome: Outcome
    templates: Mapping[str, str]  # redacted, as stored
    evidence: Mapping[tuple[str, str], list[uuid.UUID]]  # pattern and level → rows of LogEntry, newest first


class NothingToCompareError(FleexmonError, ValueError):
    """The window has no counts of either node. The message says where counts are."""


def compare_nodes(connection: Connection, window: Window, baseline: str, candidate: str) -> Comparison:
    """`window`: whole slots, at most MAX_WINDOW. Cost: one read of both nodes' counts of a week.

    Raises NothingToCompareError.
    """
    nodes = [baseline, candidate]
    bucket = bucket_length(window)
    past = _past_since(connection, window, nodes, bucket)
    gap = _buckets_since_deployed(connection, window, past, nodes, bucket)
    rows = _read_buckets(connection, window, past, nodes, bucket)
    if not any(number >= 0 for _, _, _, number, _, _ in rows):
        raise NothingToCompareError(_nothing_text(connection, window, nodes))
    stored_ids = {pattern for _, pattern, _, _, _, _ in rows}
    templates, resolve = read_patterns(connection, stored_ids)
    roots = {pattern: resolve(pattern, window.until - SLOT) for pattern in stored_ids}
    ignored = {pattern for pattern, label in read_labels(connection).items() if label.ignored} & set(roots.values())
    roots = {stored: root for stored, root in roots.items() if root not in ignored}
    pair = pair_of(
        _resolved(rows, roots),
        baseline,
        candidate,
        past=(window.since - past) // bucket,
        gap=gap,
        buckets=-(-window.length // bucket),
    )
    members: defaultdict[str, list[str]] = defaultdict(list)
    for stored, root in roots.items():
        members[root].append(stored)
    known_before = _known_before(connection, pair, members, past)
    outcome = compare(pair, baseline=baseline, candidate=candidate, known_before=known_before, templates=templates)
    outcome = _with_coverage(connection, window, nodes, outcome)
    if ignored:
        reason = f"{counted(len(ignored), 'ignored pattern')} left out"
        outcome = replace(outcome, reasons=[*outcome.reasons, reason])
    shown = [pattern for pattern in outcome.patterns if pattern.status != "known"][:MAX_SHOWN]
    comparison = Comparison(
        window,
        baseline,
        candidate,
        outcome,
        {name: templates.get(name, name) for name in (compared.pattern for compared in outcome.patterns)},
        {},
    )
    return replace(comparison, evidence=_evidence(connection, comparison, shown, members))


def _read_buckets(
    connection: Connection, window: Window, past: datetime, nodes: Sequence[str], bucket: timedelta
) -> list[BucketRow]:
    """Rows of node, stored pattern, stored level, bucket, lines, slots. Tuples, as a week has 70,000 of them."""
    where = {
        "since": past, "until": window.until, "origin": window.since, "nodes": nodes,
        "bucket": int(bucket.total_seconds()),
    }  # fmt: skip
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(SQL["enough_memory"])
        return cursor.execute(SQL["buckets"], where).fetchall()


def _resolved(rows: Iterable[BucketRow], roots: Mapping[str, str]) -> Iterator[BucketRow]:
    """The rows with resolved patterns and levels; patterns without a root are left out."""
    levels = {level: read_level(level) for level in {row[2] for row in rows}}
    for node, pattern, level, number, lines, slots in rows:
        if pattern in roots:
            yield node, roots[pattern], levels[level], number, lines, slots


def cache_key_of(connection: Connection, window: Window, nodes: Sequence[str]) -> tuple[object, ...]:
    """A value that changes whenever the window is collected, counted or labelled again."""
    where = {"since": window.since, "until": window.until, "nodes": list(nodes)}
    row = connection.execute(SQL["stamp"], where).fetchone() or {}
    return tuple(row.values())


def bucket_length(window: Window) -> timedelta:
    return SHORT_BUCKET if window.length < 2 * BUCKET else BUCKET


def _past_since(connection: Connection, window: Window, nodes: Sequence[str], bucket: timedelta) -> datetime:
    """Where the past begins: a week before the window, or with the first coverage; in whole buckets."""
    row = connection.execute(SQL["first_slot"], {"since": window.since - PAST, "nodes": list(nodes)}).fetchone()
    first = row["slot"] if row and row["slot"] is not None else window.since
    return window.since - max((window.since - first) // bucket, 0) * bucket


def _buckets_since_deployed(
    connection: Connection, window: Window, past: datetime, nodes: Sequence[str], bucket: timedelta
) -> int:
    """How many buckets before the window are left out: what a new version logs is not normal yet.

    0 if less than a day of the past would be left.
    """
    last = deployments(connection, Window(past + DAY, max(past + DAY, window.since)), nodes=nodes, limit=1)
    return -(-(window.since - last[0].at) // bucket) if last else 0


def _known_before(connection: Connection, pair: Pair, members: Mapping[str, list[str]], past: datetime) -> set[str]:
    """Patterns that only the candidate's window has, but that some node had before the past."""
    elsewhere = pair.baseline.totals + pair.past_baseline.totals + pair.past_candidate.totals
    new = {pattern for (pattern, _), lines in zip(pair.keys, elsewhere, strict=True) if not lines}
    root_of = {stored: root for root in new for stored in members[root]}
    rows = connection.execute(SQL["known_before"], {"ids": list(root_of), "before": past})
    return {root_of[row["id"]] for row in rows}


def _with_coverage(connection: Connection, window: Window, nodes: Sequence[str], outcome: Outcome) -> Outcome:
    """Report slots that were not collected, which are not silence. Too many make the verdict inconclusive."""
    expected = -(-window.length // SLOT)
    where = {"since": window.since, "until": window.until, "nodes": list(nodes)}
    collected = {row["node"]: row["slots"] for row in connection.execute(SQL["collected"], where)}
    for node in nodes:
        slots = min(collected.get(node, 0), expected)
        if slots < expected:
            reason = f"{node}: only {slots} of {expected} slots are collected"
            verdict = outcome.verdict
            if slots < MIN_COLLECTED * expected and verdict in ("pass", "marginal"):
                verdict = "inconclusive"
            reasons = [reason, *outcome.reasons] if verdict == "inconclusive" else [*outcome.reasons, reason]
            outcome = replace(outcome, verdict=verdict, reasons=reasons)
    return outcome


def _evidence(
    connection: Connection, comparison: Comparison, shown: Iterable[ComparedPattern], members: Mapping[str, list[str]]
) -> dict[tuple[str, str], list[uuid.UUID]]:
    """Rows of the candidate; if it has none, of what it is compared with."""
    window, evidence = comparison.window, dict[tuple[str, str], list[uuid.UUID]]()
    reference = comparison.outcome.reference
    reference_node = comparison.candidate if reference == "itself" else comparison.baseline
    earlier = Window(window.since - window.length, window.since)
    reference_window = earlier if reference in ("before", "itself") else window
    for pattern in shown:
        searched = window if pattern.candidate else reference_window
        params = {
            "since": searched.since, "until": searched.until, "ids": members[pattern.pattern],
            "node": comparison.candidate if pattern.candidate else reference_node,
        }  # fmt: skip
        rows = connection.execute(SQL["samples"], params)
        ids = [i for row in rows if read_level(row["level"]) == pattern.level for i in reversed(row["samples"])]
        evidence[pattern.pattern, pattern.level] = ids[:MAX_ROWS]
    return evidence


def _nothing_text(connection: Connection, window: Window, nodes: Collection[str]) -> str:
    text = f"{window} UTC has no counted lines of {' or '.join(nodes)}."
    row = connection.execute(SQL["counted"], {"nodes": list(nodes)}).fetchone()
    if row and row["first"] is not None:
        return f"{text} Their lines are from {row['first']:%Y-%m-%d %H:%M} to {row['last'] + SLOT:%Y-%m-%d %H:%M} UTC."
    return f"{text} None of their lines are counted yet: materialize raw_logs and analyzed_logs."


def known_nodes(connection: Connection, *, before: datetime | None = None) -> list[str]:
    """Every node that was ever polled, or was polled before then."""
    return [row["node"] for row in connection.execute(SQL["nodes"], {"before": before})]


def live_node(connection: Connection, window: Window, nodes: Collection[str], setting: str | None) -> str | None:
    """The live node: LIVE_NODE (`setting`), else blue or green, whichever has the traffic; None if neither has."""
    return setting or busiest(connection, window, [node for node in COLOURS if node in nodes])


def busiest(connection: Connection, window: Window, nodes: Collection[str]) -> str | None:
    """The node with the most lines; None if none has any."""
    where = {"since": window.since, "until": window.until, "nodes": list(nodes)}
    row = connection.execute(SQL["busiest"], where).fetchone()
    return str(row["node"]) if row else None

"""Turn occurrences into issues: write them slot by slot, join them to episodes, keep those as rows of "LogIssue".

Here: reading and locking. When a rule fires: the detectors. Which firings form an episode: `episodes.py`; which issues
follow: `plan.py`; the content of their rows: `issue_rows.py`. Reading issues for people: `read.py`.

"LogIssue" depends on "IssueOccurrence", "LogCoverage" and what people did, never on the order of runs: `reconcile`
computes the rows that should exist and changes those that differ. Measured for one subject and 90 days: a rule that
fires in every slot takes 40 ms a call; one that makes an issue every two hours (1,080 of them) 420 ms, or 120 ms with
`since`; 200 new subjects in one slot 85 ms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.episodes import RETURNS_WITHIN, CoveredTime, FiringSpan, without
from fleexmon_pipeline.issues.issue_rows import Origin, Reconciled, filled_in, read_answers, write_issues
from fleexmon_pipeline.issues.occurrence import MAX_EVIDENCE, Occurrence, Source, is_pattern, is_reported
from fleexmon_pipeline.issues.plan import Plan, StoredEpisode, plan_issues
from fleexmon_pipeline.window import DAY, EPOCH, SLOT, Window, ceil, floor

_SQL = statements("lifecycle")
_CHUNK = 200  # subjects per transaction: a person who resolves an issue waits for one transaction
_FLEET = "fleet"
_FAR = datetime(9999, 1, 1, tzinfo=UTC)


# -- occurrences --------------------------------------------------------------------------------------------------


def write_occurrences(
    connection: Connection,
    occurrences: Iterable[Occurrence],
    *,
    source: Source,
    window: Window,
    rules: Collection[str] | None = None,
) -> frozenset[str]:
    """Replace the occurrences of `source` (or only of its `rules`) in the window's slots, in one transaction.

    Returns the subjects of the old and the new occurrences, changed or not: those to reconcile. If two occurrences have
    the same fingerprint and slot, the more severe one is kept. Raises ValueError for an occurrence outside the window,
    the source or the rules.
    """
    window = Window(floor(window.since, SLOT), ceil(window.until, SLOT))
    by_key: dict[tuple[str, datetime], Occurrence] = {}
    for occurrence in occurrences:
        _check(occurrence, source, window, rules)
        key = (occurrence.fingerprint, occurrence.slot)
        if key not in by_key or occurrence.severity.rank > by_key[key].severity.rank:
            by_key[key] = occurrence
    bounds = {"source": source, "since": window.since, "until": window.until, "rules": _listed(rules)}
    with connection.transaction():
        connection.execute(_SQL["lock_hours"], {"source": source, "hours": [hour.since for hour in window.hours()]})
        before = {row["subject"] for row in connection.execute(_SQL["subjects_written"], bounds)}
        subjects = frozenset(before | {str(occurrence.subject) for occurrence in by_key.values()})
        lock_subjects(connection, subjects)
        keys = {"fingerprints": [name for name, _ in by_key], "slots": [slot for _, slot in by_key]}
        connection.execute(_SQL["delete_absent"], {**bounds, **keys})
        with connection.cursor() as cursor:
            cursor.executemany(_SQL["upsert_occurrence"], [_row(occurrence) for occurrence in by_key.values()])
    return subjects


def add_occurrences(connection: Connection, occurrences: Iterable[Occurrence]) -> frozenset[str]:
    """Write these occurrences and leave all others alone: for what is reported once and not evaluated again.

    An occurrence of the same fingerprint and slot is replaced. Returns the subjects.
    """
    added = list(occurrences)
    subjects = frozenset(str(occurrence.subject) for occurrence in added)
    with connection.transaction():
        lock_subjects(connection, subjects)
        with connection.cursor() as cursor:
            cursor.executemany(_SQL["upsert_occurrence"], [_row(occurrence) for occurrence in added])
    return subjects


def _check(occurrence: Occurrence, source: Source, window: Window, rules: Collection[str] | None) -> None:
    name = f"occurrence {occurrence.fingerprint} at {occurrence.slot.isoformat()}"
    if occurrence.slot not in window or occurrence.slot != floor(occurrence.slot, SLOT):
        raise ValueError(f"{name} is not a slot of {window}, the window to replace")
    if occurrence.source != source or (rules is not None and occurrence.rule not in rules):
        raise ValueError(f"{name} is of {occurrence.source}, rule {occurrence.rule}, which is not to be replaced")
    if ":" in occurrence.rule:
        raise ValueError(f"{name}: a rule's name must not have a colon, or its fingerprint cannot be parsed")


def _listed(names: Collection[str] | None) -> list[str] | None:
    return None if names is None else list(names)


def _row(occurrence: Occurrence) -> dict[str, Any]:
    return {
        "fingerprint": occurrence.fingerprint,
        "slot": occurrence.slot,
        "subject": str(occurrence.subject),
        "rule": occurrence.rule,
        "rule_version": occurrence.rule_version,
        "source": occurrence.source,
        "type": occurrence.type,
        "severity": str(occurrence.severity),
        "title": occurrence.title,
        "description": occurrence.description,
        "root_cause": occurrence.root_cause,
        "recommendation": occurrence.recommendation,
        "nodes": list(occurrence.nodes),
        "grace": occurrence.grace,
        "affected": occurrence.affected,
        "evidence": list(occurrence.evidence)[:MAX_EVIDENCE],
        "metadata": Jsonb(dict(occurrence.metadata)),
        "wording": occurrence.wording,
    }


def lock_subjects(connection: Connection, subjects: Iterable[str]) -> None:
    """Lock these subjects until the transaction ends, to write their occurrences or to reconcile their issues."""
    connection.execute(_SQL["lock_subjects"], {"subjects": list(subjects)})


# -- what to reconcile, and when ------------------------------------------------------------------------------------


def newest_covered(connection: Connection) -> datetime | None:
    """The end of the newest slot whose lines are known, of any node: the `now` of `reconcile`."""
    row = connection.execute(_SQL["newest_covered"]).fetchone()
    return row["end"] if row else None


def open_subjects(connection: Connection) -> frozenset[str]:
    """Subjects of our open issues. They may have to be resolved although they have no new occurrence."""
    return frozenset(row["subject"] for row in connection.execute(_SQL["open_subjects"]))


def subjects_near(connection: Connection, window: Window) -> frozenset[str]:
    """Subjects with an episode that touches the window or ended less than two days before it.

    A late window may close a gap, and so end or split an episode without a new occurrence of its subject.
    """
    bounds = {"since": window.since, "until": window.until, "reach": 2 * DAY}
    return frozenset(row["subject"] for row in connection.execute(_SQL["subjects_near"], bounds))


def resolve_foreign_issues(connection: Connection, *, now: datetime) -> int:
    """Resolve open rows without a fingerprint, which other programs wrote, when their grace period is over.

    It starts at "updatedAt" and depends on the source. Returns how many rows were resolved.
    """
    return connection.execute(_SQL["resolve_foreign"], {"now": now}).rowcount


# -- reconcile ------------------------------------------------------------------------------------------------------


def reconcile(
    connection: Connection,
    subjects: Collection[str],
    *,
    now: datetime,
    since: datetime | None = None,
    run: str | None = None,
) -> Reconciled:
    """Make "LogIssue" follow from "IssueOccurrence" for these subjects.

    Occurrences closer together than the rule's grace period, counted over covered slots, form one episode; an episode
    is one row. Calls repeated, in any order of windows, or from two runs at once give the same rows.

    `now` is event time (see `newest_covered`): episodes whose grace period ended by then are resolved. `since` promises
    that no earlier slot was rewritten: rows that were resolved by then and agree are not compared in full, so the cost
    follows the window. `run`, the caller's Dagster run id, is stored in rows that change; nothing else depends on the
    order of calls. Opens its own transactions, READ COMMITTED.
    """
    done = Reconciled()
    ordered = iter(sorted(set(subjects)))
    while chunk := list(islice(ordered, _CHUNK)):
        with connection.transaction():
            lock_subjects(connection, chunk)
            _reconcile_chunk(connection, chunk, now, since, run, done)
    return done


def _reconcile_chunk(
    connection: Connection,
    subjects: list[str],
    now: datetime,
    since: datetime | None,
    run: str | None,
    done: Reconciled,
) -> None:
    spans: dict[str, list[FiringSpan]] = defaultdict(list)
    origins: dict[str, Origin] = {}
    for row in connection.execute(_SQL["firing_spans"], {"subjects": subjects}):
        returns_within = RETURNS_WITHIN if is_pattern(row["subject"]) else timedelta()
        spans[row["fingerprint"]].append(
            FiringSpan(row["first"], row["last"], row["grace"], row["occurrences"], returns_within)
        )
        origins[row["fingerprint"]] = Origin(row["subject"], row["source"], row["nodes"])
    stored = _stored_episodes(connection, subjects, list(spans))
    covered = _covered(connection, spans, origins)

    plans: dict[str, Plan] = {}
    of_rules: dict[str, list[Window]] = defaultdict(list)  # subject → when rules have issues about it
    from_genai = {name for name, origin in origins.items() if origin.source == "genai"}
    # Rules first: while a rule has an issue about a subject, GenAI's answers go into that issue.
    for name in sorted(set(spans) | set(stored), key=lambda name: (name in from_genai, name)):
        planned_spans = spans[name]
        if name in from_genai:
            planned_spans = without(planned_spans, of_rules[origins[name].subject])
        plans[name] = plan_issues(name, planned_spans, covered.get(name, CoveredTime([])), stored.get(name, []), now)
        if name in origins and origins[name].source == "detector":
            of_rules[origins[name].subject] += plans[name].reaches
    answers = read_answers(connection, {origins[name].subject for name in from_genai} & set(of_rules))

    obsolete = [key for plan in plans.values() for key in plan.obsolete_issues]
    connection.execute(_SQL["delete_issues"], {"ids": obsolete})
    connection.execute(_SQL["delete_episodes"], {"ids": [key for p in plans.values() for key in p.obsolete_episodes]})
    done.removed += len(obsolete)
    wanted = [planned for plan in plans.values() for planned in plan.wanted]
    filled = {planned.id: filled_in(planned, origins[planned.fingerprint], answers) for planned in wanted}
    rows = {item.id: item for items in stored.values() for item in items if item.status is not None}
    write_issues(connection, wanted, rows, filled, since=since, run=run, done=done)


def _stored_episodes(
    connection: Connection, subjects: list[str], fingerprints: list[str]
) -> dict[str, list[StoredEpisode]]:
    """By fingerprint."""
    rows = connection.execute(_SQL["episodes"], {"fingerprints": fingerprints, "subjects": subjects}).fetchall()
    episode_rows = {row["id"]: row for row in rows}
    names = {row["fingerprint"] for row in rows} | set(fingerprints)
    issues = {
        row["id"]: row
        for row in connection.execute(_SQL["issues"], {"ids": list(episode_rows), "fingerprints": list(names)})
    }
    stored: dict[str, list[StoredEpisode]] = defaultdict(list)
    for key in episode_rows.keys() | issues.keys():
        episode, issue = episode_rows.get(key), issues.get(key)
        if issue is None:
            row = episode_rows[key]
            stored[row["fingerprint"]].append(StoredEpisode(key, row["firstSlot"], row["lastSlot"], None))
            continue
        # A row without its episode (restored from a dump, for example) is still ours: it has a fingerprint.
        first = episode["firstSlot"] if episode else floor(issue["detectedAt"], SLOT) - SLOT
        last = episode["lastSlot"] if episode else max(first, floor(issue["updatedAt"], SLOT) - SLOT)
        stored[episode["fingerprint"] if episode else issue["fingerprint"]].append(
            StoredEpisode(
                key, first, last, issue["status"] or "open", issue["autoResolved"],
                issue["resolvedAt"] or issue["updatedAt"], issue["occurrences"], issue["regressionOf"],
            )
        )  # fmt: skip
    return stored


def _covered(
    connection: Connection, spans: dict[str, list[FiringSpan]], origins: dict[str, Origin]
) -> dict[str, CoveredTime]:
    """The covered time by fingerprint: covered by all of its nodes or, for the fleet, by any node."""
    always = {name for name in origins if is_reported(name)}
    nodes_of = {
        name: () if origin.subject == _FLEET else tuple(sorted(set(origin.nodes)))
        for name, origin in origins.items()
        if name not in always
    }
    since: dict[tuple[str, ...], datetime] = {}
    for name, nodes in nodes_of.items():
        since[nodes] = min(since.get(nodes, spans[name][0].first), spans[name][0].first)
    covered = {}
    for nodes, first in since.items():
        rows = connection.execute(_SQL["covered"], {"since": first, "nodes": list(nodes) or None})
        covered[nodes] = CoveredTime([Window(row["since"], row["until"]) for row in rows])
    by_name = {name: covered[nodes] for name, nodes in nodes_of.items()}
    return by_name | dict.fromkeys(always, CoveredTime([Window(EPOCH, _FAR)]))

"""Occurrences become issues: written slot by slot, joined to episodes, kept as rows of "LogIssue".

Here: what is read and locked. When a rule fires: the detectors. Which firings belong together: `episodes.py`; which
rows they should be: `plan.py`; what those say: `issue_rows.py`. Reading issues for people: `read.py`.

"LogIssue" is a function of "IssueOccurrence", "LogCoverage" and of what people did, never of the order of runs:
`reconcile` computes the rows that should be and changes those that differ. Measured, of one subject and 90 days: a rule
that fires in every slot 40 ms a call, one that makes an issue every two hours (1,080 of them) 420 ms, with `since` 120
ms; 200 new subjects in one slot 85 ms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import islice
from typing import Any

from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.episodes import Covered, Run, without
from fleexmon_pipeline.issues.issue_rows import Reconciled, filled_in, read_answers, write_issues
from fleexmon_pipeline.issues.occurrence import MOST_EVIDENCE, Occurrence, Source
from fleexmon_pipeline.issues.plan import Plan, StoredEpisode, plan_issues
from fleexmon_pipeline.window import DAY, SLOT, Window, ceil, floor

_SQL = statements("lifecycle")
_CHUNK = 200  # subjects a transaction: people who resolve an issue wait for that long
_FLEET = "fleet"


# -- occurrences --------------------------------------------------------------------------------------------------


def write_occurrences(
    connection: Connection,
    occurrences: Iterable[Occurrence],
    *,
    source: Source,
    window: Window,
    rules: Collection[str] | None = None,
) -> frozenset[str]:
    """Replace what `source` (only `rules` of it, where given) has said of the window's slots, in one transaction.

    Returns the subjects that it spoke of before or speaks of now, changed or not: what is to be reconciled. Of two
    occurrences with the same fingerprint and slot the more severe stays. Raises ValueError for an occurrence outside of
    what is replaced.
    """
    window = Window(floor(window.since, SLOT), ceil(window.until, SLOT))
    by_key: dict[tuple[str, datetime], Occurrence] = {}
    for occurrence in occurrences:
        _check(occurrence, source, window, rules)
        key = (occurrence.fingerprint, occurrence.slot)
        if key not in by_key or occurrence.severity.rank > by_key[key].severity.rank:
            by_key[key] = occurrence
    where = {"source": source, "since": window.since, "until": window.until, "rules": _listed(rules)}
    with connection.transaction():
        connection.execute(_SQL["lock_hours"], {"source": source, "hours": [hour.since for hour in window.hours()]})
        before = {row["subject"] for row in connection.execute(_SQL["subjects_written"], where)}
        subjects = frozenset(before | {str(occurrence.subject) for occurrence in by_key.values()})
        lock_subjects(connection, subjects)
        keys = {"fingerprints": [name for name, _ in by_key], "slots": [slot for _, slot in by_key]}
        connection.execute(_SQL["delete_absent"], {**where, **keys})
        with connection.cursor() as cursor:
            cursor.executemany(_SQL["upsert_occurrence"], [_row(occurrence) for occurrence in by_key.values()])
    return subjects


def _check(occurrence: Occurrence, source: Source, window: Window, rules: Collection[str] | None) -> None:
    what = f"occurrence {occurrence.fingerprint} at {occurrence.slot.isoformat()}"
    if occurrence.slot not in window or occurrence.slot != floor(occurrence.slot, SLOT):
        raise ValueError(f"{what} is not a slot of {window}, which is what is replaced")
    if occurrence.source != source or (rules is not None and occurrence.rule not in rules):
        raise ValueError(f"{what} is of {occurrence.source}, rule {occurrence.rule}, which is not what is replaced")
    if ":" in occurrence.rule:
        raise ValueError(f"{what}: a rule's name has no colon, its fingerprint could not be read back")


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
        "evidence": list(occurrence.evidence)[:MOST_EVIDENCE],
        "metadata": Jsonb(dict(occurrence.metadata)),
    }


def lock_subjects(connection: Connection, subjects: Iterable[str]) -> None:
    """Hold these subjects until the transaction ends: for whoever writes their occurrences, or makes issues of them."""
    connection.execute(_SQL["lock_subjects"], {"subjects": list(subjects)})


# -- what to reconcile, and when ------------------------------------------------------------------------------------


def newest_covered(connection: Connection) -> datetime | None:
    """The end of the newest slot whose lines are known, of any node: the `now` of `reconcile`."""
    row = connection.execute(_SQL["newest_covered"]).fetchone()
    return row["end"] if row else None


def open_subjects(connection: Connection) -> frozenset[str]:
    """Subjects of open issues that are ours: those that may have to end although nothing new was said of them."""
    return frozenset(row["subject"] for row in connection.execute(_SQL["open_subjects"]))


def subjects_over(connection: Connection, window: Window) -> frozenset[str]:
    """Subjects with an episode that touches the window or ended less than two days before it.

    A late window may cover what was a hole, and so end or split an episode without saying anything of its subject.
    """
    where = {"since": window.since, "until": window.until, "reach": 2 * DAY}
    return frozenset(row["subject"] for row in connection.execute(_SQL["subjects_over"], where))


def adopt(connection: Connection, *, now: datetime) -> int:
    """Resolve open rows without fingerprint (the original's) whose source's grace after "updatedAt" ended by `now`.

    Returns how many.
    """
    return connection.execute(_SQL["adopt"], {"now": now}).rowcount


# -- reconcile ------------------------------------------------------------------------------------------------------


def reconcile(
    connection: Connection,
    subjects: Collection[str],
    *,
    now: datetime,
    since: datetime | None = None,
    run: str | None = None,
) -> Reconciled:
    """Make "LogIssue" say what "IssueOccurrence" implies for these subjects.

    Occurrences closer together than the rule's grace, counted over covered slots, form one episode; an episode is one
    row. Calling it twice, for windows in any order, or from two runs at once, gives the same rows.

    `now` is event time (see `newest_covered`): episodes whose grace ended by then are resolved. `since` may say that no
    earlier slot was written anew: rows that were resolved by then and agree are not compared in full, which makes the
    cost follow the window. `run` is noted in the rows that change: Dagster's id of whoever calls, and all that differs
    from order to order. Transactions of its own, READ COMMITTED.
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
    runs: dict[str, list[Run]] = defaultdict(list)
    latest: dict[str, dict[str, Any]] = {}
    for row in connection.execute(_SQL["runs"], {"subjects": subjects}):
        runs[row["fingerprint"]].append(Run(row["first"], row["last"], row["grace"], row["occurrences"]))
        latest[row["fingerprint"]] = row
    known = _known(connection, subjects, list(runs))
    covered = _covered(connection, runs, latest)

    plans: dict[str, Plan] = {}
    reaches: dict[str, list[Window]] = defaultdict(list)
    from_genai = {name for name, row in latest.items() if row["source"] == "genai"}
    for name in sorted(set(runs) | set(known), key=lambda name: (name in from_genai, name)):
        left = runs[name]
        if name in from_genai:
            left = without(left, reaches[latest[name]["subject"]])
        plans[name] = plan_issues(name, left, covered.get(name, Covered([])), known.get(name, []), now)
        if name in latest and latest[name]["source"] == "detector":
            reaches[latest[name]["subject"]] += plans[name].reaches
    answers = read_answers(connection, {latest[name]["subject"] for name in from_genai} & set(reaches))

    gone = [key for plan in plans.values() for key in plan.obsolete_issues]
    connection.execute(_SQL["delete_issues"], {"ids": gone})
    connection.execute(_SQL["delete_episodes"], {"ids": [key for p in plans.values() for key in p.obsolete_episodes]})
    done.removed += len(gone)
    wanted = [planned for plan in plans.values() for planned in plan.wanted]
    filled = {planned.id: filled_in(planned, latest[planned.fingerprint], answers) for planned in wanted}
    rows = {item.id: item for items in known.values() for item in items if item.status is not None}
    write_issues(connection, wanted, rows, filled, since=since, run=run, done=done)


def _known(connection: Connection, subjects: list[str], fingerprints: list[str]) -> dict[str, list[StoredEpisode]]:
    found = connection.execute(_SQL["episodes"], {"fingerprints": fingerprints, "subjects": subjects}).fetchall()
    stretches = {row["id"]: row for row in found}
    names = {row["fingerprint"] for row in found} | set(fingerprints)
    issues = {
        row["id"]: row
        for row in connection.execute(_SQL["issues"], {"ids": list(stretches), "fingerprints": list(names)})
    }
    known: dict[str, list[StoredEpisode]] = defaultdict(list)
    for key in stretches.keys() | issues.keys():
        stretch, issue = stretches.get(key), issues.get(key)
        if issue is None:
            gone = stretches[key]
            known[gone["fingerprint"]].append(StoredEpisode(key, gone["firstSlot"], gone["lastSlot"], None))
            continue
        # A row without its stretch (restored from a dump, say) is ours all the same: its fingerprint says so.
        first = stretch["firstSlot"] if stretch else floor(issue["detectedAt"], SLOT) - SLOT
        last = stretch["lastSlot"] if stretch else max(first, floor(issue["updatedAt"], SLOT) - SLOT)
        known[stretch["fingerprint"] if stretch else issue["fingerprint"]].append(
            StoredEpisode(
                key, first, last, issue["status"] or "open", issue["autoResolved"],
                issue["resolvedAt"] or issue["updatedAt"], issue["occurrences"], issue["regressionOf"],
            )
        )  # fmt: skip
    return known


def _covered(
    connection: Connection, runs: dict[str, list[Run]], latest: dict[str, dict[str, Any]]
) -> dict[str, Covered]:
    """What is covered for each fingerprint: by all nodes it is about; for the fleet, by any."""
    nodes_of = {
        name: () if row["subject"] == _FLEET else tuple(sorted(set(row["nodes"]))) for name, row in latest.items()
    }
    since: dict[tuple[str, ...], datetime] = {}
    for name, nodes in nodes_of.items():
        since[nodes] = min(since.get(nodes, runs[name][0].first), runs[name][0].first)
    covered = {}
    for nodes, begin in since.items():
        found = connection.execute(_SQL["covered"], {"since": begin, "nodes": list(nodes) or None})
        covered[nodes] = Covered([Window(row["since"], row["until"]) for row in found])
    return {name: covered[nodes] for name, nodes in nodes_of.items()}

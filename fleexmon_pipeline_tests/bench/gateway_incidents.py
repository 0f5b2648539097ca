"""Incidents where one node calls all others: the demo's shop behind a gateway, end to end through PostgreSQL.

Beside `incidents.py`, whose issues are made from counts in memory and whose nodes share nothing: here the same lines
are behind several rules, the gateway depends on both nodes, and something is wrong every 70 minutes. A fault of a
kind that comes again on its node is the same trouble; two kinds, or two nodes, in one incident are mixed. The gateway
notices what `demo_cases.py` says. Seeds 1 to 6 were looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.demo.incidents import Incident as Fault
from fleexmon_pipeline.demo.incidents import incidents as faults_of
from fleexmon_pipeline_tests.bench.demo_cases import DAY, NOTICED, run
from fleexmon_pipeline_tests.bench.place import empty, place
from fleexmon_pipeline_tests.bench.table import Row, Table

LATE = timedelta(minutes=30)
TOGETHER = timedelta(minutes=10)  # of the baseline

ISSUES = b"""SELECT id, "detectedAt" AS at, metadata -> 'nodes' AS nodes FROM "LogIssue" ORDER BY "detectedAt", id"""
INCIDENTS = b"""SELECT issues FROM "Incident" ORDER BY "startedAt", id"""


@dataclass(frozen=True)
class Issue:
    id: UUID
    at: datetime
    nodes: list[str]


def measure(seeds: Sequence[int]) -> Table:
    counts: dict[str, Counter[str]] = {}
    with place() as url:
        for seed in seeds:
            empty(url)
            with connect(url) as connection:
                for _case in run(url, connection, seed):
                    pass
                for name, groups in _told(connection).items():
                    counts.setdefault(name, Counter()).update(_counted(seed, groups))
    return Table(
        "gateway: how often one fault of the demo is told behind a gateway that calls both nodes",
        f"end to end, rules alone, {len(seeds)} days of 16 hours",
        [_row(name, counted) for name, counted in counts.items()],
    )


def _told(connection: Connection) -> Mapping[str, list[list[Issue]]]:
    issues = [Issue(**row) for row in connection.execute(ISSUES)]
    by_id = {issue.id: issue for issue in issues}
    incidents = [[by_id[issue] for issue in row["issues"]] for row in connection.execute(INCIDENTS)]
    together: list[list[Issue]] = []
    for issue in issues:
        if together and issue.at - together[-1][-1].at <= TOGETHER:
            together[-1].append(issue)
        else:
            together.append([issue])
    return {"incidents": incidents, "issues": [[issue] for issue in issues], "all within 10 min": together}


def _counted(seed: int, groups: Iterable[Sequence[Issue]]) -> Counter[str]:
    faults = faults_of(seed, DAY.since, DAY.until)
    told: Counter[int] = Counter()
    counted = Counter(faults=len(faults))
    for group in groups:
        hits = [{place for place, fault in enumerate(faults) if _is_of(issue, fault)} for issue in group]
        every = set().union(*hits)
        if not every:
            counted["false"] += 1
            continue
        main = max(sorted(every), key=lambda fault: sum(fault in some for some in hits))
        others = {other for some in hits if main not in some for other in some}
        nodes = {faults[other].node for other in others} - {faults[main].node}
        counted.update(
            true=1, mixed=any(faults[other].kind != faults[main].kind for other in others) or bool(nodes),
            apart=bool(nodes),
        )  # fmt: skip
        told.update(every)
    return counted + Counter(found=len(told), told=sum(told.values()))


def _is_of(issue: Issue, fault: Fault) -> bool:
    noticed = fault.node in issue.nodes or ("gateway" in issue.nodes and fault.kind in NOTICED)
    return noticed and fault.start <= issue.at <= fault.end + LATE


def _row(name: str, counted: Counter[str]) -> Row:
    return {
        "told_as": name,
        "faults": counted["faults"],
        "found": counted["found"],
        "told_a_fault": f"{counted['told'] / max(counted['found'], 1):.2f}",
        "mix_two_kinds": f"{counted['mixed']} of {counted['true']}",
        "mix_two_nodes": f"{counted['apart']} of {counted['true']}",
        "false": counted["false"],
    }

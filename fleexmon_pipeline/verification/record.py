"""Store results as rows: a line of `e2e-verification`, issues with runbooks, a deployment; once per workflow run.

Here: the writes, and the comparison that belongs to a deployment. Reading results: `results.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from fleexmon_pipeline.comparison.deployments import Deployment, deployments, record_deployment
from fleexmon_pipeline.comparison.read import Comparison, NothingToCompareError, compare_nodes
from fleexmon_pipeline.comparison.watch import AFTER, baseline_for
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.lifecycle import add_occurrences, reconcile
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity, Subject
from fleexmon_pipeline.issues.people import resolve_issues
from fleexmon_pipeline.issues.runbooks import advice_for
from fleexmon_pipeline.verification.results import RUNBOOKS, Failure, Results, ResultsError, severity_of
from fleexmon_pipeline.window import DAY, SLOT, Window, ceil, floor
from fleexmon_pipeline.wording import counted, cut_at_word

SQL = statements("verification")
SOURCE = "e2e-verification"  # of the line, as the original wrote it
VERSION = "1"  # of the way in which results become issues
GRACE = timedelta(days=7)  # an issue ends when a verification passes, or after a week without one
MAX_TITLE = 100
_WHAT = {
    "e2e-health-check-failure": "Health check failed",
    "e2e-version-mismatch": "Version mismatch",
    "e2e-webhook-failure": "Webhook failed",
    "e2e-haproxy-routing": "HAProxy routing is wrong",
    "e2e-endpoint-failure": "Endpoint tests failed",
}


@dataclass(frozen=True)
class Recorded:
    """`new`: False if this run had been recorded before. `issues`: ids of its open issues; `resolved`: ids of those
    that it ended."""

    new: bool
    at: datetime
    issues: tuple[str, ...]
    resolved: tuple[str, ...]


def record_results(connection: Connection, results: Results, *, run: str, now: datetime) -> Recorded:
    """Store the results of a workflow run, in one transaction. The same run with the same results changes nothing.

    Raises ResultsError if the run was recorded with other results.
    """
    with connection.transaction():
        connection.execute(SQL["lock_run"], {"run": run})
        before = connection.execute(SQL["recorded"], {"run": run}).fetchone()
        if before is not None:
            if before["results_hash"] != _hash(results):
                raise ResultsError(
                    f"run {run} was recorded with other results at {before['at']:%Y-%m-%d %H:%M} UTC. "
                    "For another attempt give another --run, such as 123.2"
                )
            return Recorded(False, before["at"], tuple(before["issues"]), ())
        at = min(results.at or now, now)
        line = _write_line(connection, results, run, at)
        issues = _write_issues(connection, results, run, at, line, now)
        resolved = _resolve_passed(connection, results, run, now)
        connection.execute(
            SQL["record"],
            {
                "run": run, "node": results.node, "version": results.version, "at": at, "issues": issues,
                "results_hash": _hash(results), "failures": len(results.failures), "line": line, "now": now,
            },
        )  # fmt: skip
    return Recorded(True, at, tuple(issues), tuple(resolved))


def _hash(results: Results) -> str:
    """To recognize the same results again. The document itself may contain secrets, so it is not stored."""
    return hashlib.sha256(msgspec.json.encode(dict(results.document), order="deterministic")).hexdigest()


def _write_line(connection: Connection, results: Results, run: str, at: datetime) -> UUID:
    """The line is stored as counted and judged: rules about lines would make a second issue of it."""
    texts = "; ".join(failure.text for failure in results.failures)
    what = f"{results.node or 'deployment'} {results.version or ''}".strip()
    outcome = f"failed: {texts}" if results.failures else f"passed: {counted(results.checked, 'check')}"
    key = uuid8(at, SOURCE.encode(), run.encode())
    values = {
        "id": key, "at": at, "level": "error" if results.failures else "info", "source": SOURCE,
        "message": f"deployment verification of {what} {outcome}",
        "metadata": Jsonb({"workflowRun": run, "workflowUrl": results.url, "version": results.version}),
    }  # fmt: skip
    connection.execute(SQL["write_line"], values)
    return key


def _write_issues(
    connection: Connection, results: Results, run: str, at: datetime, line: UUID, now: datetime
) -> list[str]:
    grouped: dict[tuple[str, str | None], list[Failure]] = {}
    for failure in results.failures:
        grouped.setdefault((failure.type, failure.node), []).append(failure)
    severity = severity_of(list(results.failures))
    facts = _Facts(run, results, _slot(connection, grouped, at), line, severity)
    occurrences = [_occurrence(facts, failures, Subject(node)) for (_, node), failures in grouped.items()]
    reconcile(connection, add_occurrences(connection, occurrences), now=now)
    names = [occurrence.fingerprint for occurrence in occurrences]
    return [str(row["id"]) for row in connection.execute(SQL["open_issues"], {"fingerprints": names})]


def _slot(connection: Connection, grouped: Iterable[tuple[str, str | None]], at: datetime) -> datetime:
    """The newest slot that has ended; or, if an earlier run resolved the same issue later, the slot after that."""
    names = [f"{type_}:{Subject(node)}" for type_, node in grouped]
    row = connection.execute(SQL["resolved_at"], {"fingerprints": names}).fetchone()
    resolved = row["at"] if row else None
    slot = floor(at, SLOT) - SLOT
    return max(slot, ceil(resolved, SLOT)) if resolved is not None else slot


@dataclass(frozen=True)
class _Facts:
    """Facts that the issues of a run share."""

    run: str
    results: Results
    slot: datetime
    line: UUID
    severity: Severity


def _occurrence(facts: _Facts, failures: Sequence[Failure], subject: Subject) -> Occurrence:
    results, type_ = facts.results, failures[0].type
    what, which = _WHAT[type_], "; ".join(failure.text for failure in failures)
    node = subject.node or results.node
    version = f" after the deployment of {results.version}" if results.version else ""
    advice = advice_for("", RUNBOOKS[type_])
    return Occurrence(
        rule=type_,
        rule_version=VERSION,
        source="detector",
        type=type_,
        subject=subject,
        slot=facts.slot,
        severity=facts.severity,
        title=cut_at_word(f"{what}{f' on {node}' if node else ''}{version}: {which}", most=MAX_TITLE),
        description=f"Workflow run {facts.run} verified the deployment{version.removeprefix(' after the deployment')}. "
        f"Failed: {which}.",
        nodes=[node] if node else [],
        grace=GRACE,
        affected=1,
        recommendation=advice[1] if advice else None,
        evidence=[facts.line],
        metadata={
            "what": what, "which": which, "workflowRun": facts.run, "workflowUrl": results.url,
            "version": results.version, "runbook": RUNBOOKS[type_],
        },
    )  # fmt: skip


def _resolve_passed(connection: Connection, results: Results, run: str, now: datetime) -> list[str]:
    """Resolve issues of earlier verifications whose checks have passed now."""
    where = {"types": list(results.passed), "node": results.node}
    ids = [str(row["id"]) for row in connection.execute(SQL["issues_of"], where)]
    why = f"the verification of workflow run {run} passed"
    handled = resolve_issues(connection, ids, by=f"workflow run {run}", why=why, verdict=None, now=now) if ids else []
    return [str(one.id) for one in handled if one.changed]


# -- the comparison -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """`comparison` is None if there is nothing to compare; `sentence` then says why."""

    sentence: str
    comparison: Comparison | None = None


def note_deployment(connection: Connection, results: Results, *, by: str, now: datetime) -> Deployment | None:
    """The deployment of the results: recorded if they name node and version; else the node's newest of the last day.
    None if they name neither."""
    if results.node is None:
        return None
    if results.version is not None:
        at = min(results.deployed_at or results.at or now, now).replace(microsecond=0)
        deployment = Deployment(results.node, results.version, at, by, "person")
        return record_deployment(connection, deployment) or deployment
    newest = deployments(connection, Window(now - DAY, now + SLOT), nodes=[results.node], limit=1)
    return newest[0] if newest else None


def compare_since(connection: Connection, deployment: Deployment, *, live: str | None, now: datetime) -> Compared:
    """The node's lines since the deployment, up to two hours, against the live node."""
    what = f"{deployment.node} {deployment.version}, deployed {deployment.at:%Y-%m-%d %H:%M} UTC"
    begin = floor(deployment.at, SLOT)
    window = Window(begin, min(floor(now, SLOT), begin + AFTER)) if now >= begin + SLOT else None
    if window is None:
        return Compared(f"{what}: no whole slot of 5 minutes has ended since")
    baseline = baseline_for(connection, deployment, window, live)
    if baseline is None:
        return Compared(f"{what}: LIVE_NODE names no other known node")
    try:
        return Compared(what, compare_nodes(connection, window, baseline, deployment.node))
    except NothingToCompareError as error:
        return Compared(f"{what}: {error}")

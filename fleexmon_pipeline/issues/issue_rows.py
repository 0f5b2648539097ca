"""Write the rows of "LogIssue" that differ from what is planned.

Here: from planned issues to rows. Which issues are planned: `plan.py`; the caller and its locks: `lifecycle.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.occurrence import MAX_EVIDENCE
from fleexmon_pipeline.issues.plan import PlannedIssue, StoredEpisode
from fleexmon_pipeline.window import SLOT
from fleexmon_pipeline.wording import duration, iso_text

_SQL = statements("lifecycle")


@dataclass
class Reconciled:
    """What changed in "LogIssue". A new issue that has already ended counts as opened and as resolved."""

    opened: int = 0
    updated: int = 0
    resolved: int = 0
    regressed: int = 0
    removed: int = 0  # episodes that joined another one, or whose occurrences were deleted
    unchanged: int = 0

    def sentence(self) -> str:
        parts = [f"{count} {change}" for change, count in vars(self).items() if count and change != "unchanged"]
        return f"issues: {', '.join(parts) or 'no change'} ({self.unchanged} unchanged)"


@dataclass(frozen=True)
class Origin:
    """What all occurrences of a fingerprint share, and the nodes of its latest one."""

    subject: str
    source: str
    nodes: list[str]


@dataclass(frozen=True)
class GenAIAnswer:
    """What GenAI said about a subject in a slot."""

    subject: str
    slot: datetime
    root_cause: str | None
    recommendation: str | None


def read_answers(connection: Connection, subjects: Collection[str]) -> dict[str, list[GenAIAnswer]]:
    """GenAI's root causes and recommendations by subject, oldest first."""
    answers: dict[str, list[GenAIAnswer]] = defaultdict(list)
    if subjects:
        for row in connection.execute(_SQL["answers"], {"subjects": list(subjects)}):
            answers[row["subject"]].append(GenAIAnswer(**row))
    return answers


def filled_in(wanted: PlannedIssue, origin: Origin, answers: Mapping[str, list[GenAIAnswer]]) -> dict[str, str | None]:
    """GenAI's latest root cause and recommendation near a rule's episode; None keeps those of the rule."""
    filled: dict[str, str | None] = {"root_cause": None, "recommendation": None}
    if origin.source != "detector":
        return filled
    episode = wanted.episode
    for answer in answers.get(origin.subject, ()):
        if episode.first - episode.grace <= answer.slot < episode.end + episode.grace:
            filled["root_cause"] = answer.root_cause or filled["root_cause"]
            filled["recommendation"] = answer.recommendation or filled["recommendation"]
    return filled


def write_issues(
    connection: Connection,
    wanted: Iterable[PlannedIssue],
    rows: dict[UUID, StoredEpisode],
    filled: dict[UUID, dict[str, str | None]],
    *,
    since: datetime | None,
    run: str | None,
    done: Reconciled,
) -> None:
    # Resolved issues are written before open ones, so that a fingerprint never has two open rows.
    for planned in sorted(wanted, key=lambda planned: (not planned.resolved, planned.id)):
        episode, row = planned.episode, rows.get(planned.id)
        if row and _is_settled(planned, row, since):
            done.unchanged += 1
            continue
        bounds = {
            "id": planned.id, "fingerprint": planned.fingerprint, "first": episode.first, "last": episode.last,
        }  # fmt: skip
        connection.execute(_SQL["upsert_episode"], bounds)
        if planned.deleted:
            continue
        values = {
            **bounds,
            **filled[planned.id],
            "status": "resolved" if planned.resolved else "open",
            "detected_at": episode.first + SLOT,
            "updated_at": episode.end,
            "resolved_at": episode.end + episode.grace if planned.resolved else None,
            "metadata": Jsonb(_metadata(planned) | ({"run": run} if run else {})),
            "max_evidence": MAX_EVIDENCE,
        }
        changed = connection.execute(_SQL["upsert_issue"], values).rowcount > 0
        if row is None:
            done.opened += planned.regression_of is None
            done.regressed += planned.regression_of is not None
            done.resolved += planned.resolved
        elif planned.resolved and row.status == "open":
            done.resolved += 1
        else:
            done.updated += changed
            done.unchanged += not changed


def _is_settled(planned: PlannedIssue, row: StoredEpisode, since: datetime | None) -> bool:
    episode = planned.episode
    return (
        since is not None
        and episode.end + episode.grace <= since
        and (planned.resolved, planned.regression_of, episode.last, str(episode.occurrences))
        == (row.auto_resolved, row.regression_of, row.last, row.occurrences)
    )


def _metadata(planned: PlannedIssue) -> dict[str, Any]:
    """The metadata that follows from the whole episode, not from its latest occurrence."""
    episode = planned.episode
    metadata: dict[str, Any] = {
        "occurrences": episode.occurrences,
        "firstSeen": iso_text(episode.first, "seconds"),
        "lastSeen": iso_text(episode.end, "seconds"),
    }
    if planned.resolved:
        metadata |= {"autoResolved": True, "resolvedReason": f"Not detected again for {duration(episode.grace)}"}
    if planned.regression_of:
        metadata["regressionOf"] = planned.regression_of
    return metadata

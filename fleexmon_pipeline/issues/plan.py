"""Plan which issues a fingerprint should have, from its firings, the coverage, and what people did.

Here: the decision, without a database. Reading and writing: `lifecycle.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from fleexmon_pipeline.database.row_ids import uuid8
from fleexmon_pipeline.issues.episodes import CoveredTime, FiringSpan, episodes
from fleexmon_pipeline.window import SLOT, Window, ceil, floor


@dataclass(frozen=True)
class StoredEpisode:
    """The stored episode of an issue. `status` is None if another program deleted the issue's row."""

    id: UUID
    first: datetime
    last: datetime
    status: str | None
    auto_resolved: bool = False
    ended: datetime | None = None  # by a person
    occurrences: str | None = None
    regression_of: str | None = None

    @property
    def resolved_by_person(self) -> bool:
        """If so it stays as it is, and later firings make a new issue."""
        return self.status is not None and self.status != "open" and not self.auto_resolved

    @property
    def cut(self) -> datetime:
        """Firings before this time belong to this issue, which a person resolved, and never make another one."""
        return max(self.last + SLOT, self.ended or self.last)

    def overlaps(self, episode: FiringSpan) -> bool:
        return self.first <= episode.last and episode.first <= self.last


@dataclass(frozen=True)
class PlannedIssue:
    id: UUID
    fingerprint: str
    episode: FiringSpan
    resolved: bool
    deleted: bool  # by another program; not made again
    regression_of: str | None


@dataclass
class Plan:
    wanted: list[PlannedIssue] = field(default_factory=list)
    obsolete_issues: list[UUID] = field(default_factory=list)
    obsolete_episodes: list[UUID] = field(default_factory=list)
    reaches: list[Window] = field(default_factory=list)  # within which GenAI's occurrences belong to these issues


def plan_issues(
    name: str, spans: Sequence[FiringSpan], covered: CoveredTime, stored: Sequence[StoredEpisode], now: datetime
) -> Plan:
    """Plan the issues of one fingerprint."""
    plan = Plan()
    closed = sorted((item for item in stored if item.resolved_by_person), key=lambda item: item.cut)
    ours = {item.id: item for item in stored if not item.resolved_by_person}
    fired = episodes(spans, covered, [item.cut for item in closed])
    before: datetime | None = None  # start of the last episode that does not belong to a closed issue
    for index, episode in enumerate(fired):
        owner = next((item for item in closed if episode.first < item.cut and episode.end > item.first), None)
        reach = episode.end + episode.grace
        plan.reaches.append(
            Window(
                floor(episode.first - episode.grace, SLOT),
                ceil(max(episode.end, min(reach, owner.cut)) if owner else reach, SLOT),
            )
        )
        if owner:
            continue
        overlapping = [item for item in ours.values() if item.overlaps(episode)]
        key = uuid8(episode.first, name.encode(), episode.first.isoformat().encode())
        same = ours.get(key)
        grace_end = covered.grace_ends(episode.end, episode.grace)
        # A Dagster run with an older `now` never reopens an issue: the run that resolved it had read more.
        resolved_before = same is not None and same.auto_resolved and same.last == episode.last
        earlier = next((item for item in reversed(closed) if item.cut <= episode.first), None)
        regression = str(earlier.id) if earlier and (before is None or before < earlier.cut) else None
        plan.wanted.append(
            PlannedIssue(
                id=key,
                fingerprint=name,
                episode=episode,
                resolved=index + 1 < len(fired) or (grace_end is not None and (grace_end <= now or resolved_before)),
                deleted=bool(overlapping) and all(item.status is None for item in overlapping),
                regression_of=regression or _regression_of_deleted(same, stored),
            )
        )
        before = episode.first
    wanted = {item.id for item in plan.wanted}
    for item in ours.values():
        if item.id not in wanted and item.status is not None:
            plan.obsolete_issues.append(item.id)
        if item.id not in wanted and (item.status is not None or any(item.overlaps(episode) for episode in fired)):
            plan.obsolete_episodes.append(item.id)
    return plan


def _regression_of_deleted(same: StoredEpisode | None, stored: Sequence[StoredEpisode]) -> str | None:
    """What `same` is a regression of, if retention has deleted that since: a resolved issue is deleted first."""
    if same is None or same.regression_of is None or same.regression_of in {str(item.id) for item in stored}:
        return None
    return same.regression_of

"""Which issues share a cause: pairs that are related, and the groups that follow.

Here: arithmetic on facts about issues, without a database. Whether two issues are related depends on these two only, so
the groups do not depend on the order in which issues are written. Reading the facts: `facts.py`.

Two issues are near if the later one begins within JOINS of the earlier one, or within FOLLOWS while the earlier one
still fires. They are related if one of these holds:

- They are near and have a node or a pattern in common.
- One begins within JOINS of the other, and their nodes depend on each other. No longer than that: trouble spreads at
  once, and a rule over half an hour may still fire when the next trouble begins.
- Both are about lines that did not come, from the same slot on: the collector or the network failed.
- The same trouble came again: one rule on one node, with the same most frequent message.
- They have the same lines as evidence.
- One is a failed comparison after a deployment, and the other began on that node since the deployment.
- One is a forecast, and the other is what it announced.

The constants were chosen on replays 1-3 and `life` 1-4. Their figures on seeds that nobody had looked at, beside two
simple baselines: docs/decisions/0038.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise, product
from uuid import UUID

from fleexmon_pipeline.window import DAY, SLOT, history_day

JOINS = timedelta(minutes=30)
FOLLOWS = timedelta(hours=2)
STILL_FIRES = timedelta(minutes=15)  # since its last firing
REACH = DAY  # issues that begin further apart are never related
ANNOUNCES = timedelta(hours=6)  # after a forecast's last firing
MIN_SAME_LINES = 0.5  # of the evidence of the issue that has less

Pairs = Collection[frozenset[str]]  # of two nodes each
SharedLines = Callable[[UUID, UUID], float]  # of two issues → the share of the smaller evidence that both have


@dataclass(frozen=True)
class Dependencies:
    """Pairs of nodes of which one needs the other, or that turned out to have trouble at the same time."""

    configured: Pairs = frozenset()
    learnt: Mapping[datetime, Pairs] = field(default_factory=dict)  # by the day whose issues they serve
    unrelated: Pairs = frozenset()  # configured; overrides what was learnt

    def between(self, some: Collection[str], others: Collection[str], moment: datetime) -> bool:
        """Whether a node of one side depends on a node of the other, as known on the day of `moment`."""
        if not self.configured and not self.learnt:
            return False
        learnt = self.learnt.get(history_day(moment), ())
        pairs = (frozenset(pair) for pair in product(some, others))
        return any(pair in self.configured or (pair in learnt and pair not in self.unrelated) for pair in pairs)


@dataclass(frozen=True)
class IssueFacts:
    """What the grouping and the titles of incidents depend on, of one issue."""

    id: UUID
    first: datetime  # start of its first slot
    last: datetime  # end of its last slot
    severity: str
    status: str
    ended: datetime | None
    title: str
    type: str
    source: str
    fingerprint: str | None
    nodes: frozenset[str]  # empty: all, or none in particular
    patterns: Sequence[str]  # that of its subject, or the most frequent at its peak that are warnings or worse
    began_with: Sequence[str]  # the same, in its first slot
    about_pattern: bool
    affected: int | None  # lines at its peak; 0: it is about lines that did not come
    slots: Sequence[datetime]  # in which it fired, up to REACH after its first slot
    what: str | None = None  # its rule in a few words
    which: str | None = None  # the text of its message, with the values that the lines share
    deployed: datetime | None = None  # the deployment whose comparison failed
    announces: str | None = None  # of a forecast: the rule that it expects to fire
    about_errors: bool = True  # False: its message, or its most frequent pattern, is below errors

    @property
    def absence(self) -> bool:
        return self.affected == 0

    @cached_property
    def run(self) -> Sequence[datetime]:
        """The slots up to the first pause of more than JOINS.

        A rate that fires again after a pause may have another cause. It stays one issue for its rule's grace period,
        but does not relate issues that begin then to issues that began before.
        """
        pause = next((index for index, (slot, after) in enumerate(pairwise(self.slots)) if after - slot > JOINS), None)
        return self.slots if pause is None else self.slots[: pause + 1]

    def fires_before(self, moment: datetime) -> bool:
        """Whether it fired in the STILL_FIRES before, without a pause since it began."""
        index = bisect_left(self.run, moment)
        return index > 0 and moment - self.run[index - 1] <= STILL_FIRES

    def fires_around(self, moment: datetime) -> bool:
        """Whether it fired in the STILL_FIRES before, or within JOINS after."""
        index = bisect_left(self.run, moment)
        return self.fires_before(moment) or (index < len(self.run) and self.run[index] - moment <= JOINS)


def order(issue: IssueFacts) -> tuple[datetime, UUID]:
    return issue.first, issue.id


def groups(
    issues: Iterable[IssueFacts], dependencies: Dependencies, shared_lines: SharedLines
) -> list[list[IssueFacts]]:
    """Group issues by shared cause, each group from first to last, in the order of their first issues.

    A group is a connected component of related pairs, found by union-find.
    """
    ordered = sorted(issues, key=order)
    parent = list(range(len(ordered)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    undecided = []
    for earlier, later in _pairs(ordered):
        if related(ordered[earlier], ordered[later], dependencies):
            first, second = sorted((root(earlier), root(later)))
            parent[second] = first
        elif ordered[earlier].fires_around(ordered[later].first):
            undecided.append((earlier, later))
    for earlier, later in undecided:  # reading evidence is expensive: only where nothing else joins the two
        first, second = sorted((root(earlier), root(later)))
        if first != second and shared_lines(ordered[earlier].id, ordered[later].id) >= MIN_SAME_LINES:
            parent[second] = first
    by_root: defaultdict[int, list[IssueFacts]] = defaultdict(list)
    for index, issue in enumerate(ordered):
        by_root[root(index)].append(issue)
    return [by_root[index] for index in sorted(by_root)]


def _pairs(ordered: Sequence[IssueFacts]) -> Iterator[tuple[int, int]]:
    begins = [issue.first for issue in ordered]
    for earlier, issue in enumerate(ordered):
        for later in range(earlier + 1, bisect_left(begins, issue.first + REACH)):
            yield earlier, later


def related(earlier: IssueFacts, later: IssueFacts, dependencies: Dependencies) -> bool:
    """Whether the two share a cause, as far as can be decided without reading their lines."""
    gap = later.first - earlier.first
    if earlier.absence and later.absence and gap <= SLOT:
        return True
    if gap <= JOINS and dependencies.between(earlier.nodes, later.nodes, earlier.first):
        return True
    share_nodes = bool(earlier.nodes & later.nodes)
    if gap <= JOINS or (gap <= FOLLOWS and earlier.fires_before(later.first)):
        return share_nodes or bool(set(earlier.began_with) & set(later.began_with))
    return share_nodes and _same_trouble(earlier, later)


def _same_trouble(earlier: IssueFacts, later: IssueFacts) -> bool:
    """Whether the later issue is the earlier one again, was announced by it, or came with the same deployment.

    Of two issues on one node, however far apart.
    """
    if earlier.fingerprint and earlier.fingerprint == later.fingerprint and _same_message(earlier, later):
        return True
    if any(_since_deployment(one, other) for one, other in ((earlier, later), (later, earlier))):
        return True
    announced = earlier.announces is not None and later.first <= earlier.last + ANNOUNCES
    return announced and (later.fingerprint or "").startswith(f"{earlier.announces}:")


def _same_message(earlier: IssueFacts, later: IssueFacts) -> bool:
    """Whether the most frequent pattern of one is among those of the other, both ways.

    An issue about a pattern that returns within a day is the same issue. One about a rate is a new issue each time, and
    two faults of a day may raise the same rate.
    """
    return (
        bool(earlier.began_with and later.began_with)
        and earlier.began_with[0] in later.began_with
        and later.began_with[0] in earlier.began_with
    )


def _since_deployment(failed: IssueFacts, other: IssueFacts) -> bool:
    return failed.deployed is not None and failed.deployed <= other.first <= failed.last

"""The title of an incident: what, where, which message and how much, in 100 characters that end at a word.

Here: choosing and wording, without a database. The titles of rules have the same form: `rules/*.yaml`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.incidents.relate import IssueFacts, order
from fleexmon_pipeline.issues.occurrence import SEVERITY_RANKS
from fleexmon_pipeline.window import HOUR
from fleexmon_pipeline.wording import counted, cut_at_word, one_line, short_duration

MAX_TITLE = 100
MIN_MESSAGE = 12  # characters; a shorter part of a message says nothing
MAX_NODES_NAMED = 3
MIN_SHARE = 0.5  # of the errors that are of the title's pattern
MAX_WHERE = 40  # characters of the nodes' names
NEW_WITHIN = HOUR  # a pattern first seen so shortly before the incident is new


@dataclass(frozen=True)
class Volume:
    """Lines of an incident's nodes, and of the pattern that its title names, from its start to its end."""

    lines: int
    errors: int
    usual_errors: float | None  # in as many slots of the day before; None if too little of it is known
    of_pattern: int


def headline(issues: Sequence[IssueFacts], first_seen: Mapping[str, datetime]) -> IssueFacts:
    """The issue that names the incident best.

    The most severe; of those one about a new message, then about any message, then the first. A forecast only if there
    is nothing else.
    """
    return min(
        issues,
        key=lambda issue: (
            issue.source == "predictor",
            -SEVERITY_RANKS.get(issue.severity, -1),
            not is_new(issue, first_seen),
            not issue.about_pattern,
            order(issue),
        ),
    )


def first_pattern(issues: Iterable[IssueFacts], first_seen: Mapping[str, datetime]) -> str | None:
    """The pattern that came first.

    Of new patterns; without any, of known patterns that became frequent; without these, of patterns behind a rate.
    """
    candidates = [
        (0 if is_new(issue, first_seen) else 1 if issue.about_pattern else 2, order(issue), issue.patterns[0])
        for issue in issues
        if issue.patterns
    ]
    return min(candidates)[2] if candidates else None


def is_new(issue: IssueFacts, first_seen: Mapping[str, datetime]) -> bool:
    """Whether the issue is about a new pattern."""
    if not issue.about_pattern or not issue.patterns or issue.patterns[0] not in first_seen:
        return False
    return first_seen[issue.patterns[0]] >= issue.first - NEW_WITHIN


def title(named: IssueFacts, which: str | None, nodes: Collection[str], volume: Volume, length: timedelta) -> str:
    """`New error on blue: connect ETIMEDOUT <ip> (412 errors in 35 min)`. Only texts are cut, not nodes or the amount.

    `named`: the issue that names the incident; `which`: its message.
    """
    where, amount = _where(nodes), f" ({_amount(named, volume, length)})"
    room = MAX_TITLE - len(where) - len(amount)
    what = cut_at_word(one_line(named.what or named.title, most=MAX_TITLE * 2), most=room) + where
    message = one_line(which or "", most=MAX_TITLE * 2)
    if not message and _has_own_figures(named, volume) and list(nodes) == list(named.nodes):
        return cut_at_word(one_line(named.title, most=MAX_TITLE * 2), most=MAX_TITLE)
    room = MAX_TITLE - len(what) - len(amount) - 2
    if not message or room < MIN_MESSAGE or named.what is None:  # a title that GenAI wrote names the message itself
        return what + amount
    return f"{what}: {cut_at_word(message, most=room)}{amount}"


def _where(nodes: Collection[str]) -> str:
    """` on blue, green`, or how many, if their names are too many or too long."""
    names = [name for node in sorted(nodes) if (name := one_line(node, most=MAX_WHERE))]
    if not names:
        return ""
    listed = ", ".join(names)
    if len(names) > MAX_NODES_NAMED or len(listed) > MAX_WHERE:
        return f" on {len(names)} nodes"
    return f" on {listed}"


def _amount(named: IssueFacts, volume: Volume, length: timedelta) -> str:
    """How much: errors, if there are more than usual and most are of the title's message; otherwise its lines."""
    within = short_duration(length)
    if named.absence:
        return f"for {within}"
    if _counts_errors(named, volume):
        return f"{counted(volume.errors, 'error')} in {within}"
    lines = volume.of_pattern or named.affected or 0
    return f"{counted(lines, 'line')} in {within}" if lines else within


def _counts_errors(named: IssueFacts, volume: Volume) -> bool:
    lines = volume.of_pattern or named.affected or 0
    most = not volume.of_pattern or volume.of_pattern >= MIN_SHARE * volume.errors
    return named.about_errors and volume.errors > (volume.usual_errors or 0) and volume.errors >= lines and most


def _has_own_figures(named: IssueFacts, volume: Volume) -> bool:
    """Whether the issue's own title has better figures: `Error rate is rising on blue: 0.5% to 5.7% in 3 hours`.

    The lines of its last window would say less, and are not those of the incident's time.
    """
    own = named.what is not None and not named.absence and not named.about_pattern
    return own and not volume.of_pattern and not _counts_errors(named, volume)

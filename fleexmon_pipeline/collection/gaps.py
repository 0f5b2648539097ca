"""Hours that are still incomplete after all attempts. Each becomes an occurrence, and so an issue.

Here: the hours and their text. Retries: `catch_up.py`; how occurrences become issues: `issues/lifecycle.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleexmon_pipeline.catch_up import MAX_ATTEMPTS
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.lifecycle import write_occurrences
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity, Subject, is_reported
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import DAY, HOUR, Window, contiguous
from fleexmon_pipeline.wording import counted

SQL = statements("gaps")
RULE = "collection-gap"  # also the issue's type; no rule file has this name
VERSION = "1"
# Hours are given up 40 hours after they ended. With one day of grace the issue would be over before it began if the
# node has answered for later hours. Three days leave it open for a day and a bit.
GRACE = 3 * DAY
MAX_WINDOWS_LISTED = 20  # in a description


@dataclass(frozen=True)
class GivenUp:
    """An hour of a node that is no longer retried. `slots`: missing or partial; `error`: of the last attempt."""

    node: str
    hour: datetime
    slots: tuple[datetime, ...]
    error: str | None


def given_up(connection: Connection, *, since: datetime) -> list[GivenUp]:
    """Hours since `since` that are no longer retried, by node, oldest first."""
    rows = connection.execute(SQL["given_up"], {"since": since, "most": MAX_ATTEMPTS})
    return [GivenUp(row["node"], row["hour"], tuple(row["slots"]), row["error"]) for row in rows]


def note_gaps(connection: Connection, *, since: datetime) -> frozenset[str]:
    """Write an occurrence for each hour given up since then. Returns the subjects to reconcile; usually none.

    A stored occurrence stays as it is while its facts do not change, even if a release changes the wording.
    """
    wanted = {(o.fingerprint, o.slot): o for o in occurrences(given_up(connection, since=since))}
    stored = {
        (row["fingerprint"], row["slot"]): row["metadata"]
        for row in connection.execute(SQL["stored_gaps"], {"since": since, "rule": RULE})
    }
    same = {key for key in wanted.keys() & stored.keys() if _same_facts(stored[key], wanted[key].metadata)}
    changed = [slot for name, slot in (wanted.keys() | stored.keys()) - same]
    if not changed:
        return frozenset()
    window = Window(min(changed), max(changed) + HOUR)
    within = [occurrence for occurrence in wanted.values() if occurrence.slot in window]
    return write_occurrences(connection, within, source="detector", window=window, rules={RULE})


def rules_but_gaps(connection: Connection, loaded: Iterable[str], window: Window) -> set[str]:
    """The rules whose occurrences `detected_issues` replaces: those loaded, and those that no longer exist."""
    bounds = {"since": window.since, "until": window.until}
    written = {row["rule"] for row in connection.execute(SQL["rules_with_occurrences"], bounds)}
    return ({rule for rule in written if not is_reported(rule)} | set(loaded)) - {RULE}


def occurrences(hours: Iterable[GivenUp]) -> Iterator[Occurrence]:
    """One per hour, in its first incomplete slot. Its text covers the hours before it, too."""
    of_node: defaultdict[str, list[GivenUp]] = defaultdict(list)
    for hour in hours:
        of_node[hour.node].append(hour)
    for node, lost in of_node.items():
        episode: list[GivenUp] = []
        for hour in lost:
            if episode and hour.hour - episode[-1].hour > GRACE:
                episode = []
            episode.append(hour)
            yield _occurrence(node, episode)


def _same_facts(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Rows of earlier releases hold only some of the facts; the others count as the same."""
    return all(stored.get(name, value) == value for name, value in wanted.items())


def _occurrence(node: str, episode: list[GivenUp]) -> Occurrence:
    last, count = episode[-1], len(episode)
    windows = contiguous([Window.hour_of(hour.hour) for hour in episode])
    listed = [f"- {window} UTC" for window in windows[-MAX_WINDOWS_LISTED:]]
    if len(windows) > len(listed):
        listed.insert(0, f"- {len(windows) - len(listed)} earlier windows")
    error = redact(next((hour.error for hour in reversed(episode) if hour.error), "") or "")
    return Occurrence(
        rule=RULE,
        rule_version=VERSION,
        source="detector",
        type=RULE,
        subject=Subject(node=node),
        slot=last.slots[0],
        severity=Severity.MEDIUM,
        title=f"Collection failed on {node}: the lines of {counted(count, 'hour')} are missing",
        description="\n".join(
            [
                f"fleexmon gave up on these hours of {node} after {MAX_ATTEMPTS} attempts:",
                *listed,
                f"Last error: {error}" if error else "The node gave no reason.",
            ]
        ),
        recommendation=(
            "If the node still has the lines, fix its response and materialize raw_logs for these hours again "
            "(job backfill_hours). Lines that it has rotated away are lost, and these hours stay without issues."
        ),
        nodes=[node],
        grace=GRACE,
        affected=0,
        metadata={
            "what": "Collection failed",
            "hours": count,
            "missingSlots": sum(len(hour.slots) for hour in episode),
            "windows": [str(window) for window in windows],
            "error": error,
        },
    )


def covered_until(connection: Connection, window: Window) -> datetime | None:
    """The end of the last slot of the window for which any node was polled; None if there is none."""
    row = connection.execute(
        statements("collection")["covered_until"], {"since": window.since, "until": window.until}
    ).fetchone()
    return row["until"] if row else None

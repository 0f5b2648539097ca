"""Hours that were given up: asked for MOST_ATTEMPTS times, and still not whole. Each is an occurrence, so an issue.

Here: which hours, and what is said of them. Who asks again, and how often: `catch_up.py`. What becomes of occurrences:
`issues/lifecycle.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from fleexmon_pipeline.catch_up import MOST_ATTEMPTS
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.lifecycle import write_occurrences
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity, Subject
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import DAY, HOUR, Window, contiguous
from fleexmon_pipeline.wording import counted

SQL = statements("gaps")
RULE = "collection-gap"  # the issue's type, too; no rule file has this name
VERSION = "1"
# The issue is about the hours themselves, and they are given up 40 hours later: with a day's grace it would be over
# before it begins wherever the node has answered for other hours meanwhile. This leaves it a day, and a little.
GRACE = 3 * DAY
MOST_STRETCHES = 20  # that a description names


@dataclass(frozen=True)
class GivenUp:
    """An hour of a node that is asked for no more. `slots`: those missing or partial; `error`: what it last said."""

    node: str
    hour: datetime
    slots: tuple[datetime, ...]
    error: str | None


def given_up(connection: Connection, *, since: datetime) -> list[GivenUp]:
    """By node, oldest first."""
    rows = connection.execute(SQL["given_up"], {"since": since, "most": MOST_ATTEMPTS})
    return [GivenUp(row["node"], row["hour"], tuple(row["slots"]), row["error"]) for row in rows]


def note_gaps(connection: Connection, *, since: datetime) -> frozenset[str]:
    """Make the occurrences say which hours since then are given up. Returns the subjects to reconcile; often none."""
    wanted = {(o.fingerprint, o.slot): o for o in occurrences(given_up(connection, since=since))}
    said = {
        (row["fingerprint"], row["slot"]): (row["title"], row["description"])
        for row in connection.execute(SQL["gaps_said"], {"since": since, "rule": RULE})
    }
    told = {key: (o.title, o.description) for key, o in wanted.items()}
    changed = [key[1] for key in wanted.keys() | said.keys() if told.get(key) != said.get(key)]
    if not changed:
        return frozenset()
    window = Window(min(changed), max(changed) + HOUR)
    within = [occurrence for occurrence in wanted.values() if occurrence.slot in window]
    return write_occurrences(connection, within, source="detector", window=window, rules={RULE})


def rules_but_gaps(connection: Connection, loaded: Iterable[str], window: Window) -> set[str]:
    """The rules that `detected_issues` replaces the occurrences of: those loaded, and those that exist no more."""
    bounds = {"since": window.since, "until": window.until}
    return ({row["rule"] for row in connection.execute(SQL["rules_said"], bounds)} | set(loaded)) - {RULE}


def occurrences(hours: Iterable[GivenUp]) -> Iterator[Occurrence]:
    """One for each hour, in its first slot that is not whole; its text tells of the hours before it as well."""
    of_node: defaultdict[str, list[GivenUp]] = defaultdict(list)
    for each in hours:
        of_node[each.node].append(each)
    for node, found in of_node.items():
        stretch: list[GivenUp] = []
        for each in found:
            if stretch and each.hour - stretch[-1].hour > GRACE:
                stretch = []
            stretch.append(each)
            yield _occurrence(node, stretch)


def _occurrence(node: str, stretch: list[GivenUp]) -> Occurrence:
    last, count = stretch[-1], len(stretch)
    windows = contiguous([Window.hour_of(each.hour) for each in stretch])
    named = [f"- {window} UTC" for window in windows[-MOST_STRETCHES:]]
    if len(windows) > len(named):
        named.insert(0, f"- {len(windows) - len(named)} stretches before")
    error = next((each.error for each in reversed(stretch) if each.error), None)
    return Occurrence(
        rule=RULE,
        rule_version=VERSION,
        source="detector",
        type=RULE,
        subject=Subject(node=node),
        slot=last.slots[0],
        severity=Severity.MEDIUM,
        title=f"Log lines of {node} are missing ({counted(count, 'hour')})",
        description="\n".join(
            [
                f"{node} was asked {MOST_ATTEMPTS} times for the lines of these hours, and is asked no more:",
                *named,
                f"It last answered: {redact(error)}" if error else "It gave no reason.",
            ]
        ),
        recommendation=(
            "If the node still has the lines, mend what it answers and materialise raw_logs for these hours again "
            "(job backfill_hours). What it has rotated away is lost: no issue can rest on these hours."
        ),
        nodes=[node],
        grace=GRACE,
        affected=0,
        metadata={"hours": count, "missingSlots": sum(len(each.slots) for each in stretch)},
    )


def covered_until(connection: Connection, window: Window) -> datetime | None:
    """The end of the last slot of the window that some node was asked for; None when none was."""
    row = connection.execute(
        statements("collection")["covered_until"], {"since": window.since, "until": window.until}
    ).fetchone()
    return row["until"] if row else None

"""After a deployment: which stretches are compared, and with which node.

Here: what the check on `detected_issues` and rules of kind divergence share, so that they cannot disagree. When a
version came: `deployments.py`; the comparison itself: `read.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from fleexmon_pipeline.comparison.deployments import SQL, Deployment
from fleexmon_pipeline.comparison.read import COLOURS, known_nodes, live_node
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import HOUR, SLOT, Window, floor

STEP = timedelta(minutes=30)  # each comparison takes 0.1 to 0.3 s, and an hour is judged anew every 5 minutes
AFTER = 2 * HOUR
MAX_AFTER = 4 * HOUR  # what a late line has judged again; and quiet windows of the past are no longer


def stretches(found: Deployment, after: timedelta) -> Iterator[Window]:
    """What is compared, shortest first: from the slot of the deployment on, until the node got another version."""
    begin = floor(found.at, SLOT)
    until = min(begin + after, floor(found.until, SLOT)) if found.until else begin + after
    end = begin + STEP
    while end <= until:
        yield Window(begin, end)
        end += STEP


def baseline_for(connection: Connection, found: Deployment, window: Window, live: str | None) -> str | None:
    """The live node, as LIVE_NODE or the window's traffic says; where that is the candidate itself, the other colour.
    None where nobody can say."""
    known = known_nodes(connection, before=window.until)
    baseline = live_node(connection, window, known, live)
    if baseline == found.node:  # it is live already: the other colour was, before
        baseline = next((each for each in COLOURS if each != found.node and each in known), None)
    sure = live is not None or found.node in COLOURS
    return baseline if baseline in known and sure else None


def judged_with(connection: Connection, found: Deployment) -> list[datetime]:
    """Hours that were judged before this deployment was known, and may be judged otherwise now."""
    where = {"node": found.node, "at": found.at, "reach": MAX_AFTER}
    return [row["hour"] for row in connection.execute(SQL["judged_with"], where)]

"""Which windows after a deployment are compared, and with which node.

Here: what the check on `detected_issues` and rules of kind divergence share, so that they cannot disagree. When a node
got a version: `deployments.py`; the comparison itself: `read.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from fleexmon_pipeline.comparison.deployments import SQL, Deployment
from fleexmon_pipeline.comparison.read import COLOURS, known_nodes, live_node
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.window import HOUR, SLOT, Window, floor

STEP = timedelta(minutes=30)  # each comparison takes 0.1 to 0.3 s, and an hour is evaluated again every 5 minutes
AFTER = 2 * HOUR
MAX_AFTER = 4 * HOUR  # late lines have hours evaluated again for so long; past windows of the calibration are as long


def compared_windows(deployed: Deployment, after: timedelta) -> Iterator[Window]:
    """The windows that are compared, shortest first: from the slot of the deployment until the node's next version."""
    begin = floor(deployed.at, SLOT)
    until = min(begin + after, floor(deployed.until, SLOT)) if deployed.until else begin + after
    end = begin + STEP
    while end <= until:
        yield Window(begin, end)
        end += STEP


def baseline_for(connection: Connection, deployed: Deployment, window: Window, live: str | None) -> str | None:
    """The reference node: the live one, by LIVE_NODE or the window's traffic; if that is the candidate, the other
    colour.

    None if neither decides.
    """
    nodes = known_nodes(connection, before=window.until)
    baseline = live_node(connection, window, nodes, live)
    if baseline == deployed.node:  # it is live already; before, the other colour was
        baseline = next((colour for colour in COLOURS if colour != deployed.node and colour in nodes), None)
    is_certain = live is not None or deployed.node in COLOURS
    return baseline if baseline in nodes and is_certain else None


def hours_to_reevaluate(connection: Connection, deployed: Deployment) -> list[datetime]:
    """Hours that were evaluated before this deployment was known, and may come out differently now."""
    where = {"node": deployed.node, "at": deployed.at, "reach": MAX_AFTER}
    return [row["hour"] for row in connection.execute(SQL["hours_to_reevaluate"], where)]

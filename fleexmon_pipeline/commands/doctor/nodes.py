"""Poll each node for its last slot. `fleexmon up` reports the same when it starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection.answers.record_runs import Run
from fleexmon_pipeline.collection.records import OUR_DEFAULT, RejectedError, explain
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.collection.times.epochs import FUTURE
from fleexmon_pipeline.collection.times.orders import DateOrder, reading_dates
from fleexmon_pipeline.commands.doctor.finding import Environment, Finding
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import SLOT, Window, floor

NODES = "nodes"  # the kind under which many findings are summed up
MAX_POLLED_AT_ONCE = 64  # as in collection: 200 nodes that hang take half a minute
MAX_RECORDS_READ = 1_000  # of a node's answer, to find doubts
MIN_RECORDS_WITHOUT_LEVEL = 20


def nodes(environment: Environment, now: datetime) -> Iterator[Finding]:
    nodes, demo = settings.watched(environment)
    for finding in check_nodes(nodes, now=now):
        yield replace(finding, told=f"{finding.told} (demo)") if demo and finding.state == "ok" else finding


@dataclass
class _Seen:
    """Counts of what a node answered, and of doubtful records."""

    window: Window
    records: int = 0
    read: int = 0
    outside: int = 0
    without_level: int = 0
    assumed: int = 0  # dates whose order of day and month was inferred from the polled time
    rejected: Counter[str] = field(default_factory=Counter)

    def add(self, run: Run) -> None:
        self.records += len(run)
        for raw in islice(run, max(MAX_RECORDS_READ - self.read, 0)):
            self.read += 1
            try:
                line, origins = explain(bytes(raw))
            except RejectedError as error:
                self.rejected[str(error)] += 1
                continue
            self.outside += line.time not in self.window
            self.without_level += origins.level == OUR_DEFAULT

    def doubts(self) -> str:
        """What an operator should look at before trusting the node; empty if nothing."""
        if not self.records:
            return ". Either the node was quiet, or it serves no lines at all"
        doubts = []
        if count := self.rejected.total():
            reason = self.rejected.most_common(1)[0][0][:100]
            doubts.append(f"{count:,} of {self.read:,} would be rejected ({reason}). `fleexmon read` lists them")
        if self.outside:
            doubts.append(f"{self.outside:,} of {self.read:,} are outside the requested time and would be ignored")
        if self.without_level == self.read >= MIN_RECORDS_WITHOUT_LEVEL:
            doubts.append("no line has a level, so all count as info")
        if self.assumed:
            doubts.append(
                f"{self.assumed:,} dates are ambiguous (day or month first): the reading within the polled time is used"
            )
        return "".join(f". {doubt[0].upper()}{doubt[1:]}" for doubt in doubts)


def check_nodes(nodes: Sequence[Node], *, now: datetime) -> list[Finding]:
    """Poll each node once for its last slot, many at a time. A node that hangs takes 10 s."""
    clients, end = Clients(), floor(now, SLOT)

    def check(node: Node) -> Finding:
        setting = node.variable or f"{node.name.upper()}_HOST"  # demo nodes have no variable
        variable = setting if setting.endswith("_HOST") else f"{setting} {node.name}"
        with ask(clients, node, Window(end - SLOT, end), attempts=1) as answer:
            slot = Window(end - SLOT, end)
            seen, order = _Seen(slot), DateOrder(near=(slot.since - FUTURE, slot.until + FUTURE))
            with reading_dates(order):
                for run in answer:
                    seen.add(run)
            seen.assumed = order.assumed
        if answer.error:
            return Finding(variable, "wrong", f"{node.address}: {answer.error}", NODES)
        shown = f", with {', '.join(node.credentials.variables)}" if node.credentials.variables else ""
        return Finding(
            variable,
            "ok",
            f"{node.address}: {seen.records:,} lines in the last slot, answered in {answer.seconds:.2f} s{shown}"
            f"{seen.doubts()}",
            NODES if not seen.doubts() else "",
        )

    with ThreadPoolExecutor(MAX_POLLED_AT_ONCE) as pool:
        return list(pool.map(check, nodes))

"""The result of a window, node by node: received = stored + duplicate + rejected.

Here: the figures and their summary sentence. Where they are counted: `rows.py`, `collect.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from fleexmon_pipeline.window import Window

MAX_NAMED = 20  # nodes in a sentence


@dataclass
class NodeAccount:
    """The result of one node in one window."""

    node: str
    received: int = 0
    stored: int = 0
    duplicate: int = 0  # known from an earlier collection
    rejected: int = 0
    outside: int = 0  # received, but outside the requested window
    bytes: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)
    last: datetime | None = None  # time of the latest line received
    until: datetime | None = None  # end of the requested window

    @property
    def lag(self) -> float | None:
        """Seconds from the latest line to the end of the window; None if no line was received."""
        return (self.until - self.last).total_seconds() if self.until and self.last else None

    def add(self, other: NodeAccount) -> None:
        self.received += other.received
        self.stored += other.stored
        self.duplicate += other.duplicate
        self.rejected += other.rejected
        self.outside += other.outside
        self.bytes += other.bytes
        self.seconds += other.seconds
        self.errors += other.errors
        self.last = max(filter(None, (self.last, other.last)), default=None)
        self.until = max(filter(None, (self.until, other.until)), default=None)

    def sentence(self) -> str:
        parts = [f"{self.stored:,} new"]
        parts += [f"{count:,} {word}" for count, word in (
            (self.duplicate, "known"), (self.rejected, "rejected"), (self.outside, "outside")) if count]  # fmt: skip
        if self.errors:
            parts.append(self.errors[-1])
        return f"{self.node} {', '.join(parts)}"


@dataclass
class Account:
    """The result of a window, node by node, in the order of the nodes."""

    window: Window
    nodes: dict[str, NodeAccount] = field(default_factory=dict)

    def of(self, node: str) -> NodeAccount:
        return self.nodes.setdefault(node, NodeAccount(node))

    def add(self, other: Account) -> None:
        for name, account in other.nodes.items():
            self.of(name).add(account)

    def sentence(self) -> str:
        """`2026-11-20 10:00-11:00: blue 11,204 new; green 0 new, ConnectError: connection refused`.

        For many nodes, only the sum, and the nodes with errors.
        """
        named = list(self.nodes.values())
        parts = []
        if len(named) > MAX_NAMED:
            failed = [account for account in named if account.errors]
            total = NodeAccount(f"{len(named):,} nodes")
            for account in named:
                total.add(replace(account, errors=[]))
            parts = [total.sentence(), f"{len(failed):,} with errors"]
            named = failed[:MAX_NAMED]
        parts += [account.sentence() for account in named]
        return f"{self.window}: {'; '.join(parts) or 'no node is due'}"

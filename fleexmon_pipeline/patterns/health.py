"""Check whether patterns fit the lines, or are too fine, too coarse, or still changing.

Here: figures of the last counted day, and problems in words. How they are shown: `assets/checks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.patterns.quality import quality_by_node

MIN_LINES = 1_000  # a day; with fewer, shares say nothing
MAX_SINGLE_SHARE = 0.2  # of lines that have a pattern of their own
MAX_SHARE_OF_ONE = 0.5  # of lines in one pattern
MAX_NEW_PER_DAY = 500  # a service has a few hundred statements, and a release changes a few of them


@dataclass(frozen=True)
class MinerHealth:
    """The 24 hours up to the newest counted slot, aliases resolved."""

    lines: int
    patterns: int
    single: int  # patterns with only one line
    largest: int  # lines of the largest pattern
    largest_template: str | None  # redacted, as stored
    new: int  # patterns first seen in these 24 hours
    older: bool  # whether there are older lines; on the first day everything is new
    quality: Mapping[str, float] = field(default_factory=dict)  # by node, see `quality.py`

    def problems(self) -> list[tuple[str, str | None]]:
        """Each problem as a sentence, and the template that it is about."""
        if self.lines < MIN_LINES:
            return []
        problems: list[tuple[str, str | None]] = []
        if self.single > MAX_SINGLE_SHARE * self.lines:
            problems.append(
                (f"{self.single / self.lines:.0%} of {self.lines:,} lines have a pattern of their own", None)
            )
        if self.largest > MAX_SHARE_OF_ONE * self.lines:
            problems.append(
                (
                    f"{self.largest / self.lines:.0%} of {self.lines:,} lines belong to one pattern",
                    self.largest_template,
                )
            )
        if self.older and self.new > MAX_NEW_PER_DAY:
            problems.append((f"{self.new:,} new patterns in a day", None))
        return problems

    def sentence(self) -> str:
        patterns = f"{self.patterns:,} patterns, {self.new:,} new, {self.single:,} with a single line"
        figures = f"{self.lines:,} lines in {patterns}"
        if not self.quality:
            return figures
        quality = ", ".join(f"{node} {value:.2f}" for node, value in self.quality.items())
        return f"{figures}; separation (1 is best; compare only with the node's own past): {quality}"


def miner_health(connection: Connection) -> MinerHealth:
    """Read the figures of the last counted day. The cost grows with its patterns, not with its lines."""
    row = connection.execute(statements("patterns")["health"]).fetchone()
    figures = row or {
        "lines": 0,
        "patterns": 0,
        "single": 0,
        "largest": 0,
        "largest_template": None,
        "new": 0,
        "older": False,
    }
    return MinerHealth(**figures, quality=quality_by_node(connection))

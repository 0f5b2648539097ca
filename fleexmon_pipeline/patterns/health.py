"""Whether the miner fits the lines it gets: too fine, too coarse, or never done with learning.

Here: the figures of the last counted day, and what is wrong with them in words. How it is shown: `checks.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements

FEWEST_LINES = 1_000  # of fewer lines a day nothing can be said
MOST_SINGLE = 0.2  # share of lines that are alone in their pattern
MOST_OF_ONE = 0.5  # share of lines in one pattern
MOST_NEW = 500  # patterns a day; a service has some hundred statements, and a release changes a few


@dataclass(frozen=True)
class MinerHealth:
    """Of the 24 hours up to the newest counted slot, aliases resolved."""

    lines: int
    patterns: int
    single: int  # patterns, and therefore lines, with one line
    largest: int  # lines of the largest pattern
    largest_template: str | None  # redacted, as stored
    new: int  # patterns first seen in these 24 hours
    older: bool  # whether lines are known from before: on its first day everything is new

    def problems(self) -> list[tuple[str, str | None]]:
        """What to look at: a sentence, and the template it is about."""
        if self.lines < FEWEST_LINES:
            return []
        told: list[tuple[str, str | None]] = []
        if self.single > MOST_SINGLE * self.lines:
            told.append((f"{self.single / self.lines:.0%} of {self.lines:,} lines are alone in their pattern", None))
        if self.largest > MOST_OF_ONE * self.lines:
            told.append(
                (f"{self.largest / self.lines:.0%} of {self.lines:,} lines are one pattern", self.largest_template)
            )
        if self.older and self.new > MOST_NEW:
            told.append((f"{self.new:,} new patterns in a day", None))
        return told

    def sentence(self) -> str:
        return f"{self.lines:,} lines in {self.patterns:,} patterns, {self.new:,} new, {self.single:,} of a single line"


def miner_health(connection: Connection) -> MinerHealth:
    """Cost follows the different patterns of a day, not its lines."""
    row = connection.execute(statements("patterns")["health"]).fetchone()
    return MinerHealth(**row) if row else MinerHealth(0, 0, 0, 0, None, 0, older=False)

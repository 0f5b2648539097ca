"""Rows of a measurement, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field

Row = dict[str, str | int | float]


@dataclass
class Table:
    """One measurement; every row has the same keys, which become column heads with spaces for underscores."""

    title: str
    note: str
    rows: list[Row] = field(default_factory=list)

    def __str__(self) -> str:
        heads = [name.replace("_", " ") for name in self.rows[0]]
        cells = [heads, *([_shown(value) for value in row.values()] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
        return "\n".join([self.title, f"  {self.note}", *(f"  {line}" for line in lines)])


def _shown(value: str | float) -> str:
    """Two decimals where they matter, none where they do not."""
    if isinstance(value, str):
        return value
    return f"{value:,.2f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"

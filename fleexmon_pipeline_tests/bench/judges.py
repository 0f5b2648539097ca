"""All judges of detection and forecasts in one table, what is farthest from its goal first.

Here: goals, and what stands beside each figure in the same run. The judges themselves: `lives.py`, `replay.py`,
`nab.py`, `forecast_accuracy.py`. What pages claim is this table, with seeds that nobody had looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fleexmon_pipeline_tests.bench import forecast_accuracy, lives, nab, replay
from fleexmon_pipeline_tests.bench.replays import script
from fleexmon_pipeline_tests.bench.table import Row, Table


class Judged(NamedTuple):
    judge: str
    figure: str
    ours: float
    goal: float
    at_most: bool  # else at least
    beside: str

    @property
    def reached(self) -> float:
        """The share of the goal; 1 and more where it is reached."""
        parts = (self.goal, self.ours) if self.at_most else (self.ours, self.goal)
        return parts[0] / max(parts[1], 1e-9)


def measure(seeds: Sequence[int]) -> Table:
    table = Table("judges: farthest from its goal first", f"seeds {seeds[0]} to {seeds[-1]}")
    found = [*_worlds(seeds, table), *_nab(), *_forecasts(seeds)]
    table.rows = [_row(one) for one in sorted(found, key=lambda one: one.reached)]
    return table


def _row(one: Judged) -> Row:
    return {
        "judge": one.judge,
        "figure": one.figure,
        "ours": f"{one.ours:.2f}",
        "goal": f"{'at most' if one.at_most else 'at least'} {one.goal:g}",
        "beside": one.beside,
    }


def _worlds(seeds: Sequence[int], told: Table) -> Iterator[Judged]:
    """The second world and our own replays, rules alone; beside: the developer guide's thresholds as they stand. What
    they say by kind becomes part of the note of `told`."""
    named = {setting.name: setting for setting in lives.LIVES}
    goals = {
        "everything": (0.9, 0.9, 0.5),
        "ordinary week": (0.9, 0.9, 0.5),
        "quiet, everything": (None, None, 0.5),
        "first week": (0.85, None, 0.5),
    }
    if script("life") is not None:
        for name, (recall, precision, false) in goals.items():
            table = lives.measure(seeds, [named[name]])
            told.note += table.note
            ours, bare = table.rows
            yield from _of_rows(f"second world, {name}", ours, bare, recall, precision, false)
    if script() is not None:
        table = replay.measure(seeds, [replay.HARD])
        told.note += table.note
        ours, bare = table.rows
        yield from _of_rows("own replays", ours, bare, 0.97, 0.95, 0.5)


def _of_rows(
    judge: str,
    ours: Mapping[str, object],
    bare: Mapping[str, object],
    recall: float | None,
    precision: float | None,
    false: float,
) -> Iterator[Judged]:
    for figure, goal in (("recall", recall), ("precision", precision), ("false_a_day", false)):
        if goal is not None and ours[figure] != "-":
            beside = f"{bare[figure]} bare thresholds"
            name = figure.replace("false_a_day", "false alarms a day")
            yield Judged(judge, name, float(str(ours[figure])), goal, figure == "false_a_day", beside)


def _nab() -> Iterator[Judged]:
    if nab.folder() is None:
        return
    ours, *others = nab.measure().rows
    best = max(others, key=lambda row: float(row["standard"]))
    beside = f"{float(best['standard']):.1f} {best['detector']}"
    yield Judged("NAB, 58 public series", "standard score", float(ours["standard"]), 60, False, beside)


def _forecasts(seeds: Sequence[int]) -> Iterator[Judged]:
    """The goal is the best of the others."""
    rows = forecast_accuracy.measure(seeds).rows
    for group in sorted({str(row["series"]) for row in rows}):
        by_name = {str(row["forecast"]): row for row in rows if row["series"] == group}
        ours = by_name.pop("ours")
        for figure in ("mase", "crps"):
            name, best = min(((name, float(row[figure])) for name, row in by_name.items()), key=lambda one: one[1])
            judge = f"forecasts, {group}"
            yield Judged(judge, figure.upper(), float(ours[figure]), best, True, f"{best:.2f} {name}")

"""Forecasts of every node's coming hours, stored, and scored when those hours are over.

Here: which series, reading and storing. The method: `hourly_series.py`, `crossing.py`; how forecasts did: `record.py`;
the issues that follow from them: `announce.py`.

Cost: sums by hour of at most 28 days are read once for all hours of a day, whatever the number of lines. Only of days
whose patterns are not summed by day yet, as today's, counts of slots are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.rule_kinds import Forecast as ForecastRule
from fleexmon_pipeline.detection.rule_kinds import Ratio
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.forecasting.crossing import HOURS, MAX_HOURS, Counts, Crossing, crossing
from fleexmon_pipeline.forecasting.hourly_series import ERROR_HOURS, SEASON_DAYS, Forecast, HourlySeries
from fleexmon_pipeline.forecasting.series import hourly_series, numbers, slot_series
from fleexmon_pipeline.levels import LEVELS, Level
from fleexmon_pipeline.numerics import Floats
from fleexmon_pipeline.window import DAY, EPOCH, HOUR, SLOT, Window, floor

if TYPE_CHECKING:
    import pandas as pd

_SQL = statements("forecasting")
HORIZONS = (1, 3, 6, 12)  # hours; a row for each of twelve would add little
TOP_PATTERNS = 3  # of a node: those with the most lines the day before
HISTORY = SEASON_DAYS * DAY + ERROR_HOURS * HOUR
LATE = 2 * DAY  # a node that was down is collected later: runs of the next two days score its hours
ERRORS: list[Level] = ["error", "fatal"]
ERROR_RATE = "error-rate"
CROSSING = "crossing:"


@dataclass
class Made:
    """How many rows a run made and scored."""

    forecasts: int = 0
    crossings: int = 0
    scored: int = 0  # rows whose score is new or has changed

    def sentence(self) -> str:
        return f"{self.forecasts:,} forecasts, {self.crossings:,} expected threshold crossings, {self.scored:,} scored"


def make_forecasts(connection: Connection, rules: Sequence[Rule], window: Window, *, now: datetime) -> Made:
    """Forecast at the end of every hour of `window` that is over at `now`, and score what is due around it.

    A forecast sees only lines before its `madeAt`, of at most 28 days. A node is skipped where its last hour was not
    collected in full. Thresholds are the `forecast_thresholds`. The same counts give the same rows; an unchanged row
    is not written. One transaction per day.
    """
    made = Made()
    ended = Window(window.since, max(window.since, min(window.until, floor(now, HOUR))))
    ratios = forecast_thresholds(rules)
    for day in ended.days():
        hours = day.overlap(ended)
        known_until = min(hours.until + MAX_HOURS * HOUR, max(hours.until, floor(now, HOUR)))
        with connection.transaction():
            connection.execute(_SQL["lock"])
            series = hourly_series(connection, Window(hours.since - HISTORY, known_until))
            slots = slot_series(connection, Window(hours.since - HOURS * HOUR, hours.until))
            patterns = _pattern_series(connection, series, day.since, known_until)
            nodes = [
                NodeSeries(str(name), frame.droplevel("node"), _of(slots, str(name)), patterns)
                for name, frame in series.groupby(level="node")
                if _collected_in(frame, hours)
            ]
            for hour in hours.hours():
                rows = [row for node in nodes for row in node.forecasts(hour.until, ratios)]
                _write(connection, hour.until, rows)
                made.crossings += sum(row["figures"] is not None for row in rows)
                made.forecasts += sum(row["figures"] is None for row in rows)
            made.scored += _score(connection, series, Window(hours.since - LATE, known_until))
    return made


def forecast_thresholds(rules: Sequence[Rule]) -> list[Ratio]:
    """The enabled `ratio` rules that an enabled forecast rule names."""
    named = {rule.forecast.rule for rule in rules if isinstance(rule, ForecastRule) and rule.enabled}
    return [rule for rule in rules if isinstance(rule, Ratio) and rule.enabled and rule.name in named]


class NodeSeries:
    """The series of one node, from the frames of `series.py`: its hours, and the slots of the last of them."""

    def __init__(
        self,
        name: str,
        frame: pd.DataFrame,
        slots: pd.DataFrame,
        patterns: Mapping[tuple[str, str], Floats],
    ) -> None:
        self.name, self.slots = name, slots
        self.first: datetime = frame.index[0].to_pydatetime()
        self.covered = frame["covered"].to_numpy()
        self.levels = {level: _where_covered(frame[level], self.covered) for level in LEVELS}
        self.lines = _where_covered(frame["lines"], self.covered)
        self.series = {"lines": HourlySeries(self.first, self.lines, share=False)}
        for level, values in self.levels.items():
            self.series[f"level:{level}"] = HourlySeries(self.first, values, share=False)
        self.series[ERROR_RATE] = HourlySeries(self.first, share_of(self.errors(ERRORS), self.lines), share=True)
        for (node, pattern), values in patterns.items():
            if node == name:
                self.series[f"pattern:{pattern}"] = HourlySeries(self.first, values, share=False)

    def errors(self, levels: Iterable[Level]) -> Floats:
        total: Floats = np.sum([self.levels[level] for level in levels], axis=0)
        return total

    def forecasts(self, end: datetime, ratios: Sequence[Ratio]) -> Iterator[dict[str, Any]]:
        """Rows of "LogForecast" as of `end`, the end of an hour; those of a threshold crossing have figures."""
        last = (end - self.first) // HOUR
        if not self.covered[last - 1]:
            return
        recent = slice(max(0, last - ERROR_HOURS), last)
        for subject, series in self.series.items():
            if subject.startswith("level:") and not np.nansum(series.values[recent]):
                continue
            for forecast in series.forecasts(end, HORIZONS):
                yield _row(self.name, subject, end, forecast)
        for rule in ratios:
            if not rule.is_about(self.name):
                continue
            errors, lines = self.errors(rule.where.level)[recent], self.lines[recent]
            crossed = self._crossing(end, rule, Counts(errors, lines))
            if crossed is None:
                continue
            figures = {
                "rate": crossed.rate, "usual": crossed.usual, "climbed": crossed.climbed,
                "threshold": rule.ratio.more_than, "levels": list(rule.where.level),
                "totalMoreThan": rule.ratio.total_more_than, "count": int(errors[-1]), "total": int(lines[-1]),
            }  # fmt: skip
            low, high = float(crossed.low), float(crossed.high)
            forecast = Forecast(crossed.high, float(crossed.hours), low, high, None, None)
            yield _row(self.name, f"{CROSSING}{rule.name}", end, forecast, figures)

    def _crossing(self, end: datetime, rule: Ratio, hours: Counts) -> Crossing | None:
        slots = self.slots.loc[end - HOURS * HOUR : end - SLOT]
        covered = slots["covered"].to_numpy()
        errors = _where_covered(slots[[*rule.where.level]].sum(axis=1), covered)
        lines = _where_covered(slots["lines"], covered)
        residuals = self.series["lines"].residuals(end, len(hours.lines))
        return crossing(hours, residuals, Counts(errors, lines), rule.ratio.more_than)


def _collected_in(frame: pd.DataFrame, window: Window) -> bool:
    """Whether any hour of the window was. Nodes that are gone have none, and no forecast."""
    moments = frame.index.get_level_values("hour")
    return bool(frame["covered"][(moments >= window.since) & (moments < window.until)].any())


def _of(slots: pd.DataFrame, node: str) -> pd.DataFrame:
    """The slots of a node; none where it was not known lately."""
    return slots[slots.index.get_level_values("node") == node].droplevel("node")


def _row(
    node: str, subject: str, end: datetime, forecast: Forecast, figures: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "node": node, "subject": subject, "horizon": forecast.horizon, "hour": end + HOUR * (forecast.horizon - 1),
        "value": round(forecast.value, 6), "low": forecast.low, "high": forecast.high, "last_hour": forecast.last_hour,
        "day_before": forecast.day_before, "figures": None if figures is None else Jsonb(figures),
    }  # fmt: skip


def _where_covered(column: pd.Series[int], covered: Any) -> Floats:
    values: Floats = np.where(covered, column.to_numpy(dtype=np.float64), np.nan)
    return values


def share_of(errors: Floats, lines: Floats) -> Floats:
    """The error rate; nan for an hour without lines, or one that is not known."""
    share: Floats = errors / np.where(lines > 0, lines, np.nan)
    return share


def _pattern_series(
    connection: Connection, series: pd.DataFrame, day: datetime, until: datetime
) -> dict[tuple[str, str], Floats]:
    """Lines in each hour of `series` of the patterns that had the most in the 24 hours before `day`, by node."""
    top = connection.execute(_SQL["top_patterns"], {"since": day - DAY, "until": day, "most": TOP_PATTERNS}).fetchall()
    if not top or series.empty:
        return {}
    hours = series.index.get_level_values("hour")
    first, number = hours.min().to_pydatetime(), hours.nunique()
    lines: dict[tuple[str, str], Floats] = {}
    for row in top:
        if row["node"] in series.index.get_level_values("node"):
            covered = series.loc[row["node"], "covered"].to_numpy()
            lines[row["node"], row["pattern"]] = np.where(covered, 0.0, np.nan)
    start = (first - EPOCH) // HOUR
    where = {
        "nodes": [node for node, _ in lines], "patterns": [pattern for _, pattern in lines], "merged": day,
        "since": first, "until": min(until, first + number * HOUR),
    }  # fmt: skip
    for row in connection.execute(_SQL["pattern_counts"], where):
        # An hour may come several times: once for each pattern that has merged into this one.
        np.add.at(lines[row["node"], row["pattern"]], numbers(row["steps"]) - start, numbers(row["counts"]))
    return lines


_COLUMNS = ("node", "subject", "horizon", "hour", "value", "low", "high", "last_hour", "day_before", "figures")


def _write(connection: Connection, made_at: datetime, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = {"made_at": made_at, **{column: [row[column] for row in rows] for column in _COLUMNS}}
    connection.execute(_SQL["delete_other_forecasts"], columns)
    if rows:
        connection.execute(_SQL["upsert_forecasts"], columns)


# -- scores ---------------------------------------------------------------------------------------------------------


def _score(connection: Connection, series: pd.DataFrame, window: Window) -> int:
    """Score the forecasts of the window's hours that were collected in full; others stay unscored."""
    hours = series.index.get_level_values("hour")
    due = series[series["covered"] & (hours >= window.since) & (hours < window.until)]
    actuals: defaultdict[str, list[Any]] = defaultdict(list)
    moments = [hour.to_pydatetime() for hour in due.index.get_level_values("hour")]
    nodes = [str(node) for node in due.index.get_level_values("node")]
    for subject, actual in _actuals(due):
        places = np.flatnonzero(~np.isnan(actual))
        actuals["node"] += [nodes[place] for place in places]
        actuals["hour"] += [moments[place] for place in places]
        actuals["subject"] += [subject] * len(places)
        actuals["actual"] += actual[places].tolist()
    if not actuals["node"]:
        return 0
    scored = connection.execute(_SQL["score"], dict(actuals)).rowcount
    where = {"node": nodes, "hour": moments, "since": window.since, "until": window.until}
    scored += connection.execute(_SQL["score_patterns"], where).rowcount
    return scored + _score_crossings(connection, series, window)


def _actuals(due: pd.DataFrame) -> Iterator[tuple[str, Floats]]:
    for level in LEVELS:
        yield f"level:{level}", due[level].to_numpy(dtype=np.float64)
    lines = due["lines"].to_numpy(dtype=np.float64)
    yield "lines", lines
    yield ERROR_RATE, share_of(due[ERRORS].sum(axis=1).to_numpy(dtype=np.float64), lines)


def _score_crossings(connection: Connection, series: pd.DataFrame, window: Window) -> int:
    """A threshold is crossed by the first hour above it, or not at all once the last hour has passed without one. Until
    then, and after an hour that is not known, the row stays unscored."""
    scored = 0
    where = {"since": window.since - MAX_HOURS * HOUR, "until": window.until}
    for row in connection.execute(_SQL["crossings"], where).fetchall():
        crossed, known = first_crossed(series, row["node"], row["made_at"], row["horizon"], row["figures"])
        if known:
            hit = crossed is not None and row["low"] <= crossed <= row["high"]
            key = {name: row[name] for name in ("made_at", "node", "subject", "horizon")}
            scored += connection.execute(_SQL["score_crossing"], {**key, "actual": crossed, "hit": hit}).rowcount
    return scored


def first_crossed(
    series: pd.DataFrame, node: str, made_at: datetime, hours: int, figures: Mapping[str, Any]
) -> tuple[int | None, bool]:
    """Which hour was the first above the threshold (None: no hour), and whether that is known."""
    if node not in series.index.get_level_values("node"):
        return None, False
    own = series.loc[node]
    for ahead in range(hours):
        hour = made_at + ahead * HOUR
        if hour not in own.index or not own["covered"][hour]:
            return None, False
        lines, errors = own["lines"][hour], sum(own[level][hour] for level in figures["levels"])
        if lines > figures["totalMoreThan"] and errors > figures["threshold"] * lines:
            return ahead + 1, True
    return None, True

"""Issues from forecasts: a threshold that will be crossed, by forecasts with a good record.

Here: which of the crossings in "LogForecast" become occurrences, and their figures. How crossings are found:
`crossing.py`; whether forecasts are trusted: `record.py`; the words: `rules/forecast-*.yaml`.

Occurrences follow from "LogForecast" alone, so hours may be forecast in any order: a run that changes scores evaluates
the crossings of the 30 days after them again (`hours_to_announce_again`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.firing import Firing, occurrence
from fleexmon_pipeline.detection.rule_kinds import Forecast
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.forecasting.forecasts import CROSSING, forecast_thresholds
from fleexmon_pipeline.forecasting.record import DAYS, read_records, why_not_trusted
from fleexmon_pipeline.issues.occurrence import Occurrence, Subject
from fleexmon_pipeline.patterns.read_counts import read_counts, read_samples
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window
from fleexmon_pipeline.wording import duration, percent

_SQL = statements("forecasting")


def announce(connection: Connection, rules: Sequence[Rule], hour: Window) -> list[Occurrence]:
    """Occurrences of the forecast rules at the end of `hour`, except for nodes whose forecasts are not trusted by then.

    Crossings without an enabled rule are skipped. Ordered by node and rule.
    """
    thresholds = {rule.name for rule in forecast_thresholds(rules)}
    active = [rule for rule in rules if isinstance(rule, Forecast) and rule.enabled]
    occurrences = []
    for row in connection.execute(_SQL["crossings"], {"since": hour.until, "until": hour.until}).fetchall():
        crossed = row["subject"].removeprefix(CROSSING)
        own = [rule for rule in active if rule.forecast.rule == crossed and rule.is_about(row["node"])]
        if not own or crossed not in thresholds:
            continue
        if why_not_trusted(read_records(connection, hour.until, node=row["node"]), crossed) is None:
            occurrences += [_occurrence(connection, rule, row) for rule in own]
    return occurrences


def hours_to_announce_again(connection: Connection, since: datetime) -> list[Window]:
    """The hours after `since` that announce a crossing and whose records of forecasts reach back to it."""
    where = {"since": since, "until": since + DAYS * DAY}
    ends = {row["made_at"] for row in connection.execute(_SQL["crossings"], where) if row["made_at"] > since}
    return [Window(end - HOUR, end) for end in sorted(ends)]


def _occurrence(connection: Connection, rule: Forecast, row: dict[str, Any]) -> Occurrence:
    end, node, figures = row["made_at"], row["node"], row["figures"]
    climbed = figures["climbed"] * HOUR
    seen = Window(end - climbed, end)
    samples = read_samples(connection, read_counts(connection, seen), seen, nodes=[node], levels=figures["levels"])
    hours, low, high = (int(row[name]) for name in ("value", "low", "high"))
    shown = {
        "node": node, "count": f"{figures['count']:,}", "total": f"{figures['total']:,}",
        "rate": percent(figures["rate"]), "usual": percent(figures["usual"]),
        "threshold": f"{figures['threshold'] * 100:g}%", "hours": str(hours),
        "interval": f"{low}-{high} h" if low < high else f"{low} h", "climbed": duration(climbed),
        "at": f"{end + hours * HOUR:%H:%M}", "rule": rule.forecast.rule,
    }  # fmt: skip
    metadata = {
        "rate": figures["rate"], "usual": figures["usual"], "threshold": figures["threshold"], "hours": hours,
        "low": low, "high": high, "announces": rule.forecast.rule,
    }  # fmt: skip
    severity = rule.severity_of({"count": figures["count"], "rate": figures["rate"]})
    firing = Firing(Subject(node), end, figures["count"], shown, metadata, severity)
    return occurrence(rule, firing, samples.newest(firing.subject, end, seen.length // SLOT))

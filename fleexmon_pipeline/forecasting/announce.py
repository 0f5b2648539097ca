"""Issues from forecasts: a threshold that will be crossed, said by forecasts that have proved right.

Here: which of the crossings in "LogForecast" become occurrences, and their words. How crossings are found:
`crossing.py`; whether forecasts are believed: `record.py`.

Occurrences follow from "LogForecast" alone, so hours may be forecast in any order: a run that changes scores says anew
what the crossings of the 30 days after them make (`judged_again`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.counts import read_counts, read_samples
from fleexmon_pipeline.detection.firing import percent
from fleexmon_pipeline.detection.occurrence import Occurrence, Severity, Subject
from fleexmon_pipeline.detection.rule import Ratio, Rule
from fleexmon_pipeline.forecasting.forecasts import CROSSING, ERRORS
from fleexmon_pipeline.forecasting.record import DAYS, read_records, useless
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window

_SQL = statements("forecasting")
VERSION = "1"  # of what is said; the rule's own version stands beside it
GRACE = timedelta(hours=6)


def warning_names(rules: Sequence[Rule]) -> list[str]:
    """Rule names of the occurrences that this module writes: `forecast-high-error-rate`."""
    return [f"forecast-{rule.name}" for rule in rules if isinstance(rule, Ratio)]


def warn(connection: Connection, rules: Sequence[Rule], hour: Window) -> list[Occurrence]:
    """The crossings announced at the end of `hour`, without those of nodes whose forecasts proved useless by then.

    Crossings of a rule that is no longer enabled are passed over. Ordered by node and rule.
    """
    enabled = {rule.name: rule for rule in rules if rule.enabled and isinstance(rule, Ratio)}
    found = []
    for row in connection.execute(_SQL["crossings"], {"since": hour.until, "until": hour.until}).fetchall():
        rule = enabled.get(row["subject"].removeprefix(CROSSING))
        if rule is None:
            continue
        records = read_records(connection, hour.until, node=row["node"])
        if useless(records, rule.name) is None:
            found.append(_occurrence(connection, rule, row))
    return found


def judged_again(connection: Connection, since: datetime) -> list[Window]:
    """The hours after `since` that announce a crossing and look back to it for the record of their forecasts."""
    where = {"since": since, "until": since + DAYS * DAY}
    ends = {row["made_at"] for row in connection.execute(_SQL["crossings"], where) if row["made_at"] > since}
    return [Window(end - HOUR, end) for end in sorted(ends)]


def _occurrence(connection: Connection, rule: Ratio, row: dict[str, Any]) -> Occurrence:
    end, node, figures = row["made_at"], row["node"], row["figures"]
    seen = Window(end - figures["climbed"] * HOUR, end)
    samples = read_samples(connection, read_counts(connection, seen), seen, nodes=[node], levels=figures["levels"])
    hours, low, high = (int(row[name]) for name in ("value", "low", "high"))
    within = f"{low}-{high} h" if low < high else f"{low} h"
    threshold = f"{figures['threshold'] * 100:g}%"
    what = "Error rate" if set(figures["levels"]) <= set(ERRORS) else f"Share of {'/'.join(figures['levels'])} lines"
    return Occurrence(
        rule=f"forecast-{rule.name}",
        rule_version=f"{rule.version}.{VERSION}",
        source="predictor",
        type="error-rate-forecast",
        subject=Subject(node),
        slot=end - SLOT,
        severity=Severity.MEDIUM,
        title=f"{what} of {node} crosses {threshold} in about {hours} h (80 %: {within})",
        description=(
            f"It has climbed for {figures['climbed']} hours, to {percent(figures['rate'])} in the last "
            f"({figures['count']} of {figures['total']} lines); {percent(figures['usual'])} is usual for "
            f"{node}. If it goes on so, it is above {threshold} in the hour that ends about "
            f"{end + hours * HOUR:%H:%M} UTC."
        ),
        recommendation=(
            f"There is time to act before {rule.name} fires: find which of {node}'s errors grow, and what changed when "
            "they began to."
        ),
        nodes=[node],
        grace=GRACE,
        affected=figures["count"],
        evidence=samples.newest(Subject(node), end, seen.length // SLOT),
        metadata={
            "rate": figures["rate"], "usual": figures["usual"], "threshold": figures["threshold"], "hours": hours,
            "low": low, "high": high, **({"runbook": rule.runbook} if rule.runbook else {}),
        },
    )  # fmt: skip

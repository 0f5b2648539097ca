"""Parameters of rules, checked by pydantic: durations, shares, expressions, and the parameters of each kind.

The kinds: `rule_kinds.py`; the texts of a rule: `rule_model.py`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal

import re2
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from fleexmon_pipeline.comparison.watch import AFTER, MAX_AFTER, STEP
from fleexmon_pipeline.window import DAY, HOUR, SLOT

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def _duration(value: object) -> timedelta:
    match = re.fullmatch(r"(\d{1,4})([mhd])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration; examples: 15m, 1h, 1d")
    return int(match[1]) * _UNITS[match[2]]


def _in_slots(value: timedelta) -> timedelta:
    if not SLOT <= value <= DAY or value % SLOT:
        raise ValueError("must be a multiple of 5m, from 5m to 1d: lines are counted in slots of 5 minutes")
    return value


def _whole_slots(value: timedelta) -> timedelta:
    if value > 6 * HOUR or value % SLOT:
        raise ValueError("must be a multiple of 5m, up to 6h")
    return value


def _days(value: timedelta) -> timedelta:
    if not DAY <= value <= 14 * DAY:
        raise ValueError("must be from 1d to 14d: baselines are learnt from the last 14 days")
    return value


def _watched(value: timedelta) -> timedelta:
    if not STEP <= value <= MAX_AFTER or value % STEP:
        raise ValueError("must be a multiple of 30m, up to 4h: a deployment is compared every 30 minutes")
    return value


def _share(value: object) -> float:
    match = re.fullmatch(r"(\d{1,2}(?:\.\d{1,4})?)\s?%", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a percentage below 100; examples: 5%, 0.5%")
    return float(Decimal(match[1]) / 100)  # exactly the double of 1/20: 5 of 100 lines are not more than 5%


def _literal(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("a text to look for needs at least one visible character and must not contain NUL")
    return text


@cache
def compiled(expression: str) -> Any:
    """Compile with RE2, which takes linear time for every expression. (?i) ignores case."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return re2.compile(expression, options)


def _expression(text: str) -> str:
    try:
        compiled(text)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"{text!r} is not a valid RE2 expression: {reason}") from None
    if "\0" in text or not text:
        raise ValueError("an expression must not be empty or contain NUL")
    return text


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Lasting = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_whole_slots)]
Past = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_days)]
Within = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_in_slots)]
Watched = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_watched)]
Share = Annotated[float, BeforeValidator(_share)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Hours = Annotated[int, Field(strict=True, ge=1, le=24)]
Factor = Annotated[float, Field(strict=True, ge=1, le=1000, allow_inf_nan=False)]
Alarms = Annotated[float, Field(strict=True, gt=0, le=10, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Literals = Annotated[str, AfterValidator(_literal)]
Expression = Annotated[str, Field(max_length=1000), AfterValidator(_expression)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeCount(Strict):
    more_than: Whole
    within: Within
    per: Literal["node"] = "node"


class PatternCount(Strict):
    more_than: Whole
    within: Within
    per: Literal["pattern"] = "pattern"  # of one node


class NodeRatio(Strict):
    more_than: Share
    total_more_than: Whole  # lines; one error in three lines means nothing
    within: Within
    per: Literal["node"] = "node"


class RateParameters(Strict):
    """More lines than expected for the node, the time of day and the load."""

    per: Literal["node", "pattern"]
    at_least: Annotated[dict[Within, Annotated[int, Field(strict=True, ge=1)]], Field(min_length=1)]  # window → lines
    times: Factor = 1.0  # the expected lines
    false_alarms: Alarms = 0.01  # per day and node, estimated from its past
    capped: Annotated[bool, Field(strict=True)] = False  # each slot counts at most as many lines as chance allows


class DropParameters(Strict):
    """Fewer lines than expected for the node, the time of day and the load before."""

    at_least: Annotated[
        dict[Within, Annotated[int, Field(strict=True, ge=1)]], Field(min_length=1)
    ]  # window → expected
    below: Share  # of the expected lines
    false_alarms: Alarms = 0.01  # per day and node, estimated from its past


class CompanionParameters(Strict):
    """Fewer lines of a message than expected from its companion."""

    at_least: Annotated[
        dict[Within, Annotated[int, Field(strict=True, ge=1)]], Field(min_length=1)
    ]  # window → expected
    below: Share  # of the expected lines
    false_alarms: Alarms = 0.01  # per day and node, estimated from its past
    at: Literal["node", "fleet"] = "node"  # where the other message is logged: at the node, or at other nodes


class UnfinishedParameters(Strict):
    """Runs that start and do not end."""

    at_least: Annotated[
        dict[Within, Annotated[int, Field(strict=True, ge=1)]], Field(min_length=1)
    ]  # window → runs, beyond what the node has shown
    below: Share  # of the runs that started
    false_alarms: Alarms = 0.01  # per day and node, estimated from its past


class InsteadParameters(Strict):
    """A message that partly replaces another one."""

    at_least: Annotated[dict[Within, Annotated[int, Field(strict=True, ge=1)]], Field(min_length=1)]  # window → lines
    times: Factor  # the expected lines
    false_alarms: Alarms = 0.01  # per day and node, estimated from its past


class ValueParameters(Strict):
    """Durations in lines, or the time between lines of one request, that have grown beyond the node's baseline."""

    at_least: Annotated[
        dict[Within, Annotated[int, Field(strict=True, ge=6)]], Field(min_length=1)
    ]  # window → lines that measure one
    times: Factor  # the expected duration
    false_alarms: Alarms = 0.01  # per day and node, estimated from its past


class StuckParameters(Strict):
    """Values in lines that have always varied and are now constant."""

    at_least: Annotated[dict[Within, Annotated[int, Field(strict=True, ge=10)]], Field(min_length=1)]  # window → lines
    below: Share  # of the lowest variety that the node has shown
    false_alarms: Alarms = 0.01  # per day and node, estimated from its past


class NewParameters(Strict):
    at_least: Annotated[int, Field(strict=True, ge=1)] = 1
    within: Within = timedelta(minutes=30)
    wary: Annotated[bool, Field(strict=True)] = True  # on nodes that often have unknown patterns, require two lines


class DivergenceParameters(Strict):
    verdict: Literal["fail", "marginal"] = "fail"  # or worse; an inconclusive comparison never fires
    after: Watched = AFTER  # how long a deployment is watched


class TrendParameters(Strict):
    hours: Hours  # compared with as many before
    times: Factor
    more_than: Share


class SpikeParameters(Strict):
    hours: Hours  # the hour is compared with their mean
    times: Factor
    more_than: Whole


class BacklogParameters(Strict):
    more_than: Whole
    open_for: Lasting = timedelta()  # at least; an incident opens several issues, and most end within an hour


class ForecastParameters(Strict):
    rule: Name  # the `ratio` rule whose threshold will be crossed

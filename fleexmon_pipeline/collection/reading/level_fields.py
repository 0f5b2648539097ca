"""Find the level in a record's fields: the first field with a known level. An unknown word does not end the search.

Words and numbers: `levels.py`; a level in the text of a message: `text_levels.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleexmon_pipeline.collection.reading.fields import Fields, Found, Plan, candidates, lookup, plan_of
from fleexmon_pipeline.collection.reading.names import (
    DEEP_LEVEL_WORDS,
    DEEP_LEVELS,
    LEVEL_WORDS,
    OBJECT_FIELDS,
    OTEL_FIELDS,
    WORD_FIELDS,
)
from fleexmon_pipeline.levels import ALARM_LEVELS, LEVEL_OF_WORD, Level, known_level, level_on, otel_level

MAX_TAGS_CHARACTERS = 200
MAX_PAIRS = 50
PAIR_LISTS = ("labels", "attributes", "tags", "fields")  # `[{"name": "level", "value": "error"}]`
SMALL_NUMBERS = frozenset("0123456789")


def level_of(fields: Fields) -> tuple[Level, Found] | None:
    """The level from the first field that has one, and its word."""
    plan = plan_of(fields)
    return _named_level(fields, plan) or _level_beside(fields, plan)


def _named_level(fields: Fields, plan: Plan) -> tuple[Level, Found] | None:
    for name, value in candidates(fields, plan.levels, (str, int, float, dict)):
        if isinstance(value, dict):
            if level := _level_object(value):
                return level, Found(name, None, taken=False)
        elif level := level_on(plan.scale, value) or _alarm_level(name, value):
            is_doubtful = plan.scale is None and (plan.has_words or len(plan.levels) > 1) and is_small_number(value)
            return (_word_beside(fields, plan) if is_doubtful else None) or level, Found(name, value)
    return None


def is_small_number(value: Any) -> bool:
    """Whether a level is a number that several scales use: 0 is the worst for syslog, the lowest for others."""
    return str(value) in SMALL_NUMBERS and not isinstance(value, bool)


def _alarm_level(name: str, value: Any) -> Level | None:
    """`"severity": "HIGH"` of findings and alarms. The priority of a job is high without anything being wrong."""
    if not isinstance(value, str) or "prio" in name.lower():
        return None
    return ALARM_LEVELS.get(value.strip().lower())


def _level_beside(fields: Fields, plan: Plan) -> tuple[Level, Found] | None:
    """A level in an inner object, OpenTelemetry's number, or a level's word in a field with another purpose."""
    for name, value in _inner_levels(fields) if plan.has_inner_levels else ():
        if level := known_level(value):
            return level, Found(name, value, taken=False)
    for name in plan.like_levels:
        if isinstance(value := fields[name], (str, int)) and (
            level := level_on(plan.scale, value) or _alarm_level(name, value)
        ):
            return level, Found(name, value, taken=False)
    for name in plan.last_levels:
        if isinstance(value := fields[name], str) and (level := LEVEL_OF_WORD.get(value.lower())):
            return level, Found(name, value, taken=False)
    return _other_word(fields) if plan.has_words else None


def _other_word(fields: Fields) -> tuple[Level, Found] | None:
    for name in OTEL_FIELDS:
        if level := otel_level(fields.get(name)):
            return level, Found(name, None, taken=False)
    for name in WORD_FIELDS:
        if level := _word_in(fields.get(name)):
            return level, Found(name, None, taken=False)
    return None


def _word_beside(fields: Fields, plan: Plan) -> Level | None:
    for _, value in candidates(fields, plan.levels, (str,)):
        if isinstance(value, str) and (level := LEVEL_OF_WORD.get(value.lower())):
            return level
    return next((level for name in WORD_FIELDS if (level := _word_in(fields.get(name)))), None)


def _word_in(value: Any) -> Level | None:
    if isinstance(value, str) and "," in value:  # tags as one text
        value = [word.strip() for word in value[:MAX_TAGS_CHARACTERS].split(",")]
    words = (word.lower() for word in (value[:5] if isinstance(value, list) else [value]) if isinstance(word, str))
    return next((LEVEL_OF_WORD[word] for word in words if word in LEVEL_WORDS), None)


def level_word(fields: Fields) -> Found | None:
    """The first level field, with any value. It becomes `originalLevel` if no field is usable."""
    plan = plan_of(fields)
    for name, value in candidates(fields, plan.levels, (str, int, float)):
        if not isinstance(value, dict) or _level_object(value) is None:
            return Found(name, value)
    if not plan.has_inner_levels:
        return None
    return next((Found(name, value, taken=False) for name, value in _inner_levels(fields)), None)


def _level_object(value: Mapping[str, Any]) -> Level | None:
    """`{"Name": "ERROR", "No": 40}` of loguru, `{"level": 40000, "levelStr": "ERROR"}` of log4js."""
    lowered = {name.lower(): inner for name, inner in value.items() if isinstance(inner, (str, int, float))}
    return next((level for name in OBJECT_FIELDS if (level := known_level(lowered.get(name)))), None)


def _inner_levels(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Levels in inner objects, which stay there: ECS' {"log": {"level": …}}, MongoDB's {"s": "E", "t": {"$date":
    …}}."""
    log, short = fields.get("log"), fields.get("s")
    if isinstance(log, dict) and log.get("level") is not None:
        yield "log.level", log["level"]
    if isinstance(short, str) and len(short) <= 2 and "ctx" in fields:
        yield "s", short
    for name in DEEP_LEVELS:
        if isinstance(value := lookup(fields, name), (str, int)):
            yield name, value
    for name in DEEP_LEVEL_WORDS:
        if isinstance(value := lookup(fields, name), str) and not value.isdigit():
            yield name, value
    for name in PAIR_LISTS:
        pairs = fields.get(name)
        for pair in pairs[:MAX_PAIRS] if isinstance(pairs, list) else ():
            kind = (pair.get("key") or pair.get("name")) if isinstance(pair, dict) else None
            if kind in ("level", "severity") and isinstance(value := pair.get("value"), str):
                yield name, value.strip('"')


def has_level(fields: Fields) -> bool:
    """Whether the record has a level of its own."""
    return level_of(fields) is not None

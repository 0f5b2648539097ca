"""Names of fields for time, level and message, in the order in which they are tried.

Here: one record's fields. The first *usable* candidate wins: an empty text, a duration, a time of day or an unknown
word does not end the search, and stays in the record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from time import time as clock
from typing import Any, NamedTuple

from fleexmon_pipeline.collection.reading.plans import by_names
from fleexmon_pipeline.collection.times import EPOCH, FUTURE, MIN_TIME, RejectedError, read_time
from fleexmon_pipeline.levels import LEVEL_OF_WORD, Level, Scale, known_level, level_on, otel_level, scale_of

# Exactly so first, then in any case: `Timestamp`, `LEVEL` of .NET, Go structures, hand-made loggers.
TIME_FIELDS = (
    "timestamp", "time", "@timestamp", "ts", "timeUnixNano", "datetime", "date", "eventTime", "__REALTIME_TIMESTAMP",
    "asctime",  # python-json-logger
    "time_unix_nano", "observedTimeUnixNano", "observed_timestamp",  # OpenTelemetry, when the event has no time
    "timereported", "timegenerated", "isodate", "_SOURCE_REALTIME_TIMESTAMP",  # rsyslog, syslog-ng, journald
    "instant", "@t", "t",  # log4j 2, Serilog, MongoDB
    "timeMillis", "millis", "time_iso8601", "time_local", "msec",  # log4j 2, JUL, nginx
    "timestamp_ms", "ts_ms", "time_ms", "timestampMillis", "epochMillis", "epoch", "unixtime", "_time", "_timestamp",
    "log_time", "logTime", "log_timestamp", "logged_at", "event_time", "event_timestamp", "eventTimestamp",
    "event.created",
    "TimeGenerated", "TimeCreated", "StartUTC", "StartLocal", "generated_at", "received_at", "receivedAt",
    "receiveTimestamp", "ingestionTime", "created", "startTime", "@time",
    "logTimestamp", "UtcTime", "utc_time", "date_time",
    "start_time", "started_at", "startedAt", "request_time", "created_at", "createdAt",  # Envoy, Kong; of requests
    "completed_at", "completedAt", "finished_at", "finishedAt", "ended_at", "endedAt", "end_time", "endTime",
    "requestReceivedTimestamp", "stageTimestamp",  # Kubernetes' audit log
)  # fmt: skip
LEVEL_FIELDS = (
    "level", "severity", "severityText", "levelname", "lvl", "log.level", "PRIORITY",
    "severity_text", "severity_level", "level_name", "loglevel", "log_level", "syslogseverity", "@level", "@l",
    "levelStr", "level_str", "levelno", "level_value", "error_severity", "severity_label", "severityLabel",
    "severityLevel",
    "syslog_severity", "syslogseverity-text", "LevelDisplayName", "sev", "L", "log.severity", "priority", "prio",
    "severity_name", "severityName", "level_text", "levelText", "levelName", "log_severity", "logSeverity",
    "priorityName", "priority_name",
)  # fmt: skip
# These say how bad a record is only where they hold a level's word: Datadog, MySQL, Kibana.
_WORD_FIELDS = ("status", "label", "type", "kind", "tags")
_WORDS = frozenset("debug info warn warning error critical fatal emergency alert notice".split())  # noqa: SIM905
_OBJECT_FIELDS = (
    "name",
    "levelstr",
    "label",
    "text",
    "level",
    "value",
    "no",
    "severity",
)  # of a level that is an object
MESSAGE_FIELDS = ("message", "msg", "body", "text", "MESSAGE")
# These only where they are text: ECS has an object of the name event, and Docker the line itself as log.
TEXT_FIELDS = (
    "short_message", "event", "@message", "@m", "formattedMessage", "RenderedMessage", "textPayload", "log",
    "@mt", "MessageTemplate", "full_message", "log_message", "logMessage", "error_message", "errorMessage", "err_msg",
    "M",
    "line", "_raw", "description", "detail", "details", "reason", "title", "content", "summary",
    "data", "event_message", "eventMessage", "_entry", "output", "logmsg", "log_line", "logLine",
)  # fmt: skip
TEMPLATE_FIELDS = ("@mt", "MessageTemplate")
_SURE_TEXTS = TEXT_FIELDS[: TEXT_FIELDS.index("MessageTemplate") + 1]
# Dotted, or one within the other: ECS, OpenTelemetry, GitLab.
_DEEP_FIELDS = (
    "event.original",
    "logentry.formatted",  # Sentry
    "logentry.message",
    "exception.message",
    "error.message",
    "err.message",
    "exception.type",
    "error.type",
    "exception.class",
    "alert.signature",  # Suricata
    "protoPayload.status.message",  # Google Cloud's audit log
)
# What was done, for records that say nothing else: audit logs of Google Cloud, AWS, Azure.
_ACTIONS = ("protoPayload.methodName", "methodName", "eventName", "operationName", "event_name", "action", "operation",
            "event_type", "0")  # fmt: skip
_DEEP_LEVELS = (
    "context.logLevel",
    "_meta.logLevelName",
    "log.severity",
    "syslog.severity.name",
    "log.syslog.severity.name",
    "syslog.severity",
)
_DEEP_TIMES = ("_meta.date", "event.created", "log.timestamp", "log.time", "event.time", "record.time")
_OTEL_FIELDS = ("severityNumber", "severity_number", "SeverityNumber")
ERROR_FIELDS = ("err", "error", "exception")
_ERRORS = frozenset(("err", "error", "exception", "stack", "stack_trace", "stacktrace", "exc_info", "exc_text", "@x"))
STACK_FIELDS = ("stack", "stack_trace", "stacktrace", "exc_info", "exc_text", "@x")
_METHODS = ("method", "request_method", "requestMethod", "RequestMethod", "http.method", "http.request.method", "verb",
            "request.method", "httpRequest.requestMethod", "http_method", "cs-method")  # fmt: skip
_PATHS = (
    "path",
    "uri",
    "url",
    "request_uri",
    "requestUri",
    "requestUrl",
    "requestURI",
    "RequestPath",
    "http.target",
    "httpRequest.requestUrl",
    "http_uri",
    "http_path",
    "request_path",
    "cs-uri-stem",
    "request.uri",
    "request.url",
    "request.path",
    "url.path",
    "url.original",
)
_STATUSES = (
    "status", "status_code", "statusCode", "DownstreamStatus", "http.status_code", "http.response.status_code",
    "response_code", "response.status", "httpRequest.status", "http_status", "sc-status",
)  # fmt: skip

# Of a field that no list here names.
_LIKE_A_TIME = frozenset(("timestamp", "datetime", "ts", "dt", "at"))
_OTHER_TIMES = frozenset(
    "expires expiry expire until last next due valid birth updated modified deleted starts ends".split()  # noqa: SIM905
)
_LIKE_A_LEVEL = frozenset(("severity", "loglevel", "sev"))
_LIKE_A_MESSAGE = frozenset(("message", "msg", "title", "text", "description", "line", "rawstring", "raw"))
_WORD_OF_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_HOLE = re.compile(
    r"\{[@$]?(\w[\w.]*)(?:,-?\d{1,4})?(?::[^{}]{1,40})?\}"
)  # of Serilog and .NET: {Id}, {@Cart}, {Ms,8:0.0}
_SLOT = re.compile(r"%(?:[sdifr]|\.[0-9]f)")  # of Python's logging
_SIMPLE = (str, int, float, bool)
MAX_HOLES = 100  # of a template that are filled, each with a value of so many characters at most:
MAX_FILLED_CHARACTERS = 1_000
MAX_ODD_NAMES = 500  # of a record that are taken apart

Fields = dict[str, Any]
_FUTURE = FUTURE.total_seconds()


class Found(NamedTuple):
    """A usable value. `name`: where it is. `taken`: whether the field has given all that it holds."""

    name: str
    value: Any
    taken: bool = True


def lookup(fields: Mapping[str, Any], name: str) -> Any:
    """The value of a field whose name may have dots, written as one name or as objects within objects."""
    value = fields.get(name)
    if value is None and "." in name:
        head, _, rest = name.partition(".")
        inner = fields.get(head)
        return lookup(inner, rest) if isinstance(inner, dict) else None
    return value


def ranked(names: tuple[str, ...], there: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """Which of `there` are among the names, in their order: first as written, then those that differ in case only."""
    exact = [(name, True) for name in names if name in there]
    ranks = {name.lower(): n for n, name in reversed(list(enumerate(names)))}
    others = sorted((ranks[name.lower()], name) for name in there if name.lower() in ranks and name not in names)
    return (*exact, *((name, False) for _, name in others))


def _reachable(paths: tuple[str, ...], there: frozenset[str]) -> tuple[str, ...]:
    """Which dotted names `lookup` may find: as one name, or as objects within objects."""
    return tuple(path for path in paths if path in there or path.partition(".")[0] in there)


def searches_deeper(names: tuple[str, ...]) -> bool:
    """Whether a level may stand elsewhere than in a field that is named for it. Not in `log`, if that is a text."""
    deep = _reachable(("log.level", "s", *_DEEP_LEVELS), frozenset(names) - {"log"})
    return bool(deep or _WORD_NAMES & set(names) or _like(names, _LIKE_A_LEVEL))


def _like(names: Iterable[str], words: frozenset[str]) -> tuple[str, ...]:
    """Names that contain one of the words: `syslog_severity_code`, `LogMessage`, not `context`."""
    found = []
    for name in islice(names, MAX_ODD_NAMES):
        parts = [part.lower() for part in _WORD_OF_NAME.findall(name)]
        if name not in _OTEL_FIELDS and not words.isdisjoint((*parts, "".join(parts))):
            found.append(name)
    return tuple(found)


def has_arguments(names: tuple[str, ...], message: str) -> bool:
    """Whether the message may be a format whose values are in a field of their own."""
    return message == "msg" and "args" in names


class _Plan(NamedTuple):
    """Candidates of records with these names of fields, in the order in which they are tried."""

    times: tuple[tuple[str, bool], ...]
    deep_times: tuple[str, ...]
    has_date_and_time: bool
    levels: tuple[tuple[str, bool], ...]
    scale: Scale | None  # of levels that are numbers
    has_inner_levels: bool
    has_words: bool
    like_levels: tuple[str, ...]
    messages: tuple[str, ...]
    texts: tuple[str, ...]
    texts_in_any_case: tuple[tuple[str, bool], ...]
    sure: tuple[str, ...]  # say that the record has a message, whatever they hold
    sure_texts: tuple[str, ...]  # the same, where they hold a text

    @classmethod
    def among(cls, names: tuple[str, ...]) -> _Plan:
        there = frozenset(names)
        lowered = {name.lower() for name in names}
        return cls(
            ranked(TIME_FIELDS, names),
            _reachable(_DEEP_TIMES, there),
            {"date", "time"} <= lowered,
            ranked(LEVEL_FIELDS, names),
            scale_of(names),
            bool(_reachable(("log.level", "s", *_DEEP_LEVELS), there)),
            bool(there & _WORD_NAMES),
            _like(names, _LIKE_A_LEVEL),
            tuple(name for name in MESSAGE_FIELDS if name in there),
            tuple(name for name in TEXT_FIELDS if name in there),
            ranked((*MESSAGE_FIELDS, *TEXT_FIELDS), names),
            tuple(name for name in (*MESSAGE_FIELDS, *ERROR_FIELDS) if name in there),
            tuple(name for name in names if name in _SURE_TEXTS or name.lower() in MESSAGE_FIELDS),
        )


def _candidates(
    fields: Fields, names: tuple[tuple[str, bool], ...], kinds: tuple[type, ...]
) -> Iterator[tuple[str, Any]]:
    """Values of these names; of those that differ in case, only of these `kinds`."""
    for name, is_exact in names:
        value = fields[name]
        if value is not None and (is_exact or isinstance(value, kinds)):
            yield name, value


_WORD_NAMES = frozenset((*_WORD_FIELDS, *_OTEL_FIELDS))
_plan_of = by_names(_Plan.among)


# -- time -----------------------------------------------------------------------------------------------------------


class TimeOf(NamedTuple):
    """The time of one layer: a usable one, or what is only used if no layer has a better one."""

    usable: Found | None
    doubtful: Found | None  # in the future, or without a time of day
    error: RejectedError | None  # of the first candidate


def time_of(fields: Fields) -> TimeOf:
    plan = _plan_of(fields)
    doubtful: Found | None = None
    error: RejectedError | None = None
    for name, value, taken in _times(fields, plan) if plan.deep_times else _named_times(fields, plan):
        try:
            moment = read_time(value)
        except RejectedError as reason:
            error = error or reason
            continue
        if moment < MIN_TIME:
            error = error or RejectedError(f"not a time: {str(value)[:60]}: before {MIN_TIME:%Y}, or a duration")
        elif is_date(value) or (moment - EPOCH).total_seconds() > clock() + _FUTURE:
            doubtful = doubtful or Found(name, moment, taken)
        else:
            return TimeOf(Found(name, moment, taken), None, None)
    return TimeOf(_date_and_time(fields) if plan.has_date_and_time else None, doubtful, error)


def _named_times(fields: Fields, plan: _Plan) -> Iterator[tuple[str, Any, bool]]:
    for name, is_exact in plan.times:
        value = fields[name]
        if value is not None and (is_exact or isinstance(value, (str, int, float, dict, list))):
            yield name, value[0] if isinstance(value, list) and len(value) == 1 else value, True


def _times(fields: Fields, plan: _Plan) -> Iterator[tuple[str, Any, bool]]:
    yield from _named_times(fields, plan)
    for name in plan.deep_times:
        if isinstance(value := lookup(fields, name), (str, int, float)):
            yield name, value, False


def is_date(value: object) -> bool:
    """Whether a time is a day without a time of day."""
    return isinstance(value, str) and len(value) <= 10 and ":" not in value and not value.isdigit()


def _date_and_time(fields: Fields) -> Found | None:
    """A day and a time of day in fields of their own: IIS and other W3C logs."""
    lowered = {name.lower(): value for name, value in fields.items() if isinstance(value, str)}
    if "date" not in lowered or "time" not in lowered:
        return None
    try:
        return Found("date, time", read_time(f"{lowered['date']} {lowered['time']}"), taken=False)
    except RejectedError:
        return None


# -- level ----------------------------------------------------------------------------------------------------------


def level_of(fields: Fields) -> tuple[Level, Found] | None:
    """The first field that says how bad the record is, and the word that says so."""
    plan = _plan_of(fields)
    return _named_level(fields, plan) or _level_beside(fields, plan)


def _named_level(fields: Fields, plan: _Plan) -> tuple[Level, Found] | None:
    for name, value in _candidates(fields, plan.levels, (str, int, float, dict)):
        if isinstance(value, dict):
            if level := _level_object(value):
                return level, Found(name, None, taken=False)
        elif level := level_on(plan.scale, value):
            return level, Found(name, value)
    return None


def _level_beside(fields: Fields, plan: _Plan) -> tuple[Level, Found] | None:
    """A level that stands deeper, is OpenTelemetry's number, or is one word of a field with another purpose."""
    for name, value in _inner_levels(fields) if plan.has_inner_levels else ():
        if level := known_level(value):
            return level, Found(name, value, taken=False)
    for name in plan.like_levels:
        if isinstance(value := fields[name], (str, int)) and (level := level_on(plan.scale, value)):
            return level, Found(name, value, taken=False)
    if not plan.has_words:
        return None
    for name in _OTEL_FIELDS:
        if level := otel_level(fields.get(name)):
            return level, Found(name, None, taken=False)
    for name in _WORD_FIELDS:
        value = fields.get(name)
        for word in value[:5] if isinstance(value, list) else [value]:
            if isinstance(word, str) and word.lower() in _WORDS:
                return LEVEL_OF_WORD[word.lower()], Found(name, None, taken=False)
    return None


def level_word(fields: Fields) -> Found | None:
    """The first level field, whatever it holds: what becomes `originalLevel` when no field is usable."""
    plan = _plan_of(fields)
    for name, value in _candidates(fields, plan.levels, (str, int, float)):
        if not isinstance(value, dict) or _level_object(value) is None:
            return Found(name, value)
    if not plan.has_inner_levels:
        return None
    return next((Found(name, value, taken=False) for name, value in _inner_levels(fields)), None)


def _level_object(value: Mapping[str, Any]) -> Level | None:
    """`{"Name": "ERROR", "No": 40}` of loguru, `{"level": 40000, "levelStr": "ERROR"}` of log4js."""
    lowered = {name.lower(): inner for name, inner in value.items() if isinstance(inner, (str, int, float))}
    return next((level for name in _OBJECT_FIELDS if (level := known_level(lowered.get(name)))), None)


def _inner_levels(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Levels that stand deeper, and stay there: ECS' {"log": {"level": …}}, MongoDB's {"s": "E", "t": {"$date": …}}."""
    log, short = fields.get("log"), fields.get("s")
    if isinstance(log, dict) and log.get("level") is not None:
        yield "log.level", log["level"]
    if isinstance(short, str) and len(short) <= 2 and "ctx" in fields:
        yield "s", short
    for name in _DEEP_LEVELS:
        if isinstance(value := lookup(fields, name), (str, int)):
            yield name, value


def has_level(fields: Fields) -> bool:
    """Whether the record itself says how bad it is."""
    return level_of(fields) is not None


# -- message --------------------------------------------------------------------------------------------------------


def has_message(fields: Fields) -> bool:
    """Whether the record surely says something: not only in a field of a name such as `title`."""
    plan = _plan_of(fields)
    if any(fields[name] is not None for name in plan.sure):
        return True
    return any(isinstance(fields[name], str) for name in plan.sure_texts)


def message_of(fields: Fields) -> Found | None:
    """A text that is not blank; None if there is none."""
    plan = _plan_of(fields)
    for name in plan.messages:
        value = fields[name]
        if name == "MESSAGE":
            value = _journald(value)
        if _is_usable(value):
            return Found(name, _with_arguments(value, fields) if name == "msg" else plain_value(value))
    for name in plan.texts:
        value = fields[name]
        if isinstance(value, str) and _is_usable(value):
            # Docker ends each with a newline, which belongs to its file.
            value = value.rstrip("\r\n") if name == "log" else value
            return Found(name, rendered(value, fields) if name in TEMPLATE_FIELDS else value)
    return None


def _with_arguments(text: Any, fields: Fields) -> Any:
    """A LogRecord of Python as it is: `order %s of %d failed` and its arguments."""
    values = fields.get("args")
    if not isinstance(text, str) or not isinstance(values, list) or len(values) != len(_SLOT.findall(text)):
        return plain_value(text)
    rest = iter(values)
    return _SLOT.sub(lambda _: text_of(next(rest)), text)


def rendered(template: str, fields: Fields) -> str:
    """A template of Serilog with the values of its record, as far as they are there and simple."""
    inner = fields.get("Properties")
    values = {**(inner if isinstance(inner, dict) else {}), **fields}

    def value(hole: re.Match[str]) -> str:
        given = values.get(hole[1])
        text = text_of(given) if isinstance(given, _SIMPLE) else hole[0]
        return text if len(text) <= MAX_FILLED_CHARACTERS else hole[0]

    return _HOLE.sub(value, template, MAX_HOLES)


def like_a_message(fields: Fields) -> Found | None:
    """A text in a field whose name only resembles those that are known."""
    texts = (Found(name, text) for name in _like(fields, _LIKE_A_MESSAGE) if _is_text(text := fields[name]))
    return next(texts, None)


def like_a_time(fields: Fields) -> Found | None:
    """A time in a field whose name only resembles those that are known."""
    for name in _like(fields, _LIKE_A_TIME):
        if name in _like((name,), _OTHER_TIMES):  # `last_login_at` says when something else was
            continue
        try:
            moment = read_time(fields[name])
        except RejectedError:
            continue
        if moment >= MIN_TIME and (moment - EPOCH).total_seconds() <= clock() + _FUTURE and not is_date(fields[name]):
            return Found(name, moment)
    return None


def is_of_error(origin: str) -> bool:
    """Whether a message was taken from a field that tells of an error, by its path in the record."""
    first, last = origin.partition(".")[0], origin.rpartition(".")[2]
    return {first, last} & _ERRORS != frozenset()


def weaker_message_of(fields: Fields) -> Found | None:
    """What stands in for a message. But for a name in other case, it stays where it is."""
    for name in ERROR_FIELDS:  # an error logged by itself; it stays in metadata with its stack
        if _is_usable(text := _of_error(fields.get(name))):
            return Found(name, plain_value(text), taken=False)
    if found := _in_any_case(fields):
        return found
    for name in _DEEP_FIELDS:
        if _is_usable(text := lookup(fields, name)):
            return Found(name, text, taken=False)
    for name in STACK_FIELDS:
        if text := _first_line(fields.get(name)):
            return Found(name, text, taken=False)
    return _of_arguments(fields) or _of_request(fields) or _of_action(fields)


def _of_arguments(fields: Fields) -> Found | None:
    """log4js: the arguments of the call."""
    data = fields.get("data")
    if isinstance(data, list) and data and (isinstance(data[0], str) or "categoryName" in fields):
        return Found("data", " ".join(text_of(item) for item in data), taken=False)
    return None


def _of_action(fields: Fields) -> Found | None:
    return next((Found(name, text, taken=False) for name in _ACTIONS if _is_text(text := lookup(fields, name))), None)


def _in_any_case(fields: Fields) -> Found | None:
    candidates = _candidates(fields, _plan_of(fields).texts_in_any_case, (str,))
    return next((Found(name, value) for name, value in candidates if _is_text(value)), None)


def blank_message_of(fields: Fields) -> Found | None:
    """An empty message, for a record that says nothing else."""
    for name in MESSAGE_FIELDS:
        if fields.get(name) is not None:
            return Found(name, plain_value(fields[name]))
    return Found("log", "") if isinstance(fields.get("log"), str) else None  # an empty line of a container


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and _is_usable(value)


def _is_usable(value: Any) -> bool:
    return value is not None and (not isinstance(value, str) or not value.isspace()) and value != ""


def _of_request(fields: Fields) -> Found | None:
    """`GET /cart 200`: access logs and request logs of web frameworks have no message."""
    request = fields.get("request")
    if not isinstance(request, str) or " " not in request:
        method = next((value for name in _METHODS if isinstance(value := lookup(fields, name), str)), None)
        path = next((value for name in _PATHS if isinstance(value := lookup(fields, name), str)), None)
        if not method or not path:
            return None
        request = f"{method} {path}"
    status = next((value for name in _STATUSES if isinstance(value := lookup(fields, name), (int, str))), "")
    return Found("request", f"{request} {status}".strip(), taken=False)


def _of_error(error: Any) -> Any:
    """`{"type": "TypeError", "message": …, "stack": …}`, or what stands in its place; None if it says nothing."""
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict):
        texts = (error.get(name) for name in ("message", "msg", "reason"))
        stacks = (_first_line(error.get(name)) for name in STACK_FIELDS)
        kinds = (error.get(name) for name in ("type", "name", "code"))
        return next((text for text in (*texts, *stacks, *kinds) if text is not None), None)
    return error or None


def _first_line(stack: Any) -> str | None:
    return stack.strip().partition("\n")[0] or None if isinstance(stack, str) else None


def _journald(value: Any) -> Any:
    """What is not UTF-8 comes as an array of bytes."""
    if isinstance(value, list) and value and all(type(byte) is int and 0 <= byte < 256 for byte in value):
        return bytes(value).decode("utf-8", "backslashreplace")
    return value


def plain_value(value: Any) -> Any:
    """OTLP's `{"stringValue": "x"}` becomes `"x"`; anything else stays what it is."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    [(kind, inner)] = value.items()
    values = inner.get("values") if isinstance(inner, dict) else None
    if kind == "arrayValue" and isinstance(values, list):
        return [plain_value(item) for item in values]
    if kind == "kvlistValue" and isinstance(values, list) and all(isinstance(item, dict) for item in values):
        return {str(item.get("key")): plain_value(item.get("value")) for item in values}
    return inner if kind in ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue") else value

"""Names of fields for time, level and message, in the order in which they are tried.

Which of them a record has: `fields.py`; which one is usable: `time_fields.py`, `level_fields.py`, `message_fields.py`.
"""

from __future__ import annotations

# Tried first as written, then in any letter case: `Timestamp`, `LEVEL` of .NET, Go structures, hand-made loggers.
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
# Fields named for the word come first: beside them, a number on an unknown scale says little.
LEVEL_FIELDS = (
    "level_name", "levelName", "severity_name", "severityName", "level_str", "levelStr", "level_text", "levelText",
    "levelname", "level", "severity", "severityText", "lvl", "log.level", "PRIORITY",
    "severity_text", "severity_level", "loglevel", "log_level", "syslogseverity", "@level", "@l",
    "levelno", "level_number", "level_num", "levelNumber",
    "level_value", "error_severity", "severity_label", "severityLabel",
    "severityLevel",
    "syslog_severity", "syslogseverity-text", "LevelDisplayName", "sev", "L", "log.severity", "priority", "prio",
    "log_severity", "logSeverity",
    "priorityName", "priority_name",
)  # fmt: skip
# Levels only if they contain a level's word: Datadog, MySQL, Kibana.
WORD_FIELDS = ("status", "label", "type", "kind", "tags", "messageType", "EntryType", "entryType", "Type", "Status")
LEVEL_WORDS = frozenset("debug info warn warning error critical fatal fault emergency alert notice".split())  # noqa: SIM905
OBJECT_FIELDS = (
    "name",
    "levelstr",
    "label",
    "text",
    "level",
    "value",
    "no",
    "severity",
)  # of a level that is an object
MESSAGE_FIELDS = ("message", "msg", "body", "text", "MESSAGE", "Body")
# Only if they are texts: ECS has an object named event, and Docker has the line itself in log.
TEXT_FIELDS = (
    "short_message", "event", "@message", "@m", "formattedMessage", "RenderedMessage", "textPayload", "log",
    "@mt", "MessageTemplate", "full_message", "log_message", "logMessage", "error_message", "errorMessage", "err_msg",
    "M",
    "line", "_raw", "description", "detail", "details", "reason", "title", "content", "summary",
    "data", "event_message", "eventMessage", "_entry", "output", "logmsg", "log_line", "logLine",
    "messageTemplate", "template",
)  # fmt: skip
# These texts are the class of a record, not its message, if there is another text: hapi, Suricata.
RECORD_KINDS = frozenset("log logs request response error ops event message trace access engine".split())  # noqa: SIM905
KIND_FIELDS = ("detail-type", "type", "kind", "eventType", "category")  # CloudEvents, AWS: what happened, in a name
TEMPLATE_FIELDS = ("@mt", "MessageTemplate", "messageTemplate", "template")
SURE_TEXTS = TEXT_FIELDS[: TEXT_FIELDS.index("MessageTemplate") + 1]
# With dots, or nested: ECS, OpenTelemetry, GitLab.
DEEP_FIELDS = (
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
# Actions, for records without a message: audit logs of Google Cloud, AWS, Azure.
ACTIONS = ("protoPayload.methodName", "methodName", "eventName", "operationName", "event_name", "action", "operation",
            "event_type", "0")  # fmt: skip
DEEP_LEVELS = (
    "context.logLevel",
    "_meta.logLevelName",
    "log.severity",
    "winlog.level",
    "syslog.severity.name",
    "log.syslog.severity.name",
    "syslog.severity",
    "metadata.parsed.error_severity",  # Supabase
)
DEEP_TIMES = ("_meta.date", "event.created", "log.timestamp", "log.time", "event.time", "record.time")
# Only if they contain a word: a number of this name may have any meaning.
DEEP_LEVEL_WORDS = (
    "meta.level", "meta.severity", "header.level", "header.severity", "info.level",
    "event.level", "labels.level", "labels.severity", "tags.level", "fields.level", "context.level", "extra.level",
    "attributes.level", "properties.level",
)  # fmt: skip
OTEL_FIELDS = ("severityNumber", "severity_number", "SeverityNumber")
ERROR_FIELDS = ("err", "error", "exception")
ERROR_LISTS = ("exceptions", "errors")
STACK_FIELDS = ("stack", "stack_trace", "stacktrace", "stackTrace", "exc_info", "exc_text", "@x", "Exception",
                "errorVerbose")  # fmt: skip
ERROR_NAMES = frozenset((*ERROR_FIELDS, *ERROR_LISTS, *STACK_FIELDS))
METHODS = ("method", "request_method", "requestMethod", "RequestMethod", "http.method", "http.request.method", "verb",
            "request.method", "httpRequest.requestMethod", "httpRequest.httpMethod", "http_method",
            "cs-method", "request.operation")  # fmt: skip
PATHS = (
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
    "httpRequest.uri",
    "http_uri",
    "http_path",
    "request_path",
    "cs-uri-stem",
    "resource",
    "resourcePath",
    "rawPath",
    "request.uri",
    "request.url",
    "request.path",
    "url.path",
    "url.original",
)
STATUSES = (
    "status", "status_code", "statusCode", "DownstreamStatus", "http.status_code", "http.response.status_code",
    "response_code", "response.status", "httpRequest.status", "http_status", "response_status", "sc-status",
)  # fmt: skip

# Words in names of fields that no list above contains.
LIKE_A_TIME = frozenset(
    """timestamp datetime ts dt at time tm utc clock date epoch published occurred recorded logged created when unix
    stamp fecha czas datum zeit zeitstempel zeitpunkt horodatage""".split()  # noqa: SIM905
)
OTHER_TIMES = frozenset(
    """expires expiry expire until last next due valid birth birthday updated modified deleted starts ends renew
    renewal build built release install installed scheduled""".split()  # noqa: SIM905
)
LIKE_A_LEVEL = frozenset(
    "severity loglevel sev lvl loglvl levelstring levellabel levelword severitystring severitylabel".split()  # noqa: SIM905
)
LAST_LIKE_A_LEVEL = frozenset("level niveau nivel poziom livello stufe schweregrad gravedad".split())  # noqa: SIM905  # only with a level's word: `EventLevel`, not `battery_level`
LIKE_A_MESSAGE = frozenset(
    """message msg title text description line rawstring raw
    mensaje komunikat mensagem messaggio meldung nachricht texto testo texte""".split()  # noqa: SIM905
)
# Only as the last word: `Log_s` of Azure, `record`, but not `log_type`.
LAST_LIKE_A_MESSAGE = frozenset(
    "log record entry note notes comment remark txt reason cause alert formatted rendered".split()  # noqa: SIM905
)
# Last words of fields with an action, a verb, a path or a status.
LAST_LIKE_AN_ACTION = frozenset("action operation activity event type name".split())  # noqa: SIM905
LIKE_AN_ACTION = frozenset("action operation activity event".split())  # noqa: SIM905

"""A log line and an issue as records with the names of OpenTelemetry's data model for logs, and back.

Here: names and values. What OpenTelemetry has no name for is a member of `fleexmon`, so that nothing is lost:

    log      Timestamp, ObservedTimestamp, SeverityText, SeverityNumber, Body, TraceId, Attributes (the metadata),
             Resource (`service.name`: the node, `host.name`), fleexmon (id, analyzed)
    issue    an event: EventName `fleexmon.issue`, Timestamp (detected), Body (the title), Attributes (the metadata),
             fleexmon (all other columns)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.redaction.redact import redact

SEVERITY_NUMBERS = {
    "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21,
    "low": 10, "medium": 13, "high": 17, "critical": 21,
}  # fmt: skip
ISSUE = "fleexmon.issue"
Kind = Literal["logs", "issues"]
Json = msgspec.Raw


class TransferError(FleexmonError, ValueError):
    """A file cannot be written or read. The message names the file and says what to do."""


class Resource(msgspec.Struct, frozen=True):
    node: str = msgspec.field(name="service.name")
    host: str = msgspec.field(name="host.name")


class OwnOfLog(msgspec.Struct, frozen=True, omit_defaults=True):
    """`metadata`: only if it is not an object, and so cannot be `Attributes`."""

    id: str
    analyzed: bool | None = None
    metadata: Json | UnsetType = UNSET


class LogRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    timestamp: str = msgspec.field(name="Timestamp")
    severity: str = msgspec.field(name="SeverityText")
    number: int = msgspec.field(name="SeverityNumber")
    body: str = msgspec.field(name="Body")
    resource: Resource = msgspec.field(name="Resource")
    own: OwnOfLog = msgspec.field(name="fleexmon")
    observed: str | None = msgspec.field(name="ObservedTimestamp", default=None)
    trace: str | None = msgspec.field(name="TraceId", default=None)
    attributes: Json | UnsetType = msgspec.field(name="Attributes", default=UNSET)


class OwnOfIssue(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    type: str
    source: str
    description: str
    updated: str = msgspec.field(name="updatedAt")
    status: str | None = None
    cause: str | None = msgspec.field(name="rootCause", default=None)
    recommendation: str | None = None
    resolved: str | None = msgspec.field(name="resolvedAt", default=None)
    lines: list[str | None] | None = msgspec.field(name="affectedLogs", default=None)


class IssueRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    timestamp: str = msgspec.field(name="Timestamp")
    severity: str = msgspec.field(name="SeverityText")
    number: int = msgspec.field(name="SeverityNumber")
    body: str = msgspec.field(name="Body")
    own: OwnOfIssue = msgspec.field(name="fleexmon")
    event: str = msgspec.field(name="EventName", default="")
    attributes: Json | UnsetType = msgspec.field(name="Attributes", default=UNSET)


_encoder = msgspec.json.Encoder()
_log = msgspec.json.Decoder(LogRecord)
_issue = msgspec.json.Decoder(IssueRecord)


def log_as_json(row: Mapping[str, Any], *, redacted: bool) -> bytes:
    """`row`: from the statement `logs`."""
    clean = redact if redacted else str
    metadata = _metadata(row["metadata"], redacted=redacted)
    is_object = row["is_plain"]
    return _encoder.encode(
        LogRecord(
            row["timestamp"],
            row["level"],
            SEVERITY_NUMBERS.get(row["level"], 0),
            clean(row["message"]),
            Resource(row["source"], row["hostname"]),
            OwnOfLog(row["id"], row["analyzed"], UNSET if is_object else metadata),
            row["created"],
            row["trace"],
            metadata if is_object else UNSET,
        )
    )


def log_as_columns(line: bytes) -> Sequence[Any]:
    """The values of a line in the order of the statement `copy_logs`. Raises msgspec.DecodeError."""
    record = _log.decode(line)
    metadata = record.attributes if record.own.metadata is UNSET else record.own.metadata
    return (
        record.own.id, record.timestamp, record.severity, record.body, record.resource.node, record.resource.host,
        _text(metadata), record.own.analyzed, record.observed,
    )  # fmt: skip


def issue_as_json(row: Mapping[str, Any], *, redacted: bool) -> bytes:
    """`row`: from the statement `issues`."""

    def clean(text: str | None) -> str | None:
        return redact(text) if redacted and text is not None else text

    metadata = _metadata(row["metadata"], redacted=redacted)
    lines = None if row["lines"] is None else msgspec.json.decode(row["lines"])
    return _encoder.encode(
        IssueRecord(
            row["detected"],
            row["severity"],
            SEVERITY_NUMBERS.get(row["severity"], 0),
            clean(row["title"]) or "",
            OwnOfIssue(
                row["id"], row["type"], row["source"], clean(row["description"]) or "", row["updated"], row["status"],
                clean(row["cause"]), clean(row["recommendation"]), row["resolved"], lines,
            ),
            ISSUE,
            metadata,
        )
    )  # fmt: skip


def issue_as_columns(line: bytes) -> Sequence[Any]:
    """The values of a line in the order of the statement `copy_issues`. Raises msgspec.DecodeError."""
    record = _issue.decode(line)
    own = record.own
    lines = None if own.lines is None else "{" + ",".join("NULL" if id_ is None else id_ for id_ in own.lines) + "}"
    return (
        own.id, own.type, record.severity, record.body, own.description, own.cause, own.recommendation, own.source,
        own.status, record.timestamp, own.updated, own.resolved, _text(record.attributes), lines,
    )  # fmt: skip


def _metadata(text: str | None, *, redacted: bool) -> Json | UnsetType:
    """The stored JSON. If redaction makes it invalid, the redacted text inside an object."""
    if text is None:
        return UNSET
    if redacted:
        text = redact(text)
        try:
            msgspec.json.decode(text)
        except msgspec.DecodeError:
            text = msgspec.json.encode({"redacted": text}).decode()
    return Json(text.encode())


def _text(value: Json | UnsetType) -> str | None:
    return None if isinstance(value, UnsetType) else bytes(value).decode()

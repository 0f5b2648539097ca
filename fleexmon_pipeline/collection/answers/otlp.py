"""OpenTelemetry's batches, `{"resourceLogs": [{"scopeLogs": [{"logRecords": [...]}]}]}`, as its exporters write them.

Here: one record for each of theirs, with the resource and scope it came from. How such a record is read: `reading/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fleexmon_pipeline.collection.answers.record_runs import Raw, Run
from fleexmon_pipeline.collection.reading.message_fields import plain_value

_MARK = b'"resourceLogs"'
_HEAD = 400  # bytes of an object in which its first field begins


def is_batch(raw: Raw) -> bool:
    return _MARK in bytes(memoryview(raw)[:_HEAD])


def unbatched(run: Run) -> Run:
    """The run with each batch replaced by its records. A record that only looks like a batch stays as it is."""
    if run.is_common() or not (raws := list(run)) or not (is_batch(raws[0]) or is_batch(raws[-1])):
        return run
    return Run([record for raw in raws for record in _records(raw)], too_long=run.too_long)


def _records(raw: Raw) -> list[Raw]:
    if not is_batch(raw):
        return [raw]
    try:
        return [json.dumps(record, ensure_ascii=False).encode() for record in _of_batch(json.loads(bytes(raw)))]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return [raw]


def _of_batch(batch: Any) -> Iterator[dict[str, Any]]:
    for of_resource in batch["resourceLogs"]:
        shared = _attributes(of_resource.get("resource") or {}, "resource")
        for of_scope in of_resource.get("scopeLogs") or of_resource.get("instrumentationLibraryLogs") or ():
            scope = of_scope.get("scope") or of_scope.get("instrumentationLibrary") or {}
            for record in of_scope.get("logRecords") or ():
                own = {name: value for name, value in record.items() if name != "attributes"}
                yield (
                    own
                    | _attributes(record, "attributes")
                    | shared
                    | ({"scope": scope["name"]} if scope.get("name") else {})
                )


def _attributes(holder: dict[str, Any], name: str) -> dict[str, Any]:
    values = plain_value({"kvlistValue": {"values": holder.get("attributes") or []}})
    return {name: values} if values else {}

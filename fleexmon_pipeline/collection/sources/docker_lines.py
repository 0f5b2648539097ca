"""Lines of a container as Docker stores or prints them: files of the json-file driver, `docker logs --timestamps`,
`docker compose logs --timestamps`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from fleexmon_pipeline.collection.reading.events import TextLine
from fleexmon_pipeline.collection.times.epochs import RejectedError
from fleexmon_pipeline.collection.times.value import read_time

SERVICE = re.compile(r"([\w.-]{1,60}) *\| (?=\d{4}-\d\d-\d\dT[\d:.]+Z )")  # of Docker Compose
_CRI = re.compile(r"(stdout|stderr) ([FP])(?::[\w.-]+)* ")  # of containerd and CRI-O: P is a part of a line
RUNTIME = re.compile(r"\d{4}-\d\d-\d\dT\S{8,30} (?:stdout|stderr) [FP](?::[\w.-]+)* ")
MAX_PART = 16_384  # bytes: Docker cuts longer lines, and only the last part of one ends with a newline


def docker_line(raw: bytes, _: datetime | None = None) -> TextLine:
    """One line, or a part of one, whose text has no newline. Raises RejectedError."""
    text = raw.decode("utf-8", "backslashreplace")
    if text[:1] != "{":
        service = SERVICE.match(text)
        moment, _space, rest = (text[service.end() :] if service else text).partition(" ")
        if cri := _CRI.match(rest):
            end = "\n" if cri[2] == "F" else ""
            return TextLine(read_time(moment), rest[cri.end() :] + end, cri[1], metadata={"stream": cri[1]})
        if service is None:
            return TextLine(read_time(moment), rest + "\n")
        return TextLine(read_time(moment), rest + "\n", service[1], metadata={"service": service[1]})
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        raise RejectedError("not JSON, and no time before the line") from None
    log, stream, attributes = record.get("log"), record.get("stream"), record.get("attrs")
    if not isinstance(log, str):
        raise RejectedError("no message: none of log")
    metadata = {"stream": stream} if isinstance(stream, str) else {}
    if isinstance(attributes, dict):
        metadata |= {str(name): str(value) for name, value in attributes.items()}
    return TextLine(read_time(record.get("time")), log, stream if isinstance(stream, str) else None, metadata=metadata)


def whole(lines: Iterable[TextLine]) -> Iterator[TextLine]:
    """Lines without their newline, with the parts of lines that Docker cut joined."""
    parts: dict[object, TextLine] = {}
    for line in lines:
        text = line.text or ""
        first = parts.get(line.stream)
        if first is not None:
            first.text = (first.text or "") + text
        else:
            first = parts[line.stream] = line
        if text.endswith("\n") or len(first.text or "") > 64 * MAX_PART:
            del parts[line.stream]
            first.text = (first.text or "").rstrip("\r\n")
            yield first
    yield from parts.values()

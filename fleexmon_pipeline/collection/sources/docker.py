"""Docker's Engine API: the log of one container as a node, over TCP, TLS or a Unix socket. Podman's socket is one, too.

The log is requested by time and arrives as frames (8 bytes that say which stream and how long, then the text), or as
plain text if the container has a terminal. Each begins with the engine's time, to the nanosecond: it is the time of the
line, and its identity. A container that is created again under its name continues the node, but the engine deletes the
log of the old one: of windows from before it nothing can be known.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from fleexmon_pipeline.collection.answers.record_runs import Raw
from fleexmon_pipeline.collection.answers.refused import NotAnAnswerError, clip
from fleexmon_pipeline.collection.fetch import Answer, FetchError
from fleexmon_pipeline.collection.reading.events import TextLine
from fleexmon_pipeline.collection.sources.byte_reader import ByteReader
from fleexmon_pipeline.collection.sources.text_lines import LOOK_AROUND, records_of
from fleexmon_pipeline.collection.times.epochs import RejectedError
from fleexmon_pipeline.collection.times.value import read_time
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import EPOCH, Window

MAX_STATE_BYTES = 4_000_000  # of the engine's description of a container
MAX_TIME_BYTES = 40
# Docker cuts lines after 16,384 bytes, Podman wherever a read ended, at a multiple of 4,096 if more was to come. With a
# terminal reads end anywhere.
PART_BYTES = 4_096
MIN_PART_BYTES = 1_024
MAX_STREAM = 3  # stream of the engine's own messages; lower numbers are the container's
STREAMS = {0: "stdin", 1: "stdout", 2: "stderr"}
FIRST_WORDS = timedelta(minutes=1)  # after its creation, in which a container logs its first line, if it logs at all


class _Config(msgspec.Struct):
    tty: bool = msgspec.field(name="Tty", default=False)
    image: str = msgspec.field(name="Image", default="")


class _LogConfig(msgspec.Struct):
    kind: str = msgspec.field(name="Type", default="")
    options: dict[str, str] | None = msgspec.field(name="Config", default=None)


class _HostConfig(msgspec.Struct):
    log: _LogConfig = msgspec.field(name="LogConfig", default_factory=_LogConfig)


class _Container(msgspec.Struct):
    id: str = msgspec.field(name="Id")
    created: str = msgspec.field(name="Created")
    config: _Config = msgspec.field(name="Config", default_factory=_Config)
    host: _HostConfig = msgspec.field(name="HostConfig", default_factory=_HostConfig)

    def rotates(self) -> bool:
        """Whether the engine deletes old lines."""
        return self.host.log.kind == "local" or "max-size" in (self.host.log.options or {})


@dataclass(slots=True)
class _Piece:
    """A line, or a part of one, of a stream. `ended`: by a newline."""

    stream: str
    time: bytes
    texts: list[bytes] = field(default_factory=list)
    length: int = 0  # of the last text
    ended: bool = True

    def takes(self, other: _Piece, limit: int) -> bool:
        """Whether `other` continues this line; then adds it.

        Parts have no newline at their ends, but the last part that Docker's driver `local` returns has none, either.
        """
        if self.ended or (other.time != self.time and self.length % PART_BYTES):
            return False
        if sum(map(len, self.texts)) < limit:
            self.texts += other.texts
        self.length, self.ended = other.length, other.ended
        return True


def lines(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[Raw, None, None]:
    """The events that the engine received in `[since, until)`, as records."""
    container = _inspect(answer, client, node)
    if answer.error:
        return
    created = read_time(container.created)
    if created >= window.until:
        answer.error = f"the container was created at {created:%Y-%m-%d %H:%M:%S} UTC; it has no earlier lines"
        return
    yield from records_of(_lines(answer, client, node, window, container), window)


def _inspect(answer: Answer, client: httpx.Client, node: Node) -> _Container:
    body = bytearray()
    with closing(answer.body(client, f"{node.url}/json", headers={"Accept": "application/json"})) as chunks:
        for chunk in chunks:
            body += chunk
            if len(body) > MAX_STATE_BYTES:
                raise FetchError(f"described its container in more than {MAX_STATE_BYTES:,} bytes")
    try:
        container = msgspec.json.decode(bytes(body), type=_Container)
        read_time(container.created)
    except (msgspec.MsgspecError, UnicodeDecodeError, RejectedError):
        raise NotAnAnswerError(f"no description of a container: {clip(bytes(body))}") from None
    return container


def _lines(
    answer: Answer, client: httpx.Client, node: Node, window: Window, container: _Container
) -> Generator[TextLine, None, None]:
    """The lines of the window and of LOOK_AROUND before and after it."""
    bounds = {"since": window.since - LOOK_AROUND, "until": window.until + LOOK_AROUND}
    params = {name: str((moment - EPOCH) // timedelta(seconds=1)) for name, moment in bounds.items()}
    begins_before = False
    for piece in _pieces(answer, client, node, container, params):
        line = _text_line(piece, container)
        begins_before = begins_before or line.moment < window.since
        if bounds["since"] <= line.moment < bounds["until"]:
            yield line
    if answer.error is None and not begins_before:
        answer.begins = _begins(answer, client, node, window, container)


def _begins(answer: Answer, client: httpx.Client, node: Node, window: Window, container: _Container) -> datetime | None:
    """The time from which on the engine has the container's lines, if that is in the window."""
    created = read_time(container.created)
    if created > window.since:
        return created
    if container.rotates():
        with closing(_pieces(answer, client, node, container, {})) as pieces:
            first = next(pieces, None)
        oldest = _text_line(first, container).moment if first else created
        if oldest > max(window.since, created + FIRST_WORDS):
            return oldest
    return None


def _pieces(
    answer: Answer, client: httpx.Client, node: Node, container: _Container, params: dict[str, str]
) -> Generator[_Piece, None, None]:
    """Complete lines, with those that the engine cut joined. If an answer breaks off, an incomplete line is dropped."""
    params = {"stdout": "1", "stderr": "1", "timestamps": "1", **params}
    # By id: the container might be replaced by another one at this moment.
    url = httpx.URL(node.url).join(f"{container.id}/logs").copy_merge_params(params)
    limit = node.limits.record_bytes
    opened: dict[str, _Piece] = {}
    with closing(answer.body(client, url)) as chunks:
        reader = ByteReader(chunks, limit)
        parts = _of_terminal(reader) if container.config.tty else _of_frames(answer, reader, limit)
        for part in parts:
            first = opened.get(part.stream)
            if first is not None and not first.takes(part, limit):
                del opened[part.stream]
                yield first
                first = None
            first = first or opened.setdefault(part.stream, part)
            if first.ended:
                del opened[part.stream]
                yield first
        if answer.error is None:
            yield from opened.values()


def _of_frames(answer: Answer, reader: ByteReader, limit: int) -> Iterator[_Piece]:
    while head := reader.take(8, 8, partly=True):
        length = int.from_bytes(head[4:], "big")
        if head[0] > MAX_STREAM or head[1:4].strip(b"\0"):
            raise NotAnAnswerError(f"no frames of the Engine API: {clip(head)}")
        payload = reader.take(length, limit) if len(head) == 8 else None
        if payload is None:
            answer.error = answer.error or "broke off in the middle of a line"
            return
        if not payload:
            continue
        time, text = _split(payload)
        if head[0] not in STREAMS or not time:  # the engine's own words, such as `Error grabbing logs: unexpected EOF`
            answer.error = answer.error or f"broke off: {clip(payload)}"
            return
        yield _Piece(STREAMS[head[0]], time, [text], len(text.rstrip(b"\n")), length > limit or text.endswith(b"\n"))


def _of_terminal(reader: ByteReader) -> Iterator[_Piece]:
    while (line := reader.line()) is not None:
        time, text = _split(line)
        if not time:
            raise NotAnAnswerError(f"a line without a time: {clip(line)}")
        text = text[:MIN_PART_BYTES] + text[MIN_PART_BYTES:].replace(time + b" ", b"")  # repeated where it was cut
        yield _Piece("stdout", time, [text], len(text), reader.line_ended)


def _split(payload: bytes) -> tuple[bytes, bytes]:
    """Time and text. Without a time, the line is not from the container."""
    time, space, text = payload.partition(b" ")
    is_time = space and len(time) <= MAX_TIME_BYTES and time[4:5] == b"-" and b"T" in time
    return (time, text) if is_time else (b"", payload)


def _text_line(piece: _Piece, container: _Container) -> TextLine:
    time = piece.time.decode("ascii", "replace")
    try:
        moment = read_time(time)
    except RejectedError as error:
        raise NotAnAnswerError(f"a line whose time is {error}") from None
    metadata: dict[str, Any] = {"containerId": container.id[:12], "stream": piece.stream}
    if container.config.image:
        metadata["image"] = container.config.image
    if nanoseconds := _beyond_microseconds(time):
        metadata["timestampNs"] = str((moment - EPOCH) // timedelta(microseconds=1) * 1_000 + nanoseconds)
    text = b"".join(piece.texts).decode("utf-8", "backslashreplace").rstrip("\r\n")
    return TextLine(moment, text, piece.stream, metadata=metadata)


def _beyond_microseconds(time: str) -> int:
    """The last three of nine digits after the second."""
    digits = time.partition(".")[2][6:9]
    return int(digits) if digits.isdecimal() and len(digits) == 3 else 0

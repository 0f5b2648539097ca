"""Fetch the bytes of an answer: the HTTP request, its retries and its limits, for every kind of source.

Decoding the bytes: `answers/`, `collection/sources/journal.py`, `collection/sources/loki.py`; choosing between them:
`collection/sources/ask.py`.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import datetime
from itertools import chain
from typing import Any

import httpx
import msgspec

from fleexmon_pipeline.collection.answers.record_runs import Run
from fleexmon_pipeline.collection.answers.refused import CLIP_BYTES, NotAnAnswerError, clip
from fleexmon_pipeline.encoding import ACCEPTED, EncodingError, unpacked
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.settings import Limits

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
ATTEMPTS = 3
MAX_REFUSAL_BYTES = 4_000  # read from an error response, for its message
NO_CONTENT = 204
NDJSON = frozenset(f"application/{name}" for name in (
    "x-ndjson", "ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines", "json-lines", "stream+json", "x-json-stream",
    "json-seq",
))  # fmt: skip

Ask = Callable[[], AbstractContextManager[httpx.Response]]


class FetchError(FleexmonError):
    """No (more) data can be fetched; the text is for LogCoverage."""


class _RetryableError(FetchError):
    """A temporary fault: the node is restarting, or reports one itself."""


class Answer:
    """Runs of records as they arrive: iterate once. Afterwards `error` is None, or why part of the window is unknown.

    `first` waits for the first of them; iterating gives it again.

    It has its own client, so the last connection made is the one in use.
    """

    def __init__(self, limits: Limits, attempts: int = ATTEMPTS) -> None:
        self.limits = limits
        self.attempts = attempts
        self.bytes = 0
        self.seconds = 0.0
        self.error: str | None = None
        self.begins: datetime | None = None  # start of the node's log; nothing is known of the time before
        self.may_be_empty = False  # whether an empty body means that there are no lines
        self.runs: Iterator[Run] = iter(())
        self._reading: Iterator[Run] | None = None
        self._started = time.monotonic()
        self._connection: socket.socket | None = None

    def first(self) -> Run | None:
        """Wait for the first run. None if there is none."""
        reading = iter(self)
        first = next(reading, None)
        self._reading = chain([] if first is None else [first], reading)
        return first

    def __iter__(self) -> Iterator[Run]:
        """Never raises for a fault of the node or the network: yields the records before it."""
        if self._reading is None:
            self._reading = self._read()
        return self._reading

    def _read(self) -> Iterator[Run]:
        try:
            if self.error is None:
                yield from filter(None, self.runs)
        except NotAnAnswerError as error:
            self.error = self.error or f"answered {error}"
        except FetchError as error:
            self.error = self.error or str(error)
        self.seconds = time.monotonic() - self._started

    def body(
        self,
        client: httpx.Client,
        url: httpx.URL | str,
        *,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Generator[bytes, None, None]:
        """A body, decompressed, as it arrives. Retried only before its first byte; raises FetchError if there is none.

        A later break or limit ends the body and is recorded in `error`, not raised: what arrived before still becomes
        records. Limits apply to the answer, however many bodies it has.
        """
        with self._cut_in_time(), ExitStack() as stack:
            request_headers = {"Accept-Encoding": ACCEPTED, **(headers or {})}

            def ask() -> AbstractContextManager[httpx.Response]:
                return client.stream(
                    "GET", url, headers=request_headers, timeout=self._timeout(), extensions={"trace": self.trace}
                )

            chunks = _opened(self, stack, ask, content_type)
            try:
                for chunk in chunks:
                    self.bytes += len(chunk)
                    yield chunk
                    if self.bytes > self.limits.answer_bytes:
                        self.error = f"more than {self.limits.answer_bytes:,} bytes"
                    if self.error or self.is_late():
                        return
            except (httpx.TransportError, EncodingError) as error:
                if not self.is_late():
                    self.error = self.error or f"broke off: {plain(error)}"

    def in_time(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Chunks from the wire until time is up: a compressed body may be endless and contain nothing."""
        for chunk in chunks:
            yield chunk
            if self.is_late():
                return

    def is_late(self) -> bool:
        """Whether the answer's time is up; sets `error` then."""
        late = self._left() < 0
        if late:
            self.error = self.error or f"not done after {self.limits.answer_seconds} s"
        return late

    def _timeout(self) -> httpx.Timeout:
        """Limits connecting, too: a socket cannot be shut down from outside in the middle of a TLS handshake."""
        return httpx.Timeout(TIMEOUT.read, connect=max(min(TIMEOUT.connect or 0.0, self._left()), 0.001))

    def _left(self) -> float:
        return self._started + self.limits.answer_seconds - time.monotonic()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore's `trace` extension: events of a request on the wire."""
        if event.endswith((".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")):
            self._connection = info["return_value"].get_extra_info("socket")
            if self.is_late():
                self._cut()

    @contextmanager
    def _cut_in_time(self) -> Iterator[None]:
        """A node may send headers, or a chunk's length, one byte every 9 s: no read times out and nothing arrives."""
        timer = threading.Timer(max(self._left(), 0.0), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self.is_late()  # record it first: a body without a length seems whole when its connection ends
        if self._connection is not None:
            with suppress(OSError):  # it has ended already
                # Not SSLSocket's own shutdown, after which a reading thread would get encrypted data.
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


def _opened(answer: Answer, stack: ExitStack, ask: Ask, content_type: str | None) -> Iterator[bytes]:
    try:
        for attempt in retry_context(
            on=_RetryableError, attempts=answer.attempts, timeout=30.0, wait_initial=0.5, wait_max=5.0, wait_jitter=0.5
        ):
            with attempt:
                stack.close()
                return _open(answer, stack, ask, content_type)
    except (httpx.HTTPError, EncodingError) as error:
        raise FetchError(plain(error)) from None
    raise AssertionError("a retry ends with an answer or an error")


def _open(answer: Answer, stack: ExitStack, ask: Ask, content_type: str | None) -> Iterator[bytes]:
    try:
        response = stack.enter_context(ask())
        _check(response, content_type)
        answer.may_be_empty = response.status_code == NO_CONTENT or _media_type(response) in NDJSON
        encoding = response.headers.get("Content-Encoding", "")
        chunks = unpacked(answer.in_time(response.iter_raw()), encoding, answer.limits.ratio)
        return chain([next(chunks, b"")], chunks)
    except httpx.TransportError as error:
        if answer.is_late():
            raise FetchError(str(answer.error)) from None
        raise _RetryableError(plain(error)) from None


def _check(response: httpx.Response, content_type: str | None) -> None:
    """Raises FetchError unless the response carries an answer."""
    reason = f"HTTP {response.status_code}"
    if response.status_code >= 500 or response.status_code == 429:
        raise _RetryableError(reason + _message_in(response))
    if response.is_redirect:
        reason += ": a redirect, which is not followed"
    elif response.status_code in (401, 403):
        reason += ": credentials missing or refused"
    elif response.status_code == 400:  # only its text says what is wrong with the request
        body = clip(next(response.iter_bytes(CLIP_BYTES), b""))
        reason += f": {body}" if body else ""
    else:
        reason += _message_in(response)
    if response.status_code not in (200, NO_CONTENT):
        raise FetchError(reason)
    received = response.headers.get("Content-Type", "")
    if content_type and not received.startswith(content_type):
        raise FetchError(f"answered {clip(received.encode()) or 'no Content-Type'}, not {content_type}")


def _message_in(response: httpx.Response) -> str:
    """`: no such container`, if an API explains an error as `{"message": …}`."""
    if _media_type(response) != "application/json" or response.status_code in (200, NO_CONTENT):
        return ""
    try:
        message = msgspec.json.decode(next(response.iter_bytes(MAX_REFUSAL_BYTES), b""), type=dict[str, Any])["message"]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        return ""
    return f": {clip(message.encode())}" if isinstance(message, str) else ""


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def plain(error: Exception) -> str:
    """`ConnectTimeout`, or `ConnectError: Connection refused`: the type first, since some have no text."""
    text = clip(str(error).encode())
    if isinstance(error, EncodingError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

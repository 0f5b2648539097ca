"""Get the bytes of an answer: the HTTP call, its retries and its limits, whatever kind of source is asked.

Here: nothing that knows what the bytes mean. That: `answers.py`, `collection/sources/journal.py`,
`collection/sources/loki.py`; which of them: `collection/sources/ask.py`.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import chain
from typing import Any

import httpx

from fleexmon_pipeline.collection.answers import LOOKED_AT, NotAnAnswerError, clip
from fleexmon_pipeline.collection.record_runs import Run
from fleexmon_pipeline.encoding import ACCEPTED, EncodingError, unpacked
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.settings import Limits

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
ATTEMPTS = 3

Ask = Callable[[], AbstractContextManager[httpx.Response]]


class FetchError(FleexmonError):
    """Nothing, or nothing more, is to be had; the text is for LogCoverage."""


class _TryAgainError(FetchError):
    """A fault that may pass: the node is restarting, or says so itself."""


class Answer:
    """Runs of records as they arrive: iterate once. Then `error` says why part of the window is unknown, or is None.

    Its client is its own while it lasts: the last connection that it made is the one in use.
    """

    def __init__(self, limits: Limits, attempts: int = ATTEMPTS) -> None:
        self.limits = limits
        self.attempts = attempts
        self.bytes = 0
        self.seconds = 0.0
        self.error: str | None = None
        self.runs: Iterator[Run] = iter(())
        self._started = time.monotonic()
        self._connection: socket.socket | None = None

    def __iter__(self) -> Iterator[Run]:
        """Never raises for what a node or a network does: the records before the fault are those that there are."""
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
        """A body, unpacked, as it arrives. Tried again only before its first byte; FetchError when there is none.

        A break or a limit after that ends the body and is told in `error`, not raised: what arrived before is still to
        be made into records. The limits are of the answer, however many bodies it has.
        """
        with self._cut_in_time(), ExitStack() as stack:
            told = {"Accept-Encoding": ACCEPTED, **(headers or {})}

            def ask() -> AbstractContextManager[httpx.Response]:
                return client.stream(
                    "GET", url, headers=told, timeout=self._timeout(), extensions={"trace": self.trace}
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
        """As they come from the wire: a compressed body may go on for ever and hold not one byte."""
        for chunk in chunks:
            yield chunk
            if self.is_late():
                return

    def is_late(self) -> bool:
        """Whether its time is over, which is then its error."""
        late = self._left() < 0
        if late:
            self.error = self.error or f"not done after {self.limits.answer_seconds} s"
        return late

    def _timeout(self) -> httpx.Timeout:
        """Connecting ends in time by itself: in the middle of TLS's handshake a socket cannot be cut from outside."""
        return httpx.Timeout(TIMEOUT.read, connect=max(min(TIMEOUT.connect or 0.0, self._left()), 0.001))

    def _left(self) -> float:
        return self._started + self.limits.answer_seconds - time.monotonic()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore's extension of that name: what becomes of a request on the wire."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._connection = info["return_value"].get_extra_info("socket")
            if self.is_late():
                self._cut()

    @contextmanager
    def _cut_in_time(self) -> Iterator[None]:
        """A node may send headers, or the length of a chunk, a byte every 9 s: no read is late, and nothing is had."""
        timer = threading.Timer(max(self._left(), 0.0), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self.is_late()  # told first: a body without a length ends with its connection, as if it were whole
        if self._connection is not None:
            with suppress(OSError):  # it has ended by itself
                # Not SSLSocket's own: it would leave a thread that reads with what is encrypted.
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


def _opened(answer: Answer, stack: ExitStack, ask: Ask, content_type: str | None) -> Iterator[bytes]:
    try:
        for attempt in retry_context(
            on=_TryAgainError, attempts=answer.attempts, timeout=30.0, wait_initial=0.5, wait_max=5.0, wait_jitter=0.5
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
        encoding = response.headers.get("Content-Encoding", "")
        chunks = unpacked(answer.in_time(response.iter_raw()), encoding, answer.limits.ratio)
        return chain([next(chunks, b"")], chunks)
    except httpx.TransportError as error:
        if answer.is_late():
            raise FetchError(str(answer.error)) from None
        raise _TryAgainError(plain(error)) from None


def _check(response: httpx.Response, content_type: str | None) -> None:
    """Raises FetchError unless its body is an answer."""
    told = f"HTTP {response.status_code}"
    if response.status_code >= 500 or response.status_code == 429:
        raise _TryAgainError(told)
    if response.is_redirect:
        told += ": a redirect, which is not followed"
    elif response.status_code in (401, 403):
        told += ": it wants other credentials than it was sent"
    elif response.status_code == 400:  # what it has against the question is the only way to a better one
        said = clip(next(response.iter_bytes(LOOKED_AT), b""))
        told += f": {said}" if said else ""
    if response.status_code != 200:
        raise FetchError(told)
    given = response.headers.get("Content-Type", "")
    if content_type and not given.startswith(content_type):
        raise FetchError(f"answered {clip(given.encode()) or 'no Content-Type'}, not {content_type}")


def plain(error: Exception) -> str:
    """`ConnectTimeout`, or `ConnectError: Connection refused`: the kind first, since some have no text."""
    said = clip(str(error).encode())
    if isinstance(error, EncodingError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__

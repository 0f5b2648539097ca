"""Ask a node for a window of its log lines.

Here: the HTTP call, its limits and its retries. What the body means: `answers.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain

import httpx

from fleexmon_pipeline.collection.answers import NotAnAnswerError, Raw, Splitter, clip
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import Window

MOST_BYTES = 4_000_000_000  # of one answer, unpacked; an hour of 1,000 lines/s is 700 MB
MOST_SECONDS = 600.0  # for one answer: one that drips must not hold its run for ever
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
ATTEMPTS = 3


class Answer:
    """Records as they arrive: iterate once. Then `error` says why some of the window is not known, or is None."""

    def __init__(self) -> None:
        self.bytes = 0
        self.seconds = 0.0
        self.error: str | None = None
        self.chunks: Iterator[bytes] = iter(())
        self._started = time.perf_counter()

    def __iter__(self) -> Iterator[Raw]:
        """Never raises for what a node or a network does: the records before the fault are those that there are."""
        splitter = Splitter()
        try:
            if self.error is None:
                yield from splitter.records(self._limited())
        except NotAnAnswerError as error:
            self.error = self.error or f"answered {error}"
        self.error = self.error or splitter.broken
        self.seconds = time.perf_counter() - self._started

    def _limited(self) -> Iterator[bytes]:
        deadline = time.monotonic() + MOST_SECONDS
        try:
            for chunk in self.chunks:
                self.bytes += len(chunk)
                yield chunk
                if self.bytes > MOST_BYTES:
                    self.error = f"more than {MOST_BYTES:,} bytes"
                elif time.monotonic() > deadline:
                    self.error = f"not done after {MOST_SECONDS:.0f} s"
                if self.error:
                    return
        except (httpx.TransportError, httpx.DecodingError) as error:
            # Told, not raised: what arrived before is still to be split.
            self.error = f"broke off: {plain(error)}"


class _TryAgainError(Exception):
    """A fault that may pass: the node is restarting, or says so itself."""


@contextmanager
def ask(client: httpx.Client, node: Node, window: Window) -> Iterator[Answer]:
    """The node's answer, as long as the `with` lasts. Tried again only before its first byte.

    Never raises for what a node or a network does: the fault stands in the answer, and the other nodes go on.
    """
    answer = Answer()
    with ExitStack() as stack:
        try:
            for attempt in retry_context(
                on=_TryAgainError, attempts=ATTEMPTS, timeout=30.0, wait_initial=0.5, wait_max=5.0, wait_jitter=0.5
            ):
                with attempt:
                    stack.close()
                    _open(stack, client, node, window, answer)
        except _TryAgainError as fault:
            answer.error = str(fault)
        except httpx.HTTPError as error:
            answer.error = plain(error)
        yield answer


def _open(stack: ExitStack, client: httpx.Client, node: Node, window: Window, answer: Answer) -> None:
    query = {"since": iso(window.since), "until": iso(window.until)}
    try:
        response = stack.enter_context(client.stream("GET", node.url, params=query))
        if response.status_code >= 500 or response.status_code == 429:
            raise _TryAgainError(f"HTTP {response.status_code}")
        if response.is_redirect:
            answer.error = f"HTTP {response.status_code}: a redirect, which is not followed"
        elif response.status_code != 200:
            answer.error = f"HTTP {response.status_code}"
        else:
            chunks = response.iter_bytes()
            first = next(chunks, b"")
            answer.chunks = chain([first], chunks)
    except httpx.TransportError as error:
        raise _TryAgainError(plain(error)) from None


def iso(moment: object) -> str:
    """`2026-11-20T10:00:00.000Z`: what the original sent."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"


def plain(error: Exception) -> str:
    """`ConnectTimeout`, or `ConnectError: Connection refused`: the kind first, since some have no text."""
    said = clip(str(error).encode())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__

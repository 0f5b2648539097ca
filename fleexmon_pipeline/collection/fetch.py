"""Ask a node for a window of its log lines.

Here: the HTTP call, its limits and its retries. What the body means: `answers.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from fleexmon_pipeline.collection.answers import NotAnAnswerError, Records, clip, split
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.window import Window

MOST_BYTES = 1_000_000_000  # of one answer, unpacked; an hour of 1,000 lines/s is 700 MB
MOST_SECONDS = 300.0  # for one answer: one that drips must not hold the others' run
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
ATTEMPTS = 3


@dataclass
class Answer:
    """What came of asking. `error` with `complete` False: some or all of the window is not known."""

    records: Records
    bytes: int = 0
    seconds: float = 0.0
    error: str | None = None

    @property
    def nothing(self) -> bool:
        return self.error is not None and not self.records.raws


class _TryAgainError(Exception):
    """A fault that may pass: the node is restarting, or says so itself."""


def ask(client: httpx.Client, node: Node, window: Window) -> Answer:
    """Never raises for what a node or a network does: the fault stands in the answer, and the other nodes go on."""
    started = time.perf_counter()
    try:
        for attempt in retry_context(
            on=_TryAgainError, attempts=ATTEMPTS, timeout=30.0, wait_initial=0.5, wait_max=5.0, wait_jitter=0.5
        ):
            with attempt:
                answer = _ask_once(client, node, window)
    except _TryAgainError as fault:
        answer = Answer(Records(), error=str(fault))
    answer.seconds = time.perf_counter() - started
    return answer


def _ask_once(client: httpx.Client, node: Node, window: Window) -> Answer:
    deadline = time.monotonic() + MOST_SECONDS
    body, cut = bytearray(), None
    try:
        with client.stream(
            "GET", node.url, params={"since": iso(window.since), "until": iso(window.until)}
        ) as response:
            if response.status_code >= 500 or response.status_code == 429:
                raise _TryAgainError(f"HTTP {response.status_code}")
            if response.is_redirect:
                return Answer(Records(), error=f"HTTP {response.status_code}: a redirect, which is not followed")
            if response.status_code != 200:
                return Answer(Records(), error=f"HTTP {response.status_code}")
            try:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        cut = f"more than {MOST_BYTES:,} bytes"
                    elif time.monotonic() > deadline:
                        cut = f"not done after {MOST_SECONDS:.0f} s"
                    if cut:
                        break
            except (httpx.TransportError, httpx.DecodingError) as error:
                cut = f"broke off: {plain(error)}"
                if not body:
                    raise _TryAgainError(cut) from None
    except httpx.TransportError as error:
        raise _TryAgainError(plain(error)) from None
    except httpx.HTTPError as error:
        return Answer(Records(), error=plain(error))
    try:
        records = split(bytes(body))
    except NotAnAnswerError as error:
        return Answer(Records(), bytes=len(body), error=f"answered {error}")
    return Answer(records, bytes=len(body), error=cut or records.broken)


def iso(moment: object) -> str:
    """`2026-11-20T10:00:00.000Z`: what the original sent."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"


def plain(error: Exception) -> str:
    """`ConnectTimeout`, or `ConnectError: Connection refused`: the kind first, since some have no text."""
    said = clip(str(error).encode())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__

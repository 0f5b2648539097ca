"""Ask a node for a window of its lines, whatever it is: what `collect.py` knows of nodes.

A source is a generator of records, each as raw JSON that `records.py` reads. It raises FetchError when it has nothing
more to give, or tells a break in `answer.error` and ends. A new kind of source is one module like `journal.py`, and one
line here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Protocol

import httpx

from fleexmon_pipeline.collection import journal, loki
from fleexmon_pipeline.collection.answers import Raw, Splitter
from fleexmon_pipeline.collection.clients import Clients
from fleexmon_pipeline.collection.fetch import ATTEMPTS, Answer, FetchError
from fleexmon_pipeline.settings import Kind, Node
from fleexmon_pipeline.window import Window


class Source(Protocol):
    def __call__(
        self, answer: Answer, client: httpx.Client, node: Node, window: Window, /
    ) -> Generator[Raw, None, None]: ...


@contextmanager
def ask(clients: Clients, node: Node, window: Window, *, attempts: int = ATTEMPTS) -> Iterator[Answer]:
    """The node's answer, as long as the `with` lasts.

    Never raises for what a node or a network does: the fault stands in the answer, and the other nodes go on.
    """
    answer = Answer(node.limits, attempts)
    with ExitStack() as stack:
        try:
            records = _SOURCES[node.kind](answer, clients.of(node), node, window)
            answer.records = stack.enter_context(
                closing(records)
            )  # the connection ends, even if nobody read it to its end
        except FetchError as error:
            answer.error = str(error)
        yield answer


def _api(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[Raw, None, None]:
    """The node API: one answer with all lines of `[since, until)`."""
    url = httpx.URL(node.url, params={"since": iso(window.since), "until": iso(window.until)})
    splitter = Splitter(node.limits.record_bytes)
    with closing(answer.body(client, url)) as chunks:
        yield from splitter.records(chunks)
    answer.error = answer.error or splitter.broken


def iso(moment: object) -> str:
    """`2026-11-20T10:00:00.000Z`: what the original sent."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"


_SOURCES: dict[Kind, Source] = {"api": _api, "journal": journal.entries, "loki": loki.lines}

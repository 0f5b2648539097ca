"""Poll a node of any kind for a window of its lines. `collection/collect.py` uses only this.

A source is a generator of runs of records, or of records, each as raw JSON that `collection/records.py` reads. On a
fault it raises FetchError, or sets `answer.error` and ends. A new kind of source is a module like `journal.py`, a line
in `_SOURCES`, and the form of its address in `settings/watched_nodes.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from typing import Protocol

import httpx

from fleexmon_pipeline.collection.answers.record_runs import Raw, Run
from fleexmon_pipeline.collection.answers.refused import EmptyBodyError, NotAnAnswerError
from fleexmon_pipeline.collection.answers.splitter import Splitter
from fleexmon_pipeline.collection.fetch import ATTEMPTS, Answer, FetchError
from fleexmon_pipeline.collection.sources import docker, journal, loki
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.collection.sources.text_lines import seconds_to_wait
from fleexmon_pipeline.settings import Kind, Node
from fleexmon_pipeline.window import Window

RECORDS_A_RUN = 500


class Source(Protocol):
    def __call__(
        self, answer: Answer, client: httpx.Client, node: Node, window: Window, /
    ) -> Generator[Run, None, None]: ...


@contextmanager
def ask(clients: Clients, node: Node, window: Window, *, attempts: int = ATTEMPTS) -> Iterator[Answer]:
    """The node's answer, valid inside the `with`.

    Never raises for an error of the node or the network: it is in `answer.error`, and the other nodes are not affected.
    """
    if node.kind != "api":
        time.sleep(seconds_to_wait(window, datetime.now(UTC)))
    answer = Answer(node.limits, attempts)
    with ExitStack() as stack:
        try:
            runs = _SOURCES[node.kind](answer, stack.enter_context(clients.of(node)), node, window)
            answer.runs = stack.enter_context(
                closing(runs)
            )  # closes the connection even if the answer was not read to its end
        except FetchError as error:
            answer.error = str(error)
        yield answer


def _api(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[Run, None, None]:
    """The node API: one response with all lines of `[since, until)`."""
    url = httpx.URL(node.url, params={"since": iso(window.since), "until": iso(window.until)})
    splitter = Splitter(node.limits.record_bytes)
    with closing(answer.body(client, url)) as chunks:
        try:
            yield from splitter.runs(chunks)
        except EmptyBodyError:
            if not answer.may_be_empty:
                raise
    answer.error = answer.error or splitter.broken


def iso(moment: object) -> str:
    """`2026-11-20T10:00:00.000Z`, as the node API expects."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"


def _in_runs(records: Callable[[Answer, httpx.Client, Node, Window], Generator[Raw, None, None]]) -> Source:
    """A source of single records as a source of runs. Records before a fault are yielded before it is raised."""

    def runs(answer: Answer, client: httpx.Client, node: Node, window: Window) -> Generator[Run, None, None]:
        gathered: list[Raw] = []
        with closing(records(answer, client, node, window)) as raws:
            try:
                for raw in raws:
                    gathered.append(raw)
                    if len(gathered) == RECORDS_A_RUN:
                        yield Run(gathered)
                        gathered = []
            except (FetchError, NotAnAnswerError):
                yield Run(gathered)
                raise
            yield Run(gathered)

    return runs


_SOURCES: dict[Kind, Source] = {
    "api": _api,
    "journal": _in_runs(journal.entries),
    "loki": _in_runs(loki.lines),
    "docker": _in_runs(docker.lines),
}

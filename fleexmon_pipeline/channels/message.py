"""A message for channels: plain data that producers fill in and transports render for their service.

Here: its fields and their limits. Who produces messages: `produce.py`. Their text: `render.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, get_args

from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.wording import cut_at_word, iso_text, one_line

Event = Literal["opened", "worse", "joined", "ended", "returned", "digest", "summary", "test"]
EVENTS: tuple[str, ...] = get_args(Event)

MAX_TITLE = 100  # characters
MAX_LINE = 1_000
MAX_LINES = 20
MAX_EVIDENCE = 5
MAX_EVIDENCE_LINE = 300
MAX_NODES = 50
MAX_NAME = 100  # of a node
MAX_KEY = 300
MAX_COMMAND = 300
MAX_LINK = 500


@dataclass(frozen=True)
class ChannelMessage:
    """One event of something that people follow.

    `key` is what they follow (`incident:<id>`), and the thread if a service has threads. `event_id` identifies the
    event: a channel gets it once. Texts are plain and redacted; `lines` are paragraphs, `evidence` log lines. `data` is
    for programs: only the signed webhook sends it.
    """

    key: str
    event: Event
    event_id: str
    severity: str
    nodes: tuple[str, ...]
    title: str
    lines: tuple[str, ...]
    at: datetime  # when it happened, UTC
    evidence: tuple[str, ...] = ()
    link: str | None = None
    command: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def within_limits(self) -> ChannelMessage:
        """Cut each text to its limit, on one line, without control characters, and redact it once more."""

        def text(value: str, most: int) -> str:
            return one_line(redact(value[: most * 8]), most=most)

        def texts(values: tuple[str, ...], count: int, most: int) -> tuple[str, ...]:
            return tuple(filter(None, (text(value, most) for value in values[:count])))

        return replace(
            self,
            key=_identity(self.key),
            event_id=_identity(self.event_id),
            nodes=texts(self.nodes, MAX_NODES, MAX_NAME),
            title=cut_at_word(text(self.title, MAX_TITLE * 4), most=MAX_TITLE) or self.event,
            lines=texts(self.lines, MAX_LINES, MAX_LINE),
            evidence=texts(self.evidence, MAX_EVIDENCE, MAX_EVIDENCE_LINE),
            link=self.link and one_line(self.link, most=MAX_LINK).replace(" ", "%20"),
            command=self.command and one_line(self.command, most=MAX_COMMAND),
        )

    def document(self) -> dict[str, Any]:
        """As stored in the outbox."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {
            "nodes": list(self.nodes), "lines": list(self.lines), "evidence": list(self.evidence),
            "at": iso_text(self.at), "data": dict(self.data),
        }  # fmt: skip


def from_document(document: Mapping[str, Any]) -> ChannelMessage:
    """The message that `document` stored."""
    lists = {name: tuple(document[name]) for name in ("nodes", "lines", "evidence")}
    return ChannelMessage(**{**document, **lists, "at": datetime.fromisoformat(document["at"])})


def short_hash(*parts: str) -> str:
    """32 hexadecimal digits: an identity that is safe in headers, URLs and Message-IDs."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _identity(text: str) -> str:
    """The text, or its hash if it is too long or not plain ASCII."""
    return text if len(text) <= MAX_KEY and text.isprintable() and text.isascii() else f"hash:{short_hash(text)}"

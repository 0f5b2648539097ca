"""What came of an attempt to send: the words that transports and the outbox share.

Here: the kinds of answers and what each means for the next attempt. How an answer is told from a failure:
`http_answers.py`, `mail.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import unquote

from fleexmon_pipeline.channels.message import ChannelMessage
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.wording import one_line

# sent: accepted. refused: this message will not be, others may. closed: the channel takes nothing until a person mends
# it. limited, unavailable: nothing was accepted; later. unproven: it may have arrived, the answer was lost.
Kind = Literal["sent", "refused", "closed", "limited", "unavailable", "unproven"]
MAX_REASON = 200  # characters

Thread = Mapping[str, Any]  # where a key's messages are in a service: its own identifiers, JSON


@dataclass(frozen=True)
class Answer:
    """`retry_after`: seconds that the service asked us to wait; `thread`: where later messages of the key belong."""

    kind: Kind
    reason: str = ""
    retry_after: float | None = None
    thread: Thread | None = None


@dataclass(frozen=True)
class Delivery:
    """One attempt. `id` is the same for every attempt of a message; `repeat`: an earlier one may have arrived.

    `accepted` are targets that took the message already; `on_accepted` stores another one at once.
    """

    id: str
    thread: Thread | None = None
    repeat: bool = False
    accepted: Collection[str] = ()
    on_accepted: Callable[[str], None] = field(default=lambda _: None, repr=False)


class Transport(Protocol):
    """How one channel is reached. `knows_repeats`: receivers can tell a repeat by its id, so one does no harm."""

    knows_repeats: bool
    service: str  # to show: Slack, mail, signed webhook

    def send(self, message: ChannelMessage, delivery: Delivery) -> Answer:
        """One attempt, with an end. Never raises for what the other side does, and shows no secret."""
        ...


def plain_reason(text: str, url: str) -> str:
    """A foreign text, short, on one line, without anything that stands in the channel's URL."""
    for part in _secret_parts(url):
        text = text.replace(part, "…")
    return one_line(redact(text), most=MAX_REASON)


def _secret_parts(url: str) -> list[str]:
    """The URL, what stands between its separators, and the same decoded; longest first."""
    rest = url.partition("://")[2]
    pieces = re.split(r"[/?&=@#,;:]", rest)
    parts = {url, rest, *pieces, *(unquote(piece) for piece in (rest, *pieces))}
    return sorted((part for part in parts if len(part) >= 4), key=len, reverse=True)

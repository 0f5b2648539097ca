"""The result of an attempt to send: what transports report to the outbox.

Here: the kinds of results, and what each means for the next attempt. Which response or failure gives which kind:
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

# sent: the service accepted the message. refused: it will never accept this message, but may accept others. closed: it
# accepts nothing until a person fixes the channel. limited, unavailable: it did not accept the message; retry later.
# unproven: the message may have arrived, but the answer was lost.
Kind = Literal["sent", "refused", "closed", "limited", "unavailable", "unproven"]
MAX_REASON = 200  # characters

Thread = Mapping[str, Any]  # the service's identifiers of the thread that holds a key's messages; JSON


@dataclass(frozen=True)
class SendResult:
    """`retry_after`: seconds that the service asked us to wait; `thread`: for later messages of the same key."""

    kind: Kind
    reason: str = ""
    retry_after: float | None = None
    thread: Thread | None = None


@dataclass(frozen=True)
class Delivery:
    """One attempt to send a message.

    `id` is the same for every attempt of a message; `repeat`: an earlier attempt may have arrived. `accepted`: targets
    that already accepted the message; `on_accepted` stores another one immediately.
    """

    id: str
    thread: Thread | None = None
    repeat: bool = False
    accepted: Collection[str] = ()
    on_accepted: Callable[[str], None] = field(default=lambda _: None, repr=False)


class Transport(Protocol):
    """How one channel is reached. `knows_repeats`: receivers recognise a repeat by its id, so it does no harm."""

    knows_repeats: bool
    service: str  # name to show: Slack, mail, signed webhook

    def send(self, message: ChannelMessage, delivery: Delivery) -> SendResult:
        """Make one attempt, within a time limit. Never raises for what the service does; the result holds no secret."""
        ...


def plain_reason(text: str, url: str) -> str:
    """Text of another party, short, on one line, without any part of the channel's URL."""
    for part in _secret_parts(url):
        text = text.replace(part, "…")
    return one_line(redact(text), most=MAX_REASON)


def _secret_parts(url: str) -> list[str]:
    """The URL and the parts between its separators, as written and decoded; longest first."""
    rest = url.partition("://")[2]
    pieces = re.split(r"[/?&=@#,;:]", rest)
    parts = {url, rest, *pieces, *(unquote(piece) for piece in (rest, *pieces))}
    return sorted((part for part in parts if len(part) >= 4), key=len, reverse=True)

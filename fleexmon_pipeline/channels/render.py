"""A message as text for chats, pagers and mail, in which nothing from a log line has an effect.

Here: plain text that any service may interpret as its own markup. What only one service needs, apprise escapes: HTML,
Slack's `&`, `<` and `>`. Programs get the message itself: `signed_webhook.py`.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.channels.message import ChannelMessage

BREAK = "\N{ZERO WIDTH SPACE}"
REPEAT_NOTE = "This may be a repeat: the answer to an earlier attempt was lost."

# Mentions (@everyone, <@123>, <!channel>, <#5>), links that a service makes of text, links with another text, fences
# that would swallow what follows, doubled markup.
_TRIGGERS = re.compile(r"@|<(?=[!#&:a-zA-Z/])|://|\b(?:www|javascript|mailto|tel)(?=[.:])|\](?=\()|`|(?<=([*_~|]))\1")
_WORDS = {
    "opened": "",
    "worse": "worse: ",
    "joined": "spreads: ",
    "ended": "ended: ",
    "returned": "back: ",
    "digest": "",
    "summary": "",
    "test": "TEST: ",
}


def inert(text: str) -> str:
    """Shown unchanged to the eye, and no service finds a mention, link or code fence in it."""
    return _TRIGGERS.sub(_broken, text)


def title_of(message: ChannelMessage) -> str:
    """`[high] worse: Payments fail on blue`: a subject tells severity, event and node."""
    severity = f"[{message.severity}] " if message.event not in ("digest", "summary", "test") else ""
    return f"{severity}{_WORDS[message.event]}{inert(message.title)}"


def body_of(message: ChannelMessage, *, repeat: bool = False) -> str:
    """Paragraphs, evidence, and what to do; ours at the end, where a cut service would lose the least."""
    parts = [REPEAT_NOTE] * repeat
    parts += [inert(line) for line in message.lines]
    if message.evidence:
        parts.append("\n".join(f"> {inert(line)}" for line in message.evidence))
    parts += [message.link] if message.link else []
    parts += [f"$ {inert(message.command)}"] if message.command else []
    return "\n\n".join(parts) or inert(message.title)


def _broken(match: re.Match[str]) -> str:
    matched = match[0]
    if matched == "`":
        return "'"
    if matched == "://":
        return f":{BREAK}//"
    return f"{BREAK}{matched}" if match[1] else f"{matched}{BREAK}"

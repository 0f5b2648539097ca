"""A message as text for chats, pagers and mail, in which nothing from a log line acts as markup.

Here: plain text in which every service's markup is broken up. apprise escapes what is special to one service: HTML,
Slack's `&`, `<` and `>`. Programs get the message itself: `signed_webhook.py`.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.channels.message import ChannelMessage

BREAK = "\N{ZERO WIDTH SPACE}"
REPEAT_NOTE = "This may be a repeat: the answer to an earlier attempt was lost."

# Mentions (@everyone, <@123>, <!channel>, <#5>), text that services turn into links, links with another text, code
# fences that would swallow the text after them, doubled markup.
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
    """The text, which looks unchanged, but in which no service finds a mention, link or code fence."""
    return _TRIGGERS.sub(_broken, text)


def title_of(message: ChannelMessage) -> str:
    """`[high] worse: Payments fail on blue`: a subject names severity, event and node."""
    severity = f"[{message.severity}] " if message.event not in ("digest", "summary", "test") else ""
    return f"{severity}{_WORDS[message.event]}{inert(message.title)}"


def body_of(message: ChannelMessage, *, repeat: bool = False) -> str:
    """Paragraphs, evidence, link and command, in this order, as a service may cut off the end."""
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

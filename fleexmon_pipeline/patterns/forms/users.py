"""Mask the names of users in lines of sudo, cron, logins and sessions.

Here: positions that can only be the name of a user. So two lines are enough to see that they have one pattern; counting
different words would need many.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.patterns.placeholders import ANY, MARK, PLACEHOLDER

_WORD = r"[A-Za-z_][\w.$-]{0,62}+"
_NAME = rf"(?:{_WORD}|{ANY})"
_SUDO = re.compile(rf"(?<!\S){_NAME}(?= : (?:TTY=|command not allowed|user NOT in sudoers))")
_CRON = re.compile(rf"(?<=\(){_NAME}(?=\) (?:CMD|MAIL|RELOAD|LIST|INFO|ORPHAN|BEGIN EDIT|END EDIT|REPLACE)\b)")
# Starts with letters, so that it is searched fast in most lines; the words before are tested afterwards.
_OF_USER = re.compile(rf"ser {_NAME}(?=\.?$|\(uid=| by | (?:from|on|at) {ANY}| {MARK['ip']})")
# `user bob logged in`: only people log in. These words in that position are not names: `user is logged in`.
_NO_NAME = (
    r"(?!(?:(?:successful|automatical|recent|new|manual|current|correct|proper)ly|is|was|has|have|had|be|been|not|never|already|just|now|who|that|and|or|again|session|account|agent|group"
    r"|interface|name|id|service|process|token)\s)"
)
_USER_LOGGED = re.compile(
    rf"(?<=ser ){_NO_NAME}{_WORD}(?= (?:(?:is|was|has|have|had|been|\w+ly|already|just|now) ){{0,3}}+"
    r"(?:logged|logs|signed|signs) (?:in|into|out|on|off|up)\b)"
)
_BEFORE_USER = tuple(f"{word} {u}" for word in ("of", "by", "as", "to", "for", "nvalid", "ticating") for u in "uU")
_FROM = f" from {MARK['ip']}"
_SSHD = re.compile(rf"(?<= for ){_NAME}(?={_FROM}(?: port |$))")


def without_users(masked: str) -> str:
    """The result of `mask_words` with a placeholder for each name of a user. Most lines only take the cheap tests."""
    if " : " in masked and ("TTY=" in masked or "sudoers" in masked):
        masked = _SUDO.sub(PLACEHOLDER, masked)
    if masked[:1] == "(" or "CRON" in masked:
        masked = _CRON.sub(PLACEHOLDER, masked)
    if " user " in masked or " User " in masked:
        masked = _OF_USER.sub(_of_user, masked)
    if "ogged " in masked or "igned " in masked or "ogs " in masked:
        masked = _USER_LOGGED.sub(PLACEHOLDER, masked)
    if _FROM in masked and " for " in masked:
        masked = _SSHD.sub(PLACEHOLDER, masked)
    return masked


def _of_user(found: re.Match[str]) -> str:
    start = found.start()
    return f"ser {PLACEHOLDER}" if found.string.endswith(_BEFORE_USER, max(0, start - 12), start) else found[0]

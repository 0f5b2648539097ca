"""The zone of a time as text: an offset, a name, a region.

Here: zones. What stands before them: `written.py`. Names that stand for several offsets (IST, BST) are none.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_OFFSET = re.compile(r"(?:(?:UTC|GMT|UT) ?)?([+-])(\d\d?)(?::?(\d\d)(?::?(\d\d))?)?(?![\d:])", re.IGNORECASE)
_REGION = re.compile(r"\[?\b([A-Z][A-Za-z_]+/[A-Z][A-Za-z_/+-]+|UTC|GMT|Z)\b\]?$")
_COMMENT = re.compile(r"\([^)]{1,60}\)$")  # JavaScript's name of the zone
_ZONE_WORD = re.compile(r"(?<![A-Za-z])([A-Za-z]{1,5})(?![A-Za-z])")
# Zones that mean the same offset everywhere; IST, BST and AST do not.
_HOURS = {
    "utc": 0, "gmt": 0, "ut": 0, "z": 0, "wet": 0, "west": 1, "cet": 1, "cest": 2, "met": 1, "mest": 2, "eet": 2,
    "eest": 3, "msk": 3, "jst": 9, "kst": 9, "sgt": 8, "hkt": 8, "aest": 10, "aedt": 11, "awst": 8, "nzst": 12, "nzdt":
    13, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "akst": -9, "akdt": -8,
    "hst": -10, "brt": -3, "sast": 2,
}  # fmt: skip


def offset_of(text: str | None) -> tzinfo:
    if not text or text in "Zz":
        return UTC
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise ValueError(text)
    sign, hours, minutes, seconds = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
    if offset > timedelta(hours=14) or int(minutes or 0) > 59:
        raise ValueError(text)
    return timezone(offset if sign == "+" else -offset)


@lru_cache(maxsize=64)
def region_of(name: str) -> tzinfo:
    """The zone of this name. Raises ValueError if the database of zones does not contain it."""
    if name.lower() in _HOURS:
        return timezone(timedelta(hours=_HOURS[name.lower()]))
    try:
        return ZoneInfo(name)
    except (LookupError, OSError):
        raise ValueError(name) from None


def take_zone(text: str) -> tuple[tzinfo, str]:
    """The zone, by default UTC, and the rest. An offset counts more than the name beside it."""
    text = text.strip()
    comment = _COMMENT.search(text)
    text = text[: comment.start()].strip() if comment else text
    region = _REGION.search(text)
    text = text[: region.start()].strip() if region else text
    if match := _OFFSET.search(text):
        zone = offset_of(re.sub(r"(?i)^(utc|gmt|ut) ?", "", match[0]))
        before, after = text[: match.start()], text[match.end() :].strip()
        if re.fullmatch(r"[A-Za-z]{1,5}", after):  # Go: `+0100 CET`
            after = ""
        return zone, before + after
    if region:
        return region_of(region[1]), re.sub(r"\b(?:Z|UTC|GMT)$", "", text)
    for match in _ZONE_WORD.finditer(text):
        if (word := match[1].lower()) in _HOURS:
            return region_of(word), text[: match.start()] + text[match.end() :]
    return UTC, text

"""Numbers and durations as the texts of rules show them."""

from __future__ import annotations

from datetime import timedelta

TEMPLATE_SHOWN = 200  # characters of a template in texts and metadata; a masked stack trace has thousands


def percent(share: float) -> str:
    """`9.1%`"""
    return f"{share:.1%}"


def minutes(length: timedelta) -> int:
    return length // timedelta(minutes=1)


def spoken(length: timedelta) -> str:
    """`15 minutes`, `1 hour`."""
    whole = minutes(length)
    number, unit = (whole // 60, "hour") if whole % 60 == 0 else (whole, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"

"""How a person writes a moment on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

_AGO = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_of(option: str, text: str, *, now: datetime) -> datetime:
    """`15m`, `2h`, `3d` (before `now`), `2026-11-20` or `2026-11-20T10:00` (UTC unless it names a zone).

    Raises typer.BadParameter, naming the option.
    """
    try:
        if found := _AGO.fullmatch(text.strip()):
            return now - timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f'{option}: "{text[:60]}" is not a time. Examples: {option} 15m  {option} 2026-11-20T10:00'
        ) from None

"""Times as people write them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fleexmon_pipeline.commands.terminal import CommandError

_AGO = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_time(option: str, text: str, *, now: datetime) -> datetime:
    """`15m`, `2h`, `3d` (before `now`), `2026-11-20` or `2026-11-20T10:00` (UTC unless it names a zone).

    Raises CommandError, naming the option.
    """
    try:
        if match := _AGO.fullmatch(text.strip()):
            return now - timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(
            f'{option}: "{text[:60]}" is not a time. Examples: {option} 15m  {option} 2026-11-20T10:00'
        ) from None


def parse_optional_time(option: str, text: str | None, *, now: datetime) -> datetime | None:
    return None if text is None else parse_time(option, text, now=now)

"""Times as people write them on the command line."""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.window import read_time


def parse_time(option: str, text: str, *, now: datetime) -> datetime:
    """`15m`, `2h`, `3d` (before `now`), `2026-11-20` or `2026-11-20T10:00` (UTC unless it names a zone).

    Raises CommandError, naming the option.
    """
    try:
        return read_time(text, now=now)
    except ValueError:
        raise CommandError(
            f'{option}: "{text[:60]}" is not a time. Examples: {option} 15m  {option} 2026-11-20T10:00'
        ) from None


def parse_optional_time(option: str, text: str | None, *, now: datetime) -> datetime | None:
    return None if text is None else parse_time(option, text, now=now)

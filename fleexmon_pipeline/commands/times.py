"""Times as people write them on the command line."""

from __future__ import annotations

from datetime import datetime

from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.window import read_time


def parse_time(option: str, text: str, *, now: datetime) -> datetime:
    """What `read_time` reads, with the days and the zone of this machine. Raises CommandError, naming the option."""
    try:
        return read_time(text, now=now, zone=None)
    except ValueError:
        examples = "  ".join(f"{option} {example}" for example in ("15m", "yesterday", "2026-11-20T10:00"))
        raise CommandError(f'{option}: "{text[:60]}" is not a time. Examples: {examples}') from None


def parse_optional_time(option: str, text: str | None, *, now: datetime) -> datetime | None:
    return None if text is None else parse_time(option, text, now=now)

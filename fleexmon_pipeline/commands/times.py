"""Times as people write them on the command line."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleexmon_pipeline.commands.screen.clock import readers_clock
from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.window import SLOT, Window, ceil, floor, read_time
from fleexmon_pipeline.wording import duration


def parse_time(option: str, text: str, *, now: datetime) -> datetime:
    """`read_time` in the zone of this machine. Raises CommandError, which names the option."""
    try:
        return read_time(text, now=now, zone=None)
    except ValueError:
        examples = "  ".join(f"{option} {example}" for example in ("15m", "yesterday", "2026-11-20T10:00"))
        raise CommandError(f'{option}: "{text[:60]}" is not a time. Examples: {examples}') from None


def parse_optional_time(option: str, text: str | None, *, now: datetime) -> datetime | None:
    return None if text is None else parse_time(option, text, now=now)


def named_minute(moment: datetime, *, now: datetime) -> str:
    """`2026-11-30 09:05 CET`: in the reader's zone, with its name."""
    return readers_clock(now).full_minute(moment, named=True)


def ended_slots(
    options: tuple[str, str], since: str, until: str | None, *, now: datetime, most: timedelta, advice: str
) -> Window:
    """Whole slots that have ended, from the first option's time to the second's or now. Raises CommandError."""
    first, last = options
    begin = floor(parse_time(first, since, now=now), SLOT)
    end = parse_time(last, until, now=now) if until else now
    if end <= begin:
        raise CommandError(
            f"{last}: {named_minute(end, now=now)} is not after {first}, {named_minute(begin, now=now)}."
        )
    window = Window(begin, ceil(end, SLOT)).ended(now)
    if not window:
        raise CommandError(
            f"{first}: {named_minute(begin, now=now)} is too recent: no whole slot of 5 minutes has ended since. "
            f"Examples: {first} 2h"
        )
    if window.length > most:
        shown = readers_clock(now).window(window)
        limit = f"{most.days} days" if most.days > 1 else duration(most)
        raise CommandError(f"{first}/{last}: {shown} is more than {limit}; {advice}.")
    return window

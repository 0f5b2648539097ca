"""The chart that Dagster's pages include as an image: lines, warnings and errors over some hours, as SVG.

An image cannot use the style sheet, so colours are attributes that suit light and dark pages. Charts inside our pages:
`charts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.levels import read_level
from fleexmon_pipeline.lookup.line_counts import HALF_HOUR, levels_by_half_hour, levels_by_slot
from fleexmon_pipeline.reporting.charts import ceiling, compact
from fleexmon_pipeline.web.pages.page_request import BadRequestError, PageRequest
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window, ceil

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 540, 170, 40, 30, 22  # fits a cell of Dagster's table at 1440 px
MAX_HOURS = 48
MAX_FINE = 3 * HOUR  # bars of 5 minutes up to here, of half an hour above
COLOURS = {"errors": "#d1453b", "warnings": "#d99a1c", "other lines": "#5b8def"}
_KIND_OF_LEVEL = {"fatal": "errors", "error": "errors", "warn": "warnings"}
_TEXT = "#7d8590"  # readable on white and on black


@dataclass(frozen=True)
class Picture:
    svg: Markup


def shown(connection: Connection, page_request: PageRequest) -> Picture:
    """The chart of a request. Parameters: until (end of the hours, default now), hours (how many, default 24)."""
    until = page_request.moment("until") or page_request.now
    hours = _hours(page_request)
    if not page_request.now - 4_000 * DAY < until < page_request.now + 2 * DAY:
        raise BadRequestError("until: there is nothing at that time. Give a time of the last ten years.")
    length = hours * HOUR
    step, levels = (SLOT, levels_by_slot) if length <= MAX_FINE else (HALF_HOUR, levels_by_half_hour)
    end = ceil(until, step)
    window = Window(end - length, end)
    counts: list[dict[str, int]] = [dict.fromkeys(COLOURS, 0) for _ in range(window.length // step)]
    for bar, level, lines in levels(connection, window):
        counts[bar][_KIND_OF_LEVEL.get(read_level(level) or "", "other lines")] += lines
    return Picture(drawn(counts, window, step))


def _hours(page_request: PageRequest) -> int:
    text = page_request.text("hours") or "24"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_HOURS):
        raise BadRequestError(f'hours: "{text[:40]}" is not a number from 1 to {MAX_HOURS}.')
    return int(text)


def drawn(counts: Sequence[Mapping[str, int]], window: Window, step: timedelta) -> Markup:
    """Stacked bars, errors at the bottom, under a caption with the totals."""
    totals = {kind: sum(bar[kind] for bar in counts) for kind in COLOURS}
    caption = f"{window} UTC: " + ", ".join(f"{total:,} {kind}" for kind, total in totals.items())
    top = ceiling(max((sum(bar.values()) for bar in counts), default=0))
    height, slot = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - 8) / max(len(counts), 1)
    parts = [_text(4, 16, caption), *_scale(top, height)]
    every = max(1, len(counts) // 6)
    for index, bar in enumerate(counts):
        x, y = LEFT + index * slot, float(TOP + height)
        for kind, value in bar.items():
            if value:
                tall = max(height * value / top, 1.5)  # one error among thousands must still be visible
                y -= tall
                parts.append(_bar(x + slot * 0.12, y, slot * 0.76, tall, COLOURS[kind]))
        if index % every == 0:
            parts.append(_text(x, HEIGHT - 6, f"{window.since + index * step:%H:%M}"))
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" '
        'font-family="system-ui, sans-serif" font-size="11"><title>{caption}</title>{parts}</svg>'
    ).format(w=WIDTH, h=HEIGHT, caption=caption, parts=Markup("").join(parts))


def failed(text: str) -> Markup:
    """An image with an error message, because an <img> cannot show an error page."""
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="40" viewBox="0 0 {w} 40" role="img" '
        'font-family="system-ui, sans-serif" font-size="11"><title>{text}</title>{line}</svg>'
    ).format(w=WIDTH, text=text, line=_text(4, 24, text[:90]))


def _scale(top: int, height: int) -> list[Markup]:
    parts = []
    for quarter in (0, 2, 4):
        y = TOP + height - height * quarter / 4
        parts.append(
            Markup('<line x1="{}" y1="{y:.1f}" x2="{}" y2="{y:.1f}" stroke="{}" stroke-opacity="0.35"/>').format(
                LEFT, WIDTH - 8, _TEXT, y=y
            )
        )
        parts.append(_text(LEFT - 6, y + 4, compact(top * quarter / 4), anchor="end"))
    return parts


def _bar(x: float, y: float, width: float, height: float, colour: str) -> Markup:
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>').format(
        x, y, width, height, colour
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" fill="{}" text-anchor="{}">{}</text>').format(x, y, _TEXT, anchor, text)

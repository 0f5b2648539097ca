"""Charts of the pages as inline SVG: no script, no inline style; colours are classes of the style sheet.

Here: geometry. What is charted: the pages. Charts of a digest: `reporting/charts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from markupsafe import Markup

from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.reporting.charts import ceiling, compact
from fleexmon_pipeline.wording import counted, one_line

WIDTH, HEIGHT = 960, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 22, 22
MAX_MARKS = 8


@dataclass(frozen=True)
class Bar:
    """A bar of a timeline. `parts`: values by class, the lowest first; None if nothing is known. `href`: its link."""

    start: datetime
    parts: Mapping[str, int] | None
    href: Markup | None = None


@dataclass(frozen=True)
class Mark:
    """A labelled moment in a timeline."""

    at: datetime
    text: str


def sparkline(values: Sequence[int], label: str) -> Markup:
    """Bars without axes. A zero has no bar; the smallest value still has a visible one."""
    most, width = max(values, default=0) or 1, 3
    bars = "".join(
        f"M{index * width} 28v-{max(2, round(28 * value / most))}h2.4V28z"
        for index, value in enumerate(values)
        if value
    )
    return Markup(
        '<svg class="sparkline" viewBox="0 0 {width} 30" preserveAspectRatio="none" role="img" aria-label="{label}">'
        '<rect x="0" y="28.5" width="{width}" height="1" class="b-unknown"/><path d="{bars}" class="b-lines"/></svg>'
    ).format(width=len(values) * width, label=label, bars=bars or "M0 28")


def timeline(
    bars: Sequence[Bar], step: timedelta, label: str, marks: Sequence[Mark] = (), form: str = "%H:%M"
) -> Markup:
    """Stacked bars over time, hatched if nothing is known, with a line for each mark."""
    top = ceiling(max((sum(bar.parts.values()) for bar in bars if bar.parts), default=0))
    height, slot = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - RIGHT) / max(len(bars), 1)
    parts = [
        Markup(
            '<defs><pattern id="unknown" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="6" class="hatch"/></pattern></defs>'
        ),
        *_grid(top, height),
    ]
    every = max(1, len(bars) // 8)
    for index, bar in enumerate(bars):
        x = LEFT + index * slot
        drawn = _drawn(bar, x, slot, height, top)
        drawn.append(
            Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" class="over"><title>{}</title></rect>').format(
                x, TOP, slot, height, _tip(bar, form)
            )
        )
        inside = Markup("").join(drawn)
        parts.append(
            Markup('<a href="{}" aria-label="{}">{}</a>').format(bar.href, _tip(bar, form), inside)
            if bar.href and bar.parts
            else inside
        )
        if index % every == 0:
            parts.append(
                Markup('<text x="{:.1f}" y="{}" class="tick">{}</text>').format(x, HEIGHT - 5, f"{bar.start:{form}}")
            )
    if bars:
        parts += _marks(marks, bars[0].start, bars[-1].start + step)
    role = "group" if any(bar.href for bar in bars) else "img"
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="{}" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, role, label, Markup("").join(parts)
    )


def strip(cells: Sequence[tuple[str, str]], label: str) -> Markup:
    """Cells from left to right, each with its class and start. Equal neighbours are drawn as one piece."""
    drawn, index = [], 0
    for state, group in groupby(cells, key=lambda cell: cell[0]):
        times = [time for _, time in group]
        tip = f"{times[0]} {state}" if len(times) == 1 else f"{times[0]} to {times[-1]} {state}"
        drawn.append(
            Markup('<rect x="{}" y="0" width="{}" height="16" class="c-{}"><title>{}</title></rect>').format(
                index * 10, len(times) * 10 - 1, state, tip
            )
        )
        index += len(times)
    return Markup(
        '<svg class="strip" viewBox="0 0 {} 16" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(len(cells) * 10, label, Markup("").join(drawn))


def _drawn(bar: Bar, x: float, slot: float, height: int, top: int) -> list[Markup]:
    if bar.parts is None:
        return [
            Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="url(#unknown)"/>').format(
                x, TOP, slot, height
            )
        ]
    drawn, y = [], float(TOP + height)
    for kind, value in bar.parts.items():
        if value:
            tall = max(height * value / top, 1.5)  # one error among thousands must still be visible
            y -= tall
            drawn.append(
                Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="b-{}"/>').format(
                    x + slot * 0.12, y, slot * 0.76, tall, kind
                )
            )
    return drawn


def _grid(top: int, height: int) -> list[Markup]:
    lines = []
    for step in (0, 2, 4):
        y = TOP + height - height * step / 4
        lines.append(
            Markup('<line x1="{}" y1="{y:.1f}" x2="{}" y2="{y:.1f}" class="grid"/>').format(LEFT, WIDTH - RIGHT, y=y)
            + Markup('<text x="{}" y="{:.1f}" class="tick" text-anchor="end">{}</text>').format(
                LEFT - 8, y + 4, compact(top * step / 4)
            )
        )
    return lines


def _marks(marks: Sequence[Mark], since: datetime, until: datetime) -> list[Markup]:
    drawn, free_from = [], 0.0
    for mark in sorted(marks, key=lambda mark: mark.at)[-MAX_MARKS:]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * ((mark.at - since) / (until - since))
        text = one_line(redact(mark.text), most=40)
        drawn.append(
            Markup('<line x1="{x:.1f}" y1="{}" x2="{x:.1f}" y2="{}" class="mark"><title>{}</title></line>').format(
                TOP - 6, HEIGHT - BOTTOM, f"{mark.at:%H:%M} {text}", x=x
            )
        )
        if x >= free_from:  # labels must not overlap; the tip of the line has the text, too
            at_end = x > WIDTH * 0.75
            drawn.append(
                Markup('<text x="{:.1f}" y="{}" class="mark-text" text-anchor="{}">{}</text>').format(
                    x, TOP - 9, "end" if at_end else "start", text
                )
            )
            free_from = x + (10 if at_end else 8 * len(text))
    return drawn


def _tip(bar: Bar, form: str) -> str:
    if bar.parts is None:
        return f"{bar.start:{form}} not collected"
    shown = {"fired": "lines, in which the rule fired", "lines": "lines", "warn": "warnings", "error": "errors"}
    parts = ", ".join(f"{value:,} {shown.get(kind, kind)}" for kind, value in bar.parts.items() if value)
    return f"{bar.start:{form}} {parts or counted(0, 'line')}"

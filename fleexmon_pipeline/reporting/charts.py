"""Charts of a digest as inline SVG: no script, no file beside the page, colours from CSS variables of the page.

Here: geometry. Colours and dark mode are CSS classes of `digest.html.j2`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from fleexmon_pipeline.reporting.figures import HourFigures, NodeFigures

WIDTH, HEIGHT = 960, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 10, 24
_HATCH = Markup(
    '<defs><pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line x1="0" y1="0" x2="0" y2="6" class="hatch"/></pattern></defs>'
)


def errors_chart(hours: Sequence[HourFigures]) -> Markup:
    """Errors and warnings per hour, stacked, errors at the bottom; hours in which no node responded are hatched."""
    return _bars(
        hours, "errors", "Errors and warnings per hour", (("error", lambda h: h.errors), ("warn", lambda h: h.warnings))
    )


def lines_chart(hours: Sequence[HourFigures]) -> Markup:
    """Lines per hour."""
    return _bars(hours, "lines", "Lines per hour", (("lines", lambda h: h.lines),))


def coverage_strip(node: NodeFigures) -> Markup:
    """24 cells, one per hour, each in the colour of its worst slot."""
    cells = [
        Markup(
            '<rect x="{x}" y="0" width="18" height="16" rx="3" class="c-{status}"><title>{tip}</title></rect>'
        ).format(x=index * 20, status=status, tip=f"{index:02}:00 {status}")
        for index, status in enumerate(node.hours)
    ]
    return Markup('<svg class="strip" viewBox="0 0 {width} 16" role="img" aria-label="{label}">{cells}</svg>').format(
        width=len(node.hours) * 20 - 2, label=f"Coverage of {node.node} by hour", cells=Markup("").join(cells)
    )


def ceiling(value: float) -> int:
    """A round number not below `value`, close enough to fill the chart, and divisible by the four gridlines."""
    if value <= 8:
        return 4 if value <= 4 else 8
    power: int = 10 ** math.floor(math.log10(value))
    return next(round(step * power) for step in (1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 12) if value <= step * power)


def _bars(
    hours: Sequence[HourFigures], name: str, label: str, layers: Sequence[tuple[str, Callable[[HourFigures], int]]]
) -> Markup:
    top = ceiling(max((sum(value(hour) for _, value in layers) for hour in hours), default=0))
    height, slot = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - RIGHT) / max(len(hours), 1)
    parts = [_HATCH.format(name=f"hatch-{name}"), *_grid(top, height)]
    for index, hour in enumerate(hours):
        x, y = LEFT + index * slot, float(TOP + height)
        if hour.heard is False:
            parts.append(
                Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="url(#hatch-{})"/>').format(
                    x, TOP, slot, height, name
                )
            )
        for kind, value in layers:
            tall = height * value(hour) / top
            if tall:
                tall = max(tall, 1.5)  # one error among thousands must still be visible
                y -= tall
                parts.append(
                    Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="b-{}"/>').format(
                        x + slot * 0.14, y, slot * 0.72, tall, kind
                    )
                )
        if index % 3 == 0:
            parts.append(
                Markup('<text x="{:.1f}" y="{}" class="tick" text-anchor="middle">{:%H:%M}</text>').format(
                    x + slot / 2, HEIGHT - 6, hour.hour
                )
            )
        parts.append(
            Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" class="over"><title>{}</title></rect>').format(
                x, TOP, slot, height, _tip(hour)
            )
        )
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, Markup("").join(parts)
    )


def _grid(top: int, height: int) -> list[Markup]:
    lines = []
    for step in range(5):
        value, y = top * step / 4, TOP + height - height * step / 4
        lines.append(
            Markup('<line x1="{}" y1="{y:.1f}" x2="{}" y2="{y:.1f}" class="grid"/>').format(LEFT, WIDTH - RIGHT, y=y)
            + Markup('<text x="{}" y="{:.1f}" class="tick" text-anchor="end">{}</text>').format(
                LEFT - 8, y + 4, compact(value)
            )
        )
    return lines


def compact(value: float) -> str:
    """`950`, `12.5k`, `3M`."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    return f"{value:.1f}".removesuffix(".0")


def _tip(hour: HourFigures) -> Markup:
    if not hour.heard:
        return escape(f"{hour.hour:%H:%M} {'not collected' if hour.heard is False else 'not over yet'}")
    return escape(f"{hour.hour:%H:%M} {hour.lines:,} lines, {hour.errors:,} errors, {hour.warnings:,} warnings")

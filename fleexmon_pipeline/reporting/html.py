"""A day's digest as one self-contained HTML page: inline style, inline SVG, no script.

Here: the template's environment. Everything is escaped by default; `charts.py` marks its SVG as safe.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from fleexmon_pipeline.reporting import charts, figure_texts
from fleexmon_pipeline.reporting.figures import Figures
from fleexmon_pipeline.wording import one_line


def render(figures: Figures, ui_url: str | None = None) -> str:
    """The content of the Markdown in full; the same figures give the same bytes. `ui_url`: where people open the UI."""
    return _template().render(
        figures=figures,
        ui_url=ui_url,
        words=figure_texts,
        errors_chart=charts.errors_chart(figures.hours),
        lines_chart=charts.lines_chart(figures.hours),
        coverage_strip=charts.coverage_strip,
    )


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["line"] = lambda text, most=200: one_line(text, most=most)
    return environment.from_string((files(__package__) / "digest.html.j2").read_text("utf-8"))

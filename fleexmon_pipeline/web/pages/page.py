"""A page as HTML: Jinja2 with everything escaped and every text redacted, without script and inline style.

Here: the templates' environment and the style sheet. Which pages there are: `site.py`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.web.pages.page_request import PageRequest
from fleexmon_pipeline.wording import counted, iso_text, one_line

_TEMPLATES = files(__package__) / "templates"
_DIGEST = files("fleexmon_pipeline.reporting") / "digest.html.j2"
_STYLE = re.compile(r"<style>\n(.*?)</style>", re.DOTALL)
_ESCAPED = {"<": 4, ">": 4, "&": 5, '"': 5, "'": 5}
MAX_MARKS = 3  # marked matches in a line; each adds 13 bytes
MAX_MESSAGE = 400  # bytes of a message in a list, so that a page of 100 lines stays below 100 kB
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Page:
    """What a template shows. `section`: its entry in the menu; `reload_seconds`: when to reload, if incomplete."""

    template: str
    title: str
    section: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    reload_seconds: int | None = None


def render(page: Page, page_request: PageRequest) -> str:
    """The whole document."""
    template = _environment().get_template(f"{page.template}.html.j2")
    return template.render(
        **page.values,
        title=page.title,
        section=page.section,
        page_request=page_request,
        style=f"style.css?{style_version()}",
    )


def prepare() -> None:
    """Read style sheet and templates at start, so that updating the package does not change a running server."""
    style_version()
    for file in _TEMPLATES.iterdir():
        if file.name.endswith(".html.j2"):
            _environment().get_template(file.name)


@cache
def style_sheet() -> str:
    """The style of digests, and what the pages need in addition, so that both look the same."""
    style = _STYLE.search(_DIGEST.read_text("utf-8"))
    return (style[1] if style else "") + (_TEMPLATES / "pages.css").read_text("utf-8")


@cache
def style_version() -> str:
    return hashlib.sha256(style_sheet().encode()).hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: (_TEMPLATES / name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_presented,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "line": lambda text, most=200: one_line(redact(str(text)), most=most),
        "own": own,
        "message": _message,
        "marked": _marked,
        "when": when,
        "clock": lambda moment: Markup('<time datetime="{}">{:%H:%M}</time>').format(iso_text(moment), moment),
        "precise": precise,
        "number": lambda value: f"{value:,}" if isinstance(value, (int, float)) else value,
        "counted": counted,
        "tag": tag,
    }
    environment.globals["ago"] = ago
    return environment


def presentable(text: str) -> str:
    """The text without secrets and invisible characters."""
    return visible(redact(text))


def _presented(value: Any) -> Any:
    """Applied to every expression of a template before it is escaped."""
    return presentable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def visible(text: str) -> str:
    """Replace control characters, and those that change the direction of text, by a replacement character."""
    text = _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text)
    if text.isascii():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cf", "Co") else c for c in text)


def fitted(text: str, most: int) -> str:
    """The beginning of a text, of at most `most` bytes in the page: `<` takes four, a CJK character three."""
    if len(escape(text).encode("utf-8", "replace")) <= most:
        return text
    size = 0
    for index, character in enumerate(text):
        size += _ESCAPED.get(character) or len(character.encode("utf-8", "replace"))
        if size > most:
            return text[:index] + "…"
    return text


def _message(text: str) -> str:
    """The message of a line in a list."""
    return fitted(one_line(redact(text), most=MAX_MESSAGE), MAX_MESSAGE)


def _marked(text: str, wanted: str) -> Markup:
    """The message of a line in a list, with the searched text marked."""
    shown, pieces, at = presentable(_message(text)), [], 0
    for match in islice(re.finditer(re.escape(wanted), shown, re.IGNORECASE | re.ASCII), MAX_MARKS):
        pieces += [escape(shown[at : match.start()]), Markup("<mark>{}</mark>").format(match[0])]
        at = match.end()
    return Markup().join([*pieces, escape(shown[at:])])


def own(text: object) -> Markup:
    """Text that is not from logs: an id, or what the reader typed. It is escaped, but not redacted."""
    return escape(visible(str(text)))


def when(moment: datetime | None) -> Markup:
    if moment is None:
        return Markup("–")
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M}</time>').format(iso_text(moment), moment)


def precise(moment: datetime) -> Markup:
    """To the millisecond."""
    shown = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"
    return Markup('<time datetime="{}">{}</time>').format(iso_text(moment), shown)


def ago(moment: datetime | None, now: datetime) -> str:
    """`3 min ago`, `5 h ago`, `12 d ago`."""
    if moment is None:
        return "never"
    length = now - moment
    if abs(length) < timedelta(minutes=1):
        return "just now"
    return f"in {_short(-length)}" if length < timedelta(0) else f"{_short(length)} ago"


def _short(length: timedelta) -> str:
    minutes = length // timedelta(minutes=1)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def tag(word: str) -> Markup:
    """A severity, level or state as a coloured label."""
    name = re.sub(r"[^a-z]", "", str(word).lower())[:20]
    return Markup('<span class="tag {}">{}</span>').format(name, one_line(str(word), most=16))

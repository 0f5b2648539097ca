"""Convert the Markdown that runbooks and advice use to HTML: headings, lists, paragraphs, code. The rest is kept."""

from __future__ import annotations

import re
from itertools import groupby

from markupsafe import Markup, escape

_ITEM = re.compile(r"(?:(\d+)[.)]|[-*]) +")
_CODE = re.compile(r"`([^`]+)`")


def to_html(text: str) -> Markup:
    """Headings become level 3, below those of sections."""
    parts: list[Markup] = []
    for kind, group in groupby(_blocks(text), key=lambda block: block[0]):
        texts = [_inline(block) for _, block in group]
        if kind in ("ol", "ul"):
            items = Markup("").join(Markup("<li>{}</li>").format(item) for item in texts)
            parts.append((Markup("<ol>{}</ol>") if kind == "ol" else Markup("<ul>{}</ul>")).format(items))
        else:
            form = Markup("<h3>{}</h3>") if kind == "h3" else Markup("<p>{}</p>")
            parts += [form.format(item) for item in texts]
    return Markup("\n").join(parts)


def _blocks(text: str) -> list[tuple[str, str]]:
    """Kind and text of each heading, item and paragraph. A line without a mark continues the previous one."""
    blocks: list[tuple[str, str]] = []
    continues = False
    for line in text.splitlines():
        item = _ITEM.match(line)
        if not line.strip():
            continues = False
        elif line.startswith("#"):
            blocks.append(("h3", line.lstrip("# ")))
            continues = False
        elif item:
            blocks.append(("ol" if item[1] else "ul", line[item.end() :]))
            continues = True
        elif continues and ((blocks[-1][0] == "p" and not blocks[-1][1].endswith(":")) or line[0].isspace()):
            blocks[-1] = (blocks[-1][0], f"{blocks[-1][1]} {line.strip()}")
        else:
            blocks.append(("p", line.strip()))
            continues = True
    return blocks


def _inline(text: str) -> Markup:
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece)
        for index, piece in enumerate(_CODE.split(text))
    )

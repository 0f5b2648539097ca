"""A log line has no effect on GitHub."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fleexmon_pipeline.reporting.escape import BREAK, code, mermaid, prose, title
from fleexmon_pipeline.wording import one_line

HOSTILE = [
    "@everyone please look", "fixes #1 and GH-2 and acme/shop#3", "<img src=x onerror=alert(1)>", "<!-- fleexmon:x -->",
    "[click](https://evil.example)", "![x](http://evil.example/pixel.png)", "```\n# heading\n```", "`code` ``two``",
    "a | b \\| c \\", "# heading", "- item", "1. item", "2) item", "> quote", "---", "=====", "www.evil.example",
    "_www.evil.example",
    "https://evil.example/x?y=z", "mail root@shop.example", "0123456789abcdef0123456789abcdef01234567",
    "*bold* _soft_ ~~gone~~", "&lt;script&gt; &#64;everyone", "\u202egnp.exe", "\x00\x1b[31m", "$E=mc^2$", "",
]  # fmt: skip
texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=80) | st.lists(
    st.sampled_from([*"@#`|\\<>[]()!*_~-+=.:/$&;\n\t 1ab", "www.", "https://", "GH-", "```", "<!--"]), max_size=30
).map("".join)


class Elements(HTMLParser):
    """The elements of a rendered text, and what stands outside of code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.outside = ""
        self.inside: list[str] = []
        self._code = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.tags.append(tag)
        self._code = self._code or tag == "code"
        if tag == "code":
            self.inside.append("")

    def handle_endtag(self, tag: str) -> None:
        self._code = self._code and tag != "code"

    def handle_data(self, data: str) -> None:
        if self._code:
            self.inside[-1] += data
        else:
            self.outside += data

    def handle_comment(self, _data: str) -> None:
        self.tags.append("comment")


def rendered(markdown: str) -> Elements:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return Elements(parser.render(markdown))


@given(texts)
@example("a\\")
@example("\\|")
@example("`a")
@pytest.mark.parametrize("most", [120, 9])
def test_code_in_a_table_shows_the_text_and_nothing_else(most: int, text: str) -> None:
    table = rendered(f"| a | b |\n| --- | --- |\n| {code(text, most=most)} | end |\n")

    expected = one_line(text, most=most)
    assert table.tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", *["code"] * bool(expected), "td"]
    assert table.inside == ([expected] if expected else [])
    assert table.outside.split() == ["a", "b", *([] if expected else ["–"]), "end"]


@example("0www.0")
@given(texts)
def test_prose_is_paragraphs_without_any_meaning(text: str) -> None:
    found = rendered(f"before\n\n{prose(text)}\n\nafter")

    assert set(found.tags) <= {"p"}
    shown = found.outside
    assert not re.search(r"@\w|#\d|://|www\.\w|GH-\d|\b[0-9a-f]{7,40}\b", shown)
    plain = shown.replace(BREAK, "").split()
    assert plain == ["before", *one_line(text, most=2_000).split(), "after"]


@pytest.mark.parametrize("text", HOSTILE)
def test_known_attacks_stay_text(text: str) -> None:
    for found in (rendered(prose(text)), rendered(f"- {code(text)}")):
        assert not {"a", "img", "h1", "h2", "em", "strong", "hr", "blockquote", "ol", "pre", "comment"} & set(
            found.tags
        )
    assert "@everyone" not in title(text)
    assert not set(mermaid(text)) & set("\"'`<>;#%{}\n")


@given(texts)
def test_texts_are_bounded(text: str) -> None:
    assert len(one_line(text, most=20)) <= 20
    assert len(mermaid(text, most=20)) <= 20
    assert len(prose(text, most=20)) <= 20 * 4
    assert "\n" not in code(text)


def test_paragraphs_are_kept() -> None:
    assert prose("First.\nStill first.\n\nSecond 5 % (of all), it's fine.") == (
        "First. Still first.\n\nSecond 5 % (of all), it's fine."
    )

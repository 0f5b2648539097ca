"""What is fuzzed, with which inputs, and what has to hold: no error of ours, never long, nothing gets out.

Here: the targets. For how long: `__main__.py`, and a second each in the suite.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import html5lib
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fleexmon_pipeline.agents.marked import Marks
from fleexmon_pipeline.collection.answers.refused import NotAnAnswerError
from fleexmon_pipeline.collection.answers.splitter import Splitter
from fleexmon_pipeline.collection.records import RejectedError, read
from fleexmon_pipeline.redaction.redact import Redactor, redact, redact_lines
from fleexmon_pipeline.reporting.escape import code, mermaid, prose, title
from fleexmon_pipeline.web.pages.markdown import to_html
from fleexmon_pipeline.web.pages.page import Page, render
from fleexmon_pipeline.web.pages.page_request import PageRequest

MAX_SECONDS = 5.0  # of one input of some kB: what backtracks or is quadratic takes far longer
PLANTED = "hunter2Q7zK9w"
FORMS = (
    f"password={PLANTED}", f'"password": "{PLANTED}"', f"Authorization: Bearer {PLANTED}{PLANTED}",
    f"https://ann:{PLANTED}@db.example.com/x", f"--password {PLANTED}", f"api_key: {PLANTED}{PLANTED}",
)  # fmt: skip
_BYTES = [
    b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"\n", b"\r\n", b" ", b"null", b"true", b"-1e999", b"NaN",
    b"\\ud800", b"\\u0000", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'{"logs": [',
    b'"timestamp": "2026-11-20T10:00:00Z"',
    b'"ts": 1763632800.5', b'"level": "error"', b'"message": "boom"', b'{"resourceLogs": [',
    b'"time": 99999999999999999999',
    b"<html>", b"9" * 400, b"[" * 300, b'{"a":' * 200, "é語🎈".encode(),
]  # fmt: skip
_TEXTS = [
    "@all", "#1", "GH-2", "`", "```", "|", "\\", "<script>", "</main>", "<img src=x onerror=alert(1)>", "<!--", "-->",
    "![", "](",
    "http://e.example", "www.", "javascript:", "&lt;", "&#64;", "\n", "\n\n", "- ", "1. ", "# ", "    ", "\t", "\x00",
    "\x1b[2J",
    "\u202e", "\u200b", "\ufeff", "\ud800", "🎈", "語", "{{7*7}}", "{% x %}", "${jndi:ldap://x}",
    "'; DROP TABLE x; --", "</data-",
    "<data-", *FORMS, "a" * 300, "." * 200, "=" * 100, "4111 1111 1111 1111", "ann@example.com",
    "DE89370400440532013000",
]  # fmt: skip
bodies = st.lists(st.sampled_from(_BYTES) | st.binary(max_size=20), max_size=40).map(b"".join)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(_TEXTS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(
        ["timestamp", "ts", "time", "level", "message", "msg", "metadata", "logs", "attributes"]), inner, max_size=5),
    max_leaves=15,
).map(lambda document: json.dumps(document).encode())  # fmt: skip
texts = st.lists(st.sampled_from(_TEXTS) | st.text(max_size=15), max_size=40).map("".join)
_whole_texts = texts.map(lambda text: text.encode("utf-8", "replace").decode())


@dataclass(frozen=True)
class Target:
    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]


def decoder(given: tuple[bytes, int]) -> None:
    body, size = given
    chunks = (body[start : start + size] for start in range(0, len(body), size))
    try:
        records = [bytes(raw) for run in Splitter().runs(chunks) for raw in run]
    except NotAnAnswerError as refused:
        assert str(refused)
        assert str(refused).isprintable() or "\n" in str(refused)
        return
    for raw in records:
        reader(raw)


def reader(raw: bytes) -> None:
    """A line that the database takes, or a reason."""
    try:
        line = read(raw)
    except RejectedError as rejected:
        assert str(rejected)
        return
    assert line.time.tzinfo is not None
    for text in (line.message, line.level, line.metadata or ""):
        text.encode()  # no half of a surrogate pair
        assert "\x00" not in text
    assert line.metadata is None or isinstance(json.loads(line.metadata), dict)
    assert "\\u0000" not in (line.metadata or "").replace("\\\\", "")


def redactor(text: str) -> None:
    """Any text, also one that was redacted; lines stay as many as they are. That secrets go: `planted`."""
    redact(redact(text))
    one = Redactor()
    assert len(one.restore(one.redact(text))) < 30 * (len(text) + 30)
    lines = text.split("\n")
    assert len(list(redact_lines(lines))) == len(lines)


def planted(given: tuple[str, str, str]) -> None:
    """A secret in a common form, on a line of its own words."""
    before, form, after = given
    assert PLANTED not in redact(f"{before} {form} {after}"), (before, form, after)


def markdown(text: str) -> None:
    """As GitHub renders it: no element of ours is left or entered, no mention."""
    for written in (prose(text), code(text), title(text)):
        assert len(written) < 20 * 2_000
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(prose(text))
    assert set(re.findall(r"<\s*/?\s*([a-zA-Z!][a-zA-Z0-9-]*)", rendered)) <= {"p", "br"}, rendered
    cell = MarkdownIt("commonmark").enable("table").render(f"| a |\n|---|\n| {code(text)} |")
    assert cell.count("<td>") == 1
    assert cell.count("<tr>") == 2
    assert re.fullmatch(r"[^\"`<>\\{}|]*", mermaid(text))


ALLOWED = {"h3", "p", "ol", "ul", "li", "code"}


def html(text: str) -> None:
    """As a browser reads it: the elements that we wrote, without attributes."""
    fragment = html5lib.parseFragment(str(to_html(text)), treebuilder="etree", namespaceHTMLElements=False)
    for element in fragment.iter():
        assert element.tag in {*ALLOWED, "DOCUMENT_FRAGMENT"}, element.tag
        assert not element.attrib


_EMPTY = render(Page("failed", "Nothing", "", {"text": ""}), PageRequest({}, "", datetime(2026, 11, 20, tzinfo=UTC)))


def page(text: str) -> None:
    """A whole page, with a text as its title and in its body: as many elements as without."""
    document = render(Page("failed", text, "", {"text": text}), PageRequest({}, "", datetime(2026, 11, 20, tzinfo=UTC)))
    found, empty = (html5lib.parse(one, namespaceHTMLElements=False) for one in (document, _EMPTY))
    assert [element.tag for element in found.iter()] == [element.tag for element in empty.iter()]
    assert PLANTED in redact(text) or PLANTED not in document


def marks(text: str) -> None:
    made = Marks()
    for marked in (made.line(text, 100), made.block(text, 100)):
        inside = marked.removeprefix(f"<{made.tag}>").removesuffix(f"</{made.tag}>")
        assert not re.search(r"<\s*/?\s*data-", inside, re.IGNORECASE)
        assert "\x1b" not in inside
        assert "\u202e" not in inside


def within_time(check: Callable[[Any], None]) -> Callable[[Any], None]:
    def checked(given: Any) -> None:
        begin = time.monotonic()
        check(given)
        assert time.monotonic() - begin < MAX_SECONDS, "it took too long"

    return checked


_words = st.lists(
    st.sampled_from(["user", "ann", "GET", "/x", "200", "failed", "order 7", "[info]", "a=1", "(x)"]), max_size=6
).map(" ".join)
TARGETS: Mapping[str, Target] = {
    name: Target(inputs, within_time(check))
    for name, inputs, check in (
        ("decoder", st.tuples(bodies | documents, st.integers(1, 64)), decoder),
        ("reader", bodies | documents, reader),
        ("redactor", _whole_texts, redactor),
        ("planted", st.tuples(_words, st.sampled_from(FORMS), _words), planted),
        ("markdown", _whole_texts, markdown),
        ("html", _whole_texts, html),
        ("page", _whole_texts, page),
        ("marks", texts, marks),
    )
}

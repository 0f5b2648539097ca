"""Positions of free texts, such as reasons, titles and commands: `token rejected: <*>`, `Started <*>`.

Here: where a free text may be (between delimiters, or from one to the end of the line), and which evidence shows that
it varies. Names inside a sentence: `phrases.py`; single words: `single_words.py`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache

from fleexmon_pipeline.patterns.merging.heads import LEVEL, head_of, leading
from fleexmon_pipeline.patterns.merging.reasons import Reasons, is_reason_size
from fleexmon_pipeline.patterns.merging.words import DISTINGUISHING, MESSAGES, is_status
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template

MAX_TEXT_TOKENS = 12
# Different texts that show that a position varies.
MIN_REASONS = 3  # after `rejected:`, or if they are known from another position
MIN_TEXTS_LONG_SENTENCE = 4  # with five words around it
MIN_TEXTS = 5  # with three words around it, or between brackets
MAX_TEXTS = 20_000  # whose contexts are remembered

_CLOSES = {"'": "'", '"': '"', "(": ")", "[": "]"}
# Words that announce a reason if a colon follows: the event itself has been named before.
_ANNOUNCES_REASON = re.compile(
    r"(?i:err|errors?|reason|cause|detail|details|exception|unable|cannot|unhealthy|unexpected|retry)"
    r"|(?i:fail|reject|refus|den[iy]|declin|abort|deprecat)(?:e|ed|s|es|ing|ure|ied)?"
    r"|[\w.]*(?:Error|Exception|Failure)"
)
_KEY_OF_REASON = re.compile(r"(?i:(?:[\w.-]*[._-])?(?:err|error|reason|cause|exception))")
_TO_REASON = {"to": {"due"}, "by": {"caused"}, "with": set[str](), "error": {"with", "an", "the", "to", "by"}}
_FAILED = re.compile("(?i:fail|reject|refus|abort)(?:ed|s|es|ing|ure)?")
_VERB = re.compile("[A-Z][a-z]+(?:ed|ing)")
_WORD = re.compile("[A-Za-z][a-z]*|[A-Z]{3,}")

_SQL = frozenset("SELECT INSERT UPDATE DELETE BEGIN COMMIT ROLLBACK CREATE ALTER DROP WITH TRUNCATE".split())  # noqa: SIM905

_STOPS = frozenset(",()[]{}'\"")

Span = tuple[int, int]


@lru_cache(maxsize=4_096)  # called four times for each new template
def spans(template: Template) -> tuple[Span, ...]:
    """The spans of a template that may be free texts, as start and end; none begins in its head and ends after it."""
    head = head_of(template)
    candidates = ((begin, end) for begin, end in _spans(template) if begin >= head or end <= head)
    if any(map(is_status, template)):
        return tuple((begin, end) for begin, end in candidates if not any(map(is_status, template[begin:end])))
    return tuple(candidates)


def _spans(template: Template) -> Iterator[Span]:
    size = len(template)
    for i, opened in enumerate(template[:-1], 1):
        if (closes := _CLOSES.get(opened)) is not None:
            end = next((e for e in range(i, min(size, i + MAX_TEXT_TOKENS + 1)) if template[e] == closes), i)
            if end > i:
                yield i, end
        elif opened in ":=," or is_verb(opened) or leads_to_reason(template, i):
            if size - i <= MAX_TEXT_TOKENS:
                yield i, size
            if opened in ":=":
                end = next((e for e in range(i, min(size, i + MAX_TEXT_TOKENS + 1)) if template[e] in _STOPS), i)
                if end > i and template[end] in ",)]}":
                    yield i, end


def leads_to_reason(before: Template, end: int) -> bool:
    """Whether the words before position `end` lead to a reason: `failed with`, `due to`, `returned an error`."""
    last = before[end - 1]
    if last == "because":
        return True
    if end < 2 or last not in _TO_REASON:
        return False
    return before[end - 2] in _TO_REASON[last] or (last == "with" and _FAILED.fullmatch(before[end - 2]) is not None)


@lru_cache(maxsize=16_384)
def is_verb(token: str) -> bool:
    return _VERB.fullmatch(token) is not None


def _plain(text: Template) -> Template:
    """A text without trailing dots."""
    return (*text[:-1], text[-1].rstrip(".") or text[-1])


def _context_key(before: Template) -> int | None:
    """Identifies the context before a text by its verb, or by the words of its last clause; None without these."""
    if is_verb(before[-1]):
        return hash(before[-1])
    words = tuple(token for token in _clause(before) if _WORD.fullmatch(token))
    return hash(words) if len(words) > 1 else None


def words_around(before: Template, after: Template = ()) -> int:
    """The number of words that form sentences, without the head, keys, programs, loggers, tags, levels and codes."""
    return sum(
        _WORD.fullmatch(token) is not None and follows not in (":", "=", "[", "}") and not LEVEL.fullmatch(token)
        for part in (before[leading(before) :], after)
        for token, follows in zip(part, (*part[1:], ""), strict=False)
    )


class Texts:
    """The contexts in which each text was seen, and which texts are values."""

    def __init__(self, reasons: Reasons) -> None:
        self._contexts: defaultdict[Template, set[int]] = defaultdict(set)
        self._reasons = reasons

    def note(self, template: Template) -> None:
        if len(self._contexts) > MAX_TEXTS:
            self._contexts.clear()
        for begin, end in spans(template):
            contexts = self._contexts[_plain(template[begin:end])]
            if len(contexts) < 2 and (place := _context_key(template[:begin])) is not None:
                contexts.add(place)
            if is_reason_size(end - begin) and _announces_reason(template[:begin]):
                self._reasons.note(template[begin:end], hash(template[:begin]))

    def varying_texts(self, before: Template, after: Template, texts: set[Template]) -> set[Template]:
        """Which of these texts, seen between `before` and `after`, are values of that position."""
        if not before or _is_message(before):
            return set()
        if is_verb(before[-1]):
            texts = {text for text in texts if PLACEHOLDER not in text[:-1] or self._is_known(text)}
        if not after and before[-1] == "=" and ";" in before and before.count("=") >= MIN_REASONS:
            return texts if len(texts) >= MIN_REASONS else set()  # the last key of a list without blanks
        if 2 * sum(text[1:2] == ("=",) for text in texts) >= len(texts) > 1:
            return set()  # fields, of which each is another setting
        inner = [_unquoted(text) for text in texts]
        real = [text for text in inner if text[0] != PLACEHOLDER or (len(text) > 1 and before[-1] == "(")]
        if not real or 2 * sum(
            len(text) == 1 and DISTINGUISHING.fullmatch(text[0]) is not None for text in real
        ) >= len(real):
            return set()
        are_reasons = len(real) >= MIN_REASONS and _announces_reason(before) and all(t in self._reasons for t in real)
        if not are_reasons and len(real) > 1 and 2 * Counter(text[0] for text in real).most_common(1)[0][1] > len(real):
            return set()  # most begin with the same word, which so belongs to the sentence
        return texts if are_reasons or self._varies(before, after, inner, real) else set()

    def _is_known(self, text: Template) -> bool:
        """Whether the text was seen in two different contexts."""
        return len(self._contexts.get(_plain(text), ())) > 1

    def _varies(self, before: Template, after: Template, texts: list[Template], real: list[Template]) -> bool:
        words = words_around(before, after)
        if len(real) >= MIN_REASONS and 4 * sum(text[0].upper() in _SQL for text in real) >= 3 * len(real):
            return True
        if _announces_reason(before):
            return len(real) >= MIN_REASONS and words >= 2
        if 3 * sum(any(map(DISTINGUISHING.fullmatch, text)) for text in real) > len(real):
            return False  # `connection lost`, `connection established`: the text itself names the event
        known = sum(map(self._is_known, real))
        if known >= MIN_REASONS and 2 * known >= len(real) and _context_key(before) is not None:
            return True
        by_form = (PLACEHOLDER,) in texts and len(real) >= MIN_REASONS  # the masks found values in this position, too
        return words >= 1 if by_form else len(real) >= _needed(before, words)


def _announces_reason(before: Template) -> bool:
    """Whether a reason follows, as after `token rejected:`, `error: "`, `err: {message:`, `close failed err="`."""
    if leads_to_reason(before, len(before)):
        return True
    begin = before[:-1] if before[-1] in ("'", '"') and before[-2:-1] in ((":",), ("=",)) else before
    if begin[-1] == "=":
        return len(begin) > 1 and _KEY_OF_REASON.fullmatch(begin[-2]) is not None
    about = [*_clause(begin), *(a for a, b, c in zip(begin, begin[1:], begin[2:], strict=False) if b + c == ":{")]
    return begin[-1] == ":" and any(not token.isupper() and _ANNOUNCES_REASON.fullmatch(token) for token in about)


def _unquoted(text: Template) -> Template:
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text


def _needed(before: Template, words: int) -> int:
    opened = before[-1]
    if is_verb(opened):
        return MAX_TEXT_TOKENS**2
    if words >= 2 and opened in ("'", '"'):
        return MIN_REASONS
    if words >= 2 and opened in ("(", "["):
        return MIN_TEXTS_LONG_SENTENCE
    if words >= 3:
        return MIN_TEXTS_LONG_SENTENCE if words >= 5 else MIN_TEXTS
    return MIN_TEXTS if words and opened in _CLOSES else MAX_TEXT_TOKENS**2


def _is_message(before: Template) -> bool:
    """Whether the text is the message itself: the value of `msg=` or `"message":`."""
    begin = before[:-1] if before[-1] in ("'", '"') else before
    if len(begin) < 2 or begin[-2].lower() not in MESSAGES:
        return False
    return begin[-1] == "=" or (begin[-1] == ":" and begin.count("{") - begin.count("}") == 1)


def _clause(before: Template) -> Template:
    """The last clause of a sentence, up to the delimiter at its end."""
    end = len(before) - 1
    begin = end
    while begin > 0 and before[begin - 1] not in (":", ";", ","):
        begin -= 1
    return before[begin:end]

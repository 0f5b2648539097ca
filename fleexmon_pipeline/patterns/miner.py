"""Find the pattern of every log line: an id that depends only on the line, and aliases for patterns that merged.

Here: the miner and its memory. What is masked: `masks.py`, `templates.py`; what merges: `patterns/merging/merger.py`;
database rows: `store.py`. This module imports no database and no Dagster: `fleexmon patterns` starts with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from sys import intern

from fleexmon_pipeline.patterns.masks import (
    MAX_KEPT_BYTES,
    cut_shape,
    finish,
    finish_request,
    mask_request,
    mask_words,
    shapes_of,
    shapes_of_lines,
)
from fleexmon_pipeline.patterns.merging.merger import MAX_TOKENS, Merger
from fleexmon_pipeline.patterns.placeholders import Template
from fleexmon_pipeline.patterns.requests import status_at
from fleexmon_pipeline.patterns.templates import (
    MAX_TEMPLATE_CHARS,
    joined_kinds,
    pattern_id,
    read_shown,
    shown,
    tokenise,
    untyped,
    with_kinds,
)

SHAPES_PER_CALL = 1_024  # messages: twice as fast as more, because they fit the processor's cache
MAX_SHAPES = 100_000  # in each of two generations, about 250 bytes each: at most 50 MB
# Stored aliases, those with most lines, from which positions of phrases and texts are learnt; takes 0.3 s.
MAX_LEARNT_ALIASES = 5_000
MAX_PATTERNS = 50_000  # after `forget`, about 700 bytes each


@dataclass(frozen=True)
class StoredPattern:
    """What a database keeps of a pattern, and how many lines it had recently."""

    id: str
    template: str
    alias_of: str | None
    lines: int


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """A shape whose lines have different ids for different statuses."""

    masked: str
    digits: slice  # of the status in a message; a cut message may lack stack frames before it, and so the status
    ids: dict[str, str]  # by status


class _Shapes(dict[bytes, "str | _Request"]):
    """Shape → id; looking up a new shape learns it. Two generations bound the memory and keep frequent shapes."""

    def __init__(self, learn: Callable[[bytes], str | _Request]) -> None:
        super().__init__()
        self._learn = learn
        self.older: dict[bytes, str | _Request] = {}

    def __missing__(self, shape: bytes) -> str | _Request:
        if len(shape) > MAX_KEPT_BYTES and (short := cut_shape(shape)) != shape:
            return self[short]
        if len(self) >= MAX_SHAPES:
            self.older = dict(self)
            self.clear()
        pattern = self[shape] = self.older.get(shape) or self._learn(shape)
        return pattern


class PatternMiner:
    """Finds the patterns of lines and learns from them. An id stays valid forever.

    Batches of at least 500 lines work best. The cost of a batch depends on what is new in it, not on what was learnt
    before; memory grows with the number of different templates, not of lines.
    """

    def __init__(self) -> None:
        self._shapes = _Shapes(self._learn)
        self._texts: dict[str, str] = {}  # masked text to id: shapes that differ in a hex word are equal once masked
        self._requests: dict[str, dict[str, str]] = {}  # masked text of a request to ids by status
        self._templates: dict[str, Template] = {}  # with kinds, for ids seen in this process
        self._plain: dict[str, Template] = {}  # the same without kinds: what merges
        self._stored: dict[str, str] = {}  # text of ids learnt from the database
        self._aliases: dict[str, str] = {}
        self._merger = Merger()
        self.new_aliases: set[str] = set()  # ids that got an alias here; whoever stores them empties it

    def identify(self, messages: Sequence[str]) -> list[str]:
        """The own pattern id of each message, in order; new ones are learnt.

        An id depends on the message alone. What it merges into (`resolve`) depends on the batches, but not on the order
        inside a batch.
        """
        identified: list[str | _Request] = []
        for start in range(0, len(messages), SHAPES_PER_CALL):
            identified += map(self._shapes.__getitem__, shapes_of(messages[start : start + SHAPES_PER_CALL]))
        return self._identified(identified, lambda: messages)

    def identify_lines(self, blocks: Iterator[bytes], *, at_least: int, max_bytes: int) -> list[str]:
        """`identify` for lines of UTF-8, in blocks without the newline at their end.

        Most lines need not be decoded, which saves a third of the time. Takes blocks until it has `at_least` lines or
        `max_bytes`; returns [] after the last block.
        """
        identified: list[str | _Request] = []
        taken: list[bytes] = []
        for block in blocks:
            identified += map(self._shapes.__getitem__, shapes_of_lines(block))
            taken.append(block)
            if len(identified) >= at_least or sum(map(len, taken)) >= max_bytes:
                break
        return self._identified(identified, lambda: b"\n".join(taken).decode("utf-8", "replace").split("\n"))

    def _identified(self, found: list[str | _Request], messages: Callable[[], Sequence[str]]) -> list[str]:
        ids, counts = self._by_line(found, messages)
        for pattern, count in counts.items():
            if (template := self._plain.get(self.resolve(pattern))) is not None:
                self._merger.add(template, count)
        self._settle()
        for cache in (self._texts, self._requests):
            if len(cache) > MAX_SHAPES:
                cache.clear()
        return ids

    def resolve(self, pattern: str) -> str:
        """The id that `pattern` stands for now: itself, or the pattern that it merged into."""
        while (target := self._aliases.get(pattern)) is not None:
            pattern = target
        return pattern

    def lineage(self, pattern: str) -> list[str]:
        """`pattern`, what it merged into, what that merged into ...: the last is `resolve(pattern)`."""
        chain = [pattern]
        while (target := self._aliases.get(chain[-1])) is not None:
            chain.append(target)
        return chain

    def template(self, pattern: str) -> str:
        """The text of this pattern; aliases are not followed. Unbounded and not redacted: see `presentable`.

        Raises KeyError for an id that was neither produced nor remembered here.
        """
        if (template := self._templates.get(pattern)) is not None:
            return shown(template)
        return self._stored[pattern]

    def knows(self, pattern: str) -> bool:
        return pattern in self._templates or pattern in self._stored

    def remember(self, patterns: Sequence[StoredPattern]) -> None:
        """Continue from stored patterns.

        A text that was cut or redacted no longer yields its template. Such a pattern keeps id, text and alias; others
        merge with it again once one of its lines is seen here.
        """
        lines: Counter[str] = Counter()
        for stored in patterns:
            self._stored[stored.id] = stored.template
            if stored.alias_of is not None:
                self._aliases[stored.id] = stored.alias_of
        for stored in patterns:
            lines[self.resolve(stored.id)] += stored.lines
        for pattern, count in lines.items():
            if (template := self._read(pattern)) is not None:
                self._keep(pattern, template)
                self._merger.add(self._plain[pattern], count, settled=True)
        merged = [stored for stored in patterns if stored.alias_of is not None]
        merged.sort(key=lambda stored: (-stored.lines, stored.id))
        read = [(self._read(stored.id), self._read(self._aliases[stored.id])) for stored in merged[:MAX_LEARNT_ALIASES]]
        self._merger.learn([(untyped(one), untyped(other)) for one, other in read if one and other])

    def forgettable(self) -> list[str]:
        """Patterns that `forget` would drop: none up to MAX_PATTERNS, then all that nothing merged into."""
        if len(self._templates) <= MAX_PATTERNS:
            return []
        targets = set(self._aliases.values())
        return [pattern for pattern in self._templates if pattern not in targets]

    def forget(self) -> None:
        """Bound the memory. Call it when results are written.

        A dropped pattern keeps its id, but its text and alias are unknown until one of its lines comes again.
        """
        dropped = self.forgettable()
        if not dropped:
            return
        self._shapes.clear()
        self._shapes.older.clear()
        self._texts.clear()
        self._requests.clear()
        for pattern in dropped:
            del self._templates[pattern], self._plain[pattern]
            if pattern not in self._stored:
                self._aliases.pop(pattern, None)
                self.new_aliases.discard(pattern)

    def _read(self, pattern: str) -> Template | None:
        template = read_shown(self._stored.get(pattern, ""))
        return template if pattern_id(template) == pattern else None

    def _by_line(
        self, found: list[str | _Request], messages: Callable[[], Sequence[str]]
    ) -> tuple[list[str], Counter[str]]:
        """The id of each line, read from its status if the shape has one; and how many lines each id has."""
        counts = Counter(found)
        if _Request not in map(type, counts):
            return found, counts  # type: ignore[return-value]  # all are ids
        ids = [
            known
            if isinstance(known, str)
            else known.ids.get(message[known.digits]) or self._of_request(known, message[known.digits])
            for known, message in zip(found, messages(), strict=True)
        ]
        return ids, Counter(ids)

    def _of_request(self, request: _Request, status: str) -> str:
        template = tokenise(finish_request(request.masked, status))
        if len(template) > MAX_TOKENS:  # too long to merge, and anybody may request any path
            template = tokenise(finish_request(request.masked, status, with_route=False))
        pattern = request.ids[status] = self._of_template(template)
        return pattern

    def _learn(self, shape: bytes) -> str | _Request:
        """The id of a new shape, or how to find the id by status."""
        if (at := status_at(shape)) is not None:
            first = len(shape[:at].decode("utf-8", "replace"))
            masked = intern(mask_request(shape, at))
            return _Request(masked, slice(first, first + 3), self._requests.setdefault(masked, {}))
        masked = mask_words(shape)
        if (pattern := self._texts.get(masked)) is None:
            pattern = self._texts[masked] = self._of_template(tokenise(finish(masked)))
        return pattern

    def _of_template(self, template: Template) -> str:
        """The id of a template. Its kinds of placeholders are made to suit all its lines so far."""
        pattern = pattern_id(template)
        stored = self._templates.get(pattern)
        if stored is None and pattern in self._stored:
            stored = self._read(pattern)
        if stored is None:
            self._keep(pattern, tuple(map(intern, template)))
        elif stored != template:
            self._templates[pattern] = joined_kinds(stored, template)
        return pattern

    def _settle(self) -> None:
        merged = self._merger.settle()
        for old, target in merged.items():
            source, pattern = pattern_id(old), pattern_id(target)
            if source in self._aliases or source == self.resolve(pattern):
                continue
            self._aliases[source] = pattern
            self.new_aliases.add(source)
            typed = self._templates.get(source, old)
            general = with_kinds(target, typed)
            stored = self._templates.get(pattern)
            self._keep(pattern, general if stored is None else joined_kinds(stored, general))

    def _keep(self, pattern: str, template: Template) -> None:
        self._templates[pattern] = template
        plain = untyped(template)
        self._plain[pattern] = template if plain == template else plain


def presentable(template: str, redact: Callable[[str], str]) -> str:
    """A template as it may be stored and shown: without secrets or NUL, at most MAX_TEMPLATE_CHARS long."""
    text = redact(template).replace("\0", "")
    return text if len(text) <= MAX_TEMPLATE_CHARS else text[: MAX_TEMPLATE_CHARS - 2] + " …"

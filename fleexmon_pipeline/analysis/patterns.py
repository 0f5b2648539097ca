"""The pattern of every log line: an id that depends on the line alone, and aliases where patterns turn out to be one.

Here: the miner and its memory. What is masked: `masks.py`; what merges: `merging.py`; rows of it: `pattern_store.py`.
No database, no Dagster: `fleexmon patterns` starts with this module.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sys import intern

from fleexmon_pipeline.analysis.masks import (
    HOLE,
    LONGEST_SHOWN,
    MARKS,
    Template,
    joined_kinds,
    mask,
    pattern_id,
    read_shown,
    shapes_of,
    shown,
    tokenise,
    untyped,
)
from fleexmon_pipeline.analysis.merging import Merger

MOST_SHAPES = 200_000  # in each of two generations, some 200 bytes each: 80 MB at most


@dataclass(frozen=True)
class StoredPattern:
    """What a database keeps of a pattern, and how many lines it had lately."""

    id: str
    template: str
    alias_of: str | None
    lines: int


class PatternMiner:
    """Tells the pattern of lines and learns from them. An id once given stays valid for good.

    Batches of 500 lines and more work best; a batch costs what is new in it, not what was learnt before. Memory follows
    the number of different templates, not of lines.
    """

    def __init__(self) -> None:
        self._shapes: dict[bytes, str] = {}
        self._older_shapes: dict[bytes, str] = {}
        self._texts: dict[str, str] = {}  # masked text -> id: what hex words tell apart is one again when masked
        self._templates: dict[str, Template] = {}  # with kinds, of ids met in this process
        self._stored: dict[str, str] = {}  # text of ids learnt from the database
        self._aliases: dict[str, str] = {}
        self._merger = Merger()
        self.new_aliases: set[str] = set()  # ids whose alias came up here; whoever stores them empties it

    def identify(self, messages: Sequence[str]) -> list[str]:
        """The own pattern id of each message, in order; what is new in them is learnt.

        The ids do not depend on anything but the message; into what they merge (`resolve`) depends on the batches, not
        on the order inside a batch.
        """
        shapes = shapes_of(messages)
        known, older = self._shapes, self._older_shapes
        lines: defaultdict[str, int] = defaultdict(int)
        ids: dict[bytes, str] = {}
        for shape, count in Counter(shapes).items():
            pattern = known.get(shape)
            if pattern is None:
                pattern = known[shape] = older.get(shape) or self._learn(mask(shape))
            ids[shape] = pattern
            lines[pattern] += count
        for pattern, count in lines.items():
            if (template := self._templates.get(self.resolve(pattern))) is not None:
                self._merger.add(untyped(template), count)
        self._settle()
        if len(self._shapes) > MOST_SHAPES:
            self._shapes, self._older_shapes = {}, self._shapes
        if len(self._texts) > MOST_SHAPES:
            self._texts.clear()
        return [ids[shape] for shape in shapes]

    def resolve(self, pattern: str) -> str:
        """The id that `pattern` stands for today: itself, or what it merged into."""
        while (target := self._aliases.get(pattern)) is not None:
            pattern = target
        return pattern

    def lineage(self, pattern: str) -> list[str]:
        """`pattern`, what it merged into, what that merged into ...: the last is `resolve(pattern)`."""
        found = [pattern]
        while (target := self._aliases.get(found[-1])) is not None:
            found.append(target)
        return found

    def template(self, pattern: str) -> str:
        """The text of that very pattern, aliases not followed. Unbounded and not redacted: see `presentable`.

        Raises KeyError for an id that was neither given out here nor remembered.
        """
        if (template := self._templates.get(pattern)) is not None:
            return shown(template)
        return self._stored[pattern]

    def knows(self, pattern: str) -> bool:
        return pattern in self._templates or pattern in self._stored

    def remember(self, patterns: Sequence[StoredPattern]) -> None:
        """Go on from stored patterns. Text that was cut or redacted no longer tells its template: such a pattern keeps
        id, text and alias, and others merge with it again once a line of it was met here."""
        lines: Counter[str] = Counter()
        for stored in patterns:
            self._stored[stored.id] = stored.template
            if stored.alias_of is not None:
                self._aliases[stored.id] = stored.alias_of
        for stored in patterns:
            lines[self.resolve(stored.id)] += stored.lines
        for pattern, count in lines.items():
            if (template := self._read(pattern)) is not None:
                self._templates[pattern] = template
                self._merger.add(untyped(template), count, settled=True)

    def _read(self, pattern: str) -> Template | None:
        template = read_shown(self._stored.get(pattern, ""))
        return template if pattern_id(template) == pattern else None

    def _learn(self, masked: str) -> str:
        """The id of a text met now; the placeholders of its template hold for all lines of it so far."""
        if (pattern := self._texts.get(masked)) is not None:
            return pattern
        template = tokenise(masked)
        pattern = self._texts[masked] = pattern_id(template)
        known = self._templates.get(pattern)
        if known is None and pattern in self._stored:
            known = self._read(pattern)
        if known is None:
            self._templates[pattern] = tuple(map(intern, template))
        elif known != template:
            self._templates[pattern] = joined_kinds(known, template)
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
            general = tuple(a if b != HOLE else a if a in MARKS else HOLE for a, b in zip(typed, target, strict=True))
            known = self._templates.get(pattern)
            self._templates[pattern] = general if known is None else joined_kinds(known, general)


def presentable(template: str, redact: Callable[[str], str]) -> str:
    """A template as it may be stored and shown: without secrets, at most LONGEST_SHOWN characters, no NUL."""
    text = redact(template).replace("\0", "")
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 2] + " …"

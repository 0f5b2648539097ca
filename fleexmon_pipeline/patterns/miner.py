"""The pattern of every log line: an id that depends on the line alone, and aliases where patterns turn out to be one.

Here: the miner and its memory. What is masked: `masks.py`, `templates.py`; what merges: `patterns/merging/merger.py`;
rows of it: `store.py`. No database, no Dagster: `fleexmon patterns` starts with this module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sys import intern

from fleexmon_pipeline.patterns.masks import finish, mask_words, shapes_of
from fleexmon_pipeline.patterns.merging.merger import Merger
from fleexmon_pipeline.patterns.placeholders import Template
from fleexmon_pipeline.patterns.templates import (
    LONGEST_SHOWN,
    joined_kinds,
    pattern_id,
    read_shown,
    shown,
    tokenise,
    untyped,
    with_kinds,
)

AT_ONCE = 1_024  # messages whose shapes are made together: what fits the processor's cache is twice as fast
MOST_SHAPES = 100_000  # in each of two generations, some 250 bytes each: 50 MB at most
MOST_LEARNT = 5_000  # stored aliases that tell where phrases and texts stand, those with most lines; 0.3 s
MOST_PATTERNS = 50_000  # after `forget`, some 700 bytes each


@dataclass(frozen=True)
class StoredPattern:
    """What a database keeps of a pattern, and how many lines it had lately."""

    id: str
    template: str
    alias_of: str | None
    lines: int


class _Shapes(dict[bytes, str]):
    """shape -> id; a new one is learnt as it is looked up. Two generations: memory ends, and what is frequent stays."""

    def __init__(self, learn: Callable[[bytes], str]) -> None:
        super().__init__()
        self._learn = learn
        self.older: dict[bytes, str] = {}

    def __missing__(self, shape: bytes) -> str:
        if len(self) >= MOST_SHAPES:
            self.older = dict(self)
            self.clear()
        pattern = self[shape] = self.older.get(shape) or self._learn(shape)
        return pattern


class PatternMiner:
    """Tells the pattern of lines and learns from them. An id once given stays valid for good.

    Batches of 500 lines and more work best; a batch costs what is new in it, not what was learnt before. Memory follows
    the number of different templates, not of lines.
    """

    def __init__(self) -> None:
        self._shapes = _Shapes(self._learn)
        self._texts: dict[str, str] = {}  # masked text -> id: what hex words tell apart is one again when masked
        self._templates: dict[str, Template] = {}  # with kinds, of ids met in this process
        self._plain: dict[str, Template] = {}  # the same without kinds: what merges
        self._stored: dict[str, str] = {}  # text of ids learnt from the database
        self._aliases: dict[str, str] = {}
        self._merger = Merger()
        self.new_aliases: set[str] = set()  # ids whose alias came up here; whoever stores them empties it

    def identify(self, messages: Sequence[str]) -> list[str]:
        """The own pattern id of each message, in order; what is new in them is learnt.

        The ids do not depend on anything but the message; into what they merge (`resolve`) depends on the batches, not
        on the order inside a batch.
        """
        ids: list[str] = []
        for start in range(0, len(messages), AT_ONCE):
            ids += map(self._shapes.__getitem__, shapes_of(messages[start : start + AT_ONCE]))
        for pattern, count in Counter(ids).items():
            if (template := self._plain.get(self.resolve(pattern))) is not None:
                self._merger.add(template, count)
        self._settle()
        if len(self._texts) > MOST_SHAPES:
            self._texts.clear()
        return ids

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
                self._keep(pattern, template)
                self._merger.add(self._plain[pattern], count, settled=True)
        merged = [stored for stored in patterns if stored.alias_of is not None]
        merged.sort(key=lambda stored: (-stored.lines, stored.id))
        read = [(self._read(stored.id), self._read(self._aliases[stored.id])) for stored in merged[:MOST_LEARNT]]
        self._merger.learn([(untyped(one), untyped(other)) for one, other in read if one and other])

    def forgettable(self) -> list[str]:
        """Patterns that `forget` would drop: none until there are MOST_PATTERNS, then all that nothing merged into."""
        if len(self._templates) <= MOST_PATTERNS:
            return []
        targets = set(self._aliases.values())
        return [pattern for pattern in self._templates if pattern not in targets]

    def forget(self) -> None:
        """Bound the memory. Call it when what was given out is written down: a pattern that is dropped keeps its id,
        but neither text nor alias is known until a line of it comes again."""
        dropped = self.forgettable()
        if not dropped:
            return
        self._shapes.clear()
        self._shapes.older.clear()
        self._texts.clear()
        for pattern in dropped:
            del self._templates[pattern], self._plain[pattern]
            if pattern not in self._stored:
                self._aliases.pop(pattern, None)
                self.new_aliases.discard(pattern)

    def _read(self, pattern: str) -> Template | None:
        template = read_shown(self._stored.get(pattern, ""))
        return template if pattern_id(template) == pattern else None

    def _learn(self, shape: bytes) -> str:
        """The id of a shape met now; the placeholders of its template hold for all lines of it so far."""
        masked = mask_words(shape)
        if (pattern := self._texts.get(masked)) is not None:
            return pattern
        template = tokenise(finish(masked))
        pattern = self._texts[masked] = pattern_id(template)
        known = self._templates.get(pattern)
        if known is None and pattern in self._stored:
            known = self._read(pattern)
        if known is None:
            self._keep(pattern, tuple(map(intern, template)))
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
            general = with_kinds(target, typed)
            known = self._templates.get(pattern)
            self._keep(pattern, general if known is None else joined_kinds(known, general))

    def _keep(self, pattern: str, template: Template) -> None:
        self._templates[pattern] = template
        plain = untyped(template)
        self._plain[pattern] = template if plain == template else plain


def presentable(template: str, redact: Callable[[str], str]) -> str:
    """A template as it may be stored and shown: without secrets, at most LONGEST_SHOWN characters, no NUL."""
    text = redact(template).replace("\0", "")
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 2] + " …"

"""Wide placeholders, which stand for a phrase or a text instead of one value; and which templates fit them.

Here: which placeholders of a template are wide, and whether another template fits it. `phrases.py`, `free_texts.py` and
`known_values.py` find wide placeholders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping

from fleexmon_pipeline.patterns.merging.free_texts import MAX_TEXT_TOKENS
from fleexmon_pipeline.patterns.merging.heads import is_only_head
from fleexmon_pipeline.patterns.merging.phrases import MAX_PHRASE_TOKENS, is_phrase
from fleexmon_pipeline.patterns.merging.routes import is_route
from fleexmon_pipeline.patterns.merging.words import NAME, is_capital, is_value
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template

# How many tokens a wide placeholder takes: a name, maybe quoted; a reason; a title without values; a route; any text.
# The numbers differ, because they also name the kind.
PHRASE, WORDS, TITLE = MAX_PHRASE_TOKENS + 2, MAX_PHRASE_TOKENS + 3, MAX_TEXT_TOKENS
ROUTE, TEXT = 2 * MAX_TEXT_TOKENS, 4 * MAX_TEXT_TOKENS
MAX_NAME_TOKENS = 3  # capitalised words, such as `New York`, that any placeholder takes
_SEPARATORS = frozenset(":=,;")  # no value begins with one
MAX_WIDE = 2_000  # templates with wide placeholders; the oldest beyond that are forgotten
MAX_FITTED = 1_000_000  # products of two templates' lengths per settling: at most 0.3 s


class Wide:
    """The wide placeholders of templates: position → number of tokens that it takes."""

    def __init__(self) -> None:
        self.placeholders: dict[Template, dict[int, int]] = {}
        self.widened: set[Template] = set()  # since the last settling: templates of earlier batches may fit these
        self._by_word: defaultdict[str, dict[Template, None]] = defaultdict(dict)

    def open(self, template: Template, position: int, width: int) -> None:
        if is_only_head(template):
            return
        placeholders = self.placeholders.get(template)
        if placeholders is None:
            if len(self.placeholders) >= MAX_WIDE:
                self.drop(next(iter(self.placeholders)))
            placeholders = self.placeholders[template] = {}
            self._by_word[_rarest(template)][template] = None
        if width > placeholders.get(position, 0):
            placeholders[position] = width
            self.widened.add(template)

    def drop(self, template: Template) -> None:
        if self.placeholders.pop(template, None) is not None:
            word = _rarest(template)
            del self._by_word[word][template]
            if not self._by_word[word]:
                del self._by_word[word]

    def carry(self, template: Template, target: Template, at: int | None) -> None:
        """Make the placeholders that are wide in `template` wide in its `target`, too.

        `at`: the placeholder that made the target shorter. After it positions are counted from the end.
        """
        shorter = len(template) - len(target)
        if shorter and at is None:
            return
        for position, width in self.placeholders.get(template, {}).items():
            new_position = position if at is None or position < at else position - shorter
            if (at is None or position < at or new_position > at) and target[new_position] == PLACEHOLDER:
                self.open(target, new_position, width)

    def candidates_for(self, template: Template) -> Iterator[Template]:
        """Templates with wide placeholders that `template` may fit: it contains all their words."""
        for word in set(template):
            for general in self._by_word.get(word, ()):
                if len(general) <= len(template):
                    yield general

    def fits(self, general: Template, template: Template, values: Container[Template]) -> bool:
        return fits(general, self.placeholders.get(general, {}), template, values)


def _rarest(template: Template) -> str:
    """The longest word: most likely one that few templates share."""
    return max(
        (token for token in template if token != PLACEHOLDER),
        key=lambda token: (len(token), token),
        default=PLACEHOLDER,
    )


def fits(
    general: Template, wide: Mapping[int, int], template: Template, values: Container[Template] = frozenset()
) -> bool:
    """Whether `template` is `general` with a phrase or text in its wide placeholders and one value or name in the
    others.

    Anything fits after a final colon. The time is bounded by the product of their lengths and TEXT.
    """
    if general == template or len(template) < len(general):
        return False
    size, last = len(template), len(general) - 1
    reached = {0}
    for i, token in enumerate(general):
        if token != PLACEHOLDER:
            reached = {p + 1 for p in reached if p < size and template[p] == token}
        elif i == last and i and general[i - 1] == ":" and not is_only_head(general):
            return bool(reached - {size})
        elif i in wide:
            reached = {
                q
                for p in reached
                for q in range(p + 1, min(size, p + wide[i]) + 1)
                if (q == p + 1 and wide[i] != ROUTE) or _is_wide(template[p:q], wide[i])
            }
        else:
            reached = {
                q
                for p in reached
                for q in range(p + 1, min(size, p + MAX_NAME_TOKENS) + 1)
                if (_is_one(template[p]) if q == p + 1 else _is_name(template[p:q], values))
            }
        if not reached:
            return False
    return size in reached


def filled_placeholder(general: Template, template: Template) -> tuple[int, Template] | None:
    """The only placeholder of `general` in which `template` differs, and the tokens that `template` has there.

    None if they differ elsewhere.
    """
    longer = len(template) - len(general)
    for at, token in enumerate(general):
        if token == PLACEHOLDER and general[:at] + general[at + 1 :] == template[:at] + template[at + longer + 1 :]:
            return at, template[at : at + longer + 1]
    return None


def _is_wide(tokens: Template, width: int) -> bool:
    if tokens[0] in _SEPARATORS:
        return False
    if width == PHRASE:
        return is_phrase(tokens) or is_phrase(tuple(token for token in tokens if token != PLACEHOLDER))
    if width == WORDS:
        return all(token == PLACEHOLDER or token[0].isalnum() for token in tokens)
    if width == ROUTE:
        return is_route(tokens)
    return width == TEXT or PLACEHOLDER not in tokens[:-1]


def _is_one(token: str) -> bool:
    return token == PLACEHOLDER or is_value(token)


def _is_name(tokens: Template, values: Container[Template]) -> bool:
    return tokens in values or all(map(is_capital, tokens))


def without_index(template: Template) -> Template:
    """The template without indexes after names: `worker[<*>]: Reading` as `worker: Reading`."""
    if "[" not in template:
        return template
    tokens: list[str] = []
    for token in template:
        tokens.append(token)
        if tokens[-3:] == ["[", PLACEHOLDER, "]"] and len(tokens) > 3 and NAME.fullmatch(tokens[-4]):
            del tokens[-3:]
    return tuple(tokens)

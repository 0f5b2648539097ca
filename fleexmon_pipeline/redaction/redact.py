"""Remove secrets and personal data from text that leaves LogEntry: prompts, templates, titles, GitHub.

Here: their placeholders. What a secret looks like: `secret_forms.py`, `figures.py`. Three ways in: `redact` knows
nothing of other texts; a `Redactor` gives the same value the same numbered placeholder, so that reasoning about "the
same address" still works; `redact_lines` is for files.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat

from fleexmon_pipeline.redaction.figures import CARD_RUN, IBAN_RUN, Name, without_cards, without_iban
from fleexmon_pipeline.redaction.hints import Hints, hint_of
from fleexmon_pipeline.redaction.made_text import is_unmistakable
from fleexmon_pipeline.redaction.rule import Rule
from fleexmon_pipeline.redaction.secret_forms import RULES

LINES_A_LOOK = 512
PARTS = 8  # of lines in which something was found, each with a look of its own
PERSONAL = ("email", "phone", "ssn", "card", "iban", "ip")  # found wherever they are, by their form
RESTORED = ("email", "ip")  # what a Redactor puts back, locally; never a secret

_PLACEHOLDER = re.compile(r"<[\w-]{1,40}>")
_FORGED = re.compile(r"<((?:email|ip)-\d{1,9})>")


def _is_ip(value: str, _: re.Match[str]) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return value not in ("::", "::1", "0.0.0.0", "127.0.0.1")


_IP = Rule(
    "ip",
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:]))",
    0,
    "",
    _is_ip,
)
_IBAN, _CARD = len(RULES), len(RULES) + 1
_HINTS = Hints(
    [
        *(rule.hint for rule in RULES),
        hint_of(IBAN_RUN.pattern, IBAN_RUN.flags),
        hint_of(CARD_RUN.pattern, CARD_RUN.flags),
    ]
)


def redact(text: str) -> str:
    """`text` with every secret, e-mail address, card, phone and account number as `<kind>`; idempotent, unless
    markup is glued to a placeholder.

    For what people and other services see without a call of their own: templates, titles, GitHub. IP addresses stay.
    """
    return _apply(text, lambda kind, _: f"<{kind}>", addresses=False)


@dataclass(frozen=True)
class Found:
    """The place of a secret, without its value."""

    kind: str
    column: int  # from 1, in the line as it was
    length: int


def redact_lines(lines: Iterable[str]) -> Iterator[tuple[str, list[Found]]]:
    """Each line as `redact` gives it, and what was found in it, in order of the line; as many lines as came.

    A secret may stand in the line after its name (YAML, XML), and again without one in a line near by. One look at a
    thousand lines says whether there is anything to do: 1.4 million lines/s where nothing is secret.
    """
    for batch in batched(lines, LINES_A_LOOK):
        text = "\n".join(batch)
        hinted = _HINTS.in_text(text)
        if not hinted:
            yield from ((line, []) for line in batch)
            continue
        spanning: list[tuple[str, str]] = []

        def over_lines(kind: str, value: str, spanning: list[tuple[str, str]] = spanning) -> str:
            spanning.append((kind, value))
            return f"<{kind}>" + "\n" * value.count("\n")

        for index in hinted:
            if index < len(RULES) and RULES[index].spans_lines:
                text = _apply_rule(text, RULES[index], over_lines)
        after = text.split("\n")
        done: list[tuple[str, str, list[tuple[str, str]]]] = []
        for line, changed, is_hinted in zip(batch, after, _lines_with_hints(after), strict=True):
            if not is_hinted and changed == line:
                done.append((line, line, []))
                continue
            values = (
                [(kind, value) for kind, value in spanning if value.split("\n")[0] in line] if changed != line else []
            )

            def in_line(kind: str, value: str, values: list[tuple[str, str]] = values) -> str:
                values.append((kind, value))
                return f"<{kind}>"

            done.append((line, _apply(changed, in_line, addresses=False), values))
        known = _unmistakable(value for _, _, values in done for value in values)
        after_all = "\n".join(redacted for _, redacted, _ in done) if known else ""
        known = {value: kind for value, kind in known.items() if value in after_all}
        for line, redacted, values in done:
            again = _without_repeats(redacted, known, partial(_noted, values))
            yield again, _places(line, values) if values else []


def _lines_with_hints(lines: Sequence[str]) -> Iterator[bool]:
    """For each line, whether it may contain a secret. Many lines without one need only a single search."""
    size = max(1, len(lines) // PARTS)
    for start in range(0, len(lines), size):
        part = lines[start : start + size]
        if not _HINTS.in_text("\n".join(part)):
            yield from repeat(False, len(part))
        elif size == 1:
            yield True
        else:
            yield from _lines_with_hints(part)


def batched(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(lines)
    while batch := list(islice(iterator, size)):
        yield batch


def _noted(values: list[tuple[str, str]], kind: str, value: str) -> str:
    values.append((kind, value))
    return f"<{kind}>"


def _places(line: str, values: Iterable[tuple[str, str]]) -> list[Found]:
    """In order of the line. A value that was found twice is at two places."""
    ends: dict[str, int] = {}
    found = []
    for kind, value in values:
        column = line.find(value.split("\n", maxsplit=1)[0], ends.get(value, 0))
        found.append(Found(kind, column + 1, len(value)))
        ends[value] = column + len(value)
    return sorted(found, key=lambda place: place.column)


def _unmistakable(values: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The secrets that are no word or number of anything else, by value: where they stand again, they are secrets."""
    return {value: kind for kind, value in values if kind not in PERSONAL and is_unmistakable(value)}


def _without_repeats(text: str, known: dict[str, str], name: Name) -> str:
    """`[[ -z … ]]` in a shell's trace, whose next line is `login --password …`."""
    for value, kind in known.items():
        if value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", partial(_named_again, name, kind, value), text)
    return text


def _named_again(name: Name, kind: str, value: str, _: re.Match[str]) -> str:
    return name(kind, value)


class Redactor:
    """The redaction of one prompt: `<email-1>` is the same address everywhere in it.

    Numbers follow the order of first sight, so the same prompt built again gets the same placeholders.
    """

    def __init__(self, *, addresses: bool = True) -> None:
        self._addresses = addresses
        self._names: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()
        self._restorable: dict[str, str] = {}

    def redact(self, text: str) -> str:
        """As the module's `redact`, and numbered, with IP addresses unless they may be seen; a placeholder forged in
        `text` is defused."""
        return _apply(_FORGED.sub(r"(\1)", text), self._name, addresses=self._addresses)

    def restore(self, text: str) -> str:
        """Put back e-mail and IP addresses, for text that is shown locally. Secrets stay placeholders."""
        return re.sub(r"<(?:email|ip)-\d{1,9}>", lambda found: self._restorable.get(found[0], found[0]), text)

    def _name(self, kind: str, value: str) -> str:
        name = self._names.get((kind, value))
        if name is None:
            self._counts[kind] += 1
            name = self._names[kind, value] = f"<{kind}-{self._counts[kind]}>"
            if kind in RESTORED:
                self._restorable[name] = value
        return name


def _apply(text: str, name: Name, *, addresses: bool) -> str:
    hints = _HINTS.in_text(text)
    found: list[tuple[str, str]] = []

    def noted(kind: str, value: str) -> str:
        found.append((kind, value))
        return name(kind, value)

    for index in hints:
        if index < len(RULES):
            text = _apply_rule(text, RULES[index], noted)
    text = _without_repeats(text, _unmistakable(found), name) if found else text
    if _IBAN in hints or _CARD in hints:
        text = _without_figures(text, name)
    return _IP.pattern.sub(lambda match: _replaced(match, _IP, name), text) if addresses else text


def _without_figures(text: str, name: Name) -> str:
    """Repeated, since an account number directly after a card is only found when the card is gone."""
    before = ""
    while text != before:
        before = text
        text = IBAN_RUN.sub(lambda match: without_iban(match[0], name), text)
        text = CARD_RUN.sub(lambda match: without_cards(match[0], name), text)
    return text


def _apply_rule(text: str, rule: Rule, name: Name) -> str:
    return rule.pattern.sub(lambda match: _replaced(match, rule, name), text)


def _replaced(found: re.Match[str], rule: Rule, name: Name) -> str:
    text, done = found.string, found.start()
    pieces: list[str] = []
    for place in rule.part_pattern.finditer(text, *found.span("v")) if rule.parts else (found,):
        group = place.lastgroup or 0
        value = place[group]
        if group == "bare":  # `(password=x), next`
            value = value.rstrip(")]},.;")
        if value and not _PLACEHOLDER.fullmatch(value) and rule.check(value, place):
            pieces += text[done : place.start(group)], name(rule.kind, value)
            done = place.start(group) + len(value)
    pieces.append(text[done : found.end()])
    return "".join(pieces)

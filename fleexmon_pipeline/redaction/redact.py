"""Secrets and personal data out of text that leaves LogEntry: prompts, templates, titles, GitHub.

Here: their placeholders, and figures with a check digit. What a secret looks like: `secret_forms.py`. Two ways in:
`redact` knows nothing of other texts; a `Redactor` gives the same value the same numbered placeholder, so that
reasoning about "the same address" still works.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable

from fleexmon_pipeline.redaction.hints import Hints, hint_of
from fleexmon_pipeline.redaction.secret_forms import RULES, Rule

Name = Callable[[str, str], str]  # kind and value -> placeholder
RESTORED = ("email", "ip")  # what a Redactor puts back, locally; never a secret

_PLACEHOLDER = re.compile(r"<[\w-]{1,40}>")
_FORGED = re.compile(r"<((?:email|ip)-\d{1,9})>")
_NETWORKS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12,14}(?<=\d{16})"
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|(?:6011|6[45]\d\d|62\d\d)\d{12}(?:\d{3})?"
    r"|(?:50|5[6-8]|6[0137])\d{14}"
)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _card(groups: list[str]) -> bool:
    """Card networks' first digits and lengths, the groupings people write, and the check digit. The digit alone would
    take one block id of HDFS in ten for a card."""
    digits, sizes = "".join(groups), [len(group) for group in groups]
    written = len(groups) == 1 or sizes[:3] == [4, 4, 4] or sizes in ([4, 6, 5], [4, 6, 4])
    return written and _NETWORKS.fullmatch(digits) is not None and _luhn(digits)


def _iban(compact: str) -> bool:
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def _is_ip(value: str, _: re.Match[str]) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return value not in ("::", "::1", "0.0.0.0", "127.0.0.1")


_IP = Rule(
    "ip",
    re.compile(
        r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:]))"
    ),
    "",
    _is_ip,
)
_CARD_RUN = re.compile(r"(?<!\d)(?<!0x)\d(?:[ .-]?\d){12,}")
_IBAN_RUN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3}(?![A-Za-z0-9]))?")
_GROUPS = re.compile(r"\d+")
_IBAN, _CARD = len(RULES), len(RULES) + 1
_HINTS = Hints([*(rule.hint for rule in RULES), hint_of(_IBAN_RUN), hint_of(_CARD_RUN)])


def redact(text: str) -> str:
    """`text` with every secret, e-mail address, card, phone and account number as `<kind>`; idempotent.

    For what people and other services see without a call of their own: templates, titles, GitHub. IP addresses stay.
    """
    return _apply(text, lambda kind, _: f"<{kind}>", addresses=False)


class Redactor:
    """The redaction of one prompt: `<email-1>` is the same address wherever it stands in it.

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
        """Put back e-mail and IP addresses, for what is shown locally. Secrets stay placeholders."""
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
    found = _HINTS.in_text(text)
    for index in found:
        if index < len(RULES):
            rule = RULES[index]
            text = rule.pattern.sub(lambda match, rule=rule: _replaced(match, rule, name), text)  # type: ignore[misc]
    if _IBAN in found:
        text = _IBAN_RUN.sub(lambda match: _without_iban(match[0], name), text)
    if _CARD in found:
        text = _CARD_RUN.sub(lambda match: _without_cards(match[0], name), text)
    return _IP.pattern.sub(lambda match: _replaced(match, _IP, name), text) if addresses else text


def _replaced(found: re.Match[str], rule: Rule, name: Name) -> str:
    group = found.lastgroup or 0
    value = found[group]
    kept = value[len(value.rstrip(")]},.;")) :] if group == "bare" else ""  # `(password=x), next`
    value = value[: len(value) - len(kept)]
    if not value or _PLACEHOLDER.fullmatch(value) or not rule.check(value, found):
        return found[0]
    start = found.start(group) - found.start()
    return found[0][:start] + name(rule.kind, value) + found[0][start + len(value) :]


def _without_iban(run: str, name: Name) -> str:
    """The longest beginning that is an account number; what follows in capitals may be the next word."""
    ends = [place + 1 for place, character in enumerate(run) if character != " "]
    for end in reversed(ends[14:34]):
        if _iban(run[:end].replace(" ", "")):
            return name("iban", run[:end].replace(" ", "")) + run[end:]
    return run


def _without_cards(run: str, name: Name) -> str:
    """A run of digit groups may hold a card beside other figures: `12 4111 1111 1111 1111`."""
    groups = list(_GROUPS.finditer(run))
    done, first, parts = 0, 0, []
    while first < len(groups):
        for last in range(first + 1, min(first + 6, len(groups) + 1)):
            digits = [group[0] for group in groups[first:last]]
            if _card(digits):
                parts += [run[done : groups[first].start()], name("card", "".join(digits))]
                done, first = groups[last - 1].end(), last - 1
                break
        first += 1
    return "".join([*parts, run[done:]])

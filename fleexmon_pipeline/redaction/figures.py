"""Card and account numbers: a check digit distinguishes them from ids and counters.

Here: finding them in a run of digits or capitals, and replacing them. Secrets with a form or a name: `secret_forms.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Name = Callable[[str, str], str]  # kind and value -> placeholder

CARD_RUN = re.compile(r"(?<!\d)(?<!0x)\d(?:[ .-]?\d){12,}")
IBAN_RUN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3}(?![A-Za-z0-9]))?")
_GROUPS = re.compile(r"\d+")
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
    """Checks first digits and lengths of card networks, usual groupings, and the check digit. With the check digit
    alone, one in ten block ids of HDFS would be a card."""
    digits, sizes = "".join(groups), [len(group) for group in groups]
    written = len(groups) == 1 or sizes[:3] == [4, 4, 4] or sizes in ([4, 6, 5], [4, 6, 4])
    return written and _NETWORKS.fullmatch(digits) is not None and _luhn(digits)


def _iban(compact: str) -> bool:
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def without_iban(run: str, name: Name) -> str:
    """Replace the longest beginning that is an account number; the capitals after it may be the next word."""
    ends = [place + 1 for place, character in enumerate(run) if character != " "]
    for end in reversed(ends[14:34]):
        if _iban(run[:end].replace(" ", "")):
            return name("iban", run[:end].replace(" ", "")) + run[end:]
    return run


def without_cards(run: str, name: Name) -> str:
    """Replace cards. A run of digit groups may contain other figures, too: `12 4111 1111 1111 1111`."""
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

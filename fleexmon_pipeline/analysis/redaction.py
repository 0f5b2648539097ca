"""Secrets and personal data out of text that leaves LogEntry: prompts, templates, titles, GitHub.

Here: what counts as a secret, and its placeholder. Two ways in: `redact` knows nothing of other texts; a `Redactor`
gives the same value the same numbered placeholder, so that reasoning about "the same address" still works.

Every expression is linear in the text: a left boundary or a fixed prefix, bounded repeats, no nested ones. Where in
doubt a text is redacted: a lost word is cheaper than a leaked key.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

Name = Callable[[str, str], str]  # kind and value -> placeholder
RESTORED = ("email", "ip")  # what a Redactor puts back, locally; never a secret

_PLACEHOLDER = re.compile(r"<[\w-]{1,40}>")
_FORGED = re.compile(r"<((?:email|ip)-\d{1,9})>")

# Words after "token:" or "password:" that say what is wrong with it, and are not it.
_PLAIN_WORDS = frozenset(
    """null nil none undefined true false yes no empty missing required expired invalid incorrect wrong failed failure
    mismatch not is was has and or for from with must cannot too set unset changed reset rejected accepted""".split()  # noqa: SIM905
)

_NAMES = (
    r"passw(?:or)?d|passphrase|passcode|pwd|secret|credentials?|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|(?:account|auth|encryption|signing|master|license|service|shared|storage|subscription|deploy|ssh)[_-]?key"
    r"|session[_-]?id|j?sessionid|phpsessid|signature|x-amz-credential"
)
# "token" and other short ones only as the end of a name: max_tokens=1000 and passed=3 are figures.
_LAST_NAMES = r"token|(?<![A-Za-z])(?:pass|pw|sig|sid|otp|cvv|cvc|jwt|pin)|(?<=[?&])key"
_UNQUOTED = r"""(?:[^\s&"'|,;]|[,;&|](?!\s|$|[\w.-]{1,40}["']?\s?[=:]))+"""
_VALUE = (
    r"""(?:\\{1,15}"(?P<escaped>(?:(?!\\{1,15}").)+)|"(?P<double>(?:[^"\\]|\\.)++)|'(?P<single>(?:[^'\\]|\\.)++)"""
    rf"|(?P<bare>{_UNQUOTED}))"
)


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


def _is_basic(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PARTS = re.compile(r"[^/_-]+")


def _looks_random(value: str) -> bool:
    """40 characters that no person wrote: base64 has 4.4 to 5.2 bits a character, a hash in hex at most 4. Paths and
    names of packages are as varied, but mostly small letters in several parts; a UUID in them counts for nothing."""
    value = _UUID.sub("", value)
    small = sum(map(str.islower, value))
    if len(value) < 40 or (len(_PARTS.findall(value)) > 2 and small > 0.55 * len(value)):
        return False
    if not (re.search(r"[A-Z]", value) and re.search(r"[a-z]", value) and re.search(r"\d", value)):
        return False
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
    return entropy > 4.25


def _is_mail(value: str) -> bool:
    """`user@1000.service` is a unit of systemd."""
    return value.rpartition(".")[2].lower() not in ("service", "socket", "timer", "slice", "mount", "target", "scope")


def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return value not in ("::", "::1", "0.0.0.0", "127.0.0.1")


def _is_value(value: str) -> bool:
    return value.strip(".:,;!").lower() not in _PLAIN_WORDS


@dataclass(frozen=True)
class _Rule:
    """`pattern` with the part to replace in the group(s) that matched, else the whole; `check` sees that part."""

    kind: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = lambda _: True


def _rule(kind: str, pattern: str, check: Callable[[str], bool] = lambda _: True, flags: int = 0) -> _Rule:
    return _Rule(kind, re.compile(pattern, flags), check)


_I = re.IGNORECASE
_RULES = (
    _rule(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----(?:(?!-----END).)*+(?:-----END[A-Z0-9 ]{0,60}-----)?",
        flags=re.DOTALL,
    ),
    # Up to the last @ before a space or quote: passwords hold "/" and "@"; a port is not a password.
    _rule("password", r"""://[^\s:/@?#"'<>]{0,256}:(?!\d{1,5}[/?#])(?P<v>[^\s"'<>]{1,512})@"""),
    _rule("token", r"""://(?P<v>(?=[^\s:/@?#"'<>\d]{0,255}\d)[^\s:/@?#"'<>]{16,256})@"""),
    _rule("url", r"hooks\.slack\.com/(?:services|workflows)/(?P<v>[\w/.~-]{8,200})"),
    _rule(
        "token",
        r"""authorization["'\\]{0,3}\s{0,4}(?:=>|[:=])\s{0,4}["'\\]{0,3}(?:(?:bearer|basic|token|digest|negotiate|apikey)"""
        r"""\s{1,4})?(?P<v>[^\s"'\\,;]+)""",
        _is_value,
        _I,
    ),
    _rule(
        "cookie", r"""\b(?:set-)?cookie["'\\]{0,3}\s{0,4}[:=]\s{0,4}["']?(?P<v>[^\s"'<][^\r\n"'<]*)""", _is_value, _I
    ),
    _rule(
        "token",
        r"\bbearer[ :=]{1,3}(?P<v>[\w.~+/-]{6,}=*)",
        lambda value: _is_value(value) and value.lower() not in ("tokens", "authentication", "authorization", "scheme"),
        _I,
    ),
    _rule("password", r"\bbasic\s{1,4}(?P<v>[A-Za-z0-9+/]{6,}={0,2})", _is_basic, _I),
    _rule("jwt", r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]{4,}(?:\.[\w-]*)?"),
    _rule(
        "key",
        r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
        r"|AIza[\w-]{30,}|ya29\.[\w.-]{20,}|GOCSPX-[\w-]{20,}|do[opr]_v1_[a-f0-9]{40,}"
        r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{16,}|sk-[\w-]{16,}|SG\.[\w-]{16,}\.[\w-]{16,}"
        r"|(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])|key-[0-9a-f]{32}|dapi[0-9a-f]{32}|AGE-SECRET-KEY-1[A-Z0-9]{30,})",
    ),
    _rule(
        "token",
        r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{8,}"
        r"|xapp-[\w-]{8,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{24,}"
        r"|hv[sbr]\.[\w-]{20,}|lin_api_\w{20,}|dckr_pat_[\w-]{20,}|\d{8,10}:AA[\w-]{30,})",
    ),
    _rule(
        "password",
        rf"""(?:(?:{_NAMES})[\w-]{{0,24}}|(?:{_LAST_NAMES}))(?:\\{{0,15}}["'])?\s{{0,4}}(?:=>|:=|[=:]|%3D)\s{{0,4}}{_VALUE}""",
        _is_value,
        _I,
    ),
    _rule("password", rf"--(?:{_NAMES}|token|pass)[ =]{{1,2}}{_VALUE}", _is_value, _I),
    # Said in prose: "password is hunter2", "pin 4711". With a digit in it; "password reset" is no password.
    _rule(
        "password",
        r"\b(?:password|passphrase|passwd|pin|secret)\s{1,4}(?:is\s{1,4}|was\s{1,4})?(?P<v>(?=[^\s\d]{0,64}\d)[^\s<]{4,256})",
        _is_value,
        _I,
    ),
    _rule("password", rf"<(?:\w{{1,20}}:)?(?:{_NAMES}|token)>(?P<v>[^<>]{{1,4096}})</", flags=_I),
    _rule("email", r"(?<![\w.+%-])[\w.+%-]{1,256}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}", _is_mail),
    _rule(
        "phone", r"""(?:phone|mobile|msisdn|\btel)["']?\s{0,2}[:=]\s{0,2}["']?(?P<v>\+?\d[\d ().-]{5,20}\d)""", flags=_I
    ),
    _rule("phone", r"(?<![\w+])\+[1-9](?:[ ().-]{0,2}\d){7,14}(?!\d)"),
    _rule("phone", r"(?<![\w.(-])(?:\(\d{3}\) ?\d{3}|\d{3}-\d{3}|\d{3}\.\d{3})[-. ]\d{4}(?![\w.-])"),
    _rule("key", r"(?<![\w+/-])[\w+/-]{40,512}={0,2}(?![\w+/-])", _looks_random),
)
_IP = _rule(
    "ip",
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:]))",
    _is_ip,
)
_CARD_RUN = re.compile(r"(?<!\d)(?<!0x)\d(?:[ .-]?\d){12,}")
_IBAN_RUN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3}(?![A-Za-z0-9]))?")
_GROUPS = re.compile(r"\d+")


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
    for rule in _RULES:
        text = rule.pattern.sub(lambda found, rule=rule: _replaced(found, rule, name), text)  # type: ignore[misc]
    text = _IBAN_RUN.sub(lambda found: _without_iban(found[0], name), text)
    text = _CARD_RUN.sub(lambda found: _without_cards(found[0], name), text)
    return _IP.pattern.sub(lambda found: _replaced(found, _IP, name), text) if addresses else text


def _replaced(found: re.Match[str], rule: _Rule, name: Name) -> str:
    group = found.lastgroup or 0
    value = found[group]
    kept = value[len(value.rstrip(")]},.;")) :] if group == "bare" else ""  # `(password=x), next`
    value = value[: len(value) - len(kept)]
    if not value or _PLACEHOLDER.fullmatch(value) or not rule.check(value):
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

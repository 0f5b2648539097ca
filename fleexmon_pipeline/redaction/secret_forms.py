"""What a secret looks like: known forms, names that a secret follows, and checks that keep figures and ids readable.

Here: the rules, in the order in which they are tried. What is done with what they find: `redact.py`.

Every expression is linear in the text: a left boundary or a fixed prefix, bounded repeats, no nested ones. Where in
doubt a text is redacted: a lost word is cheaper than a leaked key.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

# Words after "token:" or "password:" that say what is wrong with it, and are not it.
_PLAIN_WORDS = frozenset(
    """null nil none undefined true false yes no empty missing required expired invalid incorrect wrong failed failure
    mismatch not is was has and or for from with must cannot too set unset changed reset rejected accepted bad unknown
    falsch fehlt abgelaufen ungültig incorrecto incorrecta incorrect oublié errata""".split()  # noqa: SIM905
)

# Names that only a secret follows. "Passwort: …" is in the logs of whoever writes German, French, Spanish, …
_WORDS = (
    r"passwor[dt]|passwd|pass[ _-]?phrase|passcode|pwd|kennwort|geheimnis|zugangsschl(?:ü|ue)ssel"
    r"|mot[ _-]?de[ _-]?passe|contrase(?:ñ|n)a|senha|wachtwoord|has[łl]o|heslo|l[öo]senord|salasana|şifre"
    r"|пароль|密[码碼]|パスワード|비밀번호"
)
_KEYS = (
    r"(?:api|access|private|secret|account|auth|encryption|signing|master|license|service|shared|storage|sentry"
    r"|subscription|deploy|ssh)[ ._-]?key(?!s(?![A-Za-z]))"
)
_NAMES = (
    rf"{_WORDS}|{_KEYS}|secret|credentials?|session[_-]?id|j?sessionid|phpsessid|signature|x-amz-credential"
    r"|saml(?:response|request|assertion)"
)
# "token" and other short ones only as the end of a name: max_tokens=1000 and passed=3 are figures.
_LAST_NAMES = r"token|(?<![A-Za-z])(?:pass|pw|sig|sid|otp|cvv|cvc|jwt|pin)|(?<=[?&])key"
# What secret_version, passwordResetUrl and apiKeyId hold is none.
_HARMLESS = (
    r"ids?|names?|file|path|dir|ur[li]|versions?|types?|encryption|algorithm|length|policy|count|ttl|age|expir\w*"
    r"|authentication|provider|manager|exception|error|required|enabled|field"
)
_SUFFIX = rf"(?!(?:[A-Za-z-]{{0,24}}[_-]|[A-Za-z]{{0,24}}(?-i:(?=[A-Z])))(?:{_HARMLESS})(?![\w-]))[\w-]{{0,24}}"
# After these stands a secret now and then: only a word that no person wrote is taken for one.
_MAYBE_NAMES = r"key|session|auth|pass|pw|psk|salt|clave|parola|[cx]srf|(?<=[?&])code"
_SAID = r"(?:is|was|ist|war|lautet|est|es|provided|given|used|sent)"  # "password is: …"
_QUOTE = r"""(?:\\{0,15}["'])?\]?"""  # password": …, environ['PASSWORD'] = …
_SIGN = rf"(?:\s{{1,4}}{_SAID})?\s{{0,4}}(?:=>|->|:=|[=:]{{1,2}}|%3D)\s{{0,4}}"
_UNQUOTED = r"""(?:[^\s&"'|,;]|[,;&|](?!\s|$|[\w.-]{1,40}["']?\s?[=:]))+"""
_VALUE = (
    r"""(?:\\{1,15}"(?P<escaped>(?:(?!\\{1,15}").)+)|"(?P<double>(?:[^"\\]|\\.)++)|'(?P<single>(?:[^'\\]|\\.)++)"""
    rf"|(?P<bare>{_UNQUOTED}))"
)
_SCHEME = (
    r"(?:bearer|basic|token|digest|negotiate|ntlm|apikey|sharedkey|hawk|oauth)\s{1,4}"
    r"|(?-i:[A-Z])[\w-]{2,24}\s{1,4}(?=[^\s\"'\\,;]{0,256}\d)"
)
_PARAMETER = r"""[\w-]{1,40}=\\{0,15}"[^"\n]{0,1000}"""


def _is_pair(value: str) -> bool:
    """Base64 of `user:password`: by chance a word of 12 letters is one in a million times."""
    try:
        told = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return re.fullmatch(rb"[\x21-\x39\x3b-\x7e]{1,100}:[\x20-\x7e]{1,200}", told) is not None


def _is_basic(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PARTS = re.compile(r"[^/_-]+")
_RUNS = re.compile(r"[A-Z]+|[a-z]+|\d+|[^A-Za-z\d]+")


def _looks_random(value: str) -> bool:
    """40 characters that no person wrote: base64 has 4.4 to 5.2 bits a character, a hash in hex at most 4. Paths and
    names of packages are as varied, but mostly small letters in several parts; a UUID in them counts for nothing."""
    value = _UUID.sub("", value)
    small = sum(map(str.islower, value))
    if len(value) < 40 or (len(_PARTS.findall(value)) > 2 and small > 0.55 * len(value)):
        return False
    if not _is_mixed(value):
        return False
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
    return entropy > 4.25


def _is_mixed(value: str) -> bool:
    return all(re.search(kind, value) for kind in ("[A-Z]", "[a-z]", r"\d"))


def _looks_made(value: str) -> bool:
    """8 characters and more that no person wrote: capitals, small letters and digits in turn. `Server01` has 3 runs of
    them; ids in hex, numbers and words have no capitals or no digits."""
    return len(value) >= 8 and _is_mixed(value) and len(_RUNS.findall(value)) >= max(4, 0.3 * min(len(value), 30))


def _is_end_of_key(value: str) -> bool:
    """The last line of a key that came line by line: base64 and nothing else, too short to look random."""
    return value.endswith("=") or (len(value) % 4 == 0 and _is_mixed(value) and len(_RUNS.findall(value)) >= 5)


def _is_mail(value: str) -> bool:
    """`user@1000.service` is a unit of systemd; `git@github.com` is everybody."""
    last = value.rpartition(".")[2].lower()
    return not value.startswith("git@") and last not in (
        "service", "socket", "timer", "slice", "mount", "target", "scope",
    )  # fmt: skip


def _is_value(value: str) -> bool:
    return value.strip(".:,;!").lower() not in _PLAIN_WORDS


def _is_no_number(value: str) -> bool:
    return not value.isdigit()


@dataclass(frozen=True)
class Rule:
    """`pattern` with the part to replace in the group(s) that matched, else the whole; `check` sees that part."""

    kind: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = lambda _: True


def _rule(kind: str, pattern: str, check: Callable[[str], bool] = lambda _: True, flags: int = 0) -> Rule:
    return Rule(kind, re.compile(pattern, flags), check)


_I = re.IGNORECASE
RULES = (
    _rule(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----(?:(?!-----END).)*+(?:-----END[A-Z0-9 ]{0,60}-----)?",
        flags=re.DOTALL,
    ),
    _rule("private-key", r"\A\s{0,8}(?P<v>[A-Za-z0-9+/]{4,63}={0,2})\s{0,8}\Z", _is_end_of_key),
    # Up to the last @ before a space or quote: passwords hold "/" and "@"; a port is not a password.
    _rule("password", r"""://[^\s:/@?#"'<>]{0,256}:(?!\d{1,5}[/?#])(?P<v>[^\s"'<>]{1,512})@"""),
    _rule("password", r"""%3A%2F%2F[\w.~-]{0,256}%3A(?P<v>[^\s"'<>&]{1,512}?)%40""", flags=_I),
    _rule("token", r"""://(?P<v>(?=[^\s:/@?#"'<>\d]{0,255}\d)[^\s:/@?#"'<>]{16,256})@"""),
    # Without a scheme: Go's DSN, `app:secret@tcp(db:3306)/shop`, and Oracle's, `app/secret@//db`.
    _rule(
        "password",
        r"""(?<![\w./-])[\w.-]{1,64}:(?P<v>[^\s:/@"'<>]{4,256})@(?=(?:tcp|unix)\(|/|[\w.-]{1,253}:\d)""",
        _is_no_number,
    ),
    _rule("password", r"""(?<![\w./-])[\w.-]{1,64}/(?P<v>[^\s:/@"'<>]{6,256})@(?=//|[A-Za-z])""", _looks_made),
    _rule(
        "url",
        r"(?:hooks\.slack\.com/(?:services|workflows)|discord(?:app)?\.com/api/webhooks|office\.com/webhook\w{0,4}"
        r"|hooks\.zapier\.com/hooks)/(?P<v>[\w/.~@-]{8,300})",
    ),
    _rule(
        "token",
        rf"""authorization["'\\]{{0,3}}\]?\s{{0,4}}(?:=>|->|[:=,])\s{{0,4}}(?-i:b(?=["']))?["'\\]{{0,3}}(?:{_SCHEME})?"""
        rf"""(?P<v>(?:{_PARAMETER}"|[^\s"'\\,;]+)(?:\s{{0,4}},\s{{0,4}}(?:{_PARAMETER}"|[\w-]{{1,40}}=[^\s"'\\,;]+))*)""",
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
    _rule("password", r"(?<![\w+/.-])(?P<v>[A-Za-z0-9+/]{12,400}={0,2})(?![\w+/=-])", _is_pair),
    # Alone it is the beginning of one, `{"`: claims without a signature, or cut by a line's end.
    _rule(
        "jwt",
        r"(?<![\w-])eyJ[\w-]{16,}(?:\.[\w-]*){0,4}(?:\\?\r?\n\s{0,8}[\w-]{16,})?|(?<![\w-])eyJ[\w-]{5,}\.[\w-]{4,}",
    ),
    _rule(
        "key",
        r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
        r"|AIza[\w-]{30,}|ya29\.[\w.-]{20,}|GOCSPX-[\w-]{20,}|do[opr]_v1_[a-f0-9]{40,}"
        r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{16,}|sk-[\w-]{16,}|SG\.[\w-]{16,}\.[\w-]{16,}"
        r"|(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])|key-[0-9a-f]{32}|dapi[0-9a-f]{32}|AGE-SECRET-KEY-1[A-Z0-9]{30,}"
        r"|NRAK-[A-Z0-9]{20,}|PMAK-[a-f0-9-]{40,}|[0-9a-f]{32}-us\d{1,2}(?!\w)|sq0[a-z]{3}-[\w-]{20,}"
        r"|re_[A-Za-z0-9]{6,12}_[A-Za-z0-9]{20,}|v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}|[\w~.-]{3}8Q~[\w~.-]{30,}"
        r"|tskey-[a-z]{2,10}-[\w-]{16,})",
    ),
    _rule(
        "token",
        r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl[a-z]{2,6}-[\w-]{16,}|GR1348941[\w-]{16,}"
        r"|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{16,}|rubygems_[a-f0-9]{40,}"
        r"|hf_[A-Za-z0-9]{20,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{24,}|hv[sbr]\.[\w-]{20,}|lin_api_\w{20,}"
        r"|dckr_pat_[\w-]{20,}|ATBB[A-Za-z0-9]{24,}|sntry[su]_[\w+/=-]{20,}|pul-[a-f0-9]{40}|sbp_[a-f0-9]{40}"
        r"|tfp_[\w-]{30,}|access-(?:production|development|sandbox)-[a-f0-9-]{36}|\d{8,10}:AA[\w-]{30,}"
        r"|[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,40}(?![\w-]))",
    ),
    _rule("token", r"(?<![\w.-])s\.[A-Za-z0-9]{24}(?![\w.-])", _looks_made),
    _rule(
        "password",
        rf"""(?:(?:{_NAMES}){_SUFFIX}|(?:{_LAST_NAMES})){_QUOTE}{_SIGN}{_VALUE}""",
        _is_value,
        _I,
    ),
    _rule("password", rf"""(?:{_MAYBE_NAMES}){_QUOTE}{_SIGN}{_VALUE}""", _looks_made, _I),
    # name: DB_PASSWORD, value: …: environments of containers, <add key="password" value="…"/>
    _rule(
        "password",
        rf"""(?:(?:{_NAMES}){_SUFFIX}|(?:{_LAST_NAMES})){_QUOTE}(?:,\s{{0,16}}|\s{{1,16}})(?:\\{{0,15}}["'])?value{_QUOTE}{_SIGN}{_VALUE}""",
        _is_value,
        _I,
    ),
    _rule("password", r"(?:^|\n)\s{0,8}PASS\s{1,4}(?P<v>\S{4,256})", _looks_made),  # FTP, POP3
    _rule("password", rf"--(?:{_NAMES}|token|pass)[ =]{{1,2}}{_VALUE}", _is_value, _I),
    # As a shell has them: curl -u bob:…, sshpass -p …, mysql -p…, redis-cli -a …
    _rule(
        "password",
        r"""(?:\s|^)(?:-u|--(?:proxy-)?user)[ =]{0,2}["']?[\w.@-]{1,64}:(?P<v>[^\s"':]{3,256})""",
        _is_no_number,
    ),
    _rule("password", r"""\bsshpass\s{1,4}-p\s{0,4}["']?(?P<v>[^\s"']{1,256})"""),
    _rule("password", r"""\b(?:mysql|mariadb)[\w-]{0,20}\s[^\n|;]{0,80}?(?<=\s)-p(?P<v>[^\s"']{3,256})"""),
    _rule("password", r"""\bredis-cli\s[^\n|;]{0,80}?(?<=\s)-a\s{1,4}["']?(?P<v>[^\s"']{3,256})"""),
    # Said in prose: "password is hunter2", "pin 4711". With a digit in it; "password reset" is no password.
    _rule(
        "password",
        rf"""\b(?:{_WORDS}|pin|secret|bindpw|requirepass|masterauth|identified by|securestring"""
        rf"""|(?:verification|recovery|one-?time|2fa|mfa|backup|confirmation)[ _-]code)"""
        rf"""(?:\s{{1,4}}{_SAID})?(?:\s{{0,4}}[:=]\s{{0,4}}|\s{{1,4}}|(?=[(\[]))["'`(\[]{{0,2}}(?P<v>(?=[^\s\d"'`)\]]{{0,64}}\d)[^\s<"'`)\]]{{4,256}})""",
        _is_value,
        _I,
    ),
    _rule(
        "password",
        rf"""\b(?:{_KEYS}|token|auth)(?:\s{{1,4}}{_SAID})?:?\s{{1,4}}["'`(\[]?"""
        r"""(?P<v>(?=[^\s\d"'`)\]]{0,64}\d)[^\s<"'`)\]]{12,256})""",
        lambda value: _looks_made(value) or re.fullmatch(r"[0-9a-fA-F]{32,}", value) is not None,
        _I,
    ),
    _rule("password", rf"<(?:\w{{1,20}}:)?(?:{_NAMES}|token)>(?P<v>[^<>]{{1,4096}})</", flags=_I),
    _rule("email", r"""(?<![\w.+%-])[\w.+%-]{1,256}(?:@|%40)(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}""", _is_mail),
    _rule("email", r""""[\w .+-]{1,64}"@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}"""),
    _rule(
        "phone",
        r"""(?:phone|mobile|msisdn|telefono?|téléphone|handy|\btel)["']?\s{0,2}[:=]\s{0,2}["']?"""
        r"(?P<v>\+?\d[\d ().-]{5,20}\d)",
        flags=_I,
    ),
    _rule("phone", r"(?<![\w+])\+[1-9](?:[ ().-]{0,2}\d){7,14}(?!\d)"),
    _rule("phone", r"(?<![\w.(-])(?:\(\d{3}\) ?\d{3}|\d{3}-\d{3}|\d{3}\.\d{3})[-. ]\d{4}(?![\w.-])"),
    _rule("ssn", r"\bssn\W{1,4}(?P<v>\d{3}-\d{2}-\d{4})(?!\d)", flags=_I),
    _rule("key", r"(?<![\w+/-])[\w+/-]{40,512}={0,2}(?![\w+/-])", _looks_random),
)

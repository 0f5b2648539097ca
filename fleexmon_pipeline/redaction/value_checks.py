"""Is this value a secret? Checks that keep words, figures, paths and ids readable.

Here: questions about one value, or about the words beside it. Where values are found: `secret_forms.py` and
`provider_forms.py`. A check answers True where the value must be replaced.
"""

from __future__ import annotations

import base64
import binascii
import re

from fleexmon_pipeline.redaction.made_text import ALNUM_RUNS, HEX_PART, RUNS, UUID, is_mixed, looks_made

# Words after "token:" or "password:" that say what is wrong with it, and are not it.
_PLAIN_WORDS = frozenset(
    """null nil none undefined true false yes no empty missing required expired invalid incorrect wrong failed failure
    mismatch not is was has and or for from with must cannot too set unset changed reset rejected accepted bad unknown
    valid verified falsch fehlt abgelaufen ungültig incorrecto incorrecta incorrect oublié errata
    ok okay loaded rotated disabled enabled sealed unsealed revoked refreshed renewed expiring active inactive locked
    unlocked anonymous sent created generated deleted removed found updated closed opened success successful succeeded
    denied blocked pending available unavailable saved present absent provided received skipped ignored configured
    malformed duplicate optional mandatory read write""".split()  # noqa: SIM905
)
# Among them and in codes: what a form says of the field.
_REMARKS = _PLAIN_WORDS | frozenset(
    """blank taken short long weak common similar numeric match matches minimum maximum least most required filtered
    redacted hidden masked""".split()  # noqa: SIM905
)
_ITEM = re.compile(r"""[bBuUrR]?\\{0,15}(?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)')""")
# What is said of an option, and is not its value.
_OF_OPTIONS = frozenset(
    "to option options argument flag parameter file prompt on in by using instead if when will may should".split()  # noqa: SIM905
)
MAX_ENGLISH_WORD = 24
MAX_COUNT_DIGITS = 5  # a number behind `token` that short counts tokens: codes that are good once have 6
MAX_PORT_DIGITS = 5  # a number behind an option that short is a port

_WORD = re.compile(rf"[A-Za-z]{{1,{MAX_ENGLISH_WORD}}}")
# What follows a word of prose: another word, and no sign that would make it the name of the next value.
_NEXT_WORD = re.compile(r"[ ](?:[A-Za-z']{1,24}(?=[\s.,;!?)]|$)|(?:error|exception|fault|failure):)")
_PAIR = re.compile(r"[\w.-]{1,40}=.*", re.DOTALL)
_ARTIFACT = re.compile(r"[a-z][\w-]{0,80}-\d{1,6}(?:\.\d{1,6}){1,4}")  # jjwt-jackson-0.11.2
# What stands for a secret and is none: ${API_KEY}, $db_pass, $(…), ****, xxxxxxxx, [PASSWORD], %PASSWORD%, {password};
# $1, ? and %(name)s of a statement; Terraform's (sensitive value)
_STAND_IN = re.compile(
    r"\$\$[A-Z_]{3,}|\$(?:[a-z]{1,12}_){0,3}(?:token|password|passwd|pass|pwd?|secret|key|auth|credentials?)"
    r"|[█▓▒░■●•·∙∗…]{3,}"
    r"|\$(?:\{(?!\w{1,64}:?-[^}$]).*|\(.*|[A-Z_]{3,})|[*.]{3,}|[xX]{4,}|\[[A-Za-z_ ]{3,40}\]?|%[A-Z_]{3,40}%|\{\{.*"
    r"|ENC\[[\w.-]{0,100}\]?|\$\d{1,3}|\?|-{1,3}|%\(?\w{0,40}\)?s|@p\d{1,3}|\([A-Za-z]{3,20}\)?|\{(?:[a-z_]{1,40}|[A-Z_]{1,40})\}?|\{[A-Za-z_]\w{0,20}\(.*",
    re.DOTALL,
)
# `<your token>` in an example; not `<b>secret</b>`, and not what is a placeholder already.
_REPLACED = re.compile(r"[\[({]{1,2}<[\w-]{1,40}>")  # what stands in a list has been taken
_EXAMPLE = re.compile(r"<[A-Za-z][\w-]{0,40}(?: [\w-]{1,40}){0,5}>(?![\w<])")
_ALGORITHM = re.compile(
    r"(?:RSA|EC|DSA|ECDSA|EdDSA|Ed25519|HMAC|AES|SHA)(?:[-_/]?(?:with)?(?:RSA|DSA|SHA|MD|AES|GCM|CBC)?-?\d{0,3}){0,3}",
    re.IGNORECASE,
)
_COUNT = re.compile(r"\d+(?:\.\d+)?(?:[nµum]?s|min|[mh%x]|/\d+)?")
_FIGURE = re.compile(r"v?[\d.,:/+-]+[A-Za-z%]{0,3}")  # 10.0.0.9, v1.2.3, 2026-11-20, 3rd, 12ms
_PARAMETER = re.compile(r"[:@]\w{1,60}|NULL|DEFAULT|NOW")
_CONSTANT = re.compile(r"[A-Z]+(?:_[A-Z]+)*")
_FILE_ENDING = re.compile(r"\.(?:png|jpe?g|gif|svg|ico|webp|css|js)\b", re.IGNORECASE)
MIN_UNFILLED = 8  # x or * in a placeholder for a token
MAX_PREFIX = 6  # characters before them, if no sign ends the prefix
_LABEL = re.compile(r"[A-Za-z]{1,24}:")
_NAMES_A_PASSWORD = re.compile(r"pass(?:word|wd)|\Apw", re.IGNORECASE)
_NAME_OF_SECRET = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)+")  # db_root, web-tls-2
_VERSION = re.compile(r"v?\d{1,4}(?:\.\d{1,6}){1,3}")
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^@\s]*")
_BOARD_PIN = re.compile(r"(?:gpio|[a-z]{1,3})[-_.]?\d{1,3}", re.IGNORECASE)
_NEXT_NAME = re.compile(r"[\w.-]{1,60}:")
_ARN = re.compile(r"\barn:aws[\w:/-]{0,100}\Z")  # …:secret:shop is the name of one
_STATUS = re.compile(r"[1-5]\d\d")
# An account of Windows, an address in a ledger
_PUBLIC_ID = re.compile(r"S-1-\d{1,3}(?:-\d{1,10}){1,15}|0x[0-9a-fA-F]{40}")
_UNDER_SECRETS = re.compile(r"\bsecrets?\s{1,4}(?:versions|describe|access|get|delete|list|enable|disable)\b")
_PARSED = re.compile(  # what a parser calls a token
    r"(?:unexpected|expected|illegal|unrecogni[sz]ed|unterminated|stray|lookahead|offending|next|near)"
    r"\s{1,4}[\"']?token\W{1,8}\Z",
    re.IGNORECASE,
)
_TOKEN_BEFORE = re.compile(r"[\w./~-]{0,100}\Z")


def is_value(value: str, found: re.Match[str]) -> bool:
    """After a name and a sign: not a word that says what is wrong, not what stands for a value, not prose."""
    if value.strip(".:,;!").lower() in _PLAIN_WORDS or _repeats_its_name(value, found):
        return False
    if _STAND_IN.fullmatch(value) or _is_unfilled(value) or _ALGORITHM.fullmatch(value) or _PUBLIC_ID.fullmatch(value):
        return False
    if _is_name_of_secrets(value, found) or _is_example(value, found):
        return False
    is_public = _token_before(found.string, found.start()).rstrip("_-.").lower().endswith("public")
    if is_public or _ARN.search(found.string, max(0, found.start() - 120), found.start()):
        return False
    if found.lastgroup == "tick" and " " in value and found.string[found.start("tick") - 2] == "=":
        return False  # what a shell is to run: TOKEN=`cat /run/token`
    return found.lastgroup != "bare" or _is_bare_value(value, found)


def _is_example(value: str, found: re.Match[str]) -> bool:
    return value[0] == "<" and _EXAMPLE.match(found.string, found.start(found.lastgroup or 0)) is not None


def _is_name_of_secrets(value: str, found: re.Match[str]) -> bool:
    """`keyVaultToStoreSecrets: shop-kv-7`: where several are, not what one is; `no such secret: web-tls-2`."""
    if found.string[max(0, found.start() - 8) : found.start()].lower() == "no such ":
        return True
    name = found[0][: found.start(found.lastgroup or 0) - found.start()].rstrip("\"' :=").lower()
    if name == "secret" and found.string[max(0, found.start() - 2) : found.start()] == "--":
        return _names_one(value, found)
    return found.lastgroup == "bare" and name.endswith("secrets") and not is_mixed(value)


def _repeats_its_name(value: str, found: re.Match[str]) -> bool:
    """`access_token=ACCESS_TOKEN`, `KeySignatures = Ed25519.KeySignatures`."""
    before = _token_before(found.string, found.start())
    name = (before + found[0][: found.start(found.lastgroup or 0) - found.start()]).lower().replace("_", "")
    last = re.sub(r"[^a-z]", "", value.rpartition(".")[2].lower())
    return bool(last) and last in re.split(r"[^a-z]+", name)


def _is_bare_value(value: str, found: re.Match[str]) -> bool:
    """Without quotes around it, what follows a name may as well be the next word."""
    if len(value) == 1 or value.startswith("<(") or _ARTIFACT.fullmatch(value) or _REPLACED.match(value):
        return False
    text, (start, end) = found.string, found.span("bare")
    if not text[start - 1 : start].isspace():
        return not _is_figure_or_pin(value, found)
    if _is_figure_or_pin(value, found) or _is_next_name(value, text[found.start() : start]):
        return False
    if _LABEL.fullmatch(value) or (
        (_WORD.fullmatch(value) or _STATUS.fullmatch(value)) and _NEXT_WORD.match(text, end)
    ):
        return False  # `renewing token: Code: 403`, `token: The request …`, `fetch token: 401 Unauthorized`
    if _of_a_test(value, found) or (found[0][:5].lower() == "token" and _PARSED.search(text[:start][-60:])):
        return False
    is_path = "/" in _token_before(text, found.start())  # `/etc/passwd: permission denied`
    return not is_path or "=" in text[found.start() : start]


def _is_next_name(value: str, before: str) -> bool:
    """`password= user=bob`; in YAML `passwords:`, and in the next line `min_length: 12`."""
    is_pair = _PAIR.fullmatch(value) is not None and re.search(r"\w=\s+\Z", before) is not None
    return is_pair or ("\n" in before and _NEXT_NAME.fullmatch(value) is not None)


def _is_figure_or_pin(value: str, found: re.Match[str]) -> bool:
    """`token: 1532` counts them, `pin: gpio17` is one of a board."""
    name = found[0][: found.start("bare") - found.start()].rstrip(" :=\t").lower()
    if name.endswith("token"):
        return value.isdigit() and len(value) <= MAX_COUNT_DIGITS
    return name.endswith("pin") and (_BOARD_PIN.fullmatch(value) or _VERSION.fullmatch(value)) is not None


def _of_a_test(value: str, found: re.Match[str]) -> bool:
    """`PASS: test_login`, `PASS: core/cart (0.01s)`, as test runners begin their lines."""
    if not found[0].startswith("PASS: ") or found.string[
        found.string.rfind("\n", 0, found.start()) + 1 : found.start()
    ].strip(" X-"):
        return False
    return "test" in value.lower() or "/" in value or found.string.startswith(" (", found.end())


def are_values(values: str, found: re.Match[str]) -> bool:
    """The elements of a list under a name: not what is wrong with it (`{"password": ["can't be blank"]}`), and under
    `secrets` not their names."""
    items = [(item["double"] or item["single"] or "").rstrip("\\") for item in _ITEM.finditer(values)]
    if not any(items) or any(_is_remark(item) for item in items):
        return False
    name = found[0][: found.start("v") - found.start()].rstrip("\"' :=>[(\\").lower()
    return not name.endswith(("ls", "ts", "ds", "ys")) or all(is_mixed(item) for item in items)


def is_listed_password(value: str, _: re.Match[str]) -> bool:
    """An entry under `passwords`, of a list or map in YAML: one, unless it is a name, a remark, a path or a number."""
    return not (
        _is_remark(value)
        or _NAMES_A_PASSWORD.search(value)
        or _NAME_OF_SECRET.fullmatch(value)
        or value.startswith(("/", "./"))
        or _COUNT.fullmatch(value)
    )


def is_listed_secret(value: str, _: re.Match[str]) -> bool:
    """An entry under `secrets`, `tokens` or `keys`, where names stand as often: one that no person gives as a name."""
    return (is_mixed(value) or re.fullmatch(r"[0-9a-fA-F]{24,}", value) is not None) and not _is_remark(value)


def is_listed_pair(value: str, _: re.Match[str]) -> bool:
    """The second half of `ann:…` in a list of credentials; `users: [system:admin]` names a role."""
    return re.fullmatch(r"[a-z]+(?:[_-][a-z]+)*|\d+", value) is None and _STAND_IN.fullmatch(value) is None


def is_stored(value: str, _: re.Match[str]) -> bool:
    """A value of an object that holds secrets: all but stand-ins."""
    return _STAND_IN.fullmatch(value) is None and not (value[0] == "<" and _EXAMPLE.fullmatch(value))


def are_codes(values: str, _: re.Match[str]) -> bool:
    """Several codes that are good once, each with a digit; `backup code: sent` has none."""
    return all(any(map(str.isdigit, code)) for code in re.findall(r"[\w-]+", values))


def _is_remark(item: str) -> bool:
    """Prose, a word or a code that says what is wrong, or what stands for a value."""
    words = re.split(r"[\s_-]+", item.lower().strip(".:,;!"))
    if _ALGORITHM.fullmatch(item):
        return True
    return bool(_NEXT_WORD.search(item)) or not _REMARKS.isdisjoint(words) or _STAND_IN.fullmatch(item) is not None


def is_no_word(value: str, found: re.Match[str]) -> bool:
    """In quotes where a word may stand as well: with a sign or a digit in it, or capitals and small letters."""
    return re.fullmatch(r"[A-Z]?[a-z]+(?:[ _-][a-z]+)*[.:!]?|[A-Z_]+", value) is None and is_value(value, found)


def is_no_word_and_given(value: str, found: re.Match[str]) -> bool:
    """In a column beside a name: `varchar` and `optional` say something of it."""
    return is_no_word(value, found) and is_given(value, found)


def is_given_and_no_word(value: str, found: re.Match[str]) -> bool:
    """What a command stores; `secret set for ann` and `config set password policy` are prose."""
    return is_no_word(value, found) and is_given(value, found) and not _FIGURE.fullmatch(value)


def is_odd_word(value: str, found: re.Match[str]) -> bool:
    """In a sentence, without a digit: capitals within the word, as nobody writes one, `copperLantern`."""
    return re.search(r"[a-z][A-Z]", value) is not None and is_said(value, found)


def is_said_and_no_word(value: str, found: re.Match[str]) -> bool:
    """In a sentence that goes on with words as well: `set to never expire`."""
    return is_no_word(value, found) and is_said(value, found)


def is_no_algorithm(value: str, found: re.Match[str]) -> bool:
    """An argument beside a key: `'sha256'`, `'cipher-algo=aes256'`."""
    return _ALGORITHM.fullmatch(value) is None and "=" not in value and is_argument(value, found)


def is_issued_or_hex(value: str, found: re.Match[str]) -> bool:
    """Behind a short name: as services issue them, 32 digits in hex, or a UUID of a secret."""
    if found[0].lower().startswith("secret") and UUID.fullmatch(value):
        return True
    return (re.fullmatch(r"[0-9a-fA-F]{32,}", value) is not None and is_value(value, found)) or looks_issued(
        value, found
    )


def looks_issued(value: str, found: re.Match[str]) -> bool:
    """20 letters and digits in turn, of one case even, as services issue keys; a UUID may be of anything."""
    run = max(ALNUM_RUNS.findall(value), key=len, default="")
    if UUID.fullmatch(value) or not any(map(str.isalpha, run)) or sum(map(str.isdigit, run)) < 3:
        return False
    return len(value) >= 20 and len(run) >= 12 and len(RUNS.findall(run)) >= 0.2 * len(run) and is_value(value, found)


def is_no_number_or_stand_in(value: str, _: re.Match[str]) -> bool:
    return not value.isdigit() and _STAND_IN.fullmatch(value) is None


def is_option_value(value: str, found: re.Match[str]) -> bool:
    """Behind an option with two dashes stands its value, whatever word follows; but options are also spoken of."""
    if found.lastgroup != "bare":
        return is_value(value, found)
    if found[0].startswith("--secret") and found[0][8] in " =" and _names_one(value, found):
        return False
    if value.startswith(("-", "<(")) or _URL.fullmatch(value) or _STAND_IN.fullmatch(value):
        return False
    return value.lower() not in _OF_OPTIONS | _PLAIN_WORDS and not _repeats_its_name(value, found)


def _names_one(value: str, found: re.Match[str]) -> bool:
    """`gcloud secrets versions access --secret=shop-db` names one; in `config set --secret apiUrl …` it is a flag."""
    before = found.string[max(0, found.start() - 100) : found.start()]
    return re.search(r"\bset\s", before) is not None or (
        re.fullmatch(r"[a-z][a-z0-9_-]*", value) is not None and _UNDER_SECRETS.search(before) is not None
    )


def is_given(value: str, found: re.Match[str]) -> bool:
    """As an argument: not another option, not a word that says what is wrong, not where the secret is to be had."""
    if value.isdigit() and len(value) <= MAX_PORT_DIGITS:
        return False
    return is_value(value, found) and not value.startswith(("-", "pass:", "file:", "env:", "fd:", "stdin"))


def is_no_port(value: str, found: re.Match[str]) -> bool:
    """Behind `-p`, which takes a port, two of them or a folder as often: `-p 8080:80`, `-p 5432/tcp`."""
    return any(map(str.isalpha, re.sub(r"/(?:tcp|udp)$", "", value))) and is_given(value, found)


def is_credential(value: str, found: re.Match[str]) -> bool:
    """Behind `authorization:`; `authorization: denied by policy` is a sentence."""
    is_prose = _WORD.fullmatch(value) is not None and _NEXT_WORD.match(found.string, found.end("v")) is not None
    return not is_prose and is_value(value, found)


def is_said(value: str, found: re.Match[str]) -> bool:
    """In a sentence, behind what was said of it: no number, address, path, pair, or figure with a unit."""
    if found.lastgroup == "bare" and (
        _FIGURE.fullmatch(value) or value.startswith(("/", "~", "#", "-")) or _PAIR.fullmatch(value)
    ):
        return False
    if found.lastgroup in ("round", "square") and re.fullmatch(r"[A-Z_ ]+|[a-z_ ]+", value):
        return False  # `password: [FILTERED]`, `password was (hidden)`
    return is_value(value, found)


def is_argument(value: str, found: re.Match[str]) -> bool:
    """In a call: not the name of a constant or a method of HTTP, and no variable."""
    return _CONSTANT.fullmatch(value) is None and value[0] != "$" and is_value(value, found)


def is_second_argument(value: str, found: re.Match[str]) -> bool:
    """Behind a user. `auth('api', 'web')` of nothing names ways to sign in."""
    is_bare = found[0].lower().startswith("auth(") and found.string[found.start() - 1 : found.start()] not in (
        ".",
        ">",
        ":",
    )
    return (has_a_digit if is_bare else is_argument)(value, found)


def are_no_stand_ins(values: str, _: re.Match[str]) -> bool:
    """The values of a row: not `$1, $2`, `?, ?`."""
    parts = [part.strip() for part in values.split(",")]
    return not all(_STAND_IN.fullmatch(part) or _PARAMETER.fullmatch(part) for part in parts)


def is_no_file(value: str, found: re.Match[str]) -> bool:
    """A picture may be named like a token: `favicon.ico-….png`."""
    return _FILE_ENDING.match(found.string, found.end()) is None and is_filled(value, found)


def is_text(value: str, _: re.Match[str]) -> bool:
    """Between tags of markup stands the value, whatever it is: not `null`, nor what stands for one."""
    return value.strip().lower() not in _PLAIN_WORDS and not (_STAND_IN.fullmatch(value) or _is_unfilled(value))


def is_filled(value: str, _: re.Match[str]) -> bool:
    """Not a placeholder that nobody has replaced by a token, `ghp_xxxxxxxxxxxx`: readers must see that."""
    return not _is_unfilled(value)


def _is_unfilled(value: str) -> bool:
    """Keys of the providers' guides (`AKIA…EXAMPLE`) are redacted: they look like keys, and hiding one harms nobody."""
    prefix = value.rstrip("xX*._-")
    rest = value[len(prefix) :]
    has_prefix = len(prefix) <= MAX_PREFIX or rest[:1] in ("_", "-", ".")
    return has_prefix and sum(map(rest.count, "xX*")) >= MIN_UNFILLED


def is_long_value(value: str, found: re.Match[str]) -> bool:
    """After `sig`: a signature is long; `SIGTERM` and 11 are signals."""
    return len(value) >= 10 and is_value(value, found)


def is_no_count(value: str, found: re.Match[str]) -> bool:
    """After `pass`: `pass=12 fail=3` counts tests."""
    return _COUNT.fullmatch(value) is None and is_value(value, found)


def is_neighbour(value: str, found: re.Match[str]) -> bool:
    """The value beside a name in a list: `["password", "email"]` lists names, `("password", "hunterTwo")` is a pair."""
    if value.strip(".:,;!").lower() in _PLAIN_WORDS or any(map(str.isspace, value)):
        return False
    return found[0][0] != "[" or not re.fullmatch(r"[a-z_]+|[A-Z_]+", value)


def is_no_uuid(value: str, found: re.Match[str]) -> bool:
    return UUID.fullmatch(value) is None and is_value(value, found)


def is_no_number(value: str, _: re.Match[str]) -> bool:
    return not value.isdigit()


def is_pair(value: str, _: re.Match[str]) -> bool:
    """Base64 of `user:password`: by chance a word of 12 letters is one in a million times."""
    decoded = _decoded(value)
    return decoded is not None and re.fullmatch(rb"[\x21-\x39\x3b-\x7e]{1,100}:[\x20-\x7e]{1,200}", decoded) is not None


def is_basic(value: str, _: re.Match[str]) -> bool:
    decoded = _decoded(value)
    return decoded is not None and b":" in decoded


def looks_made_in_one_run(value: str, found: re.Match[str]) -> bool:
    """As `looks_made`, of one run of letters and digits: `orders.v2.EU1` is the name of a queue."""
    return (
        looks_made(own := HEX_PART.sub("", value))
        and max((len(run) for run in ALNUM_RUNS.findall(own)), default=0) >= 8
        and is_value(value, found)
    )


def has_a_digit(value: str, found: re.Match[str]) -> bool:
    """Where a name may follow as well: `Secret("db-credentials")`."""
    return any(map(str.isdigit, value)) and is_value(value, found)


def is_mail(value: str, _: re.Match[str]) -> bool:
    """`user@1000.service` is a unit of systemd; `git@github.com` is everybody."""
    last = value.rpartition(".")[2].lower()
    return not value.startswith("git@") and last not in (
        "service", "socket", "timer", "slice", "mount", "target", "scope",
    )  # fmt: skip


def is_no_word_of_bearer(value: str, found: re.Match[str]) -> bool:
    if value.endswith("=") and re.match(r"\w", found.string[found.end() :]):  # `token_type=Bearer expires_in=3600`
        return False
    return is_value(value, found) and value.lower() not in ("tokens", "authentication", "authorization", "scheme")


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _token_before(text: str, start: int) -> str:
    """The word that the name ends: `/srv/etc/` of `/srv/etc/passwd`."""
    match = _TOKEN_BEFORE.search(text, max(0, start - 100), start)
    return match[0] if match else ""

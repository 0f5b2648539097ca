"""HTTP requests in lines: verb, route and status are not values, but part of the template.

Here: where the status of a line is, and how verb, route and status are protected from the masks. The rest of a line is
masked by `masks.py`. A shape has no digits, so the miner reads the status from the line itself, if the shape has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from fleexmon_pipeline.levels import LEVEL_OF_WORD
from fleexmon_pipeline.patterns.placeholders import KEPT_SLASH, KEPT_STATUS, KEPT_WORD, MARK, PLACEHOLDER

VERBS = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))
# All registered ones, and those of nginx and Cloudflare. Any other number is a value.
STATUSES = frozenset(
    str(status)
    for first, last in ((100, 103), (200, 208), (300, 308), (400, 431), (495, 499), (500, 511), (520, 530))
    for status in (*range(first, last + 1), 226, 444, 451)
)
NO_SUCH_ROUTE = frozenset(("404", "410"))  # then the path is not a route: anybody may request any path

_VERB = "|".join(sorted(VERBS))
# A verb as a whole word. The lookbehind comes last, because an expression that starts with letters is searched faster.
_VERB_ALONE = "|".join(rf"{verb}(?<![\w-]{verb})" for verb in sorted(VERBS))
_ANY_VERB = re.compile(_VERB.encode())
_MAYBE = re.compile(rf"""{_VERB}|HTTP|Completed|Sent|\] \"""".encode())
_END = r"(?![\w.%:/-]|\ (?:ms|us|µs|ns|s|sec|[kKMG]?i?B|bytes)\b)"
_REQUEST = rf"""(?:{_VERB_ALONE})["'\]]?\ {{1,8}}["'(]?(?:/|https?://)"""
_HAS_REQUEST = re.compile(_REQUEST.encode())
_AFTER = re.compile(
    rf"""{_REQUEST}[^\s"]*+["']?(?:\ ["']?HTTP/0(?:\.0)?)?["']?
         (?:\ ?(?:[=-]>|→|\||:|-)|,)?\ ?[(\[]?(?P<bare>000){_END}
    """.encode(),
    re.VERBOSE,
)
# `GET /x responded 500 in 3 ms`, `… - status code 200`: sentences. What follows tells them from `returned 200 rows`.
_SAID = re.compile(
    rf"""{_REQUEST}[^\s"]*+["']?(?:\ ["']?HTTP/0(?:\.0)?)?["']?\ ?[,:-]?
         (?:\ (?i:status|code|with|http|returned|responded|response|replied|answered|completed|finished|ended|failed
         |sent)[:=]?){{1,4}}\ ?[(\[]?(?P<said>000)(?=["')\],;:]|$|\ (?:in|after|from|for)\ |\ [A-Z(\[0|-])
    """.encode(),
    re.VERBOSE,
)
_COMMON_LOG = re.compile(rb'\] "[^"]*+" (?P<clf>000)(?= |$)')  # the common log format, whatever was asked
_KEYED_VERB = re.compile(rf"""((?:[Mm]ethod|METHOD|[Vv]erb|VERB)["']?[=:]\ ?["']?)({_VERB})\b""")
_KEYED_VERB_BYTES = re.compile(_KEYED_VERB.pattern.encode())
_KEY = r"""(?<![a-zA-Z0-9-])(?i:(?:http[._]?)?(?:response[._]?)?(?:status|resp|code)(?:[._]?code)?)"""
_VALUE = r"""["']?(?P<keyed>000)(?=[\s"',}\])]|$)"""
_KEYED = re.compile(rf"""{_KEY}["']?[=:]\ ?{_VALUE}""".encode(), re.VERBOSE)
# `request="GET /x HTTP/1.1" status=500`. Not `status: 500`: the labelled lines of OpenStack take that for a value.
_KEYED_BESIDE_REQUEST = re.compile(rf"""{_KEY}(?:=|["']:\ ?){_VALUE}""".encode(), re.VERBOSE)
_BEFORE = re.compile(
    rb"""\|\ {1,4}(?P<gin>000)\ {1,4}\|
       | /[+-]?0++\ (?P<haproxy>000)\ 0++\ \S++\ \S++\ [\w-]{4}\ 0++/
       | (?<![^\s])[(\[]?(?P<before>000)[)\]]?(?:\ (?:for|to))?\ {1,4}(?=["']?[A-Z]{3,7}\ ["'(]?(?:/|https?://))""",
    re.VERBOSE,
)
_RESPONSE = re.compile(
    rb"""(?:\bHTTP(?:/0(?:\.0)?)?|\bCompleted(?=\ 000\ [A-Z])|\bSent(?=\ 000\ in\ ))
         \ (?P<response>000)(?![\w.%:/-])""",
    re.VERBOSE,
)

_ROUTE = re.compile(rf"""(?P<begin>(?:{_VERB_ALONE})["'\]]?\ {{1,8}}["'(]?)(?P<route>/[^\s"]*+)""", re.VERBOSE)
_KEYED_ROUTE = re.compile(
    r"""(?<![\w-])(?P<begin>(?i:(?:request[._]?)?(?:path|uri|url|route|endpoint))["']?[=:][ ]?["']?)
        (?P<route>/[^\s"']*+)""",
    re.VERBOSE,
)
_KEPT_ROUTE = re.compile(rf"""{KEPT_SLASH}[^\s"']*""")
_CLOSING = "\"')],;}"  # what may follow a route without a blank
MAX_WORD_CHARS = 50  # of the word before a request
MAX_SEGMENTS = 10  # of a route; the rest is a value
MAX_ROUTE_CHARS = 120


def status_at(shape: bytes) -> int | None:
    """The position of the three digits of a status; None for most lines."""
    if _MAYBE.search(shape) is None:
        return None
    match = _AFTER.search(shape) or _COMMON_LOG.search(shape)
    if not match and _ANY_VERB.search(shape):
        if _KEYED_VERB_BYTES.search(shape):
            match = _KEYED.search(shape)
        elif _HAS_REQUEST.search(shape):
            match = _KEYED_BESIDE_REQUEST.search(shape) or _SAID.search(shape)
        match = match or _BEFORE.search(shape)
    match = match or _RESPONSE.search(shape)
    return match.start(match.lastgroup or 0) if match else None


def with_status_kept(shape: bytes, at: int) -> bytes:
    return shape[:at] + KEPT_STATUS.encode() + shape[at + 3 :]


def with_requests_kept(text: str, segment: Callable[[str], str]) -> str:
    """`text` with verbs and routes in a form that no mask matches. `segment`: masks one segment of a route."""

    def keep(found: re.Match[str]) -> str:
        if is_in_sentence(text[max(0, found.start() - MAX_WORD_CHARS) : found.start()]):
            return found[0]
        route = found["route"].rstrip(_CLOSING)
        return f"{found['begin']}{kept_route(route, segment)}{found['route'][len(route) :]}"

    text = _ROUTE.sub(keep, text)
    if ("erb" in text or "ethod" in text or "ERB" in text or "ETHOD" in text) and _KEYED_VERB.search(text):
        text = _KEYED_ROUTE.sub(keep, _KEYED_VERB.sub(rf"\1{KEPT_WORD}\2", text))
    return text


@lru_cache(maxsize=4_096)
def kept_route(path: str, segment: Callable[[str], str]) -> str:
    return route_of(path, segment).replace("/", KEPT_SLASH)


def route_of(path: str, segment: Callable[[str], str]) -> str:
    """`/products/15?page=2` as `/products/<num>?<*>`."""
    route, query_mark, _ = path.partition("?")
    masked = "/".join(map(segment, route.split("/", MAX_SEGMENTS + 1)[: MAX_SEGMENTS + 1]))
    if route.count("/") > MAX_SEGMENTS or len(masked) > MAX_ROUTE_CHARS:
        masked = f"{masked[:MAX_ROUTE_CHARS].rpartition('/')[0]}/{MARK['path']}"
    return f"{masked}?{PLACEHOLDER}" if query_mark else masked


def is_in_sentence(before: str) -> bool:
    """Whether a request is part of a sentence, as in `failed for POST /carts`. Then its path is a value."""
    if not before.endswith(" "):
        return False
    word = before.rsplit(None, 1)[-1] if before.strip() else ""
    return word.isalpha() and word.islower() and word not in LEVEL_OF_WORD


def decided(masked: str, status: str, *, with_route: bool) -> str:
    """The masked text of lines with this status. A number that is not a status is a value."""
    if status in NO_SUCH_ROUTE or not with_route:
        masked = _KEPT_ROUTE.sub(MARK["path"], masked)
    return masked if status in STATUSES else masked.replace(KEPT_STATUS, MARK["num"])


def shown_again(text: str, status: str) -> str:
    """`text` with status, slashes and verbs in their usual form again."""
    return text.translate({ord(KEPT_SLASH): "/", ord(KEPT_WORD): "", ord(KEPT_STATUS): status})

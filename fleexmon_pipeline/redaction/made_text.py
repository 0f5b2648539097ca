"""Does a text look made by a machine? Its letters, digits and signs in turn, and how even they are.

Here: questions about the characters of one value. Whether a value behind a name is a secret: `value_checks.py`.
"""

from __future__ import annotations

import math
import re
from collections import Counter

UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PARTS = re.compile(r"[^/_-]+")
RUNS = re.compile(r"[A-Z]+|[a-z]+|\d+|[^A-Za-z\d]+")
ALNUM_RUNS = re.compile(r"[A-Za-z0-9+/]+")
_CAMEL = re.compile(r"[a-z]{3,}")
MAX_IN_WORDS = (
    0.6  # of a token that are letters in small ones of three and more in a row: words, in which nothing is random
)
_ALPHABET = "abcdefghijkl"  # in a table of characters
_PUBLIC = re.compile(r"public[ _.-]?(?:key|token)[\"']?\s{0,4}[=:]\s{0,4}[\"']?\Z", re.IGNORECASE)
_DIGESTS = ("sha256-", "sha384-", "sha512-")  # of what is public: a script, a package
_HASHES = ("SHA256:", "SHA512:")
_PATH = re.compile(r"://[^\s?#\"']{0,300}\Z")
HEX_PART = re.compile(r"[-_.][0-9a-f]{32,128}\Z")  # what ends the key of a cache: a checksum


def looks_random(value: str, found: re.Match[str] | None = None) -> bool:
    """40 characters that no person wrote: base64 has 4.4 to 5.2 bits a character, a hash in hex at most 4. Paths and
    names of packages are as varied, but mostly small letters in several parts, several in a row; a UUID in them counts
    for nothing."""
    if re.fullmatch(r"[0-9a-fA-F]{32,}", value):
        return re.search("[a-f]", value) is not None and re.search("[A-F]", value) is not None  # no hash is written so
    value = HEX_PART.sub("", UUID.sub("", value))
    small = sum(map(str.islower, value))
    if found is not None and (
        _PUBLIC.search(found.string, max(0, found.start() - 24), found.start())
        or found.string.startswith(_HASHES, max(0, found.start() - 7))  # of a public key, as ssh writes it
    ):
        return False
    if (
        found is not None
        and "/" in value
        and _PATH.search(found.string, max(0, found.start() - 300), found.start() + 1)
    ):
        return False  # each part of a URL's path is looked at alone
    if len(value) < 40 or _ALPHABET in value.lower() or value.startswith(_DIGESTS):
        return False
    if len(_PARTS.findall(value)) > 2 and small > 0.55 * len(value) and len(RUNS.findall(value)) < 0.45 * len(value):
        return False
    return is_mixed(value) and _entropy(value) > 4.25


def looks_random_in_a_path(value: str, found: re.Match[str]) -> bool:
    return _PATH.search(found.string, max(0, found.start() - 300), found.start()) is not None and looks_random(value)


def looks_random_in_one_case(value: str, _: re.Match[str]) -> bool:
    """36 letters and digits in turn, of one case and not hex: ids of containers have 25, hashes in base 32 stand in
    paths, and names that people give have few digits."""
    letters = [character for character in value.lower() if character.isalpha()]
    digits = len(value) - len(letters)
    return (
        digits >= 0.1 * len(value)
        and not value.startswith("0x")
        and any(letter > "f" for letter in letters)
        and len(RUNS.findall(value)) >= 0.25 * len(value)
        and _entropy(value.lower()) > 3.9
    )


def looks_made(value: str, _: re.Match[str] | None = None) -> bool:
    """8 characters and more that no person wrote: capitals, small letters and digits in turn. `Server01` has 3 runs of
    them; ids in hex, numbers and words have no capitals or no digits."""
    return len(value) >= 8 and is_mixed(value) and len(RUNS.findall(value)) >= max(4, 0.3 * min(len(value), 30))


def is_unmistakable(value: str) -> bool:
    """Nothing else looks the same by chance: 8 capitals, small letters and digits, or 32 digits in hex."""
    return (len(value) >= 8 and is_mixed(value)) or re.fullmatch(r"[0-9a-f]{32,}", value) is not None


def has_digits(value: str, _: re.Match[str]) -> bool:
    return sum(map(str.isdigit, value)) >= 2


def looks_made_in_prose(value: str, _: re.Match[str]) -> bool:
    return looks_made(value) or re.fullmatch(r"(?:[a-z]{2,8}[-_])?[0-9a-fA-F]{32,}", value) is not None


def looks_like_a_tail(value: str, _: re.Match[str]) -> bool:
    """Behind a prefix that says "token": hex, or letters and digits in turn; `unit-test-20261120` is a name."""
    tail = max(ALNUM_RUNS.findall(value), key=len)
    return len(tail) >= 16 and (
        re.fullmatch(r"[0-9a-fA-F]{24,}", tail) is not None or len(RUNS.findall(tail)) >= 0.3 * len(tail)
    )


def looks_prefixed(value: str, _: re.Match[str]) -> bool:
    """A prefix, and behind the last sign that ends it 20 characters that no person wrote: how vendors mark tokens."""
    tail = re.split(r"[_.-]", value, maxsplit=3)[-1] if value.count("_") + value.count("-") > 2 else value
    longest = max(ALNUM_RUNS.findall(tail), key=len, default="")
    if value.startswith(_DIGESTS):
        return False
    in_words = sum(map(len, _CAMEL.findall(longest)))  # SponsoredProductsRemote
    return (
        len(longest) >= 20
        and looks_made(longest)
        and _entropy(longest) > 3.5
        and in_words <= MAX_IN_WORDS * len(longest)
    )


def is_end_of_key(value: str, _: re.Match[str]) -> bool:
    """The last line of a key that came line by line: base64 and nothing else, too short to look random."""
    if not is_mixed(value) or re.fullmatch(r"[0-9a-fA-F]+", value):  # `Result=` and `body=` are words; hex is no base64
        return False
    return value.endswith("=") or (len(value) % 4 == 0 and len(RUNS.findall(value)) >= 5)


def is_mixed(value: str) -> bool:
    return all(re.search(kind, value) for kind in ("[A-Z]", "[a-z]", r"\d"))


def _entropy(value: str) -> float:
    """Bits a character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())

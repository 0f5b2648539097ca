"""Secrets that stand apart from their name: in YAML's lists and blocks, tables, markup, and the next line of a trace.

Here: forms in which lines, columns or tags lie between a name and its value. Names followed by a sign:
`secret_forms.py`; sentences: `said_forms.py`.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.redaction import made_text, value_checks
from fleexmon_pipeline.redaction.hints import hint_of
from fleexmon_pipeline.redaction.rule import make_rule
from fleexmon_pipeline.redaction.secret_names import KEYS, NAME, WORDS

_I = re.IGNORECASE
_TAG = r"(?:!{1,2}[\w-]{1,40}[ \t]{1,4}|&\w{1,40}[ \t]{1,4})?"
_SCALAR_MARK = r"[|>][+-]?\d?[+-]?[ \t]{0,8}(?:#[^\n]{0,200})?"
_BLOCK = r"(?P<v>\S[^\n]{0,400}(?:\r?\n(?P=indent)[^\n]{0,400}){0,200})"
_BLOCK_HEAD = rf"""{NAME}["']?\s{{0,4}}:\s{{0,4}}{_TAG}{_SCALAR_MARK}\r?\n"""
# An entry that is one value, not another name with its value
_ENTRY = (
    r"""-[ \t]{1,4}(?:"[^"\n]{1,512}"|'[^'\n]{1,512}'|(?![\w.-]{1,60}:(?:\s|$))[^\s"'{[#&*!|>-][^\s]{0,512})"""
    r"[ \t]{0,8}(?:#[^\n]{0,200})?(?=\r?\n|$)"
)
_COMMENT = r"(?:#[^\n]{0,200})?"
_LIST_HEAD = (  # the end of the name, and up to three lines of comment below it
    rf"""["']?:[ \t]{{0,8}}{_COMMENT}\r?\n(?:[ \t]{{0,40}}#[^\n]{{0,200}}\n){{0,3}}[ \t]{{0,40}}"""
    rf"""(?={_ENTRY})"""
)
_MAP_HEAD = rf"""["']?:[ \t]{{0,8}}{_COMMENT}\r?\n"""
_READING_STDIN = r"(?:--password-?stdin|chpasswd|passwd\s--stdin|sudo\s-S|-pass(?:in|out)\sstdin)\b"
_LISTED_NAME = r"(?:(?:" + KEYS + r")s|(?-i:[\w.-]{0,40}[Kk]eys)|secrets?|credentials?|[\w.-]{0,40}tokens?|creds)"
_LISTED_PASSWORD = rf"(?:(?:{WORDS})(?:e?s)?|community[_-]?strings?|communities)"
# RE2's automaton of all hints grows with each line that one goes over: these end where the first entry begins
_HEAD_HINT = rf"""["']?:[ \t]{{0,8}}{_COMMENT}\r?\n[ \t]{{0,40}}"""
_LISTED_USERS = r"(?:credentials?|creds|logins|users|basic[_-]?auth(?:[_-]users)?)"
_LIST = rf"(?P<v>- [^\n]{{1,512}}(?:\r?\n[ \t]{{0,40}}{_ENTRY}){{0,100}})"
_ENTRY_VALUE = (  # of one entry; of a pair the second half
    r"""-[ \t]{1,4}(?:"(?P<double>[^"\n]{1,512})"|'(?P<single>[^'\n]{1,512})'|(?P<w>[^\s"'{[#&*!|>-][^\s]{0,512}))"""
)
_ENTRY_PAIR = r"""-[ \t]{1,4}["']?[A-Za-z_][\w.@-]{0,63}:(?P<w>[^\s"':/]{4,256})["']?(?=\s|\Z)"""
# A map under such a name: `passwords:`, and `admin: …` below it
_MAP = (
    r"(?P<indent>[ \t]{1,40})(?P<v>[\w.@-]{1,60}:[ \t][^\n]{1,400}"
    r"(?:\r?\n(?P=indent)[\w.@-]{1,60}:[ \t][^\n]{1,400}){0,100})"
)
_NAMES_IN_A_MAP = (
    "min|max|length|history|age|policy|file|path|name|type|url|host|port|user|login|key|id|value|enabled|version"
)
_MAP_VALUE = (
    rf"""(?<![\w.@-])(?!(?:{_NAMES_IN_A_MAP})[_A-Za-z-]{{0,16}}:)[\w.@-]{{1,60}}:[ \t]{{1,8}}"""
    r"""(?:"(?P<double>[^"\n]{1,400})"|'(?P<single>[^'\n]{1,400})'|(?P<w>[^\s"'{[#&*!|>][^\s]{3,400}))"""
    r"""(?=[ \t\r]{0,8}(?:#[^\n]{0,200})?(?:\n|\Z))"""
)
_HEREDOC = r"<<[-~]?[\"']?(?P<tag>[A-Za-z_]\w{0,30})[\"']?[ \t]{0,4}\r?\n"

# What is set for all passwords, and one word or name of a method in small letters that it is set to
_SETTING = re.compile(
    r"(?:[\w.-]{0,30}[_.-])?(?:rotat\w{0,5}|renew\w{0,3}|change\w?|check\w{0,4}|hash\w{0,3}|algorithm|algo|scheme|method|encod\w{0,4}"
    r"|encrypt\w{0,4}|digest|format|storage|stored?|backend|source|provider|complexity|strength|level|mode|scope|expir\w{0,4}"
    r"|validity|lifetime|interval|period|reuse|charset|generat\w{0,4}|kind|style|default_\w{1,20}|on_\w{1,20})(?:[_.-][\w.-]{0,30})?:",
    re.IGNORECASE,
)
_SETTING_VALUE = re.compile(r"[a-z]{2,16}(?:[-_]?[a-z0-9]{1,8}){0,2}")


def _is_password_in_map(value: str, found: re.Match[str]) -> bool:
    """Under `passwords` as well: `rotate: monthly` and `hashing: argon2id` say how passwords are to be."""
    is_setting = _SETTING.match(found[0]) is not None and _SETTING_VALUE.fullmatch(value) is not None
    return not is_setting and value_checks.is_listed_password(value, found)


RULES = (
    # YAML: a list under a name, and a text of several lines
    make_rule(
        "password",
        rf"""(?:^|\n|[ \t])["']?(?:[\w-]{{0,40}}[_.-])?{_LISTED_PASSWORD}{_LIST_HEAD}{_LIST}""",
        hint=hint_of(rf"{_LISTED_PASSWORD}{_HEAD_HINT}[#-]", _I),
        check=value_checks.is_listed_password,
        flags=_I,
        spans_lines=True,
        parts=_ENTRY_VALUE,
    ),
    make_rule(
        "password",
        rf"""(?:^|\n|[ \t])["']?(?:[\w-]{{0,40}}[_.-])?{_LISTED_USERS}{_LIST_HEAD}{_LIST}""",
        hint=hint_of(rf"{_LISTED_USERS}{_HEAD_HINT}[#-]", _I),
        check=value_checks.is_listed_pair,
        flags=_I,
        spans_lines=True,
        parts=_ENTRY_PAIR,
    ),
    make_rule(
        "password",
        rf"""(?:^|\n|[ \t])["']?(?:[\w-]{{0,40}}[_.-])?{_LISTED_NAME}{_LIST_HEAD}{_LIST}""",
        hint=hint_of(rf"{_LISTED_NAME}{_HEAD_HINT}[#-]", _I),
        check=value_checks.is_listed_secret,
        flags=_I,
        spans_lines=True,
        parts=_ENTRY_VALUE,
    ),
    make_rule(
        "password",
        rf"""(?:^|\n|[ \t])["']?(?:[\w-]{{0,40}}[_.-])?(?:passwords|passwds|passphrases){_MAP_HEAD}{_MAP}""",
        hint=hint_of(rf"(?:passwords|passwds|passphrases){_HEAD_HINT}[\w.@-]", _I),
        check=_is_password_in_map,
        flags=_I,
        spans_lines=True,
        parts=_MAP_VALUE,
    ),
    make_rule(
        "password",
        rf"""(?:^|\n|[ \t])["']?(?:[\w-]{{0,40}}[_.-])?(?:credentials|secrets|tokens|api[_-]?keys){_MAP_HEAD}{_MAP}""",
        hint=hint_of(rf"(?:credentials|secrets|tokens|api[_-]?keys){_HEAD_HINT}[\w.@-]", _I),
        check=value_checks.is_listed_secret,
        flags=_I,
        spans_lines=True,
        parts=_MAP_VALUE,
    ),
    # Alone in the line below its name, or in the same one after all: "Password for ann (see the guide):", `secret = \\`
    make_rule(
        "password",
        rf"(?<![\w/-])(?:{WORDS}|{KEYS}|secret|token)\b[^\n:]{{0,100}}:[ \t]{{0,8}}\r?\n"
        r"(?:[ \t]{0,8}\r?\n){0,2}[ \t]{0,16}"
        r"(?P<v>(?=[^\s]{0,64}\d)[^\s:=\"'<>{}\[\],]{8,128})[ \t]{0,8}(?=\r?\n|\Z)",
        hint=hint_of(rf"(?:{WORDS}|{KEYS}|secret|token)[^\n:]{{0,100}}:[ \t]{{0,8}}\r?\n", _I),
        check=made_text.looks_made,
        flags=_I,
        spans_lines=True,
    ),
    make_rule(
        "password",
        rf"""{NAME}["']?\s{{0,4}}[=:][ \t]{{0,8}}\\\r?\n[ \t]{{0,40}}["']?(?P<v>[^\s"']{{4,256}})""",
        hint=r"[=:][ \t]*\\\r?\n",
        check=value_checks.is_value,
        flags=_I,
        spans_lines=True,
    ),
    make_rule(  # as shells and Terraform write a text of several lines
        "password",
        rf"""{NAME}["']?\s{{0,4}}[:=]?\s{{0,4}}{_HEREDOC}(?P<v>[^\n]{{1,400}}(?:\n[^\n]{{0,400}}){{0,200}}?)"""
        r"\r?\n[ \t]{0,40}(?P=tag)\b",
        hint=r"<<[-~]?[\"']?[A-Za-z_]",
        flags=_I,
        spans_lines=True,
    ),
    make_rule(
        "password",
        rf"{_BLOCK_HEAD}(?P<indent>[ \t]{{1,40}}){_BLOCK}",
        hint=hint_of(rf"{_BLOCK_HEAD}[ \t]{{1,40}}\S", _I),  # RE2 has no references
        flags=_I,
        spans_lines=True,
    ),
    make_rule(
        "password",
        r"\bchpasswd:[^\n]{0,80}\n(?:[ \t]{1,20}expire:[^\n]{0,40}\n)?[ \t]{1,20}list:[^\n]{0,20}\n"
        rf"(?P<indent>[ \t]{{1,40}}){_BLOCK}",
        hint=r"chpasswd:[^\n]*\n",
        spans_lines=True,
    ),
    make_rule(
        "password",
        rf"""{NAME}["']?\s{{0,4}}[:=]\s{{0,4}}(?:'''|\"\"\")\s{{0,8}}(?P<v>[^'"\s][^'"]{{0,400}}?)\s{{0,8}}(?:'''|\"\"\")""",
        flags=_I,
        spans_lines=True,
    ),
    # A shell's trace: what is echoed into a command that reads a password
    make_rule(
        "password",
        r"""(?:^|\n|\s)\+{1,4}\s{1,2}(?:echo|printf)\s{1,2}(?:-n\s{1,2}|["']?%s["']?\s{1,2})?["']?(?P<v>[^\s"'|]{3,256})"""
        rf"""["']?[ \t]{{0,4}}\r?\n(?:[^\n+]{{0,60}}\s)?\+{{1,4}}\s{{1,2}}[^\n]{{0,200}}?{_READING_STDIN}""",
        spans_lines=True,
    ),
    # In a dialog of SMTP, behind the question for it, `Password:` in base64
    make_rule(
        "password",
        r"334\s{1,4}UGFzc3dvcmQ6[^\n]{0,8}\n(?:[^\n]{0,60}\s)?(?P<v>[A-Za-z0-9+/]{4,400}={0,2})(?=\s|\Z)",
        spans_lines=True,
    ),
    # In a box below its heading, as programs show a first password
    make_rule(
        "token",
        r"\b(?:token|passwor[dt]|secret|key|code)\b[^\n]{0,80}(?:\n[^\n]{0,160}){0,3}?\n[^\n]{0,120}?"
        r"[=*#|]\s{2,80}(?P<v>[\w.-]{10,128})\s{2,80}[=*#|]",
        hint=r"[=*#|]\s{2,}[\w.-]{10,}\s{2,}[=*#|]",
        check=made_text.looks_made,
        flags=_I,
        spans_lines=True,
    ),
    # In markup and tables
    make_rule(
        "password",
        r"""<input\b[^<>]{0,400}?\svalue=["'](?P<v>[^"'<>]{1,256})["'][^<>]{0,200}?\stype=["']?password""",
        flags=_I,
    ),
    make_rule(
        "password",
        r"<(?:\w{1,20}:)?(?:pass|pw|[a-z]{2,12}pass)>\s{0,16}(?P<v>[^<>\s][^<>]{2,400}?)\s{0,16}</",
        check=value_checks.is_no_count,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"<key>\s{{0,4}}[\w .-]{{0,40}}?{NAME}\s{{0,4}}</key>\s{{0,16}}"
        r"<string>\s{0,4}(?P<v>[^<>\s][^<>]{0,400}?)\s{0,4}</string>",
        flags=_I,
        spans_lines=True,
    ),
    make_rule(
        "password",
        rf"(?:^|[\n|│┃║])\s{{0,40}}(?:[\w.-]{{1,20}} ){{0,2}}[\w.-]{{0,40}}?{NAME}\s{{0,40}}[|│┃║]\s{{0,40}}"
        r"(?P<v>[^\s|│┃║(]{4,256})(?=[\s|│┃]|$)",
        check=value_checks.is_no_word_and_given,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"{NAME}\s{{0,2}}\.{{2,60}}\s{{0,2}}(?:[:=]\s{{0,4}}(?P<bare>\S{{3,256}})|(?P<v>(?=[^\s.]{{0,64}}\d)[^\s.]{{6,256}}))",
        check=value_checks.is_value,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"<t[dh]\b[^<>]{{0,100}}>\s{{0,16}}[\w .-]{{0,40}}?{NAME}:?\s{{0,16}}</t[dh]>"
        rf"\s{{0,16}}<td\b[^<>]{{0,100}}>\s{{0,16}}"
        r"(?P<v>(?=[^\s<>]{0,64}\d)[^<>\s]{4,256})\s{0,16}</td>",
        check=value_checks.is_given,
        flags=_I,
        spans_lines=True,
    ),
    make_rule(  # in columns without a sign, at the beginning of a line
        "password",
        rf"(?:^|\n)[ \t]{{0,20}}[\w.-]{{0,60}}?(?:{NAME}|_pass)(?:[ \t]{{3,60}}|\t)"
        rf"(?P<v>(?=[^\s]{{0,64}}\d)[^\s=:]{{8,256}})(?=\s|$)",
        check=made_text.looks_made,
        flags=_I,
    ),
    # Pairs without quotes: [[user, ann], [password, …]]
    make_rule(
        "password",
        rf"\[\s{{0,4}}:?[\w.-]{{0,40}}?{NAME}\s{{0,4}},\s{{0,4}}(?P<v>[^\s\"',\[\]]{{6,256}})\s{{0,4}}\]",
        check=made_text.looks_made,
        flags=_I,
    ),
)

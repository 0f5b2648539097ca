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
    rf"""(?={_ENTRY})-[ \t]{{1,4}}"""
)
_READING_STDIN = r"(?:--password-?stdin|chpasswd|passwd\s--stdin|sudo\s-S|-pass(?:in|out)\sstdin)\b"
_LISTED_NAME = (
    rf"(?:(?:{WORDS})(?:e?s)?|(?:{KEYS})s|(?-i:[\w.-]{{0,40}}[Kk]eys)|secrets?|credentials?"
    r"|[\w.-]{0,40}tokens?|creds)"
)

RULES = (
    # YAML: a list under a name, and a text of several lines
    make_rule(
        "password",
        rf"""(?:^|\n|[ \t])["']?(?:[\w-]{{0,40}}[_.-])?{_LISTED_NAME}{_LIST_HEAD}"""
        rf"(?P<v>[^\n]{{1,512}}(?:\r?\n[ \t]{{0,40}}{_ENTRY}){{0,100}})",
        check=value_checks.are_listed_secrets,
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

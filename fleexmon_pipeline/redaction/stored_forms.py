"""Secrets that are given to a store, or that a mark beside them calls secret: `config set --secret`, `echo … | … secret
put`, `"sensitive": true`, Secrets of Kubernetes, blocks of private keys.

Here: forms in which nothing but the command, the kind of object or a mark tells that a value is one, whatever its own
name is. Names followed by a sign: `secret_forms.py`; other commands: `command_forms.py`.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.redaction import made_text, value_checks
from fleexmon_pipeline.redaction.hints import hint_of
from fleexmon_pipeline.redaction.rule import make_rule
from fleexmon_pipeline.redaction.secret_names import NAME, QUOTE, SIGN, VALUE

_I = re.IGNORECASE
_OPTIONS = r"(?:--?[\w./:=-]{1,60}\s{1,4}){0,4}"
_KEY = r"""["']?(?!-)[\w.:/\[\]-]{1,80}["']?"""
_NAMED_KEY = rf"""["']?(?!-)[\w.:/-]{{0,60}}?(?:{NAME}|[_.:/-]pass)["']?"""
_GIVEN = r"""["']?(?P<v>[^\s"'=<>$@./-][^\s"']{2,512})"""  # no path, variable or option
_STORE = r"(?:secrets?|user-secrets)\s{1,4}(?:set|put|add|create|update|write)"
_SETTING = (
    r"(?:config|configure|variables?|vars?|kv|env|environment|properties|settings?)\s{1,4}"
    r"(?:--?[\w-]{1,30}\s{1,4}){0,3}(?:set|put|add|create|update|write)"
)
_FLAG = r"--(?:secret|sensitive|masked?|secure)\b"
# What reads a pipe and stores nothing
_FILTERS = (
    r"(?:sudo\s)?(?:e?grep|rg|sed|awk|jq|yq|cut|tr|wc|head|tail|sort|tee|cat|base64|xxd|od"
    r"|sha\d{1,3}sum|md5sum|less|xargs)\b"
)
_MARK = r"""["']?(?:is[_-]?)?(?:sensitive|secret|masked|secured?)["']?\s{0,4}[:=]\s{0,4}true\b"""
_QUOTED = r"""(?:"(?P<double>[^"\n]{1,4096})"|'(?P<single>[^'\n]{1,4096})')"""

# Kubernetes: `kind` before the values, or behind them, as both are sorted
_OF_KIND = r"""kind:[ \t]{1,4}["']?Secret["']?[ \t]{0,4}\r?\n"""
_DATA = r"(?:stringData|data):[ \t]{0,4}\r?\n"
_ENTRIES = r"(?P<v>[^\s#-][^\n]{0,8000}(?:\r?\n(?P=indent)[^\n]{0,8000}){0,100})"
# Short ones: RE2's automaton of all hints grows with each line that one goes over
_KIND_HINT = r"""kind\\{0,3}["']?:\s{0,8}\\{0,3}["']?Secret"""
_OTHERS = r"(?:(?!---)[^\n]{0,400}\n){0,60}?"
_ENTRY = (
    r"""(?:^|\n|(?<=[ \t]))[ \t]{0,40}["']?[\w.-]{1,100}["']?:[ \t]{1,8}"""
    r"""(?:"(?P<double>[^"\n]{1,8000})"|'(?P<single>[^'\n]{1,8000})'|(?P<w>[^\s"'|>{\[&*!#][^\n]{0,8000}?))"""
    r"(?=[ \t\r]{0,8}(?:\n|\Z))"
)
_JSON_KIND = r"""\\{0,3}"kind\\{0,3}"\s{0,4}:\s{0,4}\\{0,3}"Secret\\{0,3}\""""
_JSON_DATA = r"""\\{0,3}"(?:stringData|data)\\{0,3}"\s{0,4}:\s{0,4}\{(?P<v>[^{}]{1,16000})\}"""
_JSON_OTHERS = r"""(?:[^{}"]{1,400}+|"[^"\n]{0,2000}+"|\{(?:[^{}]{1,2000}+|\{[^{}]{0,2000}+\}){0,40}+\}){0,60}?"""
_JSON_ENTRY = r""""[\w.-]{1,100}\\{0,3}"\s{0,4}:\s{0,4}\\{0,3}"(?P<w>[^"\\\n]{1,8000})"""

# Before all others, which would take lines of a key one by one
KEY_RULES = (
    make_rule(
        "private-key",
        r"-----BEGIN[ A-Z0-9_-]{0,60}PRIVATE KEY[A-Z ]{0,10}-----(?:(?!-----END).)*+(?:-----END[A-Z0-9 ]{0,60}-----)?",
        flags=re.DOTALL,
    ),
    make_rule(  # line by line, with the headers of an encrypted one
        "private-key",
        r"-----BEGIN[ A-Z0-9_-]{0,60}PRIVATE KEY[A-Z ]{0,10}-----\r?\n"
        r"(?:[\w+/=:,. -]{0,100}\r?\n){1,200}?[ \t]{0,40}-----END[A-Z0-9 ]{0,60}-----",
        spans_lines=True,
    ),
    make_rule(
        "private-key",
        r"\A\s{0,8}(?P<v>[A-Za-z0-9+/]{4,63}={0,2})\s{0,8}\Z",
        check=made_text.is_end_of_key,
    ),
    make_rule(  # PuTTY
        "private-key",
        r"\bPrivate-Lines:\s{1,4}\d{1,3}\r?\n(?P<v>[A-Za-z0-9+/=]{1,100}(?:\r?\n[A-Za-z0-9+/=]{1,100}(?=\r?\n|\Z)){0,60})",
        spans_lines=True,
    ),
)
RULES = (
    # A command that stores a secret, or a setting whose name or flag tells that it is one
    make_rule(
        "password",
        rf"\b(?:{_STORE})\s{{1,4}}{_OPTIONS}{_KEY}(?:\s{{1,4}}|=){_GIVEN}",
        hint=hint_of(_STORE, _I),
        check=value_checks.is_given_and_no_word,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"\b(?:{_STORE})\s[^\n|;]{{0,160}}?--(?:secret-)?(?:value|body|data|string)[ =]{{1,4}}{_GIVEN}",
        hint=hint_of(_STORE, _I),
        check=value_checks.is_given,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""(?:{NAME}|_pass)(?=[\s"'])[^\n|;<]{{0,60}}<<<\s{{0,4}}{_GIVEN}""",
        hint=r"<<<\s{0,4}[\"']?[^\s\"'=<>$@./-]",
        check=value_checks.is_given,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"\b(?:{_SETTING})\s{{1,4}}{_OPTIONS}{_NAMED_KEY}\s{{1,4}}{_GIVEN}",
        hint=hint_of(_SETTING, _I),
        check=value_checks.is_given_and_no_word,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"\b(?:{_SETTING})\s{{1,4}}{_OPTIONS}{_FLAG}\s{{1,4}}{_OPTIONS}{_KEY}(?:\s{{1,4}}|=){_GIVEN}",
        hint=hint_of(_SETTING, _I),
        check=value_checks.is_given,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"\b(?:{_SETTING})\s{{1,4}}{_OPTIONS}{_KEY}(?:\s{{1,4}}|=){_GIVEN}(?=[\"']?\s[^\n|;]{{0,80}}?{_FLAG})",
        hint=hint_of(_SETTING, _I),
        check=value_checks.is_given,
        flags=_I,
    ),
    # In a pipe, into a command that speaks of a secret
    make_rule(
        "password",
        r"""\b(?:echo|printf|print|Write-Output)\s{1,4}(?:-n\s{1,4}|["']%s(?:\\n)?["']\s{1,4}|%s\s{1,4})?"""
        r"""["']?(?P<v>[^\s"'|$<>][^\s"'|]{2,512})["']?"""
        rf"""\s{{0,4}}\|(?!\s{{0,4}}{_FILTERS})[^|\n]{{0,120}}?(?:\bsecrets?\b|passwor?d|passwd|passcode|passphrase|token|credential|api[-_]?key)""",
        hint=r"(?i:(?:echo|printf?|write-output)\s[^|\n]*\|)",
        check=value_checks.is_given_and_no_word,
        flags=_I,
    ),
    # A name and its value as options: Set-Item Env:API_TOKEN -Value …, encrypt_string '…' --name db_pass
    make_rule(
        "password",
        rf"""(?:{NAME}|_pass)["']?\s{{1,4}}--?(?:secret[-_]?)?(?:value|val|body|data|string)[ =]{{1,4}}{_GIVEN}""",
        hint=r"(?i:\s--?(?:secret[-_]?)?(?:value|val|body|data|string)[ =])",
        check=value_checks.is_given,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""["'](?P<v>[^\s"'$][^\s"']{{2,512}})["']\s{{1,4}}--(?:stdin-)?(?:name|key|id|variable)[ =]{{1,4}}"""
        rf"""["']?[\w.-]{{0,40}}?(?:{NAME}|_pass)\b""",
        hint=r"(?i:[\"']\s{1,4}--(?:stdin-)?(?:name|key|id|variable)[ =])",
        check=value_checks.is_given,
        flags=_I,
    ),
    # A mark beside the value
    make_rule(
        "password",
        rf"""{_MARK}[^{{}}]{{0,200}}?["']?\b(?:[A-Za-z]{{1,16}}_?)?value{QUOTE}{SIGN}{VALUE}""",
        hint=hint_of(_MARK, _I),
        check=value_checks.is_value,
        flags=_I,
        spans_lines=True,
    ),
    make_rule(
        "password",
        rf"""\bvalue["']?\s{{0,4}}[:=]\s{{0,4}}{_QUOTED}[^{{}}]{{0,200}}?{_MARK}""",
        hint=hint_of(_MARK, _I),
        check=value_checks.is_value,
        flags=_I,
        spans_lines=True,
    ),
    # Secrets of Kubernetes: each value, whatever its name
    make_rule(
        "password",
        rf"(?:^|[ \t\n]){_OF_KIND}{_OTHERS}[ \t]{{0,12}}{_DATA}(?P<indent>[ \t]{{1,16}}){_ENTRIES}",
        hint=_KIND_HINT,
        check=value_checks.is_stored,
        spans_lines=True,
        parts=_ENTRY,
    ),
    make_rule(
        "password",
        rf"(?:^|[ \t\n]){_DATA}(?P<indent>[ \t]{{1,16}}){_ENTRIES}\r?\n[ \t]{{0,12}}{_OF_KIND}",
        hint=_KIND_HINT,
        check=value_checks.is_stored,
        spans_lines=True,
        parts=_ENTRY,
    ),
    make_rule(
        "password",
        rf"{_JSON_KIND}{_JSON_OTHERS}{_JSON_DATA}",
        hint=_KIND_HINT,
        check=value_checks.is_stored,
        spans_lines=True,
        parts=_JSON_ENTRY,
    ),
    make_rule(
        "password",
        rf"{_JSON_DATA}[^{{}}]{{0,200}}{_JSON_KIND}",
        hint=_KIND_HINT,
        check=value_checks.is_stored,
        spans_lines=True,
        parts=_JSON_ENTRY,
    ),
)

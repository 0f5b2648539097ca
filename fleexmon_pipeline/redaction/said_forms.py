"""Secrets in sentences, in calls of a program, in dialogs of a protocol or a game, and one-time codes.

Here: forms with more than a sign between a name and its value, or without a name. Names followed by a sign:
`secret_forms.py`; commands and databases: `command_forms.py`; lists, tables and markup: `listed_forms.py`.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.redaction import made_text, value_checks
from fleexmon_pipeline.redaction.hints import hint_of
from fleexmon_pipeline.redaction.rule import make_rule
from fleexmon_pipeline.redaction.secret_names import KEYS, NAME, NAMES, SUFFIX, WORDS

_I = re.IGNORECASE
_WITH_DIGIT = (  # and no colour, nor a debugger's address of the value
    r"""(?!\x1b|\[[\d;]{1,8}m|0x[0-9a-f]{1,16}\s{1,2}")"""
    r"""(?P<bare>(?=[^\s\d"'`)\]]{0,64}\d)[^\s<"'`)\]]{4,256})"""
)
# "the password that you entered …", "password given …"
_OF_PEOPLE = (
    r"(?:\s{1,4}(?:(?:that\s)?(?:you|we|they|he|she|user|it)(?:'ve|\s(?:have|has|had|just))?\s[a-z]{3,12}"
    r"|given|entered|typed|provided|used|supplied|received|sent|now|currently|has|been|mismatch:?"
    r"|generated|created|issued|assigned))"
)
_OF_SOMETHING = (  # "for user ann", "für Benutzer ann", "(without the quotes)"
    rf"""(?:{_OF_PEOPLE}|\s{{1,4}}(?:for|of|für|von|de|du|pour|para|per|di)\s{{1,2}}(?:the\s|l[e']\s?|la\s)?"""
    r"""(?:(?:user|account|benutzer|nutzer|konto|utilisateur|usuario|utente)\s{1,2})?["'`]?[\w.@<>-]{1,64}["'`]?|\s\([^()\n]{1,60}\))"""
)
_CHANGED = r"(?:set|reset|changed|updated|rotated|renewed)"
_OF_FIRST_LOGIN = (
    r"(?:is|was|has|been|generated|created|assigned|set|by|the|user|account|admin|login"
    r"|(?:for|of|to)\s{1,4}(?:(?:the|user|account)\s{1,4}){0,2}[^\s:=]{1,100})"
)
_LINK = (
    r"(?:\s{0,4}[:=]\s{0,4}(?:expected|got|was|is)?\s{0,4}|\s{1,4}(?:expected|got)\s{1,4}"
    r"|(?:\s{1,4}(?:is|was|has been|ist|war)(?:\s(?:now|currently|then))?)?"
    rf"\s{{1,4}}{_CHANGED}\s{{1,4}}to\s{{1,4}}"
    r"|\s{1,4}(?:is|was|ist|war|lautet|est|es|è):?\s{1,4}(?:now\s{1,4}|currently\s{1,4})?)"
)
_QUOTED = (
    r"""[(\[]?(?:"(?P<double>[^"\n]{3,256})"|'(?P<single>[^'\n]{3,256})'|`(?P<tick>[^`\n]{3,256})`)"""
    r"""|[«„“]\s?(?P<low>[^«»„“”"\n]{3,256}?)\s?[»“”]"""
    r"""|\((?P<round>[^()"'`\n]{3,256})\)|\[(?P<square>[^\[\]"'`\n]{3,256})\]"""
)
_ARGUMENT = r"""(?:[bu]?"[^"\n]{0,200}"|[bu]?'[^'\n]{0,200}'|Object\([^()\n]{0,80}\)|[^,()\n"']{1,80})"""
_NO_WORD = r"""(?P<bare>[^\s<"'`(\[][^\s<"'`)\]]{3,256})"""
_TEXT = r"""[bu]?\\{0,3}["'](?P<v>[^"'\\\n]{1,256})\\{0,3}["']"""

# Short: written out, what may be said in between makes RE2's automaton of all hints a quarter slower
_SAID_HINT = hint_of(rf"(?:{WORDS})\s", _I)

RULES = (
    # In a sentence, with what is said of the name between it and the value
    make_rule(
        "password",
        rf"(?<![\w/-])(?:{WORDS}){_OF_SOMETHING}{{0,3}}{_LINK}(?:{_QUOTED}|{_WITH_DIGIT})",
        hint=hint_of(rf"(?:{WORDS})[\s:=]", _I),
        check=value_checks.is_said,
        flags=_I,
    ),
    make_rule(  # without a digit: "password for ann is copperLantern"
        "password",
        rf"(?<![\w/-])(?:{WORDS}){_OF_SOMETHING}{{1,3}}{_LINK}(?P<bare>(?-i:(?=\S{{0,64}}[a-z][A-Z]))[A-Za-z][^\s\"'`<>()\[\]]{{5,256}})",
        hint=_SAID_HINT,
        check=value_checks.is_odd_word,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"\b(?:using|with)\s{{1,4}}(?:the\s{{1,4}})?(?:{WORDS})\s{{1,4}}(?P<bare>(?-i:(?=\S{{0,64}}[a-z][A-Z]))[A-Za-z][^\s\"'`<>()\[\]]{{5,256}})",
        check=value_checks.is_odd_word,
        flags=_I,
    ),
    make_rule(  # which: "decrypted secret db/prod => …"
        "password",
        r"(?<![\w/-])(?:secret|password|credential)s?\s{1,4}[\w./-]{1,80}\s{0,4}(?:=>|→)\s{0,4}[\"']?"
        r"(?!/[\w.-]{1,40}/)(?P<v>[^\s\"'<>]{4,256})",  # no path
        check=value_checks.is_no_word,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"\b{_CHANGED}\s{{1,4}}(?:[a-z]{{2,12}}\s{{1,4}}){{0,2}}(?:{WORDS})(?:\s{{1,4}}(?:for|of)\s\S{{1,64}})?\s{{1,4}}to\s{{1,4}}(?:{_QUOTED}|{_WITH_DIGIT})",
        check=value_checks.is_said,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""(?<![\w/-])(?:{WORDS}){_OF_SOMETHING}{{1,3}}\s{{0,4}}[(\[](?P<v>[^\s()\[\]"']{{8,256}})[)\]]""",
        hint=_SAID_HINT,
        check=made_text.looks_made,
        flags=_I,
    ),
    make_rule(
        "password",
        r"(?:credentials?|log-?(?:in|on)|logging in|sign(?:ed|ing)?[ -]?in)\s{1,4}(?:(?:with|as|for|using)\s{1,4})?"
        r"[A-Za-z_][\w.@-]{0,63}\s{0,2}[:/]\s{0,2}(?P<bare>[^\s/]{8,256})",
        check=made_text.looks_made,
        flags=_I,
    ),
    make_rule(
        "password",
        r"\bcredentials?\s{0,2}[:=]\s{0,4}[A-Za-z_][\w.@-]{0,63}\s{0,2}[/:]\s{0,2}(?P<bare>[^\s/:]{6,256})",
        check=value_checks.is_no_word,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"(?<![\w/-])(?:{WORDS}){_OF_PEOPLE}{{1,3}}\s{{0,4}}(?:{_QUOTED})",
        hint=_SAID_HINT,
        check=value_checks.is_said,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"(?<![\w/-])(?:{WORDS})(?:\s{{1,4}}{_CHANGED})?\s{{1,4}}from\s{{1,4}}\S{{1,256}}\s{{1,4}}to\s{{1,4}}{_WITH_DIGIT}",
        check=value_checks.is_said,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"(?<![\w/-])(?:{WORDS})(?:\s{{1,4}}{_CHANGED})?\s{{1,4}}from\s{{1,4}}{_WITH_DIGIT}(?=\s{{1,4}}to\s)",
        check=value_checks.is_said,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"following\s{{1,4}}(?:[a-z]{{1,20}}\s{{1,4}}){{0,2}}(?:{WORDS}|(?:api\s)?key|token|secret)\b[^\n:]{{0,60}}:\s{{1,8}}"
        r"(?P<bare>(?=\S{0,64}\d)\S{6,256})",
        check=value_checks.is_said,
        flags=_I,
        spans_lines=True,
    ),
    # Made by a program for the first login, whatever signs it is of: "temporary password … for root@localhost: k)9s…"
    make_rule(
        "password",
        rf"\b(?:temporary|temp|generated|initial|default|random|one-time|bootstrap)\s{{1,4}}(?:[a-z]{{2,12}}\s{{1,4}}){{0,2}}"
        rf"(?:{WORDS})(?:\s{{1,4}}{_OF_FIRST_LOGIN}){{0,6}}\s{{0,2}}[:=]\s{{1,4}}(?P<bare>(?=\S{{0,64}}[^A-Za-z\s])\S{{6,256}})(?!\S)",
        check=value_checks.is_said,
        flags=_I,
    ),
    # In quotes without a sign, as an argument or behind what it is used for: password "…", using password "…"
    make_rule(
        "password",
        rf"""\b(?:using|with)\s{{1,4}}(?:the\s{{1,4}})?(?:{WORDS})\s{{1,4}}(?:"(?P<double>[^"\n]{{3,256}})"|'(?P<single>[^'\n]{{3,256}})')""",
        check=value_checks.is_value,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""(?<![\w/"'-])(?:{WORDS})\s{{1,4}}(?:"(?P<double>[^"\s]{{6,256}})"|'(?P<single>[^'\s]{{6,256}})')""",
        check=value_checks.is_no_word,
        flags=_I,
    ),
    make_rule(
        "token",
        rf"""(?<![\w/"'-])(?:\w{{1,20}}[-_])?(?:{KEYS}|token|secret)\s{{1,4}}["'](?P<v>[^\s"']{{8,256}})["']""",
        check=made_text.looks_made,
        flags=_I,
    ),
    # Compared with it: if "…" == password
    make_rule(
        "password",
        rf"""(?:"(?P<double>[^"\n]{{6,256}})"|'(?P<single>[^'\n]{{6,256}})')\s{{0,4}}[!=]={{1,2}}\s{{0,4}}[\w.]{{0,40}}?(?:{NAMES}|token){SUFFIX}(?!\()""",
        check=value_checks.is_no_word,
        flags=_I,
    ),
    # A key that is used: "Using Key=…", "Your Acme key is …"
    make_rule(
        "key",
        r"""\b(?:using|used|your)\b[^\n=:]{0,60}?\bkey(?:\s{0,2}[=:]\s{0,2}|\s{1,4}is\s{1,4})["']?(?P<v>[\w-]{16,256})""",
        check=value_checks.looks_issued,
        flags=_I,
    ),
    # What was tried: login attempt [root/admin123]
    make_rule(
        "password",
        r"""(?:log[io]n|sign-?in|auth\w{0,12})\s{1,4}(?:attempts?|try|failed|failure)[^\[\]()\n]{0,24}"""
        r"""[\[(]\s{0,4}b?["']?[A-Za-z_][\w.@-]{0,63}["']?\s{0,4}[/:]\s{0,4}b?["']?(?P<v>[^\s"'\])/]{2,256})["']?[\])]""",
        check=value_checks.is_value,
        flags=_I,
    ),
    # Several words: a passphrase in quotes, the words of a wallet
    make_rule(
        "password",
        r"""\b(?:pass[ _-]?phrase|(?:seed|recovery|backup|wallet)[ _-]?(?:phrase|words))"""
        r"""(?:\s{1,4}(?:is|was))?\s{0,4}[:=]?\s{0,4}\\{0,3}(?:"(?P<double>(?!\s{0,4}[:=,\]}])[^"\n\\]{3,400})"""
        r"""|'(?P<single>(?!\s{0,4}[:=,\]}])[^'\n\\]{3,400}))\\{0,3}["']""",
        check=value_checks.is_value,
        flags=_I,
    ),
    make_rule(
        "password",
        r"""\b(?:mnemonic|(?:seed|recovery|backup|wallet)[ _-]?(?:phrase|words))["']?\s{0,4}[:=]\s{0,4}["']?"""
        r"""(?P<v>(?:[^\s"',;:.]{2,20}\s{1,2}){5,23}[^\s"',;:.]{2,20})""",
        flags=_I,
    ),
    # A name that no person says, and a space: sv_password x, _authToken x; and where a shell or a build sets a variable
    make_rule(
        "password",
        rf"""(?<![\w/.$-])\w{{0,40}}?_(?:{NAMES}|pass){SUFFIX}\s{{1,4}}(?:["'](?P<quoted>[^"'\n]{{3,256}})["']|{_WITH_DIGIT})""",
        check=value_checks.is_said,
        flags=_I,
    ),
    make_rule(
        "token",
        r"""(?<![\w/.$-])\w{0,40}?_(?:auth|access|api)?token\s{1,4}["']?(?P<v>(?=[^\s"']{0,64}\d)[^\s"']{8,512})""",
        check=made_text.looks_made_in_prose,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""(?:^|[\s:;&|$>])(?:setenv|setx|env|arg|set\s{{1,4}}-[a-z]{{1,4}}|export)\s{{1,4}}\w{{0,40}}?(?:{NAMES}|token|pass){SUFFIX}"""
        r"""\s{1,4}["']?(?P<v>[^\s"'=][^\s"']{2,256})""",
        check=value_checks.is_given,
        flags=_I,
    ),
    # Where a program says what it set: option app.signing-secret with value …, property 'smtp.password' set to '…'
    make_rule(
        "password",
        rf"""{NAME}["'`)\]]?(?:\s{{1,4}}(?:is|was|has|have|been|being)){{0,2}}(?:\s{{1,4}}(?:{_CHANGED}|overridden|initiali[sz]ed|resolved|bound))?"""
        rf"""\s{{1,4}}(?:to|with|has|as|of)\s{{1,4}}(?:(?:the|a|new)\s{{1,4}}){{0,2}}value(?:\s{{0,2}}[:=]\s{{0,4}}|\s{{1,4}})(?:{_QUOTED}|{_NO_WORD})""",
        check=value_checks.is_said,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""{NAME}["'`)\]]?(?:\s{{1,4}}(?:is|was|has|have|been|being)){{0,2}}\s{{1,4}}(?:set|overridden|initiali[sz]ed|assigned)\s{{1,4}}to\s{{1,4}}"""
        rf"""(?:{_QUOTED}|{_NO_WORD})""",
        check=value_checks.is_said_and_no_word,
        flags=_I,
    ),
    # Beside the user: "user ann, password …, host db"
    make_rule(
        "password",
        rf"""\b(?:user(?:name)?|log-?in|account)\s{{0,2}}[=:]?\s{{0,2}}["']?[\w.@-]{{1,64}}["']?\s{{0,2}}[,/;]\s{{0,4}}(?:and\s)?(?:{WORDS})\s{{1,4}}"""
        r"""(?P<bare>[^\s,;"']{4,256})(?=[,;]|$)""",
        check=value_checks.is_said_and_no_word,
        flags=_I,
    ),
    # Dialogs: a player, IRC, FTP, XMPP
    make_rule(
        "password",
        r"command:?\s{1,4}[\"']?/(?:login|register|changepass(?:word)?|unregister)\s{1,4}(?P<v>\S[^\n\"']{0,200})",
        flags=_I,
    ),
    make_rule("password", r"NickServ\S{0,20}\s{1,4}:?IDENTIFY\s{1,4}(?:\S{1,64}\s{1,4})?(?P<v>\S{3,256})", flags=_I),
    make_rule(
        "password",
        r"(?:^|\n|[<>]{1,3}|\bC:|->)\s{0,8}PASS\s{1,4}(?P<v>\S{4,256})",
        check=made_text.looks_made,
    ),
    make_rule(  # behind the mark of what was sent, no test that passed
        "password",
        r"(?:-{2,4}>|<{2,3}|>{2,3}|\bC:)\s{1,4}PASS\s{1,4}(?P<v>\S{4,256})",
        check=value_checks.is_no_word,
    ),
    make_rule(
        "password",
        r"(?:^|\n|\s)(?:-{2,4}>|C:|[Ss]en(?:t|d|ding):?)\s{1,4}PASS\s{1,4}(?P<v>\S{4,256})[ \t\r]{0,4}(?=\n|\Z)",
        check=value_checks.is_value,
    ),
    # A directive of a file of settings, alone with its value in a line
    make_rule(
        "password",
        r"(?:^|\n)[ \t]{0,40}(?:requirepass|master-?auth|(?:root|bind|user)pw"
        r"|def(?:auth|priv)?passphrase|auth-pass|ssl[_-]passphrase)"
        r"[ \t]{1,40}[\"']?(?P<v>[^\s\"']{4,256})[\"']?[ \t\r]{0,8}(?=\n|\Z)",
        check=value_checks.is_given,
        flags=_I,
    ),
    make_rule("password", r"\bWIFI:(?:[TSH]:[^;]{0,64};){0,3}P:(?P<v>[^;\n]{4,128});"),  # what a phone scans
    make_rule(
        "password",
        r"""mechanism=["'](?:PLAIN|LOGIN|X-?OAUTH2?|OAUTHBEARER)["'][^<>\n]{0,100}>\s{0,4}(?P<v>[A-Za-z0-9+/]{6,}={0,2})""",
        flags=_I,
    ),
    # Calls: the user and the password, behind a host or alone
    make_rule(
        "password",
        r"""(?<!\w)\w{0,40}?(?:log_?in|log_?on|sign_?in|auth|authenticate|credentials?)["']?"""
        r"""(?:\s{1,2}(?:called\s{1,2})?with\s{1,2}(?:arg(?:ument)?|param(?:eter)?)s?)?\s{0,2}[=:]?\s{0,2}"""
        rf"""\(\s{{0,4}}[bu]?["'][^"'\n/()]{{1,100}}["']\s{{0,4}},\s{{0,4}}{_TEXT}\s{{0,4}}[,)]""",
        check=value_checks.is_second_argument,
        flags=_I,
    ),
    make_rule(
        "password",
        r"""(?<!\w)(?:mysql_p?connect|mysqli\w{0,20}|PDO(?:(?:->|::)__construct)?|getConnection|ldap_\w{0,8}bind|ftp_login|imap_open"""
        r"""|ssh2_auth_password|oci_\w{0,10}(?:connect|logon)|odbc_p?connect)"""
        rf"""\(\s{{0,4}}{_ARGUMENT}\s{{0,4}},\s{{0,4}}{_ARGUMENT}\s{{0,4}},\s{{0,4}}{_TEXT}""",
        check=value_checks.is_argument,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"(?<!\w)\w{{0,40}}?connect\(\s{{0,4}}(?:{_ARGUMENT}\s{{0,4}},\s{{0,4}}){{2,3}}"
        r"""[bu]?["'](?P<v>[^"'\\\n]{6,256})["']""",
        check=value_checks.has_a_digit,
        flags=_I,
    ),
    make_rule(
        "password",
        r"(?<!\w)(?:(?:set|check|verify|validate|hash|encode|encrypt|compare|change|update|reset|match|test)_?pass(?:word|wd|phrase)?"
        rf"|password_(?:verify|hash)|bcrypt(?:\.\w{{1,20}})?)\(\s{{0,4}}{_TEXT}",
        check=value_checks.is_argument,
        flags=_I,
    ),
    make_rule(  # the second argument, behind the user
        "password",
        r"""(?<!\w)\w{0,20}?(?:set|change|update|reset)_?\w{0,12}?pass(?:word|wd)\(\s{0,4}[bu]?["'][^"'\n]{1,100}["']\s{0,4},\s{0,4}"""
        rf"{_TEXT}",
        check=value_checks.is_argument,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"(?<!\w)(?:auth|authenticate|login|unlock)\(\s{{0,4}}{_TEXT}\s{{0,4}}\)",
        check=value_checks.has_a_digit,
        flags=_I,
    ),
    # Codes that are good once
    make_rule(
        "password",
        r"\b(?:log-?in|sign-?in|access|security|auth(?:entication|orization)?|verification|recovery|one-?time|2fa|mfa|sms|otp|unlock"
        r"|activation|confirmation|backup)[ _-](?:pass)?code"
        r"(?:\s{1,4}(?:for|of)\s\S{1,64})?(?:\s{1,4}(?:is|was))?\s{0,2}[:=]?\s{0,4}"
        r"[\"'(]?(?P<v>(?:[A-Z]{1,3}-)?\d{4,8})\b",
        flags=_I,
    ),
    make_rule(  # several, of which each is good once
        "password",
        r"""\b(?:recovery|backup|scratch|emergency)[ _-]?codes?["']?\s{0,4}[:=]\s{0,4}[\["']{0,2}"""
        r"""(?P<v>[\w-]{4,24}["']?(?:\s{0,2}[,;\s]\s{0,2}["']?[\w-]{4,24}["']?){0,31})""",
        check=value_checks.are_codes,
        flags=_I,
    ),
    make_rule(  # to be typed in elsewhere: "enter the code AB12-CD34 at …"
        "password",
        r"\b(?i:enter|type|use)\s{1,4}(?:(?:the|this|following|user|device|pairing)\s{1,4}){0,3}code:?\s{1,4}[\"'`]?"
        r"(?P<v>(?=[A-Z-]{0,9}\d)(?:\d{6,8}|[A-Z0-9]{4}-?[A-Z0-9]{4,5}))\b",
    ),
    make_rule("password", r"\bpin\s{1,4}(?:for|of)\s{1,4}[^\n:=]{1,40}[:=]\s{0,4}(?P<v>\d{4,8})\b", flags=_I),
    make_rule("password", r"\botp\s{1,4}(?:is\s{1,4}|was\s{1,4})?(?P<v>\d{4,8})\b", flags=_I),
    make_rule(
        "password", r"\bpin\s{1,4}(?:was\s{1,4})?(?:set|reset|changed)\s{1,4}to\s{1,4}(?P<v>\d{4,8})\b", flags=_I
    ),
    make_rule(
        "password",
        r"(?<![\w-])(?P<v>(?:[A-Z]{1,3}-)?\d{4,8})\s{1,4}(?:is|as)\s{1,4}(?:your|the)\s[^\n.]{0,40}?\b(?:code|pass(?:word|code)|pin|otp)\b",
        flags=_I,
    ),
)

"""The rules of redaction, in the order in which they are tried.

Here: values behind names and headers. The names: `secret_names.py`; tokens that are known by themselves:
`provider_forms.py`; options of commands and statements: `command_forms.py`; what is said in sentences, in calls and in
dialogs: `said_forms.py`; lists, tables and markup: `listed_forms.py`; what is stored or marked as one:
`stored_forms.py`; whether a value is one: `value_checks.py`,
`made_text.py`; what is done with it: `redact.py`.

Every expression is linear in the text: a left boundary or a fixed prefix, bounded repeats, no nested ones. Where in
doubt a text is redacted: a lost word is cheaper than a leaked key. Each rule has a hint for RE2, see `hints.py`.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.redaction import (
    command_forms,
    listed_forms,
    made_text,
    provider_forms,
    said_forms,
    stored_forms,
    value_checks,
)
from fleexmon_pipeline.redaction.rule import make_rule
from fleexmon_pipeline.redaction.secret_names import (
    KEYS,
    MAYBE_NAMES,
    NAME,
    NAMES,
    QUOTE,
    RARE_NAMES,
    SIGN,
    SUFFIX,
    VALUE,
    VERB,
    WORDS,
    WRAPPED_IN,
)

_SCHEME = (
    r"(?:bearer|basic|token|digest|negotiate|ntlm|apikey|sharedkey|hawk|oauth)\s{1,4}"
    r"|(?-i:[A-Z])[\w-]{2,24}\s{1,4}(?=[^\s\"'\\,;]{0,256}\d)"
)
_PARAMETER = r"""[\w-]{1,40}=\\{0,15}"[^"\n]{0,1000}"""

_FIELD_BETWEEN = r"""(?:["']\w{1,20}["']\s?:\s?["'][^"'\n]{0,60}["']\s?,\s?)"""  # a name and its value
_ITEM = r"""[bBuUrR]?\\{0,15}(?:"[^"\n]{0,256}"|'[^'\n]{0,256}')"""
# What names a row, a file, a queue or a part of a program has keys that are no secrets.
_KEYS_OF_DATA = (
    "aggregate artifact attribute batch blob board bucket cache category cell chart column composite config "
    "content correlation cursor customer dedup dedupe deduplication document entity event field file fingerprint "
    "foreign group hash host idempotency image index invoice issue item job join label layer lock lookup map menu "
    "message metric model natural object option order page parameter partition primary project property public "
    "queue range record redis region registry request resource route routing row run s3 schema search section "
    "session setting shard shipment sort span ssh_host state storage surrogate table tag task template tenant "
    "ticket topic trace translation unique user version view zone"
)
_COMPOUND_KEY = (
    rf"(?!(?:{'|'.join(_KEYS_OF_DATA.split())})[_-]?key)"
    r"[A-Za-z]\w{1,30}(?:_key|(?-i:Key))"
)

_I = re.IGNORECASE
RULES = (
    *stored_forms.KEY_RULES,
    make_rule(  # a token in the place of the user: https://…:x-oauth-basic@host
        "token",
        r"""://(?P<v>[^\s:/@?#"'<>]{20,256}):[^\s/@"'<>]{0,256}@""",
        check=value_checks.is_issued_or_hex,
    ),
    # Up to the last @ before a space or quote: passwords hold "/" and "@"; a port is not a password.
    make_rule("password", r"""://[^\s:/@?#"'<>]{0,256}:(?!\d{1,5}[/?#])(?P<v>[^\s"'<>]{1,512})@"""),
    make_rule(
        "password",
        r"""%3A%2F%2F[\w.~-]{0,256}%3A(?P<v>[^\s"'<>&]{1,512}?)%40""",
        flags=_I,
    ),
    make_rule("token", r"""://(?P<v>(?=[^\s:/@?#"'<>\d]{0,255}\d)[^\s:/@?#"'<>]{16,256})@"""),
    # Without a scheme: Go's DSN, `app:secret@tcp(db:3306)/shop`, and Oracle's, `app/secret@//db`.
    make_rule(
        "password",
        r"""(?<![\w./-])[\w.-]{1,64}:(?P<v>[^\s:/@"'<>]{4,256})@(?=(?:tcp|unix)\(|/|(?!sha\d{3}:)[\w.-]{1,253}:\d)""",
        check=value_checks.is_no_number,
    ),
    make_rule(
        "password",
        r"""(?<![\w./-])[A-Za-z_][\w.-]{0,63}:(?P<v>[^\s:/@"'<>]{6,256})@(?=[A-Za-z][\w.-]{0,252}/\w)""",
        check=value_checks.is_no_word,
    ),
    make_rule("password", r"""\bjdbc:oracle:\w{2,8}:[\w.$#-]{1,64}/(?P<v>[^\s/@"'<>]{1,256})@""", flags=_I),
    make_rule(
        "password",
        r"""(?<![\w./-])[\w.-]{1,64}/(?P<v>[^\s:/@"'<>]{6,256})@(?=//|[A-Za-z])""",
        check=made_text.looks_made,
    ),
    make_rule(
        "url",
        r"(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks"
        r"|office\.com/webhook\w{0,4}|hooks\.zapier\.com/hooks)/(?P<v>[\w/.~@-]{8,300})",
    ),
    make_rule(
        "token",
        rf"""authorization["'\\]{{0,3}}\]?\s{{0,4}}(?:=>|->|[:=,])\s{{0,4}}(?-i:b(?=["']))?(?:{WRAPPED_IN}(?=["']))?["'\\]{{0,3}}(?:{_SCHEME})?"""
        rf"""(?P<v>(?:{_PARAMETER}"|[^\s"'\\,;]+)(?:\s{{0,4}},\s{{0,4}}(?:{_PARAMETER}"|[\w-]{{1,40}}=[^\s"'\\,;]+))*)""",
        check=value_checks.is_credential,
        flags=_I,
    ),
    make_rule(
        "token",
        r"""\bdigest\s{1,4}username=\\{0,15}"[^\n]{0,800}?\bresponse=\\{0,15}"(?P<v>[0-9a-f]{32,128})\\{0,15}\"""",
        flags=_I,
    ),
    make_rule(  # as Go's client says that it cannot be sent
        "token",
        r"""header\s{1,2}field\s{1,2}value\s{1,2}\\{0,15}"(?P<v>[^"\n]{4,4000}?)\\{0,15}"\s{1,2}for\s{1,2}key\s{1,2}"""
        rf"""\\{{0,15}}"?(?:(?:proxy-)?authorization|cookie|[\w-]{{0,40}}(?:{NAMES}|token))""",
        hint=r"(?i:header\s{1,2}field\s{1,2}value\s)",
        flags=_I,
    ),
    make_rule(
        "cookie",
        r"""\b(?:set-)?cookie["'\\]{0,3}\s{0,4}[:=]\s{0,4}["']?(?P<v>[^\s"'<][^\r\n"'<]*)""",
        check=value_checks.is_value,
        flags=_I,
    ),
    make_rule(
        "token",
        r"\bbearer[ :=]{1,3}(?P<v>[\w.~+/-]{6,}=*)",
        check=value_checks.is_no_word_of_bearer,
        flags=_I,
    ),
    make_rule(
        "password",
        r"\bbasic\s{1,4}(?P<v>[A-Za-z0-9+/]{6,}={0,2})",
        check=value_checks.is_basic,
        flags=_I,
    ),
    make_rule(
        "password",
        r"(?<![\w+/.-])(?P<v>[A-Za-z0-9+/]{12,400}={0,2})(?![\w+/=-])",
        # Base64 of ASCII: of each four characters the first three come from half of the alphabet at most.
        hint=r"(?:^|[^\w+/.-])(?:[I-Za-f][CDEFGHSTUVWXijklmnyz0123][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/]){3}",
        check=value_checks.is_pair,
    ),
    # SMTP, IMAP, Redis: what follows is the secret, or base64 of it.
    make_rule(
        "password",
        r"\bAUTH(?:ENTICATE)?\s{1,4}(?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5|OAUTHBEARER)\s{1,4}"
        r"""(?:(?:challenge|response)\s{0,2}[:=]\s{0,4}["']?(?P<quoted>[^\s"']{3,256})|(?!(?:challenge|response|command|method)\b)(?P<v>[A-Za-z0-9+/]{6,}={0,2}))""",
        check=value_checks.is_value,
        flags=_I,
    ),
    make_rule(
        "password",
        r'"auth"\s{1,4}(?:"[^"]{1,64}"\s{1,4})?"(?P<v>[^"]{1,256})"',
        flags=_I,
    ),
    # Alone it is the beginning of one, `{"`: claims without a signature, or cut by a line's end.
    make_rule(
        "jwt",
        r"(?<![\w-])eyJ[\w-]{16,}(?:\.[\w-]*){0,4}(?:\\?\r?\n\s{0,8}[\w-]{16,})?|(?<![\w-])eyJ[\w-]{5,}\.[\w-]{4,}"
        r"|(?<![\w-])ey[A-Za-z0-9]{17,}\.ey[\w/\\-]{17,}(?:\.[\w/\\-]*={0,2})?|(?<![\w-])ZXlK[A-Za-z0-9+/]{20,}={0,2}",
    ),
    make_rule("key", provider_forms.KEYS, check=value_checks.is_filled),
    make_rule("token", provider_forms.TOKENS, check=value_checks.is_no_file),
    make_rule("token", r"(?<![\w.-])s\.[A-Za-z0-9]{24}(?![\w.-])", check=made_text.has_digits),  # Vault
    *said_forms.RULES,
    *listed_forms.RULES,
    *stored_forms.RULES,
    # What Terraform changes: = "old" -> "new"
    make_rule(
        "password",
        rf"""{NAME}["']?\s{{0,4}}[=:]\s{{0,4}}["'][^"'\n]{{1,512}}["']\s{{1,4}}->\s{{1,4}}["'](?P<v>[^"'\n]{{1,512}})["']""",
        check=value_checks.is_given,
        flags=_I,
    ),
    # As a type of its own shows it: ApiKey("…")
    make_rule(
        "password",
        r"""(?<![\w.>])(?:[A-Z][a-z]\w{0,20})?(?:(?:Password|Passphrase|Secret|ApiKey|Token)(?:Str(?:ing)?|Value)?\("""
        r"""|(?:Password|Passphrase|Secret|ApiKey)\s?\{\s{0,4}\w{1,16}: )"""
        r"""\\{0,15}["'](?P<v>[^"'\\\n]{6,512})\\{0,15}["']\s?[)},]""",
        check=value_checks.has_a_digit,
    ),
    # In a list: {"password": ["…"]}, {"passwd"=>["…", "…"]}
    make_rule(
        "password",
        rf"""{NAME}{QUOTE}{SIGN}[\[(]\s{{0,8}}(?P<v>{_ITEM}(?:\s{{0,8}},\s{{0,8}}{_ITEM}){{0,20}})\s{{0,8}},?\s{{0,8}}[\])]""",
        check=value_checks.are_values,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"{NAME}{QUOTE}{SIGN}{VALUE}",
        check=value_checks.is_value,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""{NAME}{QUOTE}\s{{1,4}}[-–]\s{{1,4}}["'](?P<v>[^\s"']{{6,512}})["']""",
        check=value_checks.is_no_word,
        flags=_I,
    ),
    make_rule(
        "key",
        rf"""(?<![A-Za-z])(?:{_COMPOUND_KEY}){QUOTE}{SIGN}{VALUE}""",
        check=value_checks.looks_issued,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"(?:{RARE_NAMES}){QUOTE}{SIGN}{VALUE}",
        check=value_checks.is_no_count,
        flags=_I,
    ),
    # Two keys of a service, of which the second one replaces the first: `primaryKey` alone is a column
    make_rule(
        "key",
        rf"""(?<![A-Za-z])primary(?:_?(?:master|readonly\w{{0,8}}))?_?key{QUOTE}{SIGN}{VALUE}(?=[^\n]{{0,60}}secondary)""",
        check=value_checks.is_issued_or_hex,
        flags=_I,
    ),
    # In a header that a service made up: `x-functions-key: …`
    make_rule(
        "key",
        r"""(?<![\w-])x-(?!(?:cache|idempotency|correlation|partition|routing|surrogate|rate\w{0,8}|object|public|request|trace|dedup\w{0,12})-)"""
        r"""[a-z-]{2,30}-key["']?\s{0,2}:\s{0,2}["']?(?P<v>(?=[^\s"',;]{0,64}\d)[\w.~+=-]{8,512})(?=["',;\s\]}]|$)""",
        check=value_checks.is_no_uuid,
        flags=_I,
    ),
    # Short names of what services issue, where only the form of the value tells
    make_rule(
        "key",
        rf"""(?<![A-Za-z])(?:login|auth|hmac|stok|secret[ _-]?id|x-[\w-]{{1,24}}-api){QUOTE}{SIGN}{VALUE}""",
        check=value_checks.is_issued_or_hex,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"(?<![A-Za-z])sig{QUOTE}{SIGN}{VALUE}",
        check=value_checks.is_long_value,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"(?<![A-Za-z])(?<!--- )pass{QUOTE}{SIGN}{VALUE}",
        check=value_checks.is_no_count,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"(?:{MAYBE_NAMES}){QUOTE}{SIGN}{VALUE}",
        check=value_checks.looks_made_in_one_run,
        flags=_I,
    ),
    # name: DB_PASSWORD, value: …: environments of containers, <add key="password" value="…"/>
    make_rule(
        "password",
        rf"""(?:{NAME}|_pass){QUOTE}(?:[,;]\s{{0,16}}|\s{{1,64}}){_FIELD_BETWEEN}{{0,2}}(?:\\{{0,15}}["'])?(?:[A-Za-z]{{1,16}}_?)?value{QUOTE}{SIGN}{VALUE}""",
        check=value_checks.is_value,
        flags=_I,
        spans_lines=True,
    ),
    make_rule(
        "password",
        rf"""value["']?\s{{0,4}}[:=]\s{{0,4}}(?:"(?P<double>[^"\n]{{1,512}})"|'(?P<single>[^'\n]{{1,512}})')\s{{0,16}},?"""
        rf"""\s{{0,16}}["']?(?:name|key|id|variable)["']?\s{{0,4}}[:=]\s{{0,4}}["'][\w.-]{{0,40}}?(?:{NAME}|_pass)["']""",
        check=value_checks.is_value,
        flags=_I,
        spans_lines=True,
    ),
    # With a sign of its own: PHP's serialize, Clojure's and Erlang's data, a field of a form that was sent
    make_rule(
        "password",
        rf"""["'][\w.-]{{0,40}}?{NAME}["'];s:\d{{1,6}}:["'](?P<v>[^"'\n]{{1,512}})["']""",
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""(?:(?<![\w:]):[\w.-]{{0,40}}?{NAME}\s{{1,4}}|\(\s?[\w.-]{{0,40}}?{NAME}\s{{1,2}}\.\s{{1,2}})"(?P<v>[^"\n]{{1,512}})\"""",
        check=value_checks.is_given,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""[{{(]\s{{0,4}}:?\w{{0,40}}?{NAME}\s{{0,4}},\s{{0,4}}(?:<<)?["'](?P<v>[^"'\n]{{3,512}})["']""",
        check=value_checks.is_neighbour,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""form-data;\s{{0,4}}name=["']?[\w.\[-]{{0,40}}?{NAME}\]?["']?\s{{1,8}}(?P<v>[^\s-]\S{{0,256}})""",
        flags=_I,
        spans_lines=True,
    ),
    # As neighbours: ('x-api-key', '…'), ["password", "…"], setProperty("db.password", "…")
    make_rule(
        "password",
        rf"""[(\[]\s{{0,4}}[bu]?\\{{0,15}}["'][\w. -]{{0,40}}?{NAME}\\{{0,15}}["']\s{{0,4}},\s{{0,4}}"""
        r"""[bu]?\\{0,15}["'](?P<v>[^"'\\]{3,512})\\{0,15}["']\s{0,4}[)\]]""",
        check=value_checks.is_neighbour,
        flags=_I,
    ),
    # With more arguments behind it: setenv("API_KEY", "…", 1)
    make_rule(
        "password",
        rf"""(?<!\w)\w{{0,20}}(?:set|put|add|env|header)\w{{0,20}}\(\s{{0,4}}["'][\w. -]{{0,40}}?{NAME}["']"""
        r"""\s{0,4},\s{0,4}["'](?P<v>[^"'\\\n]{3,512})["']\s{0,4},""",
        check=value_checks.is_neighbour,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""["']--?[\w-]{{0,24}}?(?:{NAMES}|token|pass)["']\s{{0,4}},\s{{0,4}}[bu]?["'](?P<v>[^"'\n]{{1,512}})["']""",
        check=value_checks.is_value,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"--[\w-]{{0,24}}?(?:{NAMES}|token|pass)(?![\w-]{{0,20}}-(?:stdin|fd|store|prompt|hash|from)\b){SUFFIX}"
        rf"[ =]{{1,2}}{VALUE}",
        check=value_checks.is_option_value,
        flags=_I,
    ),
    *command_forms.RULES,
    # Said in prose: "password is hunter2", "pin 4711". With a digit in it; "password reset" is no password, and
    # "/reset-password HTTP/1.1" is a route.
    make_rule(
        "password",
        rf"""(?<![\w/-])(?:{WORDS}|pin|bindpw|requirepass|masterauth|identified by|securestring"""
        rf"""|(?:verification|recovery|one-?time|2fa|mfa|backup|confirmation)[ _-]code)"""
        rf"""(?:\s{{1,4}}{VERB})?(?:\s{{0,4}}[:=]\s{{0,4}}|\s{{1,4}}|(?=[(\[]))(?!\x1b|\[[\d;]{{1,8}}m)["'`(\[]{{0,2}}(?P<bare>(?=[^\s\d"'`)\]]{{0,64}}\d)[^\s<"'`)\]]{{4,256}})""",
        check=value_checks.is_value,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"""\b(?:{KEYS}|token|auth|secret)(?:\s{{1,4}}(?:{VERB}|created|generated|issued)){{0,2}}:?\s{{1,4}}(?!0x[0-9a-f]{{40}}\b)[`(\[]?"""
        r"""(?P<bare>(?=[^\s\d"'`)\]]{0,64}\d)[^\s<"'`)\]]{8,256})""",
        check=made_text.looks_made_in_prose,
        flags=_I,
    ),
    make_rule(
        "password",
        rf"<(?:\w{{1,20}}:)?[\w.-]{{0,40}}?(?:{NAMES}|token){SUFFIX}(?:\s[^<>]{{0,300}})?>"
        r"\s{0,16}(?:<!\[CDATA\[)?(?P<v>[^<>\s][^<>]{0,4095}?)(?:\]\]>)?\s{0,16}</",
        check=value_checks.is_text,
        flags=_I,
        spans_lines=True,
    ),
    make_rule(
        "password",
        rf"&lt;(?:\w{{1,20}}:)?[\w.-]{{0,40}}?(?:{NAMES}|token)[\w-]{{0,24}}&gt;\s{{0,4}}(?P<v>[^&<>\s][^&<>]{{0,400}}?)\s{{0,4}}&lt;/",
        flags=_I,
    ),
    # <Param Name="Password">…</Param>, <name>db.password</name> <value>…</value>
    make_rule(
        "password",
        rf"""(?:(?:name|key|id)=["'][\w.-]{{0,40}}?{NAME}["'][^<>]{{0,200}}>(?:\s{{0,16}}<(?:value|string|text)>)?|<name>\s{{0,4}}[\w.-]{{0,60}}?{NAME}\s{{0,4}}</name>"""
        r"""\s{0,16}<value>)\s{0,16}(?P<v>[^<>\s][^<>]{0,4095}?)\s{0,16}</""",
        flags=_I,
        spans_lines=True,
    ),
    make_rule(
        "email",
        r"""(?<![\w.+%-])[\w.+%-]{1,256}(?:@|%40)(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}""",
        check=value_checks.is_mail,
    ),
    make_rule("email", r""""[\w .+-]{1,64}"@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}"""),
    make_rule(
        "phone",
        r"""(?:phone|mobile|msisdn|telefono?|téléphone|handy|\btel)["']?\s{0,2}[:=]\s{0,2}["']?"""
        r"(?P<v>\+?\d[\d ().-]{5,20}\d)",
        flags=_I,
    ),
    make_rule("phone", r"(?<![\w+])\+[1-9](?:[ ().-]{0,2}\d){7,14}(?!\d)"),
    make_rule(
        "phone",
        r"(?<![\w.(-])(?:\(\d{3}\) ?\d{3}|\d{3}-\d{3}|\d{3}\.\d{3})[-. ]\d{4}(?![\w.-])",
    ),
    make_rule(
        "ssn",
        r"\b(?:ssn|social security(?: number)?|(?:us )?tax[ _-]?id|i?tin)\W{1,4}(?P<v>\d{3}-\d{2}-\d{4})(?!\d)",
        flags=_I,
    ),
    make_rule("token", provider_forms.TELLING_PREFIX, check=made_text.looks_like_a_tail),
    make_rule("token", provider_forms.PREFIXED, check=made_text.looks_prefixed),
    make_rule(
        "key",
        r"(?<=/)[\w-]{40,512}(?=[/?#\s\"']|$)",
        check=made_text.looks_random_in_a_path,
    ),
    make_rule(
        "key",
        r"(?<![\w+/-])[\w+/-]{40,512}={0,2}(?![\w+/-]|\.[a-z]{2,4}\b)",
        check=made_text.looks_random,
    ),
    make_rule(
        "key",
        provider_forms.ONE_CASE,
        check=made_text.looks_random_in_one_case,
    ),
)

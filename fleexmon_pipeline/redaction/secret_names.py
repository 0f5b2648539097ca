"""Names that are followed by a secret, in many languages, and the signs between a name and its value.

Here: parts of expressions. The rules that are made of them: `secret_forms.py`, `said_forms.py`.
"""

from __future__ import annotations

# Names that only a secret follows. "Passwort: …" is in the logs of whoever writes German, French, Spanish, …
WORDS = (
    r"passwor[dt]|passwd(?!:(?:auth|account|session|chauthtok)\))|pass[ _-]?phrase|passcode"
    r"|(?!(?:old)?pwd[\"']?\s{0,4}[=:]\s{0,4}[\"']?(?:[/~]|[A-Z]:[\\/]))pwd"
    r"|kennwort|geheimnis|zugangsschl(?:ü|ue)ssel"
    r"|mot[ _-]?de[ _-]?passe|contrase(?:ñ|n)a|senha|wachtwoord|has[łl]o|heslo|l[öo]senord|salasana|şifre"
    r"|пароль|密[码碼]|パスワード|비밀번호"
)
KEYS = (
    r"(?:api|app|application|access|private|priv|privacy|secret|account|auth|authentication|encryption|signing|master|license|service|shared|storage|sentry"
    r"|subscription|deploy|ssh)[ ._-]?key(?!s(?![A-Za-z]))(?-i:(?![a-rt-z]))"
)
NAMES = (
    rf"{WORDS}|{KEYS}|secret(?!smanager|ar[iy])|credentials?|(?<![A-Za-z])creds|community[_-]?strings?|snmp[_-]?(?:r[ow][_-]?)?community|session[_-]?id|j?sessionid|phpsessid|signature"
    r"|(?:security|secret)[ _-]?answer|x-amz-credential|saml(?:response|request|assertion)"
)
# "token" and other short ones only as the end of a name: max_tokens=1000 and passed=3 are figures.
LAST_NAMES = r"token(?:_?\d{1,4})?|(?<![A-Za-z])(?:pw|sid|otp|cvv|cvc|jwt|pin|psk)|(?<=[?&])key"
# Rarer ones, in a rule of their own: each alternative of NAME costs at every character of a line that is looked at.
RARE_NAMES = (
    r"\b(?:\w{1,40}_)?(?:db|ssh|smtp|imap|mail|my|sql|mysql|pg|redis|ldap|bind|user|root|admin|ftp|proxy|rpc|http|web|sudo"
    r"|become|wifi|vnc|rdp)_?(?:pass|pw)|(?<=[\"'])bearer(?=[\"'])"
)
# What secret_version, PASSWORD_MIN_LENGTH, passwordResetUrl and apiKeyId hold is none.
_HARMLESS = (
    r"ids?|refs?|names?|file|path|dir|ur[li]|versions?|types?|encryption|algorithm|length|size|policy|count|ttl|age|expir\w*"
    r"|authentication|provider|manager|exception|error|required|enabled|field|endpoint|vault|match|min|max|limit"
    r"|timeout|lifetime|period|interval|seconds|minutes|hours|days|at|until|attempts|retries|rounds|iterations|cost"
    r"|hashers?|validators?|rotation|var|variable"
)
SUFFIX = (
    rf"(?!(?:(?:[A-Za-z]{{0,24}}[_-]){{1,4}}|[A-Za-z]{{0,24}}(?-i:(?=[A-Z])))(?:{_HARMLESS})(?![\w-]))[\w-]{{0,24}}"
)
NAME = rf"(?:(?:{NAMES}){SUFFIX}(?:\.value)?|(?:{LAST_NAMES}))"
# After these stands a secret now and then: only a word that no person wrote is taken for one.
MAYBE_NAMES = (
    r"(?<!public.)(?<!routing.)(?<!partition.)(?<!primary.)(?<!foreign.)(?<!cache.)(?<!object.)(?<!bucket.)key"
    r"|session|auth|(?<!--- )pass|pw|salt|clave|parola|[cx]srf|(?<=[?&])code"
)
VERB = r"(?:is|was|ist|war|lautet|est|es|provided|given|used|sent)"  # "password is: …"
_ENTITY = r"&(?:quot|apos|#3[49]);|\\{1,8}u002[27]"  # of HTML and of JavaScript
_PERCENT = r"%(?:25){0,2}"  # percent-encoded, also twice and three times
# password": …, environ['PASSWORD'] = …, user[password]=…, password%5B%5D=…, %22password%22%3A
QUOTE = (
    rf"""(?:\\{{0,15}}["'`]|{_PERCENT}2[27]|{_ENTITY})?"""
    rf"""(?:\]|\[\w{{0,20}}\]|{_PERCENT}5B\w{{0,20}}{_PERCENT}5D|{_PERCENT}5D)?"""
)
TYPE = r"(?:\s{0,2}:?\s{0,2}(?:&?(?:'static\s)?str(?:ing)?|Optional\[str\]|char\*?|text)\b)?"  # var apiToken string = …
SIGN = (
    rf"(?:\s{{1,4}}{VERB})?{TYPE}(?:\s{{0,4}}|[ \t]{{5,60}}(?=(?:=>|[=:])\s))"
    rf"""(?:=>|→|<-(?=\s{{0,4}}["'])|->(?![A-Za-z_]\w{{0,60}}\()|:{{1,3}}=|[?.+|]{{1,2}}=|[=:]{{1,3}}|!={{1,2}}(?=\s{{0,4}}["'])"""
    rf"""|{_PERCENT}3[AD]|\\{{1,8}}u003[adAD])(?:\s{{0,4}}|[ \t]{{5,60}})(?:!{{1,2}}[a-z]{{1,12}}\s{{1,4}})?"""
)
_UNQUOTED = r"""(?:[^\s&"'`|,;]|[,;&|](?!\s|$|[\w.-]{1,40}["']?\s?[=:]))+"""
# Some("…"), b'…', SecretStr('…'), []string{"…"}, Just "…", Secret { inner: "…" }, @"…": what stands around a value is
# left, and the value inside is taken.
WRAPPED_IN = r"""(?:(?:new\s{1,2})?(?:\[\])?[A-Za-z_][\w.:]{0,40}\s{0,2}[(\[{]{1,2}\s{0,2}){1,2}"""
_WRAPPER = (
    rf"""(?:{WRAPPED_IN}(?:(?:inner|value|secret|data|text|raw|plain\w{{0,8}})\s{{0,2}}[:=]\s{{0,2}})?(?:[bBuUrR]{{1,2}})?(?=\\{{0,15}}["'`])"""
    r"""|[bBuUrRfFLN@]{1,2}(?=["'`])|string\(\d{1,6}\)\s{1,2}(?=")|<<(?=["'])|0x[0-9a-f]{1,16}\s{1,2}(?=")|\x1b?\[[\d;]{1,8}m(?=["'])|(?:Just|Some|Ok)\s{1,2}(?=["'])"""
    r"""|\{\s{0,4}["'](?:value|secret|plaintext|data|text)["']\s{0,4}:\s{0,4}(?=["']))?"""
)
VALUE = (
    rf"""{_WRAPPER}(?:\\{{1,15}}"(?P<escaped>(?:(?!\\{{1,15}}").)+)|"(?P<double>(?:[^"\\]|\\.)++)"""
    rf"""|'(?P<single>(?:[^'\\]|\\.)++)|`(?P<tick>[^`]++)|(?P<bare>{_UNQUOTED}))"""
)

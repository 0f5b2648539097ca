"""Secrets in commands, statements of databases and protocols: `openssl -k …`, `IDENTIFIED BY '…'`, `LOGIN bob …`.

Here: forms without a name such as `password` before the value, or where that name is a keyword of the language.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.redaction import made_text, value_checks
from fleexmon_pipeline.redaction.hints import hint_of
from fleexmon_pipeline.redaction.rule import make_rule

_I = re.IGNORECASE
# Between two arguments: a space, `", "` of a list, `" a2="` of auditd
_REST = r"""(?:\s|["'],|["'](?=\s))[^\n|;]{0,160}?(?<=[\s"'])"""  # of a command line, up to an option
# All arguments of a command: to the next one, which stands apart; `|` and `;` within a word may be part of a secret
_ARGUMENTS = r"""(?P<v>(?:\s|["'],|["'](?=\s))(?:[^\n|;]|[|;](?=[^\s|;])){0,400})"""
_TO = r"""(?:\s{1,4}|["']\s{0,2},\s{0,4}|["']\s{1,2}a\d{1,3}=)"""
_VALUE = r"""(?:["'](?P<quoted>[^"'\n$-][^"'\n]{2,256})["']|["']?(?P<v>[^\s"'-][^\s"']{2,256}))"""
_USER = r"""["']?[A-Za-z_][\w.@\\/-]{0,63}["']?"""
_USER_OPTION = r"(?:-[uU]|--user(?:name)?)[ =]{0,4}"

# Which option of which commands takes a secret, in the next word or glued to it.
_OPTIONS = (
    (r"openssl", rf"-[kK]{_TO}{_VALUE}"),
    (
        r"(?:un)?zip|zipcloak|ipmitool|sqlcmd|osql|isql|bcp|tabcmd|mosquitto_(?:pub|sub|rr)|gsql",
        rf"-P(?:{_TO}|=)?{_VALUE}",
    ),
    (r"sqlcmd", rf"-[zZ](?:{_TO}|=)?{_VALUE}"),
    (r"ssh-keygen", rf"-P{_TO}{_VALUE}"),
    (r"redis-cli", rf"-a{_TO}{_VALUE}"),
    (r"ssh-keygen", rf"-N{_TO}{_VALUE}"),
    (
        r"mongo(?:sh|dump|restore|import|export)?|cqlsh|cypher-shell|rabbitmqadmin|psexec(?:64)?|arangosh|useradd|usermod|certutil",
        rf"-p{_TO}{_VALUE}",
    ),
    (r"7z[ar]?|7zz|rar|unrar|p7zip", r"""-(?:hp|p)["']?(?P<v>[^\s"']{3,256})"""),
    (r"ldap(?:search|modify|add|delete|passwd|whoami|compare|modrdn)", rf"-[ws]{_TO}{_VALUE}"),
    (r"(?:smbclient|smbget|rpcclient|winexe|wmic|net)", r"""-U\s{0,4}["']?[^\s"'%]{1,64}%(?P<v>[^\s"']{1,256})"""),
    (r"nmcli|mysqladmin", rf"password{_TO}{_VALUE}"),
    (r"(?:dotnet\s{1,4})?nuget", rf"(?:-k|--api-key|-ApiKey){_TO}{_VALUE}"),
    (r"https?|xh", r"""(?:-a|--auth)[ =]{1,4}["']?[\w.@-]{0,64}:(?P<v>[^\s"'$][^\s"']{2,256})"""),
    (r"aws\s{1,4}configure", rf"[\w.-]{{0,40}}(?:secret_access_key|session_token)\s{{1,4}}{_VALUE}"),
    (r"lftp", r"""-u\s{0,4}["']?[^\s"',]{1,64},(?P<v>[^\s"']{1,256})"""),
    (r"snmp(?:get|walk|set|bulkwalk|bulkget|trap|getnext)", rf"-[AX]\s{{1,4}}{_VALUE}"),
    (r"net1?(?:\.exe)?\s{1,4}use", r"/user:\S{1,100}\s{1,4}(?P<v>[^\s/*][^\s]{1,256})"),
    (r"net1?(?:\.exe)?\s{1,4}use", r"\\\\\S{3,200}\s{1,4}(?P<v>[^\s/*][^\s]{1,256})(?=\s{1,4}/)"),
    (r"(?:xfreerdp|wlfreerdp|schtasks|signtool)(?:\.exe)?", r"/(?:p:|r?p\s{1,4})(?P<v>[^\s\"']{2,256})"),
    (r"aws\s{1,4}ssm", rf"SecureString\s[^\n|;]{{0,160}}?--value[ =]{{1,4}}{_VALUE}"),
    (r"gh\s{1,4}secret\s{1,4}set", rf"(?:--body|-b)[ =]{{1,4}}{_VALUE}"),
    (r"openssl\s{1,4}passwd", rf"-[156a-z]{{1,8}}\s{{1,4}}{_VALUE}"),
    (r"qpdf", rf"--encrypt\s{{1,4}}{_VALUE}"),
)
# Commands that take a secret as a word of its own, behind these words.
_LAST_WORDS = (
    r"rclone\s{1,4}obscure|nuget\s{1,4}setapikey|smbclient\s{1,4}//\S{1,200}|bw\s{1,4}login\s{1,4}\S{1,128}|consul\s{1,4}kv\s{1,4}put\s{1,4}\S{0,100}(?:pass|secret|token|key)\S{0,40}|wpa_passphrase\s{1,4}\S{1,64}|"
    r"rabbitmqctl\s{1,4}(?:add_user|change_password)\s{1,4}\S{1,128}"
    r"|net1?(?:\.exe)?\s{1,4}user\s{1,4}[\w.-]{1,64}"
    r"|composer\s{1,4}config\s[^\n|;]{0,80}?http-basic\.\S{1,128}\s{1,4}\S{1,128}"
    r"|mc\s{1,4}(?:alias\s{1,4}set|config\s{1,4}host\s{1,4}add)\s{1,4}(?:\S{1,256}\s{1,4}){2}\S{1,128}"
)
_SIGN_IN = (
    r"(?:vault|cargo|npm|pnpm|gem|railway|flyctl|snyk|pulumi|wrangler|supabase)\s{1,4}login"
    r"|bw\s{1,4}unlock|add-authtoken|authtoken|set-password"
)

# Commands in which a user stands too, and whose `-p` takes a priority, a property, a port or nothing.
_OTHER_P = re.compile(
    r"(?<![\w.-])(?:mysql|mariadb|psql|pg_|createdb|journalctl|systemctl|lsof|strace|ps|pip3?|uv|virtualenv|ssh|scp|rsync|cp"
    r"|(?:docker|podman)(?:-compose)?\s{1,4}(?:compose|run|create|up))[\w-]{0,20}\s"
)


def _is_password_of_user(value: str, found: re.Match[str]) -> bool:
    """`-p` beside `-u ann`. `mysql -u ann -p shop` asks for it, and `journalctl -u nginx -p err` has a priority."""
    command = re.split(r"[|;&\n]", found.string[max(0, found.start() - 200) : found.start()])[-1]
    return not _OTHER_P.search(f"{command} ") and value_checks.is_no_port(value, found)


RULES = (
    # As a shell has them: curl -u bob:…, sshpass -p …, mysql -p…, redis-cli -a …
    make_rule(
        "password",
        r"""(?:\s|^)(?:-u|--(?:proxy-)?user)[ =]{0,2}["']?[\w.@{}-]{0,64}["']?:["']?(?P<v>[^\s"':]{3,256})""",
        check=value_checks.is_no_number_or_stand_in,
    ),
    # As curl's file of options has them
    make_rule(
        "password",
        r"""(?:^|\n)\s{0,8}(?:proxy-)?user\s{0,4}[=:]\s{0,4}["'][^"':\n]{1,64}:(?P<v>[^"':\n]{3,256})["']\s{0,4}(?=\n|$)""",
        check=value_checks.is_no_word,
    ),
    # As Bundler has them, for a source of gems: BUNDLE_GEMS__EXAMPLE__COM=user:password
    make_rule(
        "password",
        r"""\bBUNDLE_\w{1,60}__\w{1,20}["']?\s{0,4}[=:]\s{0,4}["']?(?P<v>[^\s"':;]{1,100}:[^\s"';]{3,200})""",
    ),
    make_rule(
        "password",
        r"""\bsshpass["']?(?:\s{1,4}|\s{0,4},\s{0,4})["']?-p(?:["']\s{0,2},\s{0,4}|\s{0,4})["']?(?P<v>[^\s"']{1,256})""",
    ),
    make_rule(
        "password",
        r"""\b(?:mysql|mariadb)[\w-]{0,20}(?:\s|["'],|["'](?=\s))[^\n|;]{0,80}?(?<=[\s"'])"""
        r"""-p(?:["'](?P<quoted>[^"'\n]{3,256})["']|(?P<v>[^\s"']{3,256}))""",
    ),
    make_rule(
        "password",
        r"""\bredis-cli\s[^\n|;]{0,80}?(?<=\s)-a\s{1,4}["']?(?P<v>[^\s"']{3,256})""",
    ),
    make_rule(
        "password",
        r"""\b[a-z][\w-]{1,20}\s{1,4}(?:registry\s{1,4})?login\s[^\n|;]{0,80}?(?<=\s)-p\s{1,4}["']?"""
        r"""(?P<v>[^\s"'-][^\s"']{2,256})""",
    ),
    *(
        make_rule(  # in one command several may stand: the keys of SNMP for signing and for hiding
            "password",
            rf"(?<![\w.-])(?:{commands})(?:\.exe)?{_ARGUMENTS}",
            hint=hint_of(rf"(?:{commands})(?:\.exe)?{_REST}{option}"),
            check=value_checks.is_given,
            parts=rf"(?<=[\s\"']){option}",
        )
        for commands, option in _OPTIONS
    ),
    make_rule(
        "password",
        rf"(?<![\w.-])(?:{_LAST_WORDS})\s{{1,4}}(?!/){_VALUE}",
        check=value_checks.is_given,
    ),
    # What is set, and for whom: consul acl set-agent-token default …, confluent api-key store ann …
    make_rule(
        "password",
        r"(?<![\w.-])(?:(?:set|store|add|put|update|import|change)[- ](?:[a-z]{1,16}[- ]){0,2}"
        r"(?:token|secret|password|api-?key)"
        r"|(?:token|secret|password|api-?key)s?[- ](?:set|store|add|put|update|import|change))\s{1,4}"
        rf"(?:--?[\w=-]{{1,40}}\s{{1,4}}){{0,3}}[\w.@-]{{1,64}}\s{{1,4}}{_VALUE}",
        check=made_text.looks_made_in_prose,
    ),
    make_rule(
        "password",
        rf"(?<![\w.-])(?:{_SIGN_IN})\s{{1,4}}{_VALUE}",
        check=value_checks.has_a_digit,
    ),
    # With a short option that many commands have for a secret, if no person wrote what follows
    make_rule(
        "password",
        r"""(?:\s|["'])-[pPkKtTwWaN]["']?\s{1,4}["']?(?P<v>[^\s"'./-][^\s"'./]{7,256})(?=["'\s]|$)""",
        check=made_text.looks_made,
    ),
    make_rule(
        "password",
        r"""["'](?:curl|wget|https?|xh)["'][^\n\]]{0,200}?["'](?:-u|-a|--user|--auth|--proxy-user)"""
        r"""["'](?:\s{0,4},\s{0,4}|\s{1,2}a\d{1,3}=)"""
        r"""["'][^"':\n]{0,64}:(?P<v>[^"'\n]{3,256})["']""",
        check=value_checks.is_no_number_or_stand_in,
    ),
    # As elements of a list; behind a user any word is one: ['dump', '-u', 'app', '-p', '…']
    make_rule(
        "password",
        r"""["']-[pPkKtTwWaN]["']\s{0,4},\s{0,4}["'](?P<v>[^\s"'./-][^\s"'./]{7,256})["']""",
        check=made_text.looks_made,
    ),
    make_rule(
        "password",
        r"""["'](?:-[uU]|--user(?:name)?)["']\s{0,4},\s{0,4}["'][^"'\n]{1,64}["']\s{0,4},\s{0,4}["']-[pPw]["']\s{0,4},\s{0,4}"""
        r"""["'](?P<v>[^\s"'/][^\s"']{2,256})["']""",
        check=value_checks.is_no_port,
    ),
    make_rule(
        "password",
        rf"""(?<=\s){_USER_OPTION}{_USER}\s{{1,4}}-[pPw]\s{{1,4}}["']?(?P<v>[^\s"'/-][^\s"']{{2,256}})""",
        check=_is_password_of_user,
    ),
    make_rule(  # with other options between them
        "password",
        rf"""(?<=\s)(?:-u|--user(?:name)?)[ =]{{1,4}}{_USER}\s[^\n|;]{{1,60}}?\s-[pw]"""
        r"""\s{1,4}["']?(?P<v>[^\s"'/-][^\s"']{2,256})""",
        check=_is_password_of_user,
    ),
    make_rule(
        "password",
        rf"""(?<=\s)-[pPw]\s{{1,4}}["']?(?P<v>[^\s"'/-][^\s"']{{2,256}})["']?\s{{1,4}}{_USER_OPTION}{_USER}""",
        check=_is_password_of_user,
    ),
    # As the last word of a command that is a list: "cmd": ["mysqladmin", "password", "…"]
    make_rule(
        "password",
        r"""(?:cmd|command|argv|args|exec\w{0,4})["']?\s{0,4}[:=(][^\n\]]{0,400}?["'](?:pass(?:word|wd)?|secret|token)["']\s{0,4},\s{0,4}"""
        r"""["'](?P<v>[^\s"'-][^\s"']{2,256})["']\s{0,4}\]""",
        check=value_checks.is_given_and_no_word,
    ),
    # With a long option and one dash, whatever the command: keytool -storepass …, plink -pw …
    make_rule(
        "password",
        rf"""(?:\s|["'])-(?:[a-z]{{0,10}}(?:pass|passwd|password|passphrase)|pw|pwd)[ =]{{1,4}}{_VALUE}""",
        check=value_checks.is_given,
    ),
    make_rule(
        "password", r"\bhtpasswd\s{1,4}-[a-zA-Z]{0,6}b[a-zA-Z]{0,6}\s{1,4}(?:\S{1,256}\s{1,4}){1,2}(?P<v>\S{3,256})$"
    ),
    make_rule(
        "password", r"""\becho\s{1,4}["']?[\w.-]{1,64}:(?P<v>[^\s"'|]{1,256})["']?\s{0,4}\|\s{0,4}(?:sudo\s)?chpasswd"""
    ),
    make_rule(
        "password",
        r"""\b(?:sqlplus|expdp|impdp|sqlldr|rman)\s[^\n|;]{0,80}?(?<=[\s"'])[\w.]{1,64}/(?P<v>[^\s"'/@]{1,128})(?=@|["'\s]|$)""",
    ),
    make_rule(
        "password",
        r"(?<![\w.:-])[\w.*-]{1,253}:(?:\d{4,5}|\*):(?:[A-Za-z_]\w{0,62}|\*):[A-Za-z_]\w{0,62}:(?P<v>[^\s:]{3,256})(?!\S)",
    ),
    make_rule(
        "password",
        r"""\becho\s{1,4}(?:-n\s{1,4})?["']?(?P<v>[^\s"'|]{1,256})["']?\s{0,4}\|\s{0,4}(?:(?:sudo\s)?(?:passwd|smbpasswd|kinit|cryptsetup)\s|sudo\s[^|\n]{0,60}?(?<=\s)-S\b)""",
    ),
    make_rule(
        "password",
        r"""(?<![\w.-])(?:kinit|sudo|(?:ch|smb)?passwd|cryptsetup|ssh-add|gpg2?)\s[^\n|;<>]{0,120}<<<\s{0,4}["']?(?P<v>[^\s"']{3,256})""",
        check=value_checks.is_given,
    ),
    make_rule(
        "password",
        r"""\becho\s{1,4}(?:-n\s{1,4})?["']?(?P<v>[^\s"'|$][^\s"'|]{2,256})["']?\s{0,4}\|\s[^|\n]{1,120}--password-stdin""",
    ),
    make_rule("password", r"""\bcrypt\(\s{0,4}'(?P<v>[^'\n]{1,256})'\s{0,4},\s{0,4}gen_salt"""),
    # .netrc
    make_rule(
        "password",
        r"\blogin\s{1,4}\S{1,128}\s{1,4}password\s{1,4}(?P<v>\S{1,256})",
        check=value_checks.is_given,
    ),
    make_rule(
        "password",
        r"\b(?:user(?:name)?|login|account)\s{1,4}[\w.@-]{1,128}\s{1,4}(?:pass(?:word|wd)?|pw|secret)\s{1,4}(?P<v>[^\s\"'-][^\s\"']{3,256})(?!\S)",
        check=value_checks.is_given_and_no_word,
    ),
    # As a database is told: a row with a column of passwords, IDENTIFIED WITH … BY '…', ALTER ROLE app PASSWORD '…'
    make_rule(
        "password",
        r"""\bidentified\s{1,4}(?:with\s{1,4}["'`]?[\w-]{1,60}["'`]?\s{1,4})?(?:by|as)(?:\s{1,4}password)?\s{1,4}["'](?P<v>[^"'\n]{1,256})["']""",
        flags=_I,
    ),
    make_rule(
        "password",
        r"""\binsert\s{1,4}into\s[^\n;()]{1,80}\([^()\n]{0,200}(?:pass(?:word|wd)?|secret|token|api_?key)[^()\n]{0,200}\)\s{0,4}values?\s{0,4}"""
        r"""\((?P<v>[^()\n]{1,1000})\)""",
        check=value_checks.are_no_stand_ins,
        flags=_I,
    ),
    make_rule(
        "password",
        r"""\b(?:alter|create|set)\s[^\n;]{0,160}?\b(?:password|secret)(?:\s{1,4}for\s{1,4}\S{1,80})?[\s=(]{1,6}N?["'](?P<v>[^"'\n]{1,256})["']""",
        check=value_checks.is_text,
        flags=_I,
    ),
    make_rule(  # in dollars, as PostgreSQL quotes
        "password",
        r"\b(?:alter|create|set)\s[^\n;]{0,160}?\b(?:password|secret)[\s=(]{1,6}\$\w{0,20}\$(?P<v>[^$\n]{1,256})\$",
        flags=_I,
    ),
    make_rule(
        "password",
        r"""\b(?:pgp_sym_(?:en|de)crypt(?:_bytea)?|(?:aes|des)_(?:en|de)crypt|hmac)\([^\n]{1,300}?,\s{0,4}"""
        r"""'(?P<v>[^'\n]{3,256})'\s{0,4}(?:,\s{0,4}'[\w=, -]{1,60}'\s{0,4})?\)""",
        check=value_checks.is_no_algorithm,
        flags=_I,
    ),
    make_rule(
        "password",
        r"""\b(?:pragma\s{1,4}(?:\w{1,40}\.)?(?:hex|text)?(?:re)?key\s{0,4}[=(]|attach\s[^\n;]{1,300}?\skey)\s{0,4}["'](?P<v>[^"'\n]{1,256})["']""",
        flags=_I,
    ),
    make_rule(
        "password",
        r"""\bsp_addlinkedsrvlogin\s{1,4}(?:(?:N?'[^'\n]{0,128}'|NULL)\s{0,4},\s{0,4}){4}N?'(?P<v>[^'\n]{1,256})'""",
        flags=_I,
    ),
    make_rule(
        "password",
        r"""\bConvertTo-SecureString\s{1,4}(?:-(?:String|AsPlainText|Force)\s{1,4}){0,3}["']?(?P<v>[^\s"'$(-][^\s"']{2,256})""",
        check=value_checks.is_given,
        flags=_I,
    ),
    make_rule(
        "password",
        r"""(?:pass\w{0,12}|token|secret|key)[\w-]{0,20}[= ]<\((?:echo|printf)\s{1,4}(?:-n\s{1,4})?"""
        r"""["']?(?P<v>[^\s"')]{3,256})""",
        flags=_I,
    ),
    make_rule(  # accounts of Windows, as they are dumped: name, number, two hashes
        "password",
        r"(?<!\S)[^\s:]{1,64}:\d{1,10}:(?P<v>[0-9a-f]{32}:[0-9a-f]{32}):::",
        flags=_I,
    ),
    make_rule(
        "password",
        r"""\bsp_addlogin\s{1,4}N?'[^'\n]{1,128}'\s{0,4},\s{0,4}N?'(?P<v>[^'\n]{1,256})'""",
        flags=_I,
    ),
    make_rule(
        "password",  # Oracle, without quotes
        r"""\bidentified\s{1,4}by\s{1,4}(?!values\b)(?P<bare>[^\s"';,()]{4,128})(?=\s|;|$)""",
        check=value_checks.is_given,
        flags=_I,
    ),
    # Redis
    make_rule(
        "password",
        r"(?:^|\n|> )AUTH\s{1,4}(?!(?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5|EXTERNAL|GSSAPI|NTLM|TLS|SSL|NOT|OK)\b)"
        r"(?:default\s{1,4})?(?P<v>\S{4,256})\s*(?=\n|$)",
        check=value_checks.is_given,
    ),
    make_rule(
        "password",
        r"(?:^|\n|> )AUTH\s{1,4}[A-Za-z][\w.@-]{0,63}\s{1,4}(?P<v>\S{6,256})\s*(?=\n|$)",
        check=value_checks.has_a_digit,
    ),
    make_rule(
        "password",
        r"""[\[{:]\s{0,4}["']auth["']\s{0,4},\s{0,4}(?:["']?args["']?:\s{0,4}\[\s{0,4})?"""
        r"""(?:["'][^"'\n]{1,64}["']\s{0,4},\s{0,4})?["'](?P<v>[^"'\n]{3,256})["']\s{0,4}[\]}]""",
        check=value_checks.is_no_word,
        flags=_I,
    ),
    make_rule("password", r"\b(?:HELLO\s{1,4}[23]\s{1,4}AUTH|AUTH2)\s{1,4}\S{1,128}\s{1,4}(?P<v>\S{1,256})"),
    # Routers and switches: communities, keys and secrets, with the number of their encoding before them
    make_rule(
        "password",
        r"\bsnmp(?:-server|-agent)?\s[^\n]{0,40}?\bcommunity\s{1,4}(?:(?:read|write|cipher|simple)\s{1,4})?(?P<v>[^\s,;]{2,128})",
        flags=_I,
    ),
    make_rule(
        "password",
        r"\b(?:secret|password|passwd|key|key-string|md5)\s{1,4}[0-9]\s{1,4}(?P<v>(?=[^\s]{0,64}\d)[^\s\"'<>]{6,256})(?!\S)",
        flags=_I,
    ),
    make_rule(
        "password",
        r"\b(?:(?:radius|tacacs|aaa)(?:-server)?\s[^\n]{0,60}?\bkey|isakmp\s{1,4}key|pre-shared-key(?:\s{1,4}(?:local|remote))?)"
        r"\s{1,4}(?:[0-9]\s{1,4})?[\"']?(?P<v>[^\s\"']{4,256})",
        check=value_checks.has_a_digit,
        flags=_I,
    ),
    make_rule(
        "password",
        r"\bpre-shared-key\s{1,4}(?:ascii-text|hexadecimal)\s{1,4}[\"']?(?P<v>[^\s\"']{4,256})",
        check=value_checks.is_given,
        flags=_I,
    ),
    make_rule(
        "password",
        r"\b(?:(?:message-digest-key|authentication-key)\s{1,4}\d{1,10}\s{1,4}(?:md5|sha\S{0,10}|hmac\S{0,12})(?:\s{1,4}\d)?"
        r"|(?:auth|priv)\s{1,4}(?:md5|sha[\w-]{0,8}|3?des|aes(?:[ -]?\d{3})?)|plain-text-password(?:-value)?"
        r"|wpa-psk\s{1,4}(?:ascii|hex)(?:\s{1,4}\d)?"
        r"|set\s{1,4}(?:psksecret|passwd|password|secret)(?:\s{1,4}ENC)?|(?<!-)psk)\s{1,4}[\"']?(?P<v>(?=[^\s\"']{0,64}\d)[^\s\"']{4,256})",
        check=value_checks.is_given,
        flags=_I,
    ),
    make_rule(
        "password",
        r"""\bconfig["']?\s{1,4}["']?set["']?\s{1,4}["']?(?:requirepass|masterauth)["']?\s{1,4}["']?(?P<v>[^\s"']{1,256})""",
        flags=_I,
    ),
    make_rule("password", r"\bacl\s{1,4}setuser\s[^\n]{0,160}?(?<=\s)[>#](?P<v>\S{1,256})", flags=_I),
    # IMAP: a tag, LOGIN, the user
    make_rule(
        "password",
        r"""(?:^|\n|[>:\]]\s)\s{0,4}[A-Za-z]{0,4}\d{1,6}\s{1,2}LOGIN\s{1,2}\S{1,128}\s{1,2}["']?(?P<v>[^\s"']{1,256})""",
    ),
)

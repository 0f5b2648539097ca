"""Secrets that stand apart from their name, in lists, blocks, columns and sentences; and what only looks similar."""

from __future__ import annotations

import pytest

from fleexmon_pipeline.redaction.redact import redact, redact_lines

SECRET = "Lantern-Heron57"
HEX = "5c1f0e9d8b7a6c5d4e3f2a1b0c9d8e7f"

LEAKS = {
    "lists of YAML": [
        "passwords:\n- %s\n- old-%s",
        "mail:\n  tokens:\n    - %s\n  port: 25",
        "deploy_keys: # two\n  # of the harbour\n  - '%s'\n",
        'api-keys:\n  - "%s" # since May\n',
        "secret:\n    - %s",
    ],
    "blocks of YAML": [
        "passphrase: |\n  first line\n  %s\nport: 1",
        "private_key: !Sub >-\n    abc\n    %s\n",
        "token: &anchor |2\n   %s\n",
        "chpasswd:\n  expire: False\n  list: |\n    ann:%s\n",
    ],
    "columns": [
        "harbour.password          = %s",
        '    + admin_password                = "%s"',
        "HARBOUR_TOKEN:                 %s",
        "smtp_passwd            => %s",
        "harbour.password       %s",
        "| harbour.smtp.password | %s |",
        "║ passphrase ║ %s ║",
    ],
    "what is set": [
        "option harbour.password has value '%s'",
        "flag --signing-secret was set to %s",
        "property [passwd] with value [%s]",
        "variable HARBOUR_TOKEN resolved to the value: %s",
        "login ann, password %s, host db",
    ],
    "traces of a shell": [
        "+ echo %s\n+ skopeo login -u ci --password-stdin r.example",
        "05:00 ++ printf '%%s' %s\n05:00 ++ chpasswd",
        "+ REDISPASS=%s",
        "fetch --token=<(echo %s)",
    ],
    "calls and wrappers": [
        "{'auth': ('ann', '%s')}",
        '#{db_password => <<"%s">>}',
        'passwd = 0x55d0 "%s", port = 1',
        "passwd: \x1b[32m'%s'\x1b[39m",
        "passwd: [32m'%s'[39m",
        "ConvertTo-SecureString -Force -AsPlainText '%s'",
        'Bind: Name="SmtpPassword"; Value="%s"',
        "[[user, ann], [passwd, %s]]",
        "changeUserPassword('ann', '%s')",
        "<mail><pass>%s</pass></mail>",
        '{"auth":{"type":"bearer","bearer":"%s"}}',
    ],
    "statements and addresses": [
        "ALTER ROLE ann PASSWORD $x$%s$x$",
        "SELECT pgp_sym_decrypt(body, '%s')",
        "PRAGMA hexkey = '%s'",
        "ATTACH 'a.db' AS a KEY '%s'",
        "EXEC sp_addlinkedsrvlogin 'DB2', 'false', NULL, 'ann', '%s'",
        'set ike pre-shared-key ascii-text "%s"',
        "bad DSN ann:%s@harbour/boats",
        "bindPW=%s",
    ],
}

ISSUED = [
    "X-Harbour-Api: %s",
    "HARBOUR_LOGIN=%s",
    "/cgi-bin/luci/;stok=%s/admin",
    "exp=1~hmac=%s",
    "approle secret_id=%s",
    "clone https://%s:x-oauth-basic@git.example/a",
    "ann:1009:aad3b435b51404eeaad3b435b51404ee:%s:::",
]

CODES = ["recovery codes: 7d1a-02ce, 55f0-9b3c", 'backup_codes=["7d1a-02ce","55f0-9b3c"]']

HARMLESS = [
    "secrets:\n  - harbour_db\n  - web-tls-2",
    "tokens:\n  - noun\n  - verb",
    "passwords:\n  min_length: 12\n  max_age: 90",
    "passwords:\n  - required",
    "api_keys:\n  - name: ci\n    scope: read",
    "passphrase: |\nport: 1",
    "| harbour.password | varchar(64) | yes |",
    "| HARBOUR_URL | off | called by each tick; a secret | `https://harbour.example/ID7` |",
    "password             : (none)",
    "harbour.password       required",
    "password set to never expire",
    "token was set to null",
    "field password has value of type text",
    "login ann, password expired",
    "skopeo login -u ci --password-stdin r.example",
    "auth=ldap login=ann hmac=sha256",
    "SecretId: arn:aws:secretsmanager:eu-west-1:123456789012:secret:harbour",
    "compass=12 bypass=on",
    "<pass>12</pass> <fail>0</fail>",
    "SELECT hmac(body, key, 'sha256')",
    "recovery codes: generated",
    "pam_unix(passwd:chauthtok): password changed for ann",
    "pin: gpio17, pin=PA3",
    "token: 1532",
    f"key: harbour-Linux-node20-npm-{HEX}",
    f"block 0x{HEX}{HEX} mined",
    "setting password-policy has value Strict1",
]


@pytest.mark.parametrize("kind", LEAKS)
def test_a_secret_apart_from_its_name_does_not_come_out(kind: str) -> None:
    for form in LEAKS[kind]:
        text = form.replace("%%", "\0").replace("%s", SECRET).replace("\0", "%")
        assert SECRET not in redact(text), form
        assert SECRET not in "\n".join(line for line, _ in redact_lines(text.split("\n"))), form


def test_a_list_and_a_block_end_where_the_next_name_begins() -> None:
    assert (
        redact(f"passwords:\n- {SECRET}\n- b-{SECRET}\nport: 25") == "passwords:\n- <password>\n- <password>\nport: 25"
    )
    assert redact(f"passwd: |\n  a\n  {SECRET}\nport: 25") == "passwd: |\n  <password>\nport: 25"
    assert len(list(redact_lines(f"passwords:\n- {SECRET}\n- b-{SECRET}\nport: 25".split("\n")))) == 4


@pytest.mark.parametrize("form", ISSUED)
def test_behind_a_short_name_the_form_of_a_value_tells(form: str) -> None:
    assert HEX not in redact(form % HEX)
    assert "ann" in redact(form % "ann")


@pytest.mark.parametrize("text", CODES)
def test_codes_that_are_good_once_do_not_come_out(text: str) -> None:
    assert not {"7d1a-02ce", "55f0-9b3c"} & set(redact(text).replace('"', " ").replace(",", " ").split())


@pytest.mark.parametrize("line", HARMLESS)
def test_what_stands_apart_and_is_no_secret_stays(line: str) -> None:
    assert redact(line) == line

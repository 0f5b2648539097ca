"""Arguments of commands, secrets below their names, keys line by line, and settings that only look like passwords."""

from __future__ import annotations

import pytest

from fleexmon_pipeline.redaction.redact import redact, redact_lines

SECRET = "Copper 7 & kettle!"
WORD = "lanternmeadow"  # as people choose them: no digit, no capital
MADE = "Hq7Lx2Vn9Tb4Rw8Zc3"
HEX = "6b0d9e2f4a7c1835d2e6f0a9b3c47518"

COMMANDS = [
    f"mysqlcheck -uann -p'{SECRET}' --all-databases",
    f'mariadb -uann -p"{SECRET}" boats',
    f"ldapadd -x -D cn=ann -w '{SECRET}' -f boats.ldif",
    f"unzip -P '{SECRET}' boats.zip",
    f"snmpget -v3 -l authPriv -u ann -A '{SECRET}' -X {MADE} router 1.3.6",
    f"sqlcmd -U ann -P {MADE} -Z '{SECRET}'",
    f"ssh-keygen -p -P '{SECRET}' -N {MADE} -f id",
    f"rpcadmin -u HARBOUR\\ann -p {WORD} enumerate",
    f"uploader -u __bot__ -p {WORD} boats.tar",
    f"migrate --username ann --url db -p {WORD} up",
    f"migrate -p {WORD} -u ann up",
    f"net use Y: \\\\shed\\boats {WORD} /user:ann",
    f"consul acl set-agent-token recovery {HEX}",
    f"harbourctl api-key store ann {MADE}",
    f"sending PASS {WORD}",
    f"C: PASS {WORD}",
    f"jdbc:oracle:thin:ann/{WORD}@//shed:1521/BOATS",
    f'Digest username="ann", realm="boats", uri="/", response="{HEX}"',
    f'<setting name="MailPassword" serializeAs="String"><value>{WORD}</value></setting>',
    f"requirepass {WORD}",
    f"defPassphrase {WORD}",
    f"boats.login called with arguments: ('ann', '{WORD}')",
    f'invalid header field value "Key {MADE}\\n" for key Authorization',
    f'["sshpass", "-p", "{WORD}", "scp", "a", "b:"]',
    f'["redis-cli", "-h", "shed", "-a", "{WORD}"]',
    f'argc=3 a0="wget" a1="--user" a2="ann:{WORD}"',
    f"/boats/db/password = {WORD}",
    f"DB_PASSWORD=$ecret{WORD}",
    "refused key-4k9x2m7q1z8v3n6b5t0r4w9y2u7i1o8p",
    "refused pat-eu1-5f0e1d2c-3b4a-4958-8776-95a4b3c2d1e0",
]
LINES = [
    f"Password of ann (ask the harbour master):\n{MADE}\nBye",
    f"Your access token, shown once:\n\n  {MADE}\n",
    f"secret = \\\n    {WORD}\nport = 25",
    f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{HEX}\nabc\n-----END RSA PRIVATE KEY-----\nport = 25",
    f"Private-Lines: 2\n{HEX}{MADE}\n{MADE}=\nPrivate-MAC: 00",
    f"key: |\n  -----BEGIN EC PRIVATE KEY-----\n  {HEX}\n  -----END EC PRIVATE KEY-----\nport: 25",
]
HARMLESS = [
    "passwords:\n  rotate: yearly\n  hashing: scrypt\n  min_length: 14",
    "passwords:\n  storage_backend: keyring\n  on_expiry: lock",
    "journalctl -u harbour -p warning",
    "systemctl --user show -p MainPID harbour",
    "mysql -u ann -p boats",
    "docker run -u ann -v /a:/b -p web:80 harbour",
    "permissions:\n  id-token: write\n  contents: read",
    "Authorization: Bearer ■■■■■■■■■■",
    "password: ••••••••",
    "Password:\nLogin incorrect",
    "API keys:\n- web\n- ci-2",
    "export API_TOKEN=$token && harbourctl --password $db_password",
    'createuser ann --password="$DB_PASS"',
    "db_password: $$DB_PASSWORD",
    "curl --tlspassword https://shed.example",
    "<db_password>null</db_password>",
    "Authorization: (redacted)",
    "pin: v1.4.2",
    "/etc/passwd: unreadable",
    "PASS boats/anchor_test",
    "requirepass disabled",
    "net use \\\\shed\\boats /delete",
    '<setting name="SecretName" serializeAs="String"><value>shed-tls</value></setting>',
]


def in_lines(text: str) -> str:
    return "\n".join(line for line, _ in redact_lines(text.split("\n")))


@pytest.mark.parametrize("text", [*COMMANDS, *LINES])
def test_each_secret_of_a_command_and_below_a_name_does_not_come_out(text: str) -> None:
    for redacted in (redact(text), in_lines(text)):
        assert not [secret for secret in (SECRET, WORD, MADE, HEX, "4k9x2m7q", "5f0e1d2c") if secret in redacted]
        assert redact(redacted) == redacted


@pytest.mark.parametrize("text", HARMLESS)
def test_settings_priorities_and_masked_values_stay(text: str) -> None:
    assert redact(text) == in_lines(text) == text


def test_what_follows_a_command_and_a_key_stays() -> None:
    assert redact(f"zip -P {MADE} a.zip | grep -p boats") == "zip -P <password> a.zip | grep -p boats"
    assert in_lines(LINES[-1]).split("\n")[-1] == "port: 25"
    assert len(in_lines(LINES[-1]).split("\n")) == 5

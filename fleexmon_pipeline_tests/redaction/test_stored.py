"""Secrets that only a command, a mark, a kind of object or another line tells; and what only looks similar."""

from __future__ import annotations

import pytest

from fleexmon_pipeline.redaction.redact import Redactor, redact, redact_lines

SECRET = "Marlin_Anchor83"
WORD = "quietHarbourBell"
HEX = "5c1f0e9d8b7a6c5d4e3f2a1b0c9d8e7f"

LEAKS = {
    "commands that store": [
        "harbourctl secrets set PG_URL %s --app blue",
        "harbourctl secret put PG_URL=%s",
        "nx config set --secret pgUrl %s",
        "nx config set pgUrl %s --secret",
        "nx variables create SMTP_PASSWORD %s",
        "nx config set mailPassword %s",
        "harbourctl secret set --vault blue --name pg --value %s",
        "nx config --global set credential.password %s",
        "nx env add PG_PASSWORD production <<< %s",
        "New-Item -Path Env:HARBOUR_TOKEN -Value %s",
        "crypt '%s' --name 'smtp_password'",
    ],
    "pipes": [
        "echo %s | harbourctl secret put PG_URL",
        "printf %%s %s | kv write password -",
        "echo %s | openssl passwd -stdin",
        "Write-Output '%s' | Set-Passphrase -Stdin",
    ],
    "marks": [
        '{"name": "pg_url", "sensitive": true, "value": "%s"}',
        '{"key": "PG_URL", "value": "%s", "masked": true}',
        '"pg_url": {\n  "sensitive": true,\n  "type": "string",\n  "value": "%s"\n}',
        "SettingKey=SmtpPassword,SettingValue=%s",
    ],
    "kinds of objects": [
        "kind: Secret\nmetadata:\n  name: pg\nstringData:\n  url: %s\n  more: abc\n",
        "apiVersion: v1\ndata:\n  ca.crt: abc\n  url: %s\nkind: Secret\n",
        '{"kind":"Secret","metadata":{"name":"pg","labels":{"a":"b"}},"data":{"url":"%s"}}',
        '{"data":{"ca.crt":"abc","url":"%s"},"kind":"Secret"}',
        'last-applied: {\\"data\\":{\\"url\\":\\"%s\\"},\\"kind\\":\\"Secret\\"}',
    ],
    "lists and maps": [
        "passwords:\n  ann: %s\n  bo: other",
        'passphrases:\n  host1: "%s"\n',
        "basic_auth:\n  - ann:%s\n",
        "community_strings:\n  - '%s'\n",
        "signing_key = <<-EOT\n  abc\n  %s\nEOT\nname = 1",
    ],
    "arguments in lists": [
        'exec ["sqlcmd", "-S", "db", "-P", "%s"]',
        'argc=4 a0="mongodump" a1="--out" a2="-p" a3="%s"',
        '["mariadb-dump", "-uroot", "-p%s"]',
        '{"cmd": ["mysqladmin", "-u", "root", "password", "%s"]}',
        "create remote dav user ann pass %s vendor other",
    ],
    "sentences": [
        "initial password (without the quotes): '%s'",
        "Password generated: %s",
        "Kennwort für Benutzer ann lautet %s",
        "Kennwort für ann lautet: %s",
        "mot de passe pour ann est « %s »",
        "unsealed secret blue/pg => %s",
        "== Start token ==\n==      ==\n==   %s   ==",
    ],
    "protocols": [
        "334 UGFzc3dvcmQ6\nTWFybGluX0FuY2hvcjgz",
        "C: PASS %s",
        "x-acme-key: %s",
        '"CONFIG" "SET" "masterauth" "%s"',
        "WIFI:S:blue;T:WPA;P:%s;;",
    ],
}
HARMLESS = [
    "harbourctl secrets list --app blue",
    "harbourctl secret set failed for blue",
    "docker secret create pg ./pg.txt",
    "nx config set password policy",
    "nx config get mailPassword",
    "vault kv get -field=password secret/blue",
    "echo $PG_PASSWORD | skopeo login --password-stdin",
    f"echo {SECRET} | grep password",
    "gcloud secrets describe pg --secret=blue-pg",
    '{"sensitive": false, "value": "blue"}',
    "kind: ConfigMap\ndata:\n  url: blue\n",
    "kind: SecretStore\ndata:\n  url: blue\n",
    "passwords:\n  min_length: 12\n  file: /run/pw\n",
    "users:\n  - system:admin\n  - ann:1000\n",
    "SID: S-1-5-21-3623811015-3361044348-30300820-1013",
    f"token: 0x{HEX}01234567 moved",
    "api_key: ENC[blue_key]",
    f"x-cache-key: {HEX}",
    "PASS src/app.test.ts",
    "the password for ann is expired",
    "enter the code of conduct",
    "password (optional): none",
]


@pytest.mark.parametrize("kind", LEAKS)
def test_a_secret_that_its_surroundings_tell_does_not_come_out(kind: str) -> None:
    for form in LEAKS[kind]:
        text = form.replace("%%", "\0").replace("%s", SECRET).replace("\0", "%")
        for secret in (SECRET, "TWFybGluX0FuY2hvcjgz"):
            assert secret not in redact(text), form
            assert secret not in "\n".join(line for line, _ in redact_lines(text.split("\n"))), form


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_stored_or_marked_and_is_no_secret_stays(line: str) -> None:
    assert redact(line) == line


def test_a_password_of_letters_alone_is_told_by_the_capitals_within_it() -> None:
    assert WORD not in redact(f"the password for account 'bo' is {WORD}.")
    assert WORD not in redact(f"the first login is bo with password {WORD}")
    assert redact("the password for account 'bo' is Unknown.") == "the password for account 'bo' is Unknown."


def test_each_entry_of_a_list_is_looked_at_alone() -> None:
    assert redact(f"tokens:\n  - {SECRET}\n  - web-reader\n  - '{HEX}'\n") == (
        "tokens:\n  - <password>\n  - web-reader\n  - '<password>'\n"
    )
    lines = list(redact_lines(["passwords:", f"- {SECRET}", "- expired", f"- {WORD}"]))
    assert [line for line, _ in lines] == ["passwords:", "- <password>", "- expired", "- <password>"]
    assert [[place.column for place in places] for _, places in lines] == [[], [3], [], [3]]


def test_a_secret_is_one_wherever_it_stands_again() -> None:
    trace = f"+ [[ -z {SECRET} ]]\n+ login --password {SECRET}\n+ test {SECRET}x"

    assert redact(trace) == f"+ [[ -z <password> ]]\n+ login --password <password>\n+ test {SECRET}x"
    assert [line for line, _ in redact_lines(trace.split("\n"))] == redact(trace).split("\n")
    assert Redactor().redact(trace).count("<password-1>") == 2
    ((_, places),) = redact_lines([f"password={SECRET} and {SECRET}"])
    assert [place.column for place in places] == [10, 30]


def test_a_word_that_was_a_password_once_stays_a_word() -> None:
    assert redact("password=production\nin production") == "password=<password>\nin production"

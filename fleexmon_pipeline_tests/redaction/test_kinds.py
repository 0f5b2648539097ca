"""Ways in which a secret stands in a line, and lines that only look as if: a kind each, with inputs of our own."""

from __future__ import annotations

import random
import string

import pytest

from fleexmon_pipeline.redaction.redact import redact, redact_lines

SECRET = "Zebra7!crossing"

LEAKS = {
    "short options behind a user, and pipes": [
        "Failed running '['dump-tool', '-u', 'ann', '-p', '%s', 'shop']'",
        'argv: ["mongoexport","-U","ann","-p","%s"]',
        "run: backup --user ann -p %s --all",
        "echo %s | sudo -S systemctl restart press",
        "echo -n %s | kinit ann",
        "kinit ann@EXAMPLE.NET <<< '%s'",
        "rclone obscure %s",
        "AUTH ann %s",
        '["AUTH","%s"]',
        "command: { name: 'auth', args: [ 'ann', '%s' ] }",
    ],
    "wrappers of more languages": [
        "SecretStr('%s')",
        'dbPassword = Just "%s"',
        'password: Secret { inner: "%s" }',
        "password=Secret(value='%s')",
        '{:api_token, "%s"}',
        'http.Header{"Authorization":[]string{"%s"}}',
        'os.Setenv("API_TOKEN", "%s", true)',
        '[{"Value":"%s","Name":"SMTP_PASS"}]',
        '{"Name": "SMTP_PASS", "Value": "%s"}',
        "New API key issued: %s",
        "argv=[b'psql', b'--password', b'%s']",
        '{"name":"password","in":"query","value":"%s"}',
        'password <- "%s"',
        '(smtp-password . "%s")',
        "chpasswd <<< ann:%s",
        "wpa_passphrase press %s",
        "spring.datasource.password.value=%s",
        'token "%s" is not valid',
        'changed password to "%s"',
        'ApiSecret { inner: "%s" }',
    ],
    "what changes, or has a type of its own": [
        '  ~ admin_password = "%s" -> "Later9!crossing"',
        '  ~ admin_password = "Earlier9!crossing" -> "%s"',
        'Client { token: ApiToken("%s") }',
        'loaded SmtpPassword("%s") from env',
        'curl --user "ann":"{%s}" https://a.example',
    ],
    "devices and stores": [
        "printf a; echo -n %s | podman login -u ci --password-stdin r.example",
        "SELECT crypt('%s', gen_salt('bf'))",
        "password → %s",
        "> HELLO 3 AUTH default %s",
        "MIGRATE 10.0.0.9 6379 k 0 5000 AUTH2 app %s",
        "CREATE SECRET (TYPE gcs, KEY_ID 'a', SECRET '%s')",
        "snmp-server community %s RW 7",
        "radius-server host 10.0.0.9 key 7 %s",
        "crypto isakmp key %s address 10.0.0.9",
        "set security ike policy a pre-shared-key ascii-text %s",
    ],
    "a list under a name": [
        '{"user": ["ann"], "password": ["%s"]}',
        "<QueryDict: {u'passwd': [u'%s', u'%s'], u'next': [u'/']}>",
        '{"X-Api-Key":[ "%s" ]}',
        'Parameters: {"client_secret"=>["%s"], "q"=>"7"}',
        "{'db_password': ('%s',)}",
        r"{\"passphrase\": [\"%s\"]}",
    ],
    "made for a first login": [
        "Generated temporary password for user ann@localhost: )%s;a",
        "A random password is generated for the user admin: %s!",
        "default password = %s",
        "initial admin password: %s",
        "AUTH default %s",
        "{password\\u003d%s, user\\u003dann}",
    ],
    "in quotes": [
        'connected using password "seven %s horses"',
        "option password '%s'",
        'if "%s" == user.password: pass',
        "assert 'open %s' != form.passwd",
        'if (api_secret === "%s")',
        "stripe token - '%s'",
        'password = "a)%s"',
        "password is '(%s]'",
    ],
    "neighbours in a list": [
        '[("content-type", "json"), ("authorization", "%s")]',
        "headers: (b'x-auth-token', b'%s')",
        "['ldapsearch', '--bind-password', '%s', '-x']",
        'settings.put("spring.datasource.password", "%s")',
        '{"value": "%s", "name": "SMTP_PASSWORD"}',
        "- name: REDIS_PASSWORD\n  value: %s",
    ],
    "a value in a wrapper": [
        'Options { password: Some("%s"), tls: true }',
        "kwargs={'api_key': b'%s', 'n': 1}",
        'ClientSecret(secret: Secret::new("%s"))',
        "password=SecretStr('%s')",
        "apiToken := `%s`",
        'var dbPassword string = "%s"',
        '$config["password"] .= "%s";',
        'make: DEPLOY_TOKEN ?= "%s"',
    ],
    "markup and percent-encoding": [
        '<ns:Password xsi:type="text">%s</ns:Password>',
        "<ApiToken>\n  %s\n</ApiToken>",
        '<add key="DbPassword"      value="%s" />',
        "GET /cb?state=%%7B%%22secret%%22%%3A%%22%s%%22%%7D",
        "POST /session user%%5Bpassword%%5D=%s&commit=1",
        "user[password]=%s",
    ],
    "names with a part behind": [
        "DB_PASSWORD_MAIN_RW=%s",
        "client_secret_prod=%s",
        "password-admin: %s",
        "token was `%s`",
    ],
    "statements and commands": [
        "CREATE USER 'app'@'%%' IDENTIFIED BY '%s'",
        "ALTER ROLE app WITH LOGIN PASSWORD '%s'",
        "ALTER LOGIN sa WITH PASSWORD = '%s'",
        '1700000000.1 [0 10.0.0.2:5] "AUTH" "app" "%s"',
        "SET PASSWORD FOR 'root'@'localhost' = '%s'",
        "EXEC sp_addlogin N'app', N'%s'",
        "ALTER LOGIN app WITH PASSWORD = N'%s'",
        'config set masterauth "%s"',
        "ACL SETUSER ledger on ~* +@all >%s",
        "C: a042 LOGIN bob@shop %s",
    ],
    "options of commands": [
        "openssl enc -d -aes-128-cbc -in a.enc -k %s",
        "openssl enc -e -K %s -iv 00",
        "CMD: unzip -o -P %s a.zip",
        "ipmitool -I lan -H 10.0.0.9 -U root -P %s sol activate",
        "bcp shop.dbo.a out a.csv -U sa -P %s",
        "mosquitto_pub -h broker -u bob -P %s -t a",
        "mongodump --host db -u app -p %s --out /b",
        "cqlsh -u app -p '%s' db",
        "7za a -t7z -mhe=on -p%s a.7z /srv",
        "rar a -hp%s a.rar /srv",
        "ldapmodify -x -H ldap://l -D cn=a -w %s -f a.ldif",
        "rpcclient -U 'app%%%s' srv",
        "lftp -u bob,%s sftp://srv",
        "snmpget -v3 -u mon -A %s 10.0.0.9 sysName.0",
        "net use X: \\\\srv\\b /user:shop\\bob %s",
        "xfreerdp /v:srv /u:bob /p:%s",
        "keytool -importkeystore -srckeystore a -srcstorepass %s -noprompt",
        "pscp -pw %s a.txt bob@srv:",
        "htpasswd -cb /etc/nginx/h bob %s",
        "sh -c 'echo deploy:%s | chpasswd'",
        "sqlplus -s app/%s@//db/shop",
        "db1.local:5432:*:app:%s",
        "machine git.local login ci password %s",
    ],
    "data of other languages": [
        '["db_password"]=> string(15) "%s"',
        'a:1:{s:11:"db_password";s:15:"%s";}',
        '{:db {:user "a" :db-password "%s"}}',
        '[{user,"a"},{db_password,<<"%s">>}]',
        "msg: &quot;client_secret&quot;: &quot;%s&quot;",
        "{\\u0022passwd\\u0022:\\u0022%s\\u0022}",
        "Content-Disposition: form-data; name=user[password]\n\n%s\n--b",
        "<Secret><![CDATA[%s]]></Secret>",
        "db_password: !vault %s",
        "DB_PASSWORD=${DB_PASSWORD:-%s}",
        "[(u'x-api-key', u'%s')]",
        "svn up --username bob --password %s trunk",
        "nmcli device wifi connect shop password %s",
        "mysqladmin -u root password %s",
        "aws configure set aws_session_token %s",
        "echo '%s' | passwd --stdin bob",
        "body: &lt;apiToken&gt;%s&lt;/apiToken&gt;",
        '"client_secret": {"value": "%s"}',
        '<Setting id="DbPassword" type="text">%s</Setting>',
        "<name>hive.db.password</name>\n  <value>%s</value>",
        "alter user app identified by %s;",
        "127.0.0.1:6379> AUTH %s",
    ],
    "said in a sentence": [
        "the password they typed: %s",
        "the passphrase that we have received (%s) is of another key",
        "passwd for ledger is now %s",
        "ann changed her password to %s",
        "LDAP password of ann (%s) refused",
        "bad credentials ann:%s",
        "secret given was %s",
        "password of 'ann' was changed to %s",
        "password changed from Earlier9!crossing to %s",
        "password changed from %s to Later9!crossing",
        "password of ann: expected %s",
        "Use the following initial password to log in:\n\n%s\n\nThen change it",
        "ssh login attempt [b'pi'/b'%s']",
        "auth failed for (ann/%s)",
        "passphrase 'six %s hens'",
        'mnemonic = "hen fox %s owl cat dog"',
        "seed words: hen fox %s owl cat dog",
        "security answer: %s",
    ],
    "variables without a sign": [
        "g_password %s",
        'join_password "%s"',
        "csh: setenv LEDGER_TOKEN %s",
        "Step 2/7 : ENV LEDGER_SECRET %s",
        "fish: set -gx LEDGER_PASSWORD %s",
    ],
    "dialogs": [
        "ann ran command: /register %s %s",
        "NickServ@services :IDENTIFY %s",
        "C: PASS %s",
        "<auth xmlns='urn:x' mechanism='PLAIN'>%s</auth>",
    ],
    "calls": [
        "session.sign_in('ann', '%s')",
        "#3 /srv/a.php(9): Acme\\Imap->authenticate('ann@acme', '%s')",
        "#4 /srv/a.php(9): PDO->__construct('pgsql:host=db', 'ledger', '%s', Array)",
        'mysqli_real_connect(Object(mysqli), "db", "%s")',
        'ldap_bind(Resource, "cn=ann", "%s")',
        'http.get(url, auth=("ann", "%s"))',
        'NetworkCredential("ann", "%s", "SHOP")',
        "verifyPassword('%s', hash)",
        'cache.auth("%s")',
        "db.connect('db', 'ledger', '%s')",
        "sftp.connect('db', 22, 'ann', '%s')",
        "bcrypt.hash('%s', 10)",
    ],
    "fields, rows and blocks": [
        "<input value='%s' class=x type='password'>",
        "| smtp_password | %s | prod |",
        "<key>apiToken</key>\n  <string>%s</string>",
        "Passwd ......... : %s",
        "Passwd.........%s",
        "<th>API token</th> <td class=x>%s</td>",
        "client_secret │ %s",
        "smtp_password: |-\n    %s\n",
        "smtp_password: >\n    %s\n",
        'smtp_password = """%s"""',
        "INSERT INTO clients (id, secret) VALUES (7, '%s')",
    ],
    "devices, with other signs": [
        "username ann secret 0 %s",
        "ip ospf message-digest-key 7 md5 %s",
        "set passwd ENC %s",
        "wpa psk %s",
        "snmp-server user ann grp v3 auth md5 %s priv aes 128 x",
        "authentication plain-text-password %s",
        "aaa-server ledger key %s",
    ],
    "commands with a word of their own": [
        "rabbitmqctl change_password ann %s",
        "net user ann %s /add",
        "composer config --global http-basic.acme.example ann %s",
        "mc alias set prod https://s3.example KEYID %s",
        "qpdf --encrypt %s x 128 -- a b",
        "signtool sign /f a.pfx /p %s a.exe",
        "aws ssm put-parameter --type SecureString --name a --value %s",
        "az keyvault secret set --secret-value %s",
        "cargo login %s",
        "bw unlock %s",
        "gh secret set A --body %s",
        "openssl passwd -1 %s",
        "ngrok authtoken %s",
        "acmectl push -k %s",
    ],
}

HARMLESS = [
    "unexpected token: IDENTIFIER at line 7",
    "Illegal token : RPAREN",
    "PASS: cart_test (0.01s)",
    "XPASS: core/cart.sh",
    "oauth2: cannot fetch token: 401 Unauthorized",
    "refresh token: 503 Service Unavailable",
    "push failed with GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "slack token xoxb-xxxxxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx was refused",
    "VAULT_TOKEN: hvs.XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    "access key AKIAIOSFODNN7EXAMPLE is from the guide",
    "failed to get secret: rpc error: code = NotFound",
    "Pulling registry.local/press:1.2.3@sha256:9b2c0d1e5f6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e",
    'secret "mail-tls-2" was not found',
    "['docker', 'run', '-u', 'ann', '-p', '8080:80', 'shop']",
    "docker run -u ann -p 5432/tcp shop",
    "mkdir -p /srv/press/new",
    'INSTALLED_APPS = ["auth", "sessions"]',
    "AUTH command failed",
    '{"password": {"min": "8", "max": "64"}}',
    'validate("password", "required", "min:8")',
    '{"password": ["can\'t be blank", "is too short (minimum is 12 characters)"]}',
    '{"passphrase":["This field is required."], "token":["invalid"]}',
    '{"errors": {"password": ["password_too_common"]}}',
    '"imagePullSecrets": ["registry"]',
    '"credentials": ["read", "write"]',
    "signature => ['rsa-sha2-512', 'sha256']",
    '{"password": ["****"]}',
    "password: [FILTERED]",
    "password was (hidden)",
    "Error: no such secret: mail-tls-7",
    'password "reset" requested by ann',
    "(using password: YES)",
    'assert "pending" == token.status',
    "default password policy: min-length-8",
    "temporary password reset: link sent",
    "AUTH LOGIN failed",
    "Authentication required, AUTH LOGIN challenge expected",
    'secret - "mail-tls" synced',
    'field "password" must match "[a-z]+"',
    "sort_key: 9b2c0d1e5f6a7b8c9d0e1f2a3b4c5d6e",
    "idempotency_key=9b2c0d1e5f6a7b8c9d0e1f2a3b4c5d6e",
    "correlation_key=507f1f77bcf86cd799439011 document_key=507f1f77bcf86cd799439012",
    "flushed surrogate_key=507f1f77bcf86cd799439011, dedupe_key=507f1f77bcf86cd799439012",
    "Your order key is 20261120",
    "using key=orders-2026-11-20 for partition 3",
    "try --password to unlock",
    "Cookie: -",
    "login with password={password} and token={API_TOKEN}",
    "second pass: 7.5s, third pass: 12%",
    "UPDATE sessions SET token = $1, secret = ? WHERE id = :id",
    "INSERT INTO users SET password = %(password)s",
    "api_key=[REDACTED] secret=[hidden]",
    "  + admin_password = (sensitive value)",
    "      token    = (known after apply)",
    "Signature: RSA/SHA512, Mon 02 Mar 2026, Key ID 77ab",
    "signature=ECDSA-with-SHA384",
    "secretary=ann secretariat=bonn",
    'curl -H "Authorization: Bearer <your API token>" https://a.example',
    'token = "<insert token here>"',
    "defaultStoreSecrets: shop-vault-77",
    'data-id="side-hf_RecommendedArticlesRemoteABCSearchK2ClickPagination"',
    'Secret("db-credentials") not mounted',
    "password 7 times wrong",
    "key 3 of 5 rotated",
    "snmp-server location rack7",
    "PWD=/home/app OLDPWD=/ make: entering directory",
    "Accepted publickey for ci from 10.0.0.9 port 40022 ssh2: RSA SHA256:Uyt0aB3kQ7mVPwvezndPv/ARoIadVY98vAC0g+P/563",
    "npm: integrity sha512-Uyt0aB3kQ7mVPwvezndPvARoIadVY98vAC0gP563Uyt0aB3kQ7mVPwvezndPvARoIadVY98vAC0gP563aBcDeF== ok",
    "--- PASS: TestLedger3 (0.01s)",
    "token_type=bearer scope=read",
    "openssl version -a",
    "openssl req -new -key a.key -keyout b.key",
    "unzip -p a.zip manifest.json",
    "keytool -list -storepass file:/run/secrets/store",
    "openssl rsa -passin env:KEY_ENV -in a",
    "login failed password expired",
    "10:05:00:shop:cart paid",
    "main.c:1234:5:note: declared here",
    "{password, required}",
    "tag a7 LOGIN completed",
    "give --password option or --token file instead",
    "denied for arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-db on secretsmanager: GetSecretValue",
    "mongosh --host db -p 27017",
    "AUTH LOGIN",
    "grant all to app identified by values",
    '10.0.0.9 - - "POST /users/forgot-password HTTP/2.0" 302 0',
    "stat /run/secrets/db_password: no such file or directory",
    "InvalidSignatureException: Signature expired: 20261120T100500Z",
    "RequestTimeTooSkewed, SignatureDoesNotMatch: Check your key and method",
    'secret "shop-tls-3" is forbidden: cannot get resource',
    "refresh token is revoked for this client",
    "could not renew token: status: 503",
    "App\\Http\\Token->refresh('users')",
    "got sig=SIGHUP, reloading",
    "child exited on sig: 9",
    "suite pass=240 fail=0 skip=3",
    "nack routing_key=billing.v3.EU2",
    "partition_key=tenant.42.West",
    "Status=",
    "password= host=db1",
    "connecting with password ${DB_PASSWORD}",
    "redirect_uri=/cb&access_token=ACCESS_TOKEN",
    "docs: set the variable to token=********",
    "resolved com.acme.token:token-client-2.11.4",
    "artifact-test-20261120101500 uploaded",
    "moved build-4bf92f3577b34da6a3ce929d0e0e4736 to cold storage",
    "errors: ['password', 'email'] are required",
    "PASSWORD_MIN_LENGTH=12 PASSWORD_RESET_TIMEOUT=86400",
    "password_max_age: 90",
    "passwordMaxAgeDays: 30",
    "API_KEY_ROTATION_DAYS=90",
    "password_changed_at=2026-11-29",
    "withSecret(passwordVariable: 'PASSWORD')",
    "GET /media/photo-xoxo-winter-2.jpg 200",
    "GET /media/tray.ico-5f0c1d2e3b4a59687786a5b4c3d2e1f0.png 200",
    'public_key = "4Dnzk5p5XGeKMt2Qu9RvLVqSLgGMgSZD0BJLkcKUsXJu"',
    "bucket_key: Totals-7.Q2.EU",
    "publicToken = 4Dnzk5p5XGeKMt2Qu9RvLV",
    'digits of base 62: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"',
    'curl -u "ci:${APP_PASSWORD}" https://a.example',
    "export API_TOKEN=`vault read -field=value secret/ci`",
    "Failed password for ann from web-02 port 4711 ssh2",
    "password for ann is about to expire in 14d",
    "the password that they entered is not in the list of 5000 worst",
    "password of db2 was rotated at 2026-11-20T10:05:00Z",
    "password mismatch: retry 2 of 5",
    "password changed from 10.0.0.9 to 10.0.0.7",
    "login attempt [2/3] for ann",
    "login failed (code 17)",
    "mnemonic ADDX at 0x4005",
    "seed words: 24 expected",
    "g_password is not set",
    "next_token page3 fetched",
    "ledger_secret v2 rotated",
    "ann ran command: /login",
    "set -e DEBUG",
    "auth('web')",
    "middleware('auth', 'throttle')",
    "auth('web', 'admin')",
    "<td>API token</td><td>required</td>",
    "client_secret │ varchar",
    "login with ann failed, signed in as ann/shop",
    "sign_in(user, password)",
    "setPassword(null)",
    "db.connect('db', 5432)",
    "connect('db1', 'ledger', 'utf8')",
    "<input value='Log in' type='submit'>",
    "| smtp_password | varchar(255) | no |",
    "password.... ok",
    "password: |",
    "INSERT INTO users (name, password) VALUES (:name, :password)",
    "docker run -t shop:v1 -p 8080:80",
    "nmap -p 1-65535 -T4 host",
    "mkdir -p Build2Cache/Obj9X",
    "net user ann /delete",
    "cargo login succeeded",
    "wpa psk mismatch",
    "authorization: refused by rule ledger-7",
    "security code missing, exit code 137, order code 492817",
    "pin 17 set to output",
    "404 is the code of it",
]

CODES = [
    "your sign-in code is %s",
    "OTP %s was sent to ann",
    "unlock code for ann: %s",
    "use %s as your one-time pin",
    "Z-%s is your verification code",
    "pin was reset to %s",
]


@pytest.mark.parametrize("kind", LEAKS)
def test_a_secret_does_not_come_out(kind: str) -> None:
    for form in LEAKS[kind]:
        text = form.replace("%s", SECRET).replace("%%", "%")
        assert SECRET not in redact(text), form
        assert SECRET not in "\n".join(line for line, _ in redact_lines(text.split("\n"))), form


@pytest.mark.parametrize("line", HARMLESS)
def test_what_only_looks_like_one_stays(line: str) -> None:
    assert redact(line) == line


@pytest.mark.parametrize("form", CODES)
def test_a_code_that_is_good_once_does_not_come_out(form: str) -> None:
    assert "593762" not in redact(form % "593762")


def letters(alphabet: str, size: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=size))


@pytest.mark.parametrize(
    "token",
    [
        "acme_live_" + letters("0123456789abcdef", 40, 1),
        "corp_pat_" + letters(string.ascii_letters + string.digits, 36, 2),
        "zz-secret-" + letters(string.ascii_lowercase + string.digits, 32, 3),
        "vnd-" + letters(string.ascii_letters + string.digits, 43, 4),
        letters(string.ascii_lowercase + string.digits, 44, 5),
        letters(string.ascii_uppercase + string.digits, 48, 6),
        letters("0123456789abcdefABCDEF", 40, 7),
    ],
)
def test_a_token_of_a_vendor_that_no_rule_names_is_known_by_its_shape(token: str) -> None:
    for form in ("gateway answered 403 for %s", '{"v":"%s"}', "try %s again"):
        assert token not in redact(form % token)


@pytest.mark.parametrize(
    "form",
    [
        "[DEBUG] Using Key=%s", "Your Acme key is %s, keep it", 'mailer_key: "%s"', 'weatherKey := "%s"',
        "OPENMAPS_KEY=%s", "verifier_key = %s",
    ],
)  # fmt: skip
def test_a_key_that_a_service_issued_is_known_by_its_name_and_its_shape(form: str) -> None:
    for key in (
        letters("0123456789abcdef", 32, 11),
        letters(string.ascii_lowercase + string.digits, 36, 12),
        letters(string.ascii_uppercase + string.digits, 32, 13),
    ):
        assert key not in redact(form % key)
        assert redact(f"foreign_key={key}") == f"foreign_key={key}"[:12] + ("<key>" if len(key) >= 36 else key)


@pytest.mark.parametrize("mark", ["$6$rounds=5000$ab$", "$2b$12$", "$argon2id$v=19$m=65536,t=3,p=4$ab$", "$y$j9T$ab$"])
def test_a_hash_of_a_password_is_known_by_its_mark(mark: str) -> None:
    digest = letters(string.ascii_letters + string.digits + "./", 43, 8)
    assert digest not in redact(f"row: ann {mark}{digest} 2026-03-14")


def test_what_is_random_in_a_path_leaves_the_path() -> None:
    page = letters(string.ascii_letters + string.digits, 44, 9)
    assert redact(f"GET https://docs.example.com/document/d/{page}/edit") == (
        "GET https://docs.example.com/document/d/<key>/edit"
    )


def test_lines_of_a_file_say_where_a_secret_stood_and_not_what_it_was() -> None:
    lines = ["up", "login password=hunter2 from bob@acme.org", "<Secret>", "  s3cretValue", "</Secret>"]

    redacted = list(redact_lines(lines))

    assert [text for text, _ in redacted] == [
        "up", "login password=<password> from <email>", "<Secret>", "  <password>", "</Secret>",
    ]  # fmt: skip
    assert [[(found.kind, found.column, found.length) for found in each] for _, each in redacted] == [
        [], [("password", 16, 7), ("email", 29, 12)], [], [("password", 3, 11)], [],
    ]  # fmt: skip

"""Three hundred secrets in realistic lines: every kind that redaction knows, in every form.

Made by a seed, so that no file holds anything that looks like a live key.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from typing import NamedTuple

_ALNUM = string.ascii_letters + string.digits


class Planted(NamedTuple):
    kind: str
    secret: str  # what must not come out, nor its middle
    line: str


def _letters(random_: random.Random, size: int, alphabet: str = _ALNUM) -> str:
    return "".join(random_.choices(alphabet, k=size))


def _iban(random_: random.Random) -> str:
    account = _letters(random_, 18, string.digits)
    check = 98 - int(account + "131400") % 97  # DE is 13, 14
    return f"DE{check:02}{account}"


def _card(random_: random.Random) -> str:
    digits = "4" + _letters(random_, 14, string.digits)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 - place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return digits + str(-total % 10)


def _pem(random_: random.Random) -> list[str]:
    """The lines inside; each is as secret as the whole."""
    return [_letters(random_, 64, _ALNUM + "+/") for _ in range(5)]


def _jwt(random_: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"sub": _letters(random_, 12), "exp": 1_790_000_000}
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{_letters(random_, 43)}"


# Known by its own form, wherever it stands.
_BY_FORM: dict[str, Callable[[random.Random], str]] = {
    "aws-key-id": lambda r: "AKIA" + _letters(r, 16, string.ascii_uppercase + string.digits),
    "github": lambda r: "ghp_" + _letters(r, 36),
    "github-fine": lambda r: "github_pat_" + _letters(r, 22) + "_" + _letters(r, 59),
    "gitlab": lambda r: "glpat-" + _letters(r, 20),
    "slack": lambda r: f"xoxb-{_letters(r, 12, string.digits)}-{_letters(r, 24)}",
    "google": lambda r: "AIza" + _letters(r, 35),
    "stripe": lambda r: "sk_live_" + _letters(r, 24),
    "digitalocean": lambda r: "dop_v1_" + _letters(r, 64, "0123456789abcdef"),
    "jwt": _jwt,
    "gitlab-runner": lambda r: "glrt-" + _letters(r, 20),
    "new-relic": lambda r: "NRAK-" + _letters(r, 27, string.ascii_uppercase + string.digits),
    "sentry": lambda r: "sntryu_" + _letters(r, 64, "0123456789abcdef"),
    "tailscale": lambda r: f"tskey-auth-{_letters(r, 12)}-{_letters(r, 32)}",
    "azure-secret": lambda r: _letters(r, 3) + "8Q~" + _letters(r, 34, _ALNUM + "-_.~"),
    "user-and-password": lambda r: base64.b64encode(f"bob:{_letters(r, 8)}q{_letters(r, 6)}".encode()).decode(),
    "email": lambda r: f"{_letters(r, 8).lower()}.{_letters(r, 6).lower()}@mail.example.org",
    "card": _card,
    "iban": _iban,
    "phone": lambda r: "+49 17" + _letters(r, 1, "0123456789") + " " + _letters(r, 7, string.digits),
}
_AROUND: list[Callable[[str], str]] = [
    "got {} back".format,
    "retry 3/5 with {}, giving up".format,
    lambda s: json.dumps({"event": "call", "value": s, "took": 12}),
    lambda s: json.dumps({"payload": json.dumps({"value": s})}),
    "value={} attempt=2".format,
    "GET https://api.example.com/v1/items?page=2&ref={}&size=10 200".format,
    lambda s: f"cache {base64.b64encode(b'an ordinary picture of a cat').decode()} {s} {'QUJD' * 6}",
    lambda s: f'Traceback (most recent call last):\n  File "app.py", line 7\nValueError: {s!r}\n',
    "User(id=4711, ref={}, active=true)".format,
    "\x1b[31mERROR\x1b[0m [{}] é\u2028 unexpected".format,
]
# Known by its name or by its place; the value alone could be anything.
_BY_PLACE: dict[str, list[Callable[[str], str]]] = {
    "password": [
        "password={}".format,
        "DB_PASSWORD={} LOG_LEVEL=info".format,
        "export PGPASSWORD='{}'".format,
        "mysql -u root --password={} shop".format,
        'connect {{"host":"db","password":"{}"}}'.format,
        r"body={{\"user\":\"bob\",\"password\":\"{}\"}}".format,
        lambda s: json.dumps({"a": json.dumps({"b": json.dumps({"password": s})})}),
        "Config(user=sa, password={}, timeout=3)".format,
        "Server=db;User Id=sa;Password={};Encrypt=yes".format,
        "jdbc:postgresql://db/shop?user=app&password={}&ssl=true".format,
        "<login><password>{}</password></login>".format,
        "password: {}\nuser: bob".format,
        "{{'passwd': '{}'}}".format,
        "db.password => {}".format,
        "login failed: the password was {}".format,
        "POST /login username=bob&password={} 401".format,
        "config: spring.datasource.password={}".format,
        "{{:password=>\"{}\", :user=>\"bob\"}}".format,
        'map[password:{} user:bob]'.format,
        'time=10:00 msg="bad login" pwd="{}"'.format,
        "Passwort: {}".format,
        "Ihr Kennwort lautet {}".format,
        "mot de passe : {}".format,
        "contraseña={}".format,
        "le mot de passe est {}".format,
        "password is: {}".format,
        "Password[{}]".format,
        "pass phrase: '{}'".format,
        "the api key {} was refused".format,
        "Incorrect API key provided: {}".format,
        "encryption key: {}".format,
        "userPassword:: {}".format,
        "curl -u bob:{} https://api.example.com".format,
        "sshpass -p {} ssh bob@10.0.0.5".format,
        "mysql -ubob -p{} shop".format,
        "redis-cli -h cache -a {} ping".format,
        "CREATE USER bob IDENTIFIED BY '{}'".format,
        "requirepass {}".format,
        "verification code: {}".format,
        "JWT_SECRET = '{} and more'".format,
        "env: - name: DB_PASSWORD\n    value: {}".format,
        '<add key="Password" value="{}"/>'.format,
        '{{"name":"password","value":"{}"}}'.format,
        "os.environ['SECRET_KEY']='{}'".format,
        "USER bob\nPASS Xy7{}".format,
    ],
    "url": [
        "postgres://app:{}@db.internal:5432/shop".format,
        "connecting to mongodb+srv://app:{}@cluster0.example.net/shop failed".format,
        "redis://:{}@cache:6379/0".format,
        "amqp://guest:{}@mq/".format,
        "git clone https://bob:{}@git.example.com/acme/shop.git".format,
        "https://hooks.slack.com/services/T0000/B0000/{}".format,
        "https://store.blob.core.windows.net/c/f?sv=2024&sig={}&se=2026".format,
        "https://bucket.s3.amazonaws.com/x?X-Amz-Signature={}&X-Amz-Expires=60".format,
        "callback https://app.example.com/cb#access_token={}&expires_in=3600".format,
        "smtp://mailer%40example.com:{}@smtp.example.com:587".format,
        "redirect=https%3A%2F%2Fbob%3A{}%40git.example.com%2Fshop".format,
        "dsn app:{}@tcp(10.0.0.5:3306)/shop".format,
        "dial root:{}@db.internal:3306".format,
        "sqlplus bob/{}@ORCL".format,
        "https://discord.com/api/webhooks/123456789012345678/{}".format,
        "https://acme.webhook.office.com/webhookb2/a-b-c/IncomingWebhook/{}".format,
        "jdbc:sqlserver://h;user=a;password={};".format,
        "Data Source=h;User ID=sa;Password={};Pooling=true".format,
    ],
    "token": [
        "Authorization: Bearer {}".format,
        "curl -H 'Authorization: Bearer {}' https://api".format,
        lambda s: json.dumps({"headers": {"authorization": f"Bearer {s}"}}),
        lambda s: "Authorization: Basic " + base64.b64encode(f"app:{s}".encode()).decode(),
        "Proxy-Authorization: Token {}".format,
        "x-api-key: {}".format,
        "X-Auth-Token: {}".format,
        "api_key={}&q=shoes".format,
        "apiKey: '{}',".format,
        "client_secret={}".format,
        "AWS_SECRET_ACCESS_KEY={}".format,
        "aws_secret_access_key = {}".format,
        "refresh_token={}, scope=all".format,
        'AccountName=store;AccountKey={};EndpointSuffix=core.windows.net'.format,
        "Cookie: session={}; theme=dark".format,
        "Set-Cookie: sid={}; HttpOnly".format,
        "sessionid={} expired".format,
        '"private_key_id": "x", "secret": "{}"'.format,
        "encryption_key={}".format,
        "signing-key: {}".format,
        'Authorization: Digest username="bob", realm="x", nonce="n", response="{}"'.format,
        "Authorization: AWS AKIAABCDEFGHIJKLMNOP:{}".format,
        "authorization: SharedKey acct:{}".format,
        "Authorization: GenieKey {}".format,
        "X-Sentry-Auth: Sentry sentry_version=7, sentry_key={}, sentry_client=x".format,
        "(b'authorization', b'Bearer {}')".format,
        '{{"cookies": {{"session": "{}"}}}}'.format,
        ".AspNetCore.Session={}".format,
        "x-functions-key: {}".format,
        "csrf={}".format,
        '{{"SecretAccessKey": "{}"}}'.format,
        "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={}".format,
        "//registry.example.org/:_authToken={}".format,
        "SAMLResponse={}".format,
    ],
}  # fmt: skip


def planted(seed: int = 1) -> list[Planted]:
    """At least 300; each with another secret."""
    random_ = random.Random(seed)
    found = []
    for kind, make in _BY_FORM.items():
        for around in _AROUND:
            secret = make(random_)
            found.append(Planted(kind, secret, around(secret)))
    for kind, shapes in _BY_PLACE.items():
        for shape in shapes:
            secret = "k7" + _letters(random_, 18, _ALNUM + "-_.~") + "z9"
            found.append(Planted(kind, secret, shape(secret)))
    for join in ("\n", "\\n", "\r\n", "\n    ", " "):
        for shape_of_key in ("{}", 'key="{}"', "loaded {} ok", "{}\nnext line"):
            inside = _pem(random_)
            pem = join.join(["-----BEGIN RSA PRIVATE KEY-----", *inside, "-----END RSA PRIVATE KEY-----"])
            found.append(Planted("private-key", inside[2], shape_of_key.format(pem)))
    return found

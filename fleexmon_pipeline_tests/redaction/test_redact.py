"""No planted secret remains, in any context; text that people need remains."""

from __future__ import annotations

import base64
import re
import string
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.demo.shop import lines as shop_lines
from fleexmon_pipeline.redaction.redact import Redactor, redact
from fleexmon_pipeline.window import HOUR

ALNUM = string.ascii_letters + string.digits


def text_of(alphabet: str, size: int, most: int | None = None) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=size, max_size=most or size)


# Secret, and the ways it stands in a line.
SHAPES: list[tuple[st.SearchStrategy[str], list[Callable[[str], str]]]] = [
    (text_of(string.ascii_uppercase + string.digits, 16).map("AKIA".__add__), [str, "key {} used".format]),
    (text_of(ALNUM, 36).map("ghp_".__add__), [str, "git clone https://{}@github.com/acme/shop".format]),
    (text_of(ALNUM, 60).map("github_pat_".__add__), [str, '{{"t":"{}"}}'.format]),
    (text_of(ALNUM, 24).map("xoxb-123456789012-".__add__), [str, "slack said {}.".format]),
    (text_of(ALNUM + "-_", 20, 80).map(lambda body: f"eyJhbGciOi.{body}.{body}"), [str, "cookie jwt={};".format]),
    (text_of(ALNUM + "-_.", 12, 60).map("Z9".__add__), ["Authorization: Bearer {}".format, "bearer {}".format]),
    (
        text_of(ALNUM, 6, 20).map(lambda p: base64.b64encode(f"app:{p}".encode()).decode()),
        ["Authorization: Basic {}".format, "sent basic {} to proxy".format, '"authorization": "Basic {}"'.format],
    ),
    (
        text_of(ALNUM + "+/\n", 200, 600),
        [
            "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----".format,
            "-----BEGIN PRIVATE KEY-----{}".format,
        ],
    ),
    (
        text_of(ALNUM + "!$%*+-./:@^_~", 6, 30).map(lambda body: f"Q7{body}z9"),
        [
            "postgres://app:{}@db.internal:5432/shop".format,
            "amqp://guest:{}@mq/".format,
            "password={}".format,
            "DB_PASSWORD: {}".format,
            'login {{"user":"bob","password":"{}"}}'.format,
            r"body={{\"client_secret\":\"{}\"}}".format,
            "Server=x;User Id=sa;Password={};Encrypt=yes".format,
            "apiKey='{}'".format,
            "--password {}".format,
            "aws_secret_access_key = {}".format,
            "<password>{}</password>".format,
            "https://blob/x?sv=1&sig={}&se=2".format,
            "refresh_token={}, next=1".format,
        ],
    ),
    (text_of("0123456789abcdef", 64).map("dop_v1_".__add__), [str, "token {}".format]),
    (
        st.sampled_from(["4111 1111 1111 1111", "4111111111111111", "5555-5555-5555-4444", "378282246310005"]),
        ["card {} declined".format, "order 12 {} 7".format, "pan={}".format],
    ),
    (
        st.sampled_from(["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "FR1420041010050500013M02606"]),
        ["iban {}".format, "{} REFUSED".format],
    ),
    (
        st.sampled_from(["+49 170 1234567", "+1 (555) 010-9999", "555-010-9999"]),
        ["sms to {}".format, "phone={}".format],
    ),
    (text_of(ALNUM, 1, 20).map("{}@mail.example.org".format), [str, "user {} logged in".format, "<{}>".format]),
    (
        st.binary(min_size=30, max_size=60)
        .map(lambda b: base64.b64encode(b).decode())
        .filter(lambda s: len(set(s)) > 26),
        ["wrote {} to disk".format],
    ),
]
planted = st.sampled_from(SHAPES).flatmap(lambda shape: st.tuples(shape[0], st.sampled_from(shape[1])))
around = st.sampled_from(
    ["", "GET / ", "10:00:01 worker-3 ", "{", "[", "é\u2028 ", "a=1, ", '"x": "y", ', "took 12 ms "]
)


@settings(max_examples=400, deadline=None)
@given(planted, around, around)
def test_no_planted_secret_comes_out(plant: tuple[str, Callable[[str], str]], before: str, after: str) -> None:
    secret, shape = plant
    line = f"{before}{shape(secret)} {after}"
    for redacted in (redact(line), Redactor().redact(line)):
        assert secret not in redacted, line
        middle, shown = secret[4:-4], re.sub(r"<[a-z]+(?:-\d+)?>", "", redacted)  # "as" is in `<password>`
        assert middle not in shown or middle in line.replace(secret, ""), line  # "oo" is in "took", too


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | planted.map(lambda plant: plant[1](plant[0])))
def test_redacting_again_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_what_people_need_to_read_stays() -> None:
    for line in (
        "Failed password for root from 10.2.3.4 port 22 ssh2",
        "Invalid token: expired",
        "unexpected token } in JSON at position 3",
        "max_tokens=1000 tokens: 42 passed=3",
        "password=<num> for <id>",
        "2026-11-20T10:00:00.123456Z 1732380000123456 took 12.5 ms at 10:00:00",
        "user@1000.service: started",
        "commit 356a192b7913b04c54574d18c28d46e6395428ab",
        "https://shop.example.com:8443/cart?id=7",
        "connect ECONNREFUSED 10.0.0.5:5432",
        "550e8400-e29b-41d4-a716-446655440000",
        "/usr/lib/python3/dist-packages/urllib3/connectionpool.py",
        "private_key_path=/etc/ssl/key.pem secretName: shop-tls signature_version=4 password_encryption=scram-sha-256",
        "o.s.s.authentication.BadCredentialsException: Bad credentials",
        "Passwort falsch, mot de passe incorrect, clave: valor",
        "API keys: 12 active, access key rotated, credentials: none",
        "cache key product:42:de missed, partition key tenant-17 is hot",
        "verification code sent, PIN verification pending, token expired 3 days ago",
        "docker run -u 1000:1000 -p 8080:80 shop; psql -p 5432; mysql -h db -P 3306",
        "git@github.com:acme/shop.git actions/checkout@v4 worker@node-7",
        "session started for user 12, session: expired, auth=none",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 request id req_8f2b1c3d9e0a4b5c",
        "pod shop-backend-7d4b9c6f5d-x2x7k restarted",
        "order 123-45-6789 shipped to ssn-lookup",
        "PASS src/checkout/Cart.test.js",
        "CheckoutService",
        "Server01",
        "ready",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ):
        assert redact(line) == line


def test_lines_of_a_key_that_were_collected_one_by_one_are_taken_down_to_the_last() -> None:
    whole = base64.b64encode(bytes(range(7, 256, 3)) * 7).decode()
    for size in (64, 70, 76):
        for line in (whole[start : start + size] for start in range(0, len(whole), size)):
            assert redact(line) == redact(f"    {line}\r").strip() in ("<key>", "<private-key>"), line
    assert redact("k9Qx7A==") == "<private-key>"


def test_the_same_value_has_the_same_placeholder_and_only_addresses_come_back() -> None:
    redactor = Redactor()

    first = redactor.redact("bob@acme.org from 10.2.3.4 password=hunter2")
    second = redactor.redact("bob@acme.org again, eve@acme.org, password=hunter2, 2001:db8::7")

    assert first == "<email-1> from <ip-1> password=<password-1>"
    assert second == "<email-1> again, <email-2>, password=<password-1>, <ip-2>"
    assert redactor.restore(first) == "bob@acme.org from 10.2.3.4 password=<password-1>"
    assert redactor.restore("<ip-9> <password-1>") == "<ip-9> <password-1>"


def test_a_placeholder_forged_in_a_line_is_not_another_lines_address() -> None:
    redactor = Redactor()
    redactor.redact("bob@acme.org")

    assert redactor.restore(redactor.redact("<email-1> said hello")) == "(email-1) said hello"


@pytest.mark.parametrize(
    "piece",
    ["password=", "eyJ", "a@", "a.b@", "://a:", "1 ", "DE89 ", '"\\', "-----BEGIN PRIVATE KEY-----", "0:", "x_y-"],
)
def test_time_is_linear(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        tried = []
        for _ in range(3):
            started = time.process_time()
            Redactor().redact(text)
            tried.append(time.process_time() - started)
        return min(tried)

    assert seconds(80_000) < 24 * seconds(10_000) + 0.05  # 8 if linear, 64 if not: between is room for a busy machine


def test_of_a_days_ordinary_lines_only_addresses_of_mail_are_taken() -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    messages = [str(record["message"]) for minute in shop_lines(1, "blue", day, day + HOUR) for record in minute]

    assert len(messages) > 1_000
    assert [
        one for one in messages if re.sub(r"<email>", "", redact(one)) != re.sub(r"\S+@example\.com", "", one)
    ] == []


@pytest.mark.parametrize(
    "line",
    [
        "removed {0b2d9c1e-5a77-4c31-9f0e-2f4f8f1f7c55}/Volumes/BackupStorage2/Archive/Reports/monthly/shop/invoices",
        "at /srv/Deployments/build-release17/ShopBackend/Sources/Checkout/OrderService/OrderAggregate/Aggregator",
        "listening on tcp://checkoutWorkerPoolSystem@worker-07:49455",
        "segment seg_-7001000000000000001 closed",
        "flags changed to 0x4910000000000001",
        "fan speeds ( 3309 4120 3987 4051 )",
        "Shop-Backend-PlatformUpdate-Node18-Linux64-Package-TopLevel",
    ],
)
def test_paths_ids_and_figures_stay(line: str) -> None:
    assert redact(line) == line


def test_addresses_of_machines_go_out_only_where_that_is_set() -> None:
    line = "bob@acme.org from 10.2.3.4"

    assert Redactor().redact(line) == "<email-1> from <ip-1>"
    assert Redactor(addresses=False).redact(line) == "<email-1> from 10.2.3.4"


@pytest.mark.parametrize(
    "value", ["hA7/Tohhe1Cqg3xds/xjKVfyp0y5i5nff8lBjfYmkIy/", "zll5YWjpM4uH/hoaRc/tklkj1D+Zc1sDINsuu6KaezdslnxoRw=="]
)
def test_base64_with_slashes_is_no_path(value: str) -> None:
    assert value not in redact(f"wrote {value} to disk")


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/docker/overlay2/8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b/merged/App/Main.java",
        "/home/Bob/.cache/yarn/v6/npm-@babel-core-7.23.0-f8259ae0e52a123eb40f552551e647b506a94d83-integrity/node_modules",
        "org/acme/ShopController/v2/OrderServiceImplFactoryBean9/PriceList",
    ],
)
def test_long_paths_stay(path: str) -> None:
    assert redact(path) == path


def test_an_account_number_right_behind_a_card_is_seen() -> None:
    assert redact("4111 1111 1111 1111DE89370400440532013000") == "<card><iban>"


@pytest.mark.parametrize(
    "text",
    [
        "docker login -u bob -p Zebra99xx reg.example.com",
        "INSERT INTO users (name, password) VALUES ('bob', 'Zebra99xx')",
        'password := []byte("Zebra99xx")',
        "curl --user bob:'Zebra99xx' https://example.com",
        'curl -u ":Zebra99xx" https://example.com',
        "export BUNDLE_GEMS__EXAMPLE__COM=bob:Zebra99xx",
    ],
)
def test_secrets_of_commands_statements_and_wrappers(text: str) -> None:
    assert "Zebra99xx" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "docker run -u 1000:1000 shop",
        "chown -u root:",
        "signature=valid",
        "secret_ref=projects/12/secrets/app",
        "tar login -v -p",
    ],
)
def test_what_tells_of_a_secret_stays(text: str) -> None:
    assert redact(text) == text

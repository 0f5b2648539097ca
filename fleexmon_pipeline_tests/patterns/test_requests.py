"""HTTP requests: verb, route and status are patterns, and guessing paths makes no patterns."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

import pytest

from fleexmon_pipeline.patterns.miner import PatternMiner, StoredPattern

ACCESS = '10.0.{n}.7 - - [20/Nov/2026:10:05:0{n} +0000] "{verb} {path} HTTP/1.1" {status} 51{n} "-" "curl/8.4.{n}"'
FORMS = {
    "access": ACCESS,
    "bare": "{verb} {path} {status} {n}ms",
    "head": "2026-11-20T10:05:0{n}Z WARN {verb} {path} {status}",
    "klog": "I1120 10:05:00.12345{n}    123{n} scope.go:117] {verb} {path} {status}",
    "message": 'ts=2026-11-20T10:05:0{n}Z level=debug msg="{verb} {path} ({status}) 1.{n}ms"',
    "gin": '[GIN] 2026/11/20 - 10:05:0{n} | {status} |     1.{n}ms |    10.0.0.{n} | {verb}      "{path}"',
    "haproxy": "10.0.0.{n}:5000 [20/Nov/2026:10:05:00.12{n}] web shop/app-{n} 0/0/1/{n}/3 {status} 51{n} - - ---- "
    '1/1/0/0/0 0/0 "{verb} {path} HTTP/1.1"',
    "uvicorn": '10.0.0.{n}:5100{n} - "{verb} {path} HTTP/1.1" {status} OK',
    "logfmt": 'level=info msg="request done" method={verb} path={path} status={status} took={n}ms user=u{n}',
    "klog_pairs": 'I1120 10:05:0{n}.1 1 h.go:7] "HTTP" verb="{verb}" URI="{path}" latency="1.{n}ms" resp={status}',
    "json": '{{"level":"info","req":{{"method":"{verb}","url":"{path}"}},"res":{{"statusCode":{status}}},"ms":{n}}}',
}


def template_of(message: str) -> str:
    miner = PatternMiner()
    return miner.template(miner.identify([message])[0])


def patterns_of(lines: list[str], batch: int = 500) -> list[str]:
    miner = PatternMiner()
    ids = [i for start in range(0, len(lines), batch) for i in miner.identify(lines[start : start + batch])]
    return [miner.resolve(i) for i in ids]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_verbs_routes_and_statuses_are_patterns_and_ids_are_not(form: str) -> None:
    requests = [
        (verb, path, status)
        for verb, path in (("GET", "/products/{n}"), ("GET", "/cart"), ("POST", "/cart"), ("POST", "/login?id={n}"))
        for status in (200, 302, 401, 403, 500, 503)
    ]
    lines = [form.format(verb=v, path=p.format(n=n), status=s, n=n) for n in range(1, 9) for v, p, s in requests]

    patterns = patterns_of(lines, batch=50)

    assert [patterns.index(pattern) for pattern in patterns] == list(range(len(requests))) * 8


@pytest.mark.parametrize(
    "form",
    [
        "HTTP {verb} {path} responded {status} in 12.{n} ms",
        "{verb} {path} returned {status} in {n}ms",
        "Finished {verb} {path} with status {status} in {n} ms",
        "{verb} {path} - status code {status}",
        "{status} {verb} {path} (10.0.0.{n}) 1.{n}ms",
        "[{status}] {verb} {path} {n}ms",
        "[{verb}] {path} {status} {n}ms",
        "Response {status} for {verb} {path} in 1{n} ms",
        'request="{verb} {path} HTTP/1.1" status={status} bytes=51{n}',
        '{{"request":"{verb} {path} HTTP/1.1","status":{status},"bytes":51{n}}}',
    ],
)
def test_a_status_may_stand_in_a_sentence_or_before_the_request(form: str) -> None:
    requests = [(verb, status) for verb in ("GET", "POST") for status in (200, 302, 500)]
    lines = [form.format(verb=verb, path="/orders/7", status=s, n=n) for n in range(1, 9) for verb, s in requests]

    patterns = patterns_of(lines, batch=12)

    assert [patterns.index(pattern) for pattern in patterns] == list(range(len(requests))) * 8


def test_a_number_of_things_is_no_status() -> None:
    for text in ("GET /orders returned {} rows", "{} rows GET /orders", "GET /orders finished after {} ms"):
        assert len(set(patterns_of([text.format(number) for number in (200, 404, 500)]))) == 1


def test_no_word_around_a_status_makes_it_a_value() -> None:
    names = ("shop", "cart", "mail", "search", "billing", "stock", "users", "media", "feed", "ads", "rank", "jobs")
    lines = [
        f'{name} answers "GET /healthz HTTP/1.1" {status} because of "{name} of the day"'
        for name in names
        for status in (200, 401, 403, 500)
    ]

    statuses = {status: set[str]() for status in ("200", "401", "403", "500")}
    for line, pattern in zip(lines, patterns_of(lines), strict=True):
        statuses[line.split('" ')[1][:3]].add(pattern)

    assert len(set.union(*statuses.values())) == sum(map(len, statuses.values())) == 4


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("Completed 401 Unauthorized in 12ms", "Completed 401 Unauthorized in <duration>"),
        ('HTTP Request: GET https://a.example/b "HTTP/1.1 503 Gone"', "HTTP Request: GET <url> HTTP/<num> 503 Gone"),
        ("Request finished HTTP/2 GET https://a.example/b - 401 - text/html 5ms",
         "Request finished HTTP/<num> GET <url> - 401 - text/html <duration>"),
        ("upstream said HTTP 502 twice", "upstream said HTTP 502 twice"),
        ("GET /took 200ms", "GET /took <duration>"),
        ("GET /took 200 ms", "GET /took <duration>"),
        ("GET /sent 404 bytes", "GET /sent <num> bytes"),
        ("GET /items 999", "GET /items <num>"),
        ("worker got 404 items", "worker got <num> items"),
        ("exit status=404", "exit status=<num>"),
        ("checks failed for POST /carts/7 (500) again", "checks failed for POST <path> (500) again"),
        ("GET /é/7/ü 401", "GET /é/<num>/ü 401"),
        ("réponse : GET /a/7 401", "réponse: GET /a/<num> 401"),
    ],
)  # fmt: skip
def test_only_what_stands_where_a_status_stands_is_one(message: str, template: str) -> None:
    assert template_of(message) == template


def test_one_shape_has_a_pattern_for_each_status_that_exists() -> None:
    lines = [f"GET /products/17 {status} 5ms" for status in range(100, 1_000)]

    templates = {template_of(line) for line in lines}

    assert {"GET /products/<num> 200 <duration>", "GET /products/<num> 503 <duration>"} <= templates
    assert {"GET <path> 404 <duration>", "GET /products/<num> <*>"} <= templates
    assert len(templates) < 90


def _path(rnd: random.Random, depth: int) -> str:
    return "".join(f"/{''.join(rnd.choices(string.ascii_letters, k=rnd.randint(3, 60)))}" for _ in range(depth))


@pytest.mark.parametrize("status", [200, 302, 404, 500])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_guessed_paths_are_one_pattern_of_each_status(form: str, status: int) -> None:
    rnd = random.Random(7)
    lines = [
        form.format(verb="GET", path=_path(rnd, rnd.choice((1, 1, 2, 3, 90))), status=status, n=n % 9 + 1)
        for n in range(2_000)
    ]

    assert len(set(patterns_of(lines))) <= 3  # the number of `HTTP/1.1` may be in it, or not


def test_a_path_that_is_no_route_is_a_value_of_its_line_alone() -> None:
    rnd = random.Random(7)
    lines = [ACCESS.format(verb="GET", path=_path(rnd, 2), status=404, n=n % 9) for n in range(300)]

    assert len(set(PatternMiner().identify(lines))) == 1


def test_a_new_process_knows_where_routes_were_too_many() -> None:
    rnd = random.Random(7)
    make: Callable[[], str] = lambda: f"POST {_path(rnd, 2)} 200 5ms"  # noqa: E731
    first = PatternMiner()
    ids = first.identify([make() for _ in range(200)])
    (general,) = {first.resolve(i) for i in ids}
    stored = [
        StoredPattern(i, first.template(i), general if i != general else None, 1)
        for i in dict.fromkeys((*ids, general))
    ]
    second = PatternMiner()
    second.remember(stored)

    (late,) = second.identify([make()])

    assert second.resolve(late) == general
    assert second.template(general) == "POST <*> 200 <duration>"


def test_a_service_keeps_its_routes() -> None:
    words = ("carts", "orders", "users", "items", "stock", "rates", "taxes", "files", "jobs")
    routes = [f"/{one}/7/{other}" for one in words for other in words]
    lines = [ACCESS.format(verb="GET", path=route, status=200, n=n) for route in routes for n in range(9)]

    assert len(set(patterns_of(lines))) == len(routes) == 81

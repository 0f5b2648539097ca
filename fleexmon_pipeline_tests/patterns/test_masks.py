"""Values without a typical form: absent ones, logins, return values, records in a list."""

from __future__ import annotations

import pytest

from fleexmon_pipeline.patterns.miner import PatternMiner


def own_id(message: str) -> str:
    return PatternMiner().identify([message])[0]


@pytest.mark.parametrize(
    "messages",
    [
        ('"GET /v2/prices HTTP/1.1" 200 -', '"GET /v2/prices HTTP/1.1" 200 1532'),
        ("GET http://a.example/rooms - - -", "GET http://a.example/rooms - 7"),
        ('10.0.0.5 - - [12/Nov/2026:10:00:00 +0000] "-" 400', '10.0.0.9 - jane [12/Nov/2026:10:00:07 +0000] "-" 400'),
        ("task [17] succeeded in 5s: None", "task [18] succeeded in 2s: 'ok'"),
        (
            'sent 3 to a: [{"sku":"a-1","n":1}]',
            'sent 4 to a: [{"sku":"b-2","n":3},{"sku":"c-9","n":2},{"sku":"d-1","n":7}]',
        ),
        ("INSERT INTO t VALUES (1, 2)", "INSERT INTO t VALUES (3, 4), (5, 6), (7, 8)"),
        ("login failed; name= uid=0 tty=ssh rhost=10.0.0.7", "login failed; name=bob uid=0 tty= rhost="),
        ("job done, queue: , owner: bob, tries: 5", "job done, queue: mail, owner: , tries:"),
        ("panel changed, visible: true, locked: false", "panel changed, visible: false, locked: true"),
        ("cache filled, last error: null", "cache filled, last error: none"),
        ("lock taken by=Source{17 shop.cart} for=5s", "lock taken by=null for=5s"),
        ("lock taken by=Owner{5f Token{7a shop}} for=5s", "lock taken by=[a, b] for=5s"),
        ("ask 10.0.0.7 (web-7.example) again", "ask 10.0.0.7 (unknown) again"),
        ("cannot load /srv/a/b.so: not found", "cannot load b-7.so: not found"),
    ],
)
def test_a_value_may_be_absent_or_a_list_longer(messages: tuple[str, str]) -> None:
    one, other = messages

    assert own_id(one) == own_id(other)


@pytest.mark.parametrize(
    "messages",
    [
        ("worker 5 - started", "worker 5 started"),  # what goes on with a word is a sentence
        ("10.0.0.5 asks - jane [17]", "10.0.0.5 asks - joe [17]"),
        ("node 5 says: None of them", "node 5 says: all of them"),
        ('10.0.0.5 "GET /a HTTP/1.1" 200', '10.0.0.5 "POST /a HTTP/1.1" 200'),  # read and written are two things
        ("sent 1: [{a: 1},{b: 2}]", "sent 1: [{a: 1}]"),
        ("page 5 (usable)", "page 5 (reserved)"),
        ("job 5: none of them", "job 5: one of them"),
        ("level= low, msg= begin", "level= low, msg= end"),
        ("prefetch depth.......5", "prefetch window......5"),
    ],
)
def test_what_is_said_is_no_value(messages: tuple[str, str]) -> None:
    one, other = messages

    assert own_id(one) != own_id(other)

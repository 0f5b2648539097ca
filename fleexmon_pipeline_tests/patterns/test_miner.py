"""Own ids, aliases, placeholders for readers; and no text makes the masks slow or fail."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.patterns import miner as miner_module
from fleexmon_pipeline.patterns.masks import finish, finish_request, mask_request, mask_words, shapes_of
from fleexmon_pipeline.patterns.merging import merger
from fleexmon_pipeline.patterns.miner import PatternMiner, StoredPattern, presentable
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER
from fleexmon_pipeline.patterns.requests import status_at
from fleexmon_pipeline.patterns.templates import MAX_TEMPLATE_CHARS, normal, pattern_id, read_shown, shown, tokenise

ANY_TEXT = st.text(st.characters(), max_size=200)  # lone surrogates and NUL included
PARTS = (
    "GET",
    "user",
    "id=",
    "at",
    "failed:",
    "(timeout)",
    "10.0.0.5",
    "/a/b",
    "don't",
    "'",
    "{}",
    "[x]",
    "<num>",
    "\n",
)
LOG_TEXT = st.lists(
    st.one_of(
        st.sampled_from(PARTS),
        st.from_regex(r"[a-z]{1,6}[-_=:.]?[0-9]{0,4}", fullmatch=True),
        ANY_TEXT,
    ),
    max_size=12,
).map(" ".join)


def template_of(message: str) -> str:
    miner = PatternMiner()
    return miner.template(miner.identify([message])[0])


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("took 15 ms for 3 rows", "took <duration> for <num> rows"),
        ("connect ECONNREFUSED 10.0.0.5:5432", "connect ECONNREFUSED <ip>"),
        ("from /10.0.0.5:5432", "from <ip>"),
        ("listening on fe80::1ff:fe23:4567:890a", "listening on <ip>"),
        ("order 550e8400-e29b-41d4-a716-446655440000 paid", "order <uuid> paid"),
        ("cache at 0x7ffdeadbeef0 freed", "cache at <hex> freed"),
        ("commit deadbeefcafe pushed", "commit <hex> pushed"),
        ("GET https://shop.example.com/cart?id=5 failed", "GET <url> failed"),
        ("open /var/lib/x/7 failed", "open <path> failed"),
        (r"open C:\Windows\x.dll failed", "open <path> failed"),
        ("mail to jane@example.com bounced", "mail to <email> bounced"),
        ("peer db.internal.example:5432 lost", "peer <host> lost"),
        ("at 2026-11-20T10:00:05.123Z started", "at <time> started"),
        ("at 2026-11-20 10:00:05,123 started", "at <time> started"),
        ("since Sun Jul 10 03:55:15 2005 idle", "since <time> idle"),
        ("heap 512 MB used", "heap <size> used"),
        ("worker w-17 died", "worker <id> died"),
        ("Marker 5 set", "Marker <num> set"),
        ("session opened for root(uid=0)", "session opened for root (uid=<num>)"),
        ("GET /products/17?page=2 200 12 ms", "GET /products/<num>?<*> 200 <duration>"),
        ("DELETE /users/0b6e3d1e-12ab-4c5d-9e8f-001122334455/carts/3a 204", "DELETE /users/<uuid>/carts/<id> 204"),
        ('10.0.0.5 "GET /a/1 HTTP/1.1" 200', '<ip> "GET /a/<num> HTTP/<num>" 200'),
        ('10.0.0.5 "GET / HTTP/1.1" 200', '<ip> "GET / HTTP/<num>" 200'),
        ('10.0.0.5 "GET /a/1 HTTP/1.1" from cache', '<ip> "GET <path> HTTP/<num>" from cache'),
        ('served "curl/8.4.0" and "Mozilla/5.0 (X11; Linux)" today', "served <*> and <*> today"),
        (
            'level=warn msg="slow query" user="Bob Jones" took=5ms ok=true',
            'level=warn msg="slow query" user=<*> took=<duration> ok=<*>',
        ),
        (
            '{"msg": "took \\"5\\" s", "n": {"a": 5}, "tags": ["x", "y"], "by": "Bob Jones"}',
            "{msg: took <duration>, n: {a: <num>}, tags: <*>, by: <*>}",
        ),
        ("{'error': 'gone', 'user': 'bob'} dropped", "{error: gone, user: <*>} dropped"),
        ('pulled "registry.example.com/shop/cart:v1.2" in 5s', "pulled <path> in <duration>"),
        ("root@billing waits for shop/cart-5f", "<id> waits for <id>"),
        ("token issued, scopes=read,write, expires in 5h", "token issued, scopes=<*>, expires in <id>"),
        ("queued, to=<jane>, relay=none,a=b", "queued, to=<*>, relay=<*>, a=<*>"),
        ("thread 'main' panicked at src/a.rs:41:9", "thread 'main' panicked at <id>"),
        ("Stock::take of '/a/b' by worker[12]: it's gone", "Stock::take of '<path>' by worker[<num>]: it's gone"),
        ("nothing to do", "nothing to do"),
        ("", ""),
    ],
)
def test_people_read_what_kind_of_value_stood_where(message: str, template: str) -> None:
    assert template_of(message) == template


def test_kinds_do_not_part_a_pattern() -> None:
    miner = PatternMiner()

    one, other = miner.identify(["took 5", "took 5 ms"])

    assert one == other
    assert miner.template(one) == "took <*>"


def test_an_id_is_the_same_on_every_machine_and_day() -> None:
    assert PatternMiner().identify(["took 15 ms for 3 rows"]) == ["70ae8ac080f0115e"]


@given(st.lists(LOG_TEXT, max_size=30), st.randoms(use_true_random=False), st.integers(1, 10))
def test_own_ids_depend_on_the_line_alone(messages: list[str], rnd: random.Random, size: int) -> None:
    together = dict(zip(messages, PatternMiner().identify(messages), strict=True))
    shuffled = rnd.sample(messages, len(messages))
    miner = PatternMiner()
    for start in range(0, len(shuffled), size):
        batch = shuffled[start : start + size]
        assert miner.identify(batch) == [together[message] for message in batch]


@given(LOG_TEXT, st.randoms(use_true_random=False))
def test_which_digit_it_is_does_not_matter(message: str, rnd: random.Random) -> None:
    other = re.sub("[0-9]", lambda _: str(rnd.randrange(10)), message)

    one, two = PatternMiner().identify([message, other])

    assert one == two


@given(st.lists(LOG_TEXT, max_size=30), st.randoms(use_true_random=False))
def test_the_order_inside_a_batch_does_not_matter_for_what_ids_resolve_to(
    messages: list[str], rnd: random.Random
) -> None:
    miner, other = PatternMiner(), PatternMiner()
    ids = miner.identify(messages)
    other.identify(rnd.sample(messages, len(messages)))

    assert [miner.resolve(i) for i in ids] == [other.resolve(i) for i in ids]


@given(ANY_TEXT)
def test_any_text_has_a_pattern_that_can_be_stored(message: str) -> None:
    text = presentable(template_of(message), str)

    assert "\0" not in text
    text.encode()  # no lone surrogate is left


def masked(shape: bytes) -> str:
    if (at := status_at(shape)) is not None:
        return finish_request(mask_request(shape, at), "500")
    return finish(mask_words(shape))


@given(LOG_TEXT)
def test_the_text_of_a_template_tells_the_template(message: str) -> None:
    for shape in (shapes_of([message])[0], f"GET /{message} 000".encode("utf-8", "replace")):
        template = tokenise(masked(shape))

        assert pattern_id(read_shown(shown(template))) == pattern_id(template)


def test_long_messages_are_cut_and_their_templates_too() -> None:
    message = "word " * 200_000

    assert shapes_of([message]) == shapes_of([message + "more"])
    assert len(presentable(template_of(message), str)) <= MAX_TEMPLATE_CHARS


def test_a_stack_is_the_pattern_of_its_error_not_of_its_frames() -> None:
    java = "Order failed\njava.lang.IllegalState: gone\n\tat a.B.c(B.java:5)\nCaused by: x.Y: down\n\t... 2 more"
    other = java.replace("at a.B.c(B.java:5)", "at d.E.f(E.java:77)\n\tat g.H.i(H.java:1)")
    python = 'Traceback (most recent call last):\n  File "a.py", line 5, in b\n    return c()\nValueError: bad'

    miner = PatternMiner()
    first, second, third, fourth = miner.identify([java, other, python, python.replace("ValueError", "KeyError")])

    assert first == second
    assert miner.template(first).endswith("IllegalState: gone Caused by: x.Y: down")
    assert third != fourth
    assert miner.template(third) == "Traceback (most recent call last): ValueError: bad"


ANOTHER_PATH = {
    "Ruby": (
        "KeyError: no price\napp/models/cart.rb:41:in `sum'\nlib/tasks/report.rb:7:in `run'",
        "KeyError: no price\n/srv/app/shop.rb:9:in 'Shop#total'\n\tfrom bin/shop:3:in '<main>'",
    ),
    "Rails": (
        "KeyError (no price):\n  \n  app/models/cart.rb:41:in `sum'\n  rack (3.0.8) lib/rack/runtime.rb:22:in `call'",
        "KeyError (no price):\n  \n  puma (6.4.2) lib/puma/server.rb:605:in 'Puma::Server#run'",
    ),
    "PHP": (
        "Uncaught Error: no price\n#0 /srv/Cart.php(12): Cart->sum(42)\n#1 {main}",
        "Uncaught Error: no price\n#0 [internal function]: {closure}('a b')\n#1 /srv/run.php(3): go('a b')\n#2 {main}",
    ),
    "Rust": (
        "no price\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/panicking.rs:645:5\n   1: a::b",
        "no price\nstack backtrace:\n   0: <T as core::ops::Fn>::call\n  12: main\n      at ./a.rs:1\n   1: shop::run",
    ),
    "Elixir": (
        "** (KeyError) no price\n    (shop 0.1.0) lib/shop/cart.ex:41: Shop.Cart.sum/1",
        "** (KeyError) no price\n    lib/job.ex:9: Shop.Job.run/0\n    (stdlib 5.2) gen.erl:1: :gen.call/4",
    ),
    "Go": (
        "panic: no price\nmain.sum(0x2a)\n\tcart.go:41 +0x1d\nmain.main()\n\t/srv/main.go:7 +0x25",
        "panic: no price\nmain.(*Job).run(...)\n\tjob.go:9\nexit status 2",
    ),
    ".NET": (
        "NoPrice: none\n   at Cart.Sum() in /srv/Cart.cs:line 41",
        "NoPrice: none\n   at Job.Run()\n--- End of stack trace from previous location ---\n   at Main()",
    ),
    "Perl": (
        "no price\n\tCart::sum(42) called at Cart.pm line 12",
        "no price\n\tJob::run() called at Job.pm line 3\n\tmain::go() called at run.pl line 9",
    ),
    "Dart": (
        "Bad state: no price\n#0      sum (package:shop/cart.dart:41:5)",
        "Bad state: no price\n#0      Job.run (package:shop/job.dart:9:12)\n<asynchronous suspension>",
    ),
    "PL/SQL": (
        'ORA-20001: no price\nORA-06512: at "SHOP.SUM", line 41\nORA-06512: at line 1',
        'ORA-20001: no price\nORA-06512: at "SHOP.SUM", line 41\nORA-06512: at "SHOP.JOB", line 7',
    ),
    "PL/pgSQL": (
        "ERROR: no price\nCONTEXT:  PL/pgSQL function sum(integer) line 3 at RAISE",
        'ERROR: no price\nCONTEXT:  SQL statement "SELECT sum(7)"\nPL/pgSQL function job() line 9 at PERFORM',
    ),
    "Firefox": (
        "Error: no price\nsum@https://a.example/app.js:41:7\nshow@https://a.example/app.js:9:1",
        "Error: no price\nasync*job@https://a.example/job.js:3:1\n@https://a.example/job.js:1:1",
    ),
    "gdb": (
        "*** no price ***\n#0  0x00007f1c in raise () from /lib/libc.so.6\n#1  sum (id=7) at cart.c:41",
        "*** no price ***\n#0  0x00007f1d in abort () at abort.c:79\n    #1 0x4f in job /srv/job.cc:9:3",
    ),
    "React": (
        "Error: no price\n    in Cart (at App.js:12)\n    in App (at index.js:7)",
        "Error: no price\n    in Job (created by App)\n    in App (at index.js:7)",
    ),
    "Lua": (
        "cart.lua:41: no price\nstack traceback:\n\t[C]: in function 'error'\n\tcart.lua:41: in function 'sum'",
        "cart.lua:41: no price\nstack traceback:\n\tjob.lua:9: in main chunk",
    ),
    "Haskell": (
        "no price\n  error, called at Cart.hs:41:3 in main:Cart",
        "no price\n  sum', called at Job.hs:9:1 in main:Job\n  run, called at Main.hs:7:1 in main:Main",
    ),
    "Erlang": (
        "no price\n    in function  cart:sum/1 (src/cart.erl, line 41)",
        "no price\n    in function  job:run/0 (src/job.erl, line 9)\n    in call from main:go/0 (src/main.erl, line 3)",
    ),
}


@pytest.mark.parametrize(("one", "other"), ANOTHER_PATH.values(), ids=ANOTHER_PATH.keys())
def test_an_error_is_one_pattern_whatever_called_it(one: str, other: str) -> None:
    first, second = PatternMiner().identify([one, other])

    assert first == second


@pytest.mark.parametrize(
    "line",
    [
        "{user} : TTY=pts/0 ; PWD=/srv ; USER=root ; COMMAND=/usr/bin/systemctl restart shop",
        "{user} : command not allowed ; TTY=pts/0 ; PWD=/srv ; USER=root ; COMMAND=/bin/ls",
        "({user}) CMD (run-parts --report /etc/cron.hourly)",
        "CRON[4711]: ({user}) CMD (run-parts --report /etc/cron.hourly)",
        "pam_unix(cron:session): session opened for user {user}(uid=7) by (uid=0)",
        "pam_unix(su:session): session closed for user {user}",
        "Started Session 12 of User {user}.",
        "user {user} logged in",
        "User {user} has successfully signed out from 10.0.0.3",
        "New session 12 of user {user}.",
        "Accepted publickey for {user} from 10.0.0.3 port 51234 ssh2",
        "Failed password for invalid user {user} from 10.0.0.3 port 51234 ssh2",
        "Connection closed by authenticating user {user} 10.0.0.3 port 51234 [preauth]",
    ],
)
def test_two_users_are_one_pattern(line: str) -> None:
    first, second, third = PatternMiner().identify([line.format(user=user) for user in ("root", "www-data", "bob7")])

    assert first == second == third


def test_what_is_done_with_users_is_told_apart() -> None:
    lines = [
        "session opened for user root by (uid=0)", "session closed for user root", "(root) CMD (backup)",
        "(root) CMD (restore)", "(root) RELOAD (crontabs/root)", "waiting for input from 10.0.0.3 to arrive",
        "waiting for user authentication to end", "waiting for user confirmation to end",
        "user is logged in", "user session logged out", "user successfully logged in", "user logged in",
        "Failed password for root from 10.0.0.3 port 1 ssh2", "Accepted password for root from 10.0.0.3 port 1 ssh2",
    ]  # fmt: skip

    assert len(set(PatternMiner().identify(lines))) == len(lines)


def test_causes_in_a_list_are_not_frames() -> None:
    first, second = PatternMiner().identify(
        [f"failed\n\nCaused by:\n    0: {why} here" for why in ("broken", "refused")]
    )

    assert first != second


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("2026-11-20T10:05:00Z INFO GET /products/17 200 5ms", "<time> INFO GET /products/<num> 200 <duration>"),
        ("I1120 10:05:00 4711 http.go:12] GET /pods/w-17?a=1 (200) 2ms", "<*>] GET /pods/<id>?<*> (200) <duration>"),
        ('level=info msg="POST /carts/7/pay (400) 1.2ms"', 'level=info msg="POST /carts/<num>/pay (400) <duration>"'),
        ('{"msg": "PUT /carts/7", "ms": 5}', "{msg: PUT /carts/<num>, ms: <num>}"),
        ('10.0.0.5 - - "GET /carts/7 HTTP/1.1" 200 5', '<ip> - - "GET /carts/<num> HTTP/<num>" 200 <num>'),
        ('I1120 10:05:00 4711 kubelet.go:7] "SyncLoop" pod="a/b"', "<*>] SyncLoop pod=<*>"),
        ("12:00:05 info GET /carts/7", "<time> info GET /carts/<num>"),
        ("checks failed for POST /carts/7 again", "checks failed for POST <path> again"),
        ('served "alice" today', "served <*> today"),
    ],
)
def test_routes_and_one_word_messages_stay_behind_a_head(message: str, template: str) -> None:
    assert template_of(message) == template


SEEDS = ["a.", "/", "1:", "a@", "<", "-", "a-", "a.b:", "Mon ", "Jan  ", "http://", "a:/", "#", "a#", "x<", "()", "0:",
         "(a.", "f", "1 ", "1,", "\n ", "\n  at", "\\", "C:\\", "'a", "::", "\n   File \"", "é", "1="," (",
         '"', '"a":', "a=", '"a/1', "GET /a", '\\"', '{"a"', "a@b", "a.b/", "': '", "[", "a=\"", "/?", " /",
         "yes =", "a=b,", "a=<", "\nf\n\t/", "\n\ta called at ",
         "\n 0: a", "\n#0 a(", "\n (a) b:0: c", "\nf\n\ta:0", "GET /a (", "GET /\",x", "\n  0: _",
         "GET /a 000 ", "GET /a\"", "GET \"/a 00", "GET /?/", "] \"000", "/0 000 0 a b ---- 0", "| 000 GET |",
         "HTTP 000", "method=GET path=/a status=000 ", "Completed 000", "a: b, ", "a:,", "a: ", "a=B{", "a={[", "a=[",
         "a= ", " a=", "x (a."]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_are_linear_in_the_text(seed: str) -> None:
    def seconds(text: str) -> float:
        tried = []
        for _ in range(5):
            start = time.process_time()
            tokenise(masked(text.encode()))
            tried.append(time.process_time() - start)
        return min(tried)

    small, large = (seed * (size // len(seed)) for size in (4_000, 32_000))

    assert (
        seconds(large) < 24 * seconds(small) + 0.01
    )  # 8 if linear, 64 if not: between them is room for a busy machine


def test_a_place_with_many_values_becomes_one_and_old_ids_lead_there() -> None:
    miner = PatternMiner()
    ids = miner.identify([f"job {name} has finished its work on the queue" for name in ("mail", "index", "backup")])
    assert len({miner.resolve(i) for i in ids}) == 1
    general = miner.resolve(ids[0])

    (late,) = miner.identify(["job cleanup has finished its work on the queue"])

    assert late not in ids
    assert miner.resolve(late) == general
    assert miner.lineage(late) == [late, general]
    assert miner.template(general) == "job <*> has finished its work on the queue"
    assert miner.template(late) == "job cleanup has finished its work on the queue"
    assert miner.new_aliases == {*ids, late}


def test_a_miner_that_goes_on_from_storage_merges_as_the_one_before() -> None:
    names = ["mail", "index", "backup"]
    before = PatternMiner()
    ids = before.identify([f"job {name} has finished its work on the queue" for name in names])
    known = [*ids, before.resolve(ids[0])]
    stored = [StoredPattern(i, before.template(i), ([*before.lineage(i)[1:], None])[0], 1) for i in known]

    after = PatternMiner()
    after.remember(stored)
    (late,) = after.identify(["job cleanup has finished its work on the queue"])

    assert [after.resolve(i) for i in [*ids, late]] == [before.resolve(ids[0])] * 4


def test_a_miner_that_goes_on_from_storage_knows_where_names_and_texts_stand() -> None:
    names = ("Bob", "Grace Hopper", "Carol van der Berg", "Dave Jones", "Frank")
    reasons = ("expired", "no such file", "value out of range", "connection refused")
    before = PatternMiner()
    ids = before.identify([f"Customer {name} changed the delivery address" for name in names])
    ids += before.identify([f"token of the user rejected: {reason}" for reason in reasons])
    known = sorted({i for own in ids for i in before.lineage(own)})

    after = PatternMiner()
    after.remember([StoredPattern(i, before.template(i), ([*before.lineage(i)[1:], None])[0], 1) for i in known])
    late = after.identify(
        ["Customer soylent green changed the delivery address", "token of the user rejected: not (yet) valid: wait"]
    )

    assert [after.resolve(i) for i in late] == [before.resolve(ids[0]), before.resolve(ids[-1])]


def test_a_redacted_template_is_shown_but_not_built_upon() -> None:
    before = PatternMiner()
    (own,) = before.identify(["login password: hunter refused for everyone here today"])
    after = PatternMiner()
    after.remember([StoredPattern(own, "login password: *** refused for everyone here today", None, 1)])

    assert after.template(own) == "login password: *** refused for everyone here today"
    assert after.identify(["login password: hunter refused for everyone here today"]) == [own]


def test_memory_of_shapes_and_templates_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miner_module, "MAX_SHAPES", 100)
    monkeypatch.setattr(merger, "MAX_TEMPLATES", 100)
    rnd = random.Random(1)
    words = ["".join(rnd.choices("abcdefgh", k=7)) + "x" for _ in range(3_000)]
    miner = PatternMiner()
    for start in range(0, 3_000, 100):
        batch = [f"{a} {b} {c}" for a, b, c in zip(words[start:], words[::-1], words[1:], strict=False)][:100]
        first = miner.identify(batch)
        assert miner.identify(batch) == first

    assert len(miner._shapes) + len(miner._shapes.older) <= 200
    assert len(miner._merger.lines) <= 200


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from(["a", "bb", "cc", "dd", "7", "=", "k"]), min_size=2, max_size=9), max_size=60))
def test_aliases_never_make_a_circle(lines: list[list[str]]) -> None:
    miner = PatternMiner()
    for start in range(0, len(lines), 7):
        for pattern in miner.identify([" ".join(line) for line in lines[start : start + 7]]):
            sizes = [
                (-len(template), template.count(PLACEHOLDER))
                for template in map(miner._plain.__getitem__, miner.lineage(pattern))
            ]
            assert sizes == sorted(set(sizes))  # shorter, or as long with more placeholders


@given(st.lists(st.sampled_from(["a", "b", PLACEHOLDER, PLACEHOLDER, "(", ")", '"', ":", "="]), min_size=1, max_size=9))
@example(["a", "b", "(", PLACEHOLDER, PLACEHOLDER, ")"])
def test_each_placeholder_that_is_left_is_found_where_it_is_now(tokens: list[str]) -> None:
    short, places = normal(tuple(tokens))

    assert all(place < len(short) and short[place] == tokens[position] for position, place in places.items())


def test_patterns_need_neither_database_nor_dagster() -> None:
    code = (
        "import sys, fleexmon_pipeline.patterns.of_file as c; "
        "print([m for m in ('dagster', 'psycopg', 'pandas', 'msgspec') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

"""The lines of a stack trace are one event, in every language; lines that only follow each other are not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from fleexmon_pipeline.collection.reading.events import MAX_EVENT_CHARACTERS, MAX_PAUSE, MAX_UNTIMED, TextLine, joined
from fleexmon_pipeline.collection.reading.inputs import Form, Input
from fleexmon_pipeline.errors import FleexmonError

AT = datetime(2025, 3, 14, 15, 9, 26, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

TRACES = {
    "Python, a fault": """\
Fatal Python error: Aborted

Thread 0x00007f1c (most recent call first):
  File "/srv/ledger.py", line 41 in book""",
    "Python, a warning": """\
/srv/ledger.py:41: FutureWarning: book() will go
  book(7)""",
    "Python, SQLAlchemy": """\
2025-03-14 15:09:26 ERROR ledger: failed
Traceback (most recent call last):
  File "/srv/ledger.py", line 41, in book
sqlalchemy.exc.DataError: out of range
[SQL: INSERT INTO ledger VALUES (%s)]
[parameters: (7,)]
(Background on this error at: https://sqlalche.me/e/20/9h9h)""",
    "Go, zap": """\
2025-03-14T15:09:26.535Z	ERROR	ledger/book.go:41	overdrawn	{"id": 7}
acme.org/ledger.(*Book).Post
	/srv/ledger/book.go:41
net/http.HandlerFunc.ServeHTTP
	/usr/local/go/src/net/http/server.go:2136""",
    "Ruby, with its line": """\
ledger.rb:41:in `post': undefined method `sum' for nil (NoMethodError)

    book.sum
        ^^^^
	from ledger.rb:60:in `<main>'""",
    "Node, an assertion": """\
AssertionError [ERR_ASSERTION]: Expected values to be equal:
+ actual - expected

+ 41
- 7
    at Object.<anonymous> (/srv/ledger.js:41:8)""",
    "Elixir, what it ended with": """\
15:09:26.535 [error] GenServer Ledger terminating
** (RuntimeError) overdrawn
    (ledger 0.1.0) lib/ledger.ex:41: Ledger.post/1
Last message (from #PID<0.77.0>): {:post, 7}
State: %{id: 7}""",
    "Erlang, a crash": """\
2025-03-14T15:09:26.535897+00:00 error: crasher:
    initial call: ledger:init/1
    exception error: overdrawn
      in function  ledger:post/1 (ledger.erl, line 41)""",
    "Dart, a state": """\
Unhandled exception:
Invalid state: overdrawn
#0      post (file:///srv/ledger.dart:41:3)""",
    "Dart, over several lines": """\
Unhandled exception:
NoSuchMethodError: No constructor 'Ledger' with matching arguments.
Receiver: Type: class 'Ledger'
Tried calling: new Ledger(7)
#0      post (file:///srv/ledger.dart:41:3)""",
    "Java, one within the other": """\
java.lang.RuntimeException: javax.mail.SendFailedException: no address;
  nested exception is:
com.acme.LedgerException: overdrawn
\tat com.acme.Ledger.post(Ledger.java:41)""",
    "Flutter": """\
══╡ EXCEPTION CAUGHT BY RENDERING LIBRARY ╞═══════════════
A RenderFlex overflowed by 7 pixels.

The widget was:
  Row
══════════════════════════════════════════""",
    "Terraform": """\
╷
│ Error: overdrawn
│
│   on ledger.tf line 41:
╵""",
    "Rust, a compiler": """\
error[E0308]: mismatched types
  --> src/ledger.rs:41:9
   |
41 |         book
   |         ^^^^ expected `u64`""",
    "SQL over lines": """\
2025-03-14 15:09:26.535 DEBUG 1 --- [main] org.hibernate.SQL :
    select
        l1_0.id
    from
        ledger l1_0""",
    "an object over lines": """\
2025-03-14 15:09:26 INFO booked {
  "id": 7,
  "rows": [
    41
  ]
}""",
    "an error within an object": """\
[15:09:26.535] ERROR (77): failed
    err: {
      "stack":
          Error: overdrawn
              at post (/srv/ledger.js:41:9)
    }""",
    "Spark": """\
25/03/14 15:09:26 ERROR Executor: Exception in task 0.0
java.io.IOException: overdrawn
	at acme.Ledger.post(Ledger.scala:41)
Driver stacktrace:
	at org.apache.spark.scheduler.DAGScheduler.failJob(DAGScheduler.scala:7)""",
    "Python, a group": """\
  + Exception Group Traceback (most recent call last):
  |   File "ledger.py", line 1, in <module>
  | ExceptionGroup: closing (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: overdrawn
    +------------------------------------""",
    "ThreadSanitizer": """\
WARNING: ThreadSanitizer: data race (pid=12)
  Write of size 8 at 0x7b04 by thread T1:
    #0 book /srv/ledger.cc:41:3
  Previous read of size 8 at 0x7b04 by main thread:
    #0 main /srv/ledger.cc:9:3
  Location is global 'total' of size 8 at 0x7b04""",
    "Go, a race": """\
==================
WARNING: DATA RACE
Write at 0x00c00012a018 by goroutine 8:
  main.book()
      /srv/ledger.go:41 +0x44

Previous read at 0x00c00012a018 by main goroutine:
  main.main()
      /srv/ledger.go:9 +0x88
==================""",
    "Spring": """2025-03-14T15:09:26.535Z ERROR 1 --- [main] o.b.Ledger : posting failed

java.lang.IllegalStateException: account locked
\tat org.bank.Ledger.post(Ledger.java:41) ~[ledger.jar:1]
\t... 3 common frames omitted""",
    "Go, a signal": """SIGSEGV: segmentation violation
PC=0x46a2 m=0 sigcode=1

goroutine 1 [running]:
main.post()
\t/srv/ledger.go:41 +0x1d""",
    "C++": """terminate called after throwing an instance of 'std::runtime_error'
  what():  account locked""",
    "Go, a server": """2025/03/14 15:09:26 http: panic serving 10.0.0.9:7: overdrawn
goroutine 7 [running]:
net/http.(*conn).serve.func1()
	/usr/local/go/src/net/http/server.go:1 +0xb
panic({0x1, 0x2})
	/usr/local/go/src/runtime/panic.go:1 +0xc""",
    "Rust, anyhow": """Error: posting failed

Caused by:
    0: account locked
    1: timeout

Stack backtrace:
   0: anyhow::error::msg
   1: ledger::post""",
    "Rust, eyre": """Error:
   0: account locked

Location:
   src/ledger.rs:41""",
    "Rails, a view": """ActionView::Template::Error (undefined method `sum' for nil:NilClass):
    7: <td>
    8: <%= ledger.sum %>
\x20\x20
app/views/ledgers/show.html.erb:8:in `_app_views_ledgers'
app/controllers/ledgers_controller.rb:12:in `show'""",
    "Node, a rejection": """node:internal/process/promises:288
            triggerUncaughtException(err, true /* fromPromise */);
            ^

[UnhandledPromiseRejection: This error originated either by throwing] {
  code: 'ERR_UNHANDLED_REJECTION'
}""",
    "Erlang": """=ERROR REPORT==== 14-Mar-2025::15:09:26.535 ===
** Generic server ledger terminating
** Last message in was post
** When Server state == {state,[]}
** Reason for termination ==
** {badarg,[{ledger,post,1,[{file,"ledger.erl"},{line,41}]}]}""",
    "Swift": """*** Program crashed: Bad pointer dereference at 0x0000000000000008 ***

Thread 0 "main" crashed:

0 0x0000000000401a34 post() + 12 in ledger at /srv/Ledger.swift:41:3
1 [ra] 0x0000000000401b00 main + 8 in ledger at /srv/main.swift:9:1""",
    "AddressSanitizer": """==77==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x1
READ of size 8 at 0x602000000010 thread T0
    #0 0x4f in post /srv/ledger.c:41

0x602000000010 is located 0 bytes inside of 8-byte region""",
    "Valgrind": """==77== Invalid read of size 8
==77==    at 0x4005: post (ledger.c:41)
==77==    by 0x4010: main (ledger.c:9)""",
    "Tcl": """account locked
    while executing
"error {account locked}"
    (procedure "post" line 7)
    invoked from within
"post 7"
    (file "ledger.tcl" line 9)""",
    "Julia": """ERROR: LoadError: account locked
Stacktrace:
 [1] post(::Int64) at ./ledger.jl:41
in expression starting at /srv/ledger.jl:60""",
    "Lua": """lua entry thread aborted: runtime error: /app/ledger.lua:12: attempt to index a nil value
stack traceback:
coroutine 0:
\t/app/ledger.lua: in function 'book'""",
    "OCaml": """\
Fatal error: exception Failure("overdrawn")
Raised at Stdlib.failwith in file "stdlib.ml", line 29, characters 17-33
Called from Dune__exe__Main in file "bin/main.ml", line 3, characters 9-20""",
    "Haskell": """\
ledger: Prelude.head: empty list
CallStack (from HasCallStack):
  error, called at libraries/base/GHC/List.hs:1646:3 in base:GHC.List
  errorEmptyList, called at libraries/base/GHC/List.hs:85:11 in base:GHC.List""",
    "R": """\
Error in book(x) : object 'y' not found
Calls: main -> book
Execution halted""",
    "Java": """2025-03-14 15:09:26,535 ERROR [main] org.bank.Ledger - posting failed
java.lang.IllegalStateException: account locked
\tat org.bank.Ledger.post(Ledger.java:41)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.sql.SQLException: timeout
\tat org.bank.Db.query(Db.java:12)
\t... 12 more""",
    "Java, uncaught": """Exception in thread "main" java.lang.NullPointerException: Cannot invoke "x"
\tat org.bank.Main.main(Main.java:7)
\tSuppressed: java.io.IOException: closed
\t\tat org.bank.Io.close(Io.java:3)""",
    "Python": """Traceback (most recent call last):
  File "/srv/ledger.py", line 41, in post
    lock(account)
  File "/srv/lock.py", line 3, in lock
    raise Locked(account)
    ^^^^^^^^^^^^^^^^^^^^^
bank.Locked: account 7

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/app.py", line 12, in <module>
    post()
ValueError: not posted""",
    "Python, logged": """ERROR:bank:posting failed
Traceback (most recent call last):
  File "/srv/ledger.py", line 41, in post
    lock(account)
KeyError: 'account'""",
    "Go": """panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.post({0xc000012345, 0x3}, 0x3)
\t/srv/ledger.go:41 +0x1d
main.(*Book).Add(...)
\t/srv/book.go:12
created by main.main in goroutine 1
\t/srv/main.go:9 +0x65
exit status 2""",
    "Go, signal": """fatal error: concurrent map writes
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47]

goroutine 7 [running]:
bank/ledger.post(0x2a)
\tledger.go:41 +0x1d""",
    "Ruby": """app/models/ledger.rb:41:in `post': undefined method `lock' for nil (NoMethodError)
\tfrom app/models/book.rb:12:in `add'
\tfrom bin/run:3:in `<main>'""",
    "Rails": """NoMethodError (undefined method `lock' for nil):

app/models/ledger.rb:41:in `post'
app/controllers/books_controller.rb:12:in `create'""",
    "PHP": """PHP Fatal error:  Uncaught RuntimeException: account locked in /srv/Ledger.php:41
Stack trace:
#0 /srv/Book.php(12): Ledger->post(7)
#1 {main}
  thrown in /srv/Ledger.php on line 41""",
    "Laravel": """[2025-03-14 15:09:26] production.ERROR: account locked {"exception":"[object] (E(code: 0)
[stacktrace]
#0 /srv/Book.php(12): Ledger->post()
#1 {main}
"}""",
    "Rust": """thread 'main' panicked at src/ledger.rs:41:9:
account locked
stack backtrace:
   0: rust_begin_unwind
             at /rustc/9fc6b/library/std/src/panicking.rs:645:5
   1: bank::book::add
note: run with `RUST_BACKTRACE=full` for a verbose backtrace.""",
    "Rust, old": """thread 'worker' panicked at 'account locked', src/ledger.rs:41:9
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace""",
    ".NET": """Unhandled exception. System.InvalidOperationException: account locked
 ---> System.TimeoutException: db
   at Bank.Db.Query() in /srv/Db.cs:line 12
   --- End of inner exception stack trace ---
   at Bank.Ledger.Post(Int32 id) in /srv/Ledger.cs:line 41
--- End of stack trace from previous location ---
   at Bank.Main()""",
    ".NET console": """fail: Bank.Ledger[0]
      posting failed
      System.InvalidOperationException: account locked
         at Bank.Ledger.Post(Int32 id)""",
    "Node": """TypeError: Cannot read properties of undefined (reading 'lock')
    at post (/srv/ledger.js:41:9)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {
  code: 'ELOCK',
  [cause]: Error: db
      at query (/srv/db.js:3:1)
}

Node.js v20.11.0""",
    "Node, uncaught": """/srv/ledger.js:41
    account.lock()
            ^

TypeError: Cannot read properties of undefined
    at post (/srv/ledger.js:41:9)""",
    "Elixir": """** (RuntimeError) account locked
    (bank 0.1.0) lib/bank/ledger.ex:41: Bank.Ledger.post/1
    lib/bank/book.ex:12: Bank.Book.add/2""",
    "Elixir, a server": """15:09:26.535 [error] GenServer Bank.Ledger terminating
** (RuntimeError) account locked
    (bank 0.1.0) lib/bank/ledger.ex:41: Bank.Ledger.post/1
Last message: :post
State: %{}""",
    "Perl": """account locked at /srv/Ledger.pm line 41.
\tBank::Ledger::post(7) called at /srv/Book.pm line 12
\tBank::Book::add() called at bin/run line 3""",
    "Dart": """Unhandled exception:
Exception: account locked
#0      post (file:///srv/ledger.dart:41:5)
#1      main (file:///srv/main.dart:3:3)
<asynchronous suspension>""",
    "PostgreSQL": "2025-03-14 15:09:26.535 UTC [7] STATEMENT:  SELECT 1\n\tFROM a\n\tWHERE b",
}


def lines(text: str, *, stream: str = "a", at: datetime = AT) -> list[TextLine]:
    return [TextLine(at + n * MILLISECOND, line, stream) for n, line in enumerate(text.split("\n"))]


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_is_one_event_of_the_time_of_its_first_line(name: str) -> None:
    before, after = TextLine(AT, "2025-03-14 15:09:25 INFO started", "a"), "2025-03-14 15:09:27 INFO goes on"
    trace = lines(TRACES[name])
    events = list(joined([before, *trace, TextLine(trace[-1].moment, after, "a")]))

    assert [event.text for event in events] == [before.text, TRACES[name], after]
    assert events[1].moment == AT


@pytest.mark.parametrize("name", TRACES)
def test_two_traces_in_turn_on_two_streams_are_two(name: str) -> None:
    pairs = zip(lines(TRACES[name], stream="a"), lines(TRACES[name], stream="b"), strict=True)

    assert [event.text for event in joined(line for pair in pairs for line in pair)] == [TRACES[name]] * 2


@pytest.mark.parametrize(
    "text",
    [
        "started\nlistening on :80\nready",
        "GET /a 200\n  GET /b 200",
        "ERROR: no ink\nERROR: no paper",
        '{"msg": "a"}\n{"msg": "b"}',
        "TypeError: a\nTypeError: b",
        "panic: a\n2025-03-14 15:09:26 INFO b",
        "Traceback (most recent call last):\n2025/03/14 15:09:26 started",
        "job done\nTraceback (most recent call last):",
        "thread 'main' panicked at src/a.rs:1:1:\nERROR: other",
        "a\n\nb",
        "INFO: ready\n\njava.lang.A: b",
        "INFO ready\n  ERROR overdrawn",
        "2025-03-14 15:09:26 INFO ready\n  2025-03-14 15:09:27 listening",
        "2025-03-14 15:09:26 INFO ready\n}",
        "  set in\n  set in as well",
        "ERROR late\nacme.org is down",
        "│ a\n│ b",
    ],
)
def test_lines_that_only_follow_each_other_stay_apart(text: str) -> None:
    assert [event.text for event in joined(lines(text))] == text.split("\n")


def test_a_pause_ends_an_event() -> None:
    first, second = lines("panic: a\ngoroutine 1 [running]:")
    second.moment = first.moment + MAX_PAUSE + MILLISECOND

    assert len(list(joined([first, second]))) == 2


def test_an_event_without_end_is_cut() -> None:
    [event] = joined(TextLine(AT, text, "a") for text in ["panic: a", *["\tframe.go:1 " + "x" * 1_000] * 5_000])

    assert len(event.text or "") <= MAX_EVENT_CHARACTERS + 2_000


def test_what_came_before_a_fault_is_given_first() -> None:
    def broken() -> Iterator[TextLine]:
        yield from lines(TRACES["Java"])
        raise FleexmonError("broke off")

    events = joined(broken())

    assert next(events).text == TRACES["Java"]
    with pytest.raises(FleexmonError, match="broke off"):
        next(events)


def test_lines_with_the_tag_of_a_request_belong_to_the_line_that_has_a_head_before_it() -> None:
    head, tag = "F, [2025-03-14T15:09:26.535897 #88] FATAL -- : ", "[5f3c9a1e-7b2d-4e8f-9a6b-0c1d2e3f4a5b] "
    texts = [
        f"{head}{tag}  ", f"{tag}Ledger::Overdrawn (by 3):", f"{tag}  ", f"{tag}app/models/ledger.rb:41:in `post'",
        f"{tag}Started GET /a", "[another-request] x",
    ]  # fmt: skip
    events = [event.text for event in joined(TextLine(AT, text, "a") for text in texts)]

    assert events == [
        f"{head}{tag}  \nLedger::Overdrawn (by 3):\n  \napp/models/ledger.rb:41:in `post'\nStarted GET /a",
        "[another-request] x",
    ]


def test_a_line_of_a_file_without_a_time_belongs_to_the_line_before_it() -> None:
    text = (
        b"2026-11-20 10:05:00 ERROR pay failed\nno ink:\n  tray 3\n2026-11-20 10:05:01 INFO next\nMar 14 15:09:26 x\n"
    )

    results = list(Input(BytesIO(text), Form.TEXT).results())

    assert [result.line.message for result in results if result.line] == [
        "2026-11-20 10:05:00 ERROR pay failed\nno ink:\n  tray 3",
        "2026-11-20 10:05:01 INFO next",
    ]
    assert [result.reason for result in results if not result.line] == ["no time at the head of the line"]


def test_a_file_whose_lines_have_no_time_is_not_one_event() -> None:
    text = b"2026-11-20 10:05:00 begin\n" + b"word\n" * (MAX_UNTIMED + 50)

    results = list(Input(BytesIO(text), Form.TEXT).results())

    assert [bool(result.line) for result in results] == [True, *[False] * 50]

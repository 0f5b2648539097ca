"""Lines of invented services in the formats of real ones, with the statement that wrote each.

A file per format, a statement per line: `{kind}` is a value, `\\n` a new line, `{{` a brace; the first line says when
it was written. How values are made is here. Nothing is from public sets: these are for formats that those do not have.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Sequence
from pathlib import Path

from fleexmon_pipeline_tests.patterns.formats.later_values import later_values
from fleexmon_pipeline_tests.patterns.formats.third_values import third_values

_STATUS = re.compile(r'status(?:Code)?"?[=:](\d{3})\b')
_VERB = re.compile(r"\b(?:GET|POST|PUT|DELETE)\b(?= )")
_ROUTES = ("upath", "route", "nguri", "bizpath", "pyapi")

Values = dict[str, Callable[[], str]]

_PLACE = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_ESCAPE = {"\\n": "\n", "\\t": "\t", "\\\\": "\\"}
_CHOICES = {
    "user": "alice bob carol dave erin frank grace heidi ivan judy mallory oscar peggy trent victor walter root admin",
    "svc": "auth-service order-service payment-service user-service gateway catalog search-api mailer billing",
    "host": "web-01 web-02 db-master cache-3 worker-12 ip-10-0-3-17 node-a node-b edge7",
    "status": "200 200 200 201 204 301 304 400 401 404 500 502",
    "meth": "GET GET GET POST PUT DELETE",
    "table": "users orders payments sessions products audit_log events invoices",
    "db": "shop analytics billing postgres app_production",
    "topic": "orders payments user-events audit clicks shipping inventory dead-letter emails metrics refunds returns",
    "class": "com.example.shop.OrderController com.example.shop.PaymentService org.acme.Stock io.acme.Mail",
    "ns": "default kube-system prod staging monitoring payments",
    "dev": "sda sdb nvme0n1 dm-0 md127",
    "word": "red blue shoes laptop phone lamp desk chair bike book table mirror carpet mug fork",
    "country": "DE FR US GB NL",
    "cur": "EUR USD GBP",
    "task": "tasks.send_email tasks.resize_image reports.build billing.charge_card cleanup.sessions",
    "queue": "default high low mail images",
    "bool": "true false",
    "unit": "nginx.service ssh.service docker.service cron.service logrotate.service apt-daily.service",
    "proc": "java python3 nginx postgres node chrome",
    "app": "chrome.exe firefox.exe Dropbox.exe svchost.exe",
}
_PHRASES = {
    "name": "Alice Smith|Bob Jones|Carol White|Dave",
    "udesc": "Daily apt download activities|Rotate log files|Docker Application Container Engine|Network Manager",
    "cron": "/usr/lib/php/sessionclean|run-parts /etc/cron.hourly|/usr/local/bin/backup.sh --full",
    "ua": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0|curl/8.4.0|-"
    "|kube-probe/1.28|python-requests/2.31.0|Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X)",
}


def names(folder: str = "") -> list[str]:
    """Formats in this folder, or in one below: `later/dns_envoy`."""
    here = Path(__file__).parent
    return sorted(file.relative_to(here).with_suffix("").as_posix() for file in (here / folder).glob("*.txt"))


def is_held_out(name: str) -> bool:
    """Whether the rules were made without a look at how they do on it."""
    return (Path(__file__).parent / f"{name}.txt").read_text("utf-8").startswith("# held out")


def lines(name: str, count: int = 2_000) -> tuple[list[str], list[str]]:
    """Messages and the number of each one's statement, with its request if it has a status; few statements write most.
    Same name, same lines."""
    statements = (Path(__file__).parent / f"{name}.txt").read_text("utf-8").splitlines()[1:]
    statements = [re.sub(r"\\[nt\\]", lambda found: _ESCAPE[found[0]], statement) for statement in statements]
    rnd = random.Random(name)
    values = _values(rnd)
    if "/" in name:
        values |= later_values(rnd, values)
    if name.startswith("third/"):
        values |= third_values(rnd, values)
        # Most frequent first in the file. In public sets of 2,000 lines the first writes a quarter, the last two.
        weights = [(rank + 5) ** -2.5 for rank in range(len(statements))]
    else:
        rnd.shuffle(statements)
        weights = [(rank + 1) ** -0.9 for rank in range(len(statements))]
    chosen = rnd.choices(range(len(statements)), weights, k=count)
    filled = [_filled(statements[number], values) for number in chosen]
    return [message for message, _ in filled], [
        request if request.startswith("404") else f"{n}{request}"
        for n, (_, request) in zip(chosen, filled, strict=True)
    ]


def _filled(statement: str, values: Values) -> tuple[str, str]:
    """A message, and what of its request is no value: decision 0034."""
    held: dict[str, str] = {}

    def take(found: re.Match[str]) -> str:
        if not found[1]:
            return found[0][0]
        value = values[found[1]]()
        held.setdefault(found[1], value)
        return value

    message = _PLACE.sub(take, statement)
    return message, _request(statement, held)


def _request(statement: str, held: dict[str, str]) -> str:
    status = held.get("status") or next(iter(_STATUS.findall(statement)), "")
    verb = held.get("meth") or held.get("ngmeth") or next(iter(_VERB.findall(statement)), "")
    kind = next((kind for kind in _ROUTES if kind in held and f"http://{{fqdn}}{{{kind}}}" not in statement), "")
    if not (status and verb):
        return ""
    if status == "404" and statement.startswith((verb, "{meth}")):
        return f"404 {verb}"  # all of them, whatever their route
    route = held[kind].partition("?")[0] if kind and status != "404" else ""
    return f" {verb} {re.sub('[^/]*[0-9][^/]*', '#', route)} {status}"


def _values(rnd: random.Random) -> Values:
    def one_of(words: Sequence[str]) -> Callable[[], str]:
        return lambda: rnd.choice(words)

    def digits(low: int, high: int) -> Callable[[], str]:
        return lambda: str(rnd.randrange(low, high))

    def hexadecimal(size: int) -> str:
        return f"{rnd.getrandbits(4 * size):0{size}x}"

    def address() -> str:
        return ".".join(str(rnd.randrange(1, 255)) for _ in range(4))

    def clock() -> str:
        return f"{rnd.randrange(24):02d}:{rnd.randrange(60):02d}:{rnd.randrange(60):02d}"

    values = {kind: one_of(words.split()) for kind, words in _CHOICES.items()}
    values |= {kind: one_of(phrases.split("|")) for kind, phrases in _PHRASES.items()}
    values |= {
        "int": lambda: str(rnd.randrange(10 ** rnd.randint(1, 5))),
        "small": digits(1, 20),
        "part": digits(0, 32),
        "ms": digits(1, 5_000),
        "pct": digits(0, 101),
        "port": digits(1_024, 65_535),
        "float": lambda: f"{rnd.random() * 1_000:.{rnd.randint(1, 4)}f}",
        "ver": lambda: f"{rnd.randrange(9)}.{rnd.randrange(20)}.{rnd.randrange(30)}",
        "dur": lambda: f"{rnd.random() * 900:.{rnd.randint(1, 6)}f}{rnd.choice(('ms', 's', 'µs'))}",
        "ip": address,
        "fqdn": lambda: f"{values['host']()}.{rnd.choice(('prod', 'stage', 'eu'))}.example.com",
        "uuid": lambda: "-".join(map(hexadecimal, (8, 4, 4, 4, 12))),
        "hex": lambda: hexadecimal(rnd.choice((8, 16))),
        "hex12": lambda: hexadecimal(12),
        "sess": lambda: hexadecimal(32),
        "addr": lambda: "0x" + hexadecimal(rnd.choice((8, 12, 16))),
        "mac": lambda: ":".join(hexadecimal(2) for _ in range(6)),
        "path": lambda: "/" + "/".join(rnd.choices(("var", "log", "tmp", "app", "srv", "a.log", "x.json"), k=4)),
        "email": lambda: f"{values['user']()}{rnd.randrange(100)}@{rnd.choice(('example.com', 'mail.org'))}",
        "iso": lambda: f"2026-11-{rnd.randrange(10, 29)}T{clock()}.{rnd.randrange(1_000):03d}Z",
        "clf": lambda: f"{rnd.randrange(10, 29)}/{rnd.choice(('Jan', 'Nov'))}/2026:{clock()} +0000",
        "nxt": lambda: f"2026/11/{rnd.randrange(10, 29)} {clock()}",
        "pgt": lambda: f"2026-11-{rnd.randrange(10, 29)} {clock()}.{rnd.randrange(1_000):03d} UTC",
        "ref": lambda: rnd.choice(("-", "https://www.example.com/", f"https://x.example.com/p/{rnd.randrange(999)}")),
        "upath": lambda: rnd.choice(
            (
                "/",
                "/index.html",
                f"/api/v1/users/{rnd.randrange(9_999)}",
                "/login",
                f"/search?q=red&p={rnd.randrange(9)}",
            )
        ),
        "thread": lambda: rnd.choice(("main", f"http-nio-8080-exec-{rnd.randrange(50)}", f"pool-{rnd.randrange(9)}")),
        "pod": lambda: f"{values['svc']()}-{hexadecimal(9)}-{''.join(rnd.choices(string.ascii_lowercase, k=4))}5",
        "image": lambda: f"registry.example.com/shop/{values['svc']()}:{rnd.choice(('v1.2.3', 'latest'))}",
        "nic": lambda: rnd.choice(("eth0", "eth1", "ens192", "docker0", f"veth{hexadecimal(7)}")),
        "key": lambda: f"{rnd.choice(('session', 'user', 'cart', 'product'))}:{rnd.randrange(10**6)}",
        "jstack": lambda: _stack(rnd, "\tat com.example.{}.run({}.java:{})", ("Order", "Thread", "Pool$1", "Proxy")),
        "nodestack": lambda: _stack(rnd, "    at {} (/app/{}.js:{}:7)", ("handler", "Object.<anonymous>", "next")),
        "pystack": lambda: _stack(rnd, '  File "/app/{}.py", line 7, in {}\n    return x({})', ("views", "get", "run")),
        "gostack": lambda: (
            f"goroutine {rnd.randrange(999)} [running]:\n"
            + _stack(rnd, "main.{}(0xc000)\n\t/app/{}.go:{} +0x1d", ("main", "(*Server).handle", "serve"))
        ),
    }
    return values


def _stack(rnd: random.Random, frame: str, words: Sequence[str]) -> str:
    frames = (frame.format(rnd.choice(words), rnd.choice(words), rnd.randrange(500)) for _ in range(rnd.randint(2, 12)))
    return "\n".join(frames)

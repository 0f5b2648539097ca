"""More kinds of values, with realistic variety, for the formats in `third/`."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

from fleexmon_pipeline_tests.patterns.formats.third_texts import third_texts
from fleexmon_pipeline_tests.patterns.formats.third_words import JAVA_THROWN, MIN_PHRASES, PYTHON_THROWN, WORDS


def third_values(rnd: random.Random, values: dict[str, Callable[[], str]]) -> dict[str, Callable[[], str]]:
    def one_of(words: list[str]) -> Callable[[], str]:
        weights = [1 / (rank + 1) for rank in range(len(words))]
        return lambda: rnd.choices(words, weights)[0]

    def number(low: int, high: int) -> Callable[[], str]:
        return lambda: str(rnd.randrange(low, high))

    def digits(count: int) -> str:
        return "".join(rnd.choices(string.digits, k=count))

    def hexadecimal(count: int) -> str:
        return "".join(rnd.choices("0123456789abcdef", k=count))

    def capitals(count: int) -> str:
        return "".join(rnd.choices(string.ascii_uppercase + string.digits, k=count))

    def picked(*kinds: Callable[[], str]) -> Callable[[], str]:
        def drawn() -> str:
            return rnd.choice(kinds)()

        return drawn

    def several(kind: Callable[[], str], most: int, join: str) -> Callable[[], str]:
        return lambda: join.join(kind() for _ in range(rnd.randint(1, most)))

    def of_common(kind: Callable[[], str], common: str, chance: float) -> Callable[[], str]:
        return lambda: common if rnd.random() < chance else kind()

    found = {kind: one_of(words.split(" ")) for kind, words in WORDS.items()}
    for kind in ("nicof", "beat"):
        found[kind] = one_of([words.replace("~", " ") for words in WORDS[kind].split()])
    found |= {kind: one_of(phrases.split("|")) for kind, phrases in MIN_PHRASES.items()}
    found |= third_texts(rnd, values | found)
    given = values | found

    surnames = WORDS["surname"].split()

    def clock() -> str:
        return given["clock"]()

    def seconds(most: float = 90, places: int = 3) -> str:
        return f"{rnd.expovariate(1) * most / 5:.{places}f}"

    def padded(width: int, low: int, high: int) -> Callable[[], str]:
        return lambda: str(rnd.randrange(low, high)).rjust(width)

    def day() -> str:
        return f"2026-11-{rnd.randrange(10, 29)}"

    def klog_time() -> str:
        return f"11{rnd.randrange(10, 29)} {clock()}.{digits(6)}"

    def go_duration() -> str:
        return rnd.choice((f"{rnd.random() * 999:.6f}ms", f"{rnd.random() * 60:.9f}s", f"{rnd.random() * 999:.3f}µs"))

    def size() -> str:
        return f"{rnd.random() * 900:.3f}{rnd.choice(('KiB', 'MiB', 'GiB'))}"

    def keyspace_table() -> str:
        return f"{given['cks']()}.{given['ccf']()}"

    def sstable() -> str:
        folder = f"/var/lib/cassandra/data/{given['cks']()}/{given['ccf']()}-{hexadecimal(32)}"
        return f"{folder}/na-{rnd.randrange(1, 9_999)}-big-Data.db"

    def java_thrown() -> str:
        return rnd.choice(JAVA_THROWN).format(rnd.randrange(10_000, 99_999))

    def python_thrown() -> str:
        kind, text = rnd.choice(PYTHON_THROWN)
        return f"{kind}: {text}" if text else kind

    def python_repr() -> str:
        kind, text = rnd.choice(PYTHON_THROWN)
        return f'{kind.rpartition(".")[2]}("{text}")' if text else f"{kind}()"

    def controller() -> str:
        kind = given["Kind"]()
        return f'"controller": "{kind.lower()}", "controllerGroup": "backup.acme.io", "controllerKind": "{kind}"'

    def controller_of() -> str:
        text = controller()
        return text + ', "' + text.split('"')[-2] + '"'

    def login() -> str:
        """Of the people of a company: hundreds, some all day long."""
        at = min(int(rnd.paretovariate(0.7)) - 1, 399)
        return random.Random(at).choice("abcdefghjklmnprstuw") + surnames[at * 7 % len(surnames)].lower()

    def paired(words: str) -> str:
        queue, name = words.split(":")
        return f"queue={queue} job={name}"

    def job_object() -> str:
        queue, name = given["job"]().split(":")
        return f'"queue":"{queue}","id":{digits(6)},"name":"{name}"'

    def place() -> str:
        country, city_of = given["place"]().split(":")
        return f'"country":"{country}","city":"{city_of}"'

    def list_failure() -> str:
        kind, why = given["watched"](), given["listerr"]()
        return f"*v1.{kind}: failed to list *v1.{kind}: {why}"

    def rejection() -> str:
        name, text, file = given["rejected"]().split("=")
        frame = f"    at {file}.js:{rnd.choice((41, 88, 112))}:{rnd.choice((7, 19))}"
        return f'{{"name":"{name}","message":"{text}","stack":"{name}: {text}\\n{frame}"}}'

    def violation() -> str:
        field, code, text = given["violation"]().split("=")
        return f'"path":["{field}"],"code":"{code}","message":"{text}"'

    def setting() -> str:
        key, values_of = given["setof"]().split("=")
        old, new = values_of.split(",")
        return f"key={key} old={old} new={new}"

    return found | {
        "jlogin": login,
        "vu": number(1_000, 9_999),
        "blz": lambda: digits(8),
        "firm": lambda: f"{given['surname']()} {rnd.choice(('GmbH', 'AG', '& Co. KG', 'Ltd'))}",
        "jjob": job_object,
        "bizjobof": lambda: paired(given["job"]()),
        "setting": setting,
        "place": place,
        "goname": lambda: f"{found['goname']()}-{day().replace('-', '')}{clock().replace(':', '')}",
        "listfail": list_failure,
        "jsfail": rejection,
        "violation": violation,
        "apiuri": lambda: rnd.choice(
            ("/api/v2/products", f"/api/v2/orders/{digits(5)}", f"/api/v2/carts/{given['uuid']()}")
        ),
        "container": lambda: hexadecimal(64),
        "ctrllower": lambda: given["Kind"]().lower(),
        "lineno": one_of(["112", "118", "97"]),
        "attempt": number(1, 4),
        "digit": number(0, 10),
        "int3": number(10, 999),
        "int7": lambda: digits(7),
        "int9": lambda: str(rnd.randrange(10**8, 10**9)),
        "frac2": lambda: digits(2),
        "frac3": lambda: digits(3),
        "sec": lambda: f"{rnd.randrange(60):02d}",
        "secs": seconds,
        "money": lambda: f"{rnd.expovariate(1) * 400 + 5:.2f}",
        "pid": number(200, 99_999),
        "bytes": lambda: str(int(rnd.expovariate(1) * 10 ** rnd.randint(5, 9))),
        "kb": number(4, 9_000),
        "hstate": of_common(lambda: "down", "up", 0.97),
        "slowsql": lambda: rnd.choices(
            (
                "REFRESH MATERIALIZED VIEW CONCURRENTLY sales_by_day",
                f"SELECT date_trunc('day', created_at), sum(total) FROM orders WHERE day >= '{day()}' GROUP BY 1",
                f"DELETE FROM sessions WHERE expires_at < '{day()} {clock()}'",
            ),
            (1, 6, 3),
        )[0],
        "preparedsql": lambda: rnd.choices(
            (
                "SELECT o.id, o.total FROM orders o WHERE o.customer_id = $1 ORDER BY o.created_at DESC LIMIT $2",
                "UPDATE stock SET quantity = quantity - $1 WHERE sku = $2",
                "COMMIT",
            ),
            (5, 3, 1),
        )[0],
        "hex4": lambda: hexadecimal(4),
        "hex5": lambda: hexadecimal(5) + "000",
        "last4": lambda: digits(4),
        "ms4": lambda: f"{rnd.expovariate(1) * 80:.4f}",
        "claimno": lambda: f"C-2026-{digits(6)}",
        "policyno": lambda: f"{rnd.choice(('KFZ', 'HR', 'WG'))}{digits(8)}",
        "jthrown": java_thrown,
        "ziso": lambda: f"{day()}T{clock()}.{digits(3)}Z",
        "klogtime": klog_time,
        "klogclock": lambda: klog_time().replace("11", "11-", 1) if rnd.random() < 0.01 else f"{clock()}.{digits(3)}",
        "godur": go_duration,
        "ctrl": controller,
        "ctrlof": controller_of,
        "epoch10": lambda: f"17637{digits(5)}",
        "sobj": lambda: rnd.choice(("pi_", "ch_", "in_")) + capitals(12),
        "cents": number(100, 90_000),
        "jitems": several(lambda: f'{{"sku":"SKU-{digits(5)}","qty":{rnd.randrange(1, 5)}}}', 4, ","),
        "mem": number(80, 512),
        "ckey": lambda: f"{rnd.choice(('product', 'price', 'user', 'cart'))}:{rnd.randrange(1, 99_999)}",
        "uid": number(1_000, 99_999),
        "limit": one_of(["100", "60", "1000", "300"]),
        "mfilter": picked(
            lambda: f'{{"customerId":{digits(5)}}}',
            lambda: f'{{"status":"{given["ostatus"]()}","createdAt":{{"$gt":"{given["iso"]()}"}}}}',
            lambda: f'{{"_id":"{hexadecimal(24)}"}}',
        ),
        "lat": lambda: f"{rnd.uniform(-90, 90):.4f}",
        "invno": lambda: f"R{rnd.randrange(2025, 2027)}-{digits(5)}",
        "custno": number(10_000, 99_999),
        "reqid": lambda: hexadecimal(16),
        "bizlogin": picked(login, given["email"]),
        "bizuser": of_common(login, "-", 0.3),
        "bizpath": lambda: rnd.choice(
            ("/api/invoices", f"/api/invoices/R2026-{digits(5)}", f"/api/customers/{digits(5)}", "/api/reports/vat")
        ),
        "iban": lambda: f"DE{digits(20)}",
        "vatid": lambda: f"{given['iso2']()}{digits(9)}",
        "rate": lambda: f"{rnd.uniform(0.5, 160):.4f}",
        "ngref": of_common(lambda: f"https://shop.example.com{given['nguri']()}", "-", 0.5),
        "ngreferrer": of_common(lambda: f', referrer: "https://shop.example.com{given["nguri"]()}"', "", 0.6),
        "rt": of_common(lambda: f"{rnd.expovariate(1) / 5:.3f}", "0.000", 0.3),
        "ngup": lambda: f"10.0.{rnd.randrange(4)}.{rnd.randrange(10, 20)}:{rnd.choice((8080, 8080, 3000))}",
        "ngfile": lambda: "/var/www/shop" + given["nguri"](),
        "excess": lambda: f"{rnd.uniform(0.1, 30):.3f}",
        "tmpno": lambda: f"{rnd.randrange(10)}/{rnd.randrange(100):02d}/{digits(10)}",
        "signo": one_of(["17", "9", "11", "15"]),
        "pgparams": several(lambda: f"$1 = '{rnd.choice((digits(5), given['email'](), day(), 't'))}'", 1, ", "),
        "pgrow": lambda: f"{digits(5)}, null, {given['word']()}, {day()} {clock()}, {rnd.choice('tf')}",
        "pgsess": lambda: f"{rnd.randrange(3)}:{rnd.randrange(60):02d}:{rnd.randrange(60):02d}.{digits(3)}",
        "pct1": lambda: f"{rnd.random() * 40:.1f}",
        "kt": lambda: f"{rnd.randrange(9_999_999)}.{digits(6)}".rjust(12),
        "usbbcd": lambda: f"{rnd.randrange(1, 9)}.{rnd.randrange(100):02d}",
        "usbserial": lambda: capitals(rnd.choice((12, 16, 20))),
        "nv": number(0, 3),
        "pidpad": padded(7, 300, 99_999),
        "uidpad": padded(5, 0, 1_001),
        "rsspad": padded(8, 100, 999_999),
        "oomadjpad": lambda: given["oomadj"]().rjust(13),
        "kaddr": of_common(lambda: hexadecimal(rnd.choice((8, 12))), "0", 0.4),
        "kaddr16": lambda: "00007f" + hexadecimal(10),
        "veth": lambda: "veth" + hexadecimal(7),
        "ttl": number(40, 128),
        "dnurl": lambda: f"https://{given['mx']()}{given['dnpath']()}",
        "dnlen": of_common(number(10, 9_999), "-", 0.3),
        "dnval": picked(given["email"], lambda: capitals(6)),
        "dnexc": lambda: rnd.choice(
            (
                "System.NullReferenceException: Object reference not set to an instance of an object.",
                "System.InvalidOperationException: Sequence contains no elements.",
                "System.TimeoutException: The operation has timed out.",
                f"Acme.Bookings.Domain.BookingClosedException: Booking {capitals(6)} is closed",
                "Microsoft.Data.SqlClient.SqlException (0x80131904): Execution Timeout Expired.",
            )
        ),
        "dndate": lambda: f"11/{rnd.randrange(10, 29)}/2026 {clock()}",
        "dnuser": picked(given["email"], lambda: "system"),
        "bookref": lambda: capitals(6),
        "connid13": lambda: "0HM" + capitals(10),
        "pyt": lambda: f"{day()} {clock()},{digits(3)}",
        "pyts": lambda: f"{day()} {clock()}",
        "pyfloat": lambda: f"{rnd.expovariate(1):.{rnd.randint(15, 18)}f}",
        "pysmall": lambda: f"{rnd.expovariate(1) / 5:.{rnd.choice((3, 5))}f}",
        "pythrown": python_thrown,
        "pyrepr": python_repr,
        "pypath": lambda: rnd.choice(
            ("/", "/api/orders/", f"/api/orders/{digits(5)}/", f"/search?q={given['word']()}")
        ),
        "pyapi": lambda: rnd.choice(("v2/prices", f"v2/products/{digits(5)}", "oauth/token", f"rates?day={day()}")),
        "addr12": lambda: f"0x7f{hexadecimal(10)}",
        "cst": lambda: f"{day()} {clock()},{digits(3)}",
        "msc": lambda: f"{int(rnd.expovariate(1) * 10 ** rnd.randint(1, 5)):,}",
        "size": size,
        "sstable": sstable,
        "sstables": lambda: sstable().removesuffix("Data.db") + ",",
        "sstlist": several(lambda: f"{sstable()}:level={rnd.randrange(3)}", 4, ", "),
        "mergecounts": lambda: ", ".join(f"{at + 1}:{rnd.randrange(99_999)}" for at in range(rnd.randint(1, 4))),
        "cftable": keyspace_table,
        "token": lambda: f"{rnd.choice(('-', ''))}{rnd.randrange(10**17, 9 * 10**18)}",
        "caddr": lambda: f"{given['cip']()}:{rnd.randrange(1_024, 65_535)}",
        "pad10": padded(10, 0, 40),
        "pad15": padded(15, 0, 9_999_999),
        "ckey1": picked(given["uuid"], lambda: f"s-{digits(4)}", lambda: digits(8)),
    }

"""Addresses, browsers and queries for the values of the formats in `third/`."""

from __future__ import annotations

import random
import string
from collections.abc import Callable


def third_texts(rnd: random.Random, given: dict[str, Callable[[], str]]) -> dict[str, Callable[[], str]]:
    def digits(count: int) -> str:
        return "".join(rnd.choices(string.digits, k=count))

    def hexadecimal(count: int) -> str:
        return "".join(rnd.choices("0123456789abcdef", k=count))

    def clock() -> str:
        return given["nxt"]().split()[1]

    def day() -> str:
        return f"2026-11-{rnd.randrange(10, 29)}"

    def web_path() -> str:
        some = rnd.randrange(1, 99_999)
        pages = ("/", "/cart", "/wp-login.php", "/api/v2/products", "/favicon.ico", "/checkout/address", "/robots.txt")
        more = (f"/product/{some}", f"/api/v2/orders/{some}", f"/search?q={given['word']()}&page={some % 9}")
        files = (f"/media/{hexadecimal(2)}/{hexadecimal(16)}.jpg", f"/static/app.{hexadecimal(8)}.js", "/.env")
        return rnd.choice(pages + more + more + files)

    def browser() -> str:
        chrome = f"Chrome/{rnd.randrange(90, 131)}.0.0.0 Safari/537.36"
        osx = f"(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) {chrome}"
        windows = f"(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) {chrome}"
        firefox = f"(X11; Ubuntu; Linux x86_64; rv:{rnd.randrange(90, 131)}.0) Gecko/20100101 Firefox/115.0"
        google = "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
        more = ("curl/7.88.1", "-", "kube-probe/1.27", "Go-http-client/1.1", "python-requests/2.31.0")
        return rnd.choice([f"Mozilla/5.0 {of}" for of in (osx, windows, windows, firefox, google)] + list(more))

    def postgres_sql() -> str:
        some, other, mail = rnd.randrange(1, 99_999), rnd.randrange(1, 99), given["email"]()
        return rnd.choice(
            (
                f"SELECT id, email, name FROM customers WHERE email = '{mail}' LIMIT 1",
                f"SELECT o.id, o.total, o.status FROM orders o WHERE o.customer_id = {some} ORDER BY o.created_at DESC",
                f"SELECT * FROM products WHERE category_id IN ({other}, {other + 1}, {some % 90}) LIMIT 50",
                f"UPDATE stock SET quantity = quantity - {other} WHERE sku = 'SKU-{some}'",
                f"INSERT INTO cart_items (cart_id, sku, quantity) VALUES ({some}, 'SKU-{some}', {other})",
                f"DELETE FROM sessions WHERE expires_at < '{day()} {clock()}'",
                f"select count(*) from events where kind = '{given['event']()}' and created_at > '{day()}'",
                "COMMIT",
                f"SELECT pg_advisory_lock({some})",
            )
        )

    def document() -> str:
        return rnd.choice((f"IMG_{digits(4)}.jpeg", f"scan{digits(4)}.pdf", f"Rechnung_{digits(6)}.pdf", "photo.jpg"))

    def net_query() -> str:
        select = (
            "SELECT TOP(1) [b].[Id], [b].[Reference]\n      FROM [Bookings] AS [b]\n      WHERE [b].[Reference] = @p0"
        )
        rooms = "SELECT [r].[Id], [r].[Beds]\n      FROM [Rooms] AS [r]\n      WHERE [r].[HotelId] = @p0"
        types, sql = rnd.choice(
            (
                (("String",), select),
                (("Int32",), rooms),
                (
                    ("Guid", "Guid", "String"),
                    "INSERT INTO [Bookings] ([Id], [GuestId], [Reference])\n      VALUES (@p0, @p1, @p2);",
                ),
                (("DateTime2", "Guid"), "UPDATE [Outbox] SET [SentAt] = @p0\n      WHERE [Id] = @p1;"),
            )
        )
        parameters = ", ".join(f"@p{at}='?' (DbType = {kind})" for at, kind in enumerate(types))
        return f"{parameters}], CommandType='Text', CommandTimeout='30']\n      {sql}"

    def net_start() -> str:
        if rnd.random() < 0.15:
            return f"POST http://bookings.example.com/api/bookings - application/json {rnd.randrange(90, 900)}"
        return f"GET http://bookings.example.com{net_path()} - - -"

    def net_path() -> str:
        return rnd.choice(
            (
                "/api/bookings",
                "/health",
                f"/api/bookings/{given['uuid']()}",
                f"/api/rooms/{rnd.randrange(400)}",
                f"/api/rooms?from={day()}&to={day()}",
                f"/api/guests/{given['uuid']()}",
            )
        )

    def cql() -> str:
        table = f"{given['cks']()}.{given['ccf']()}"
        return rnd.choice(
            (
                f"SELECT * FROM {table} WHERE id = {given['uuid']()} LIMIT 5000",
                f"SELECT sensor, at, value FROM {table} WHERE sensor = s-{digits(4)} AND at > {day()} LIMIT 100",
                f"SELECT * FROM {table} WHERE token(id) > token({digits(8)}) LIMIT 1000",
            )
        )

    def settings() -> str:
        return rnd.choice((f"[('{given['email']()}', {digits(4)})]", f"({rnd.randrange(99_999)},)", "()", "{}"))

    return {
        "nguri": web_path,
        "ngua": browser,
        "pgsql": postgres_sql,
        "docname": document,
        "dnquery": net_query,
        "dnstart": net_start,
        "dnpath": net_path,
        "cql": cql,
        "saparams": settings,
    }

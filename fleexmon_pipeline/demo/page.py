"""One minute of one node's log while it is being written.

Here: lines, and the values in them. Which lines when: `shop.py` for a normal day, `incidents.py` for incidents.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

Record = dict[str, Any]  # timestamp, level, message, metadata: what the node API sends

VERSIONS = {"blue": "1.8.3", "green": "1.9.0"}

_WORDS = ("teapot", "lamp", "wool-blanket", "desk", "oak-table", "kettle", "rug", "mirror", "bookend", "vase", "stool")


class Text(NamedTuple):
    level: str
    service: str
    template: str


def http(template: str, level: str = "info") -> Text:
    """A line of the access log."""
    return Text(level, "http", template + " {ms}ms {ip}")


class Page:
    """One minute of one node while it is being written."""

    def __init__(self, seed: int, node: str, minute: int) -> None:
        self.rng = random.Random(f"{seed}/{node}/{minute}")
        self.version = VERSIONS[node]
        self.lines: list[tuple[int, str, str, Record]] = []

    def say(self, second: float, level: str, service: str, message: str, **more: object) -> None:
        """Add a line at this second of the minute, at most at its end."""
        metadata = {"demo": True, "service": service, "version": self.version, **more}
        self.lines.append((min(int(second * 1000), 59_999), level, message, metadata))

    def request(self, texts: tuple[Text, ...], second: float | None = None) -> None:
        """Add the lines of one request: a few ms apart, with one request id."""
        values = self._values()
        at = self.rng.random() * 60 if second is None else second
        for text in texts:
            level, service, template = text
            self.say(at, level, service, template.format_map(values), requestId=values["request"])
            at += self.rng.random() * 0.04

    def requests(self, count: float, *texts: Text) -> None:
        """Add this many requests on average, each with one of these texts."""
        whole = int(count) + (self.rng.random() < count % 1)
        for _ in range(whole):
            self.request((self.rng.choice(texts),))

    def _values(self) -> dict[str, object]:
        """A value for each name in templates. Addresses and domains are reserved for documentation."""
        random_ = self.rng.random
        user = 1000 + int(random_() ** 2 * 9000)
        product = int(random_() ** 2 * 400)
        network = ("192.0.2", "198.51.100", "203.0.113")[user % 3]
        bits = self.rng.getrandbits(64)
        return {
            "request": f"{bits:016x}",
            "user": user,
            "email": f"user{user}@example.com",
            "ip": f"{network}.{1 + user % 254}",
            "product": product,
            "sku": f"SKU-{10_000 + product}",
            "word": _WORDS[bits % len(_WORDS)],
            "cart": f"{bits >> 40:06x}",
            "order": 500_000 + bits % 400_000,
            "amount": f"{5 + random_() ** 3 * 400:.2f}",
            "few": 1 + bits % 5,
            "count": 1 + bits % 97,
            "ms": int(4 + random_() ** 4 * 400),
            "slow": int(500 + random_() * 2500),
        }

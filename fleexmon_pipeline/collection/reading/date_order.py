"""Which of day and month comes first in the dates of a file, as far as some date in it tells.

Here: looking for dates that leave no doubt. How one date is read: `collection/times.py`.
"""

from __future__ import annotations

import re

from fleexmon_pipeline.collection.times import DateOrder

_DATE = re.compile(rb"(?<![\d./-])([0-3]?\d)([/-])([0-3]?\d)\2(?:19|20)\d\d(?=[ T:,])")
MAX_DATES = 2_000  # looked at in a chunk of a file
OVERLAP = 16  # bytes of the chunk before, in which a date may begin
MAX_MONTH = 12


class DateWatcher:
    """Looks at a file while it is read. `order` is what its dates have told so far; nothing once they contradict."""

    def __init__(self) -> None:
        self.order = DateOrder()
        self._seen: set[bool] = set()
        self._rest = b""

    def look(self, chunk: bytes) -> None:
        if len(self._seen) > 1:
            return
        text, self._rest = self._rest + chunk, chunk[-OVERLAP:]
        if b"/" not in text and b"-" not in text:
            return
        for number, found in enumerate(_DATE.finditer(text)):
            one, two = int(found[1]), int(found[3])
            if one > MAX_MONTH >= two or two > MAX_MONTH >= one:
                self._seen.add(one > MAX_MONTH)
            if number >= MAX_DATES:
                break
        self.order.day_first = next(iter(self._seen)) if len(self._seen) == 1 else None

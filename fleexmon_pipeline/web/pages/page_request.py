"""A page request: its checked parameters (texts, times, choices), and addresses of other pages relative to it.

Here: one request. The response: `page.py`; which requests are refused: `web/door.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode

from markupsafe import Markup, escape

from fleexmon_pipeline.settings.page_urls import Kind, page_path
from fleexmon_pipeline.window import read_time
from fleexmon_pipeline.wording import one_line

MAX_TEXT = 200  # characters of a parameter
MAX_NUMBER = 1_000  # pages of a list
MAX_QUERY = 2_000  # characters of all parameters


class BadRequestError(ValueError):
    """A parameter is not valid. The message says what, why, and what to do."""


class NotFoundError(LookupError):
    """Nothing has this name."""


@dataclass(frozen=True)
class PageRequest:
    """`root`: what is before /fleexmon in our addresses; `dagster`: before /runs and /assets in Dagster's."""

    query: Mapping[str, str]
    name: str  # name of the page's subject; "" on lists
    now: datetime
    root: str = ""
    dagster: str = ""

    def text(self, parameter: str) -> str | None:
        """The text of a parameter; None if it is missing or blank."""
        value = self.query.get(parameter, "").strip()
        if len(value) > MAX_TEXT:
            raise BadRequestError(f"{parameter}: {len(value):,} characters are too many; give at most {MAX_TEXT}.")
        if not value.isprintable():
            raise BadRequestError(f"{parameter}: has characters that cannot be printed. Give it as plain text.")
        return value or None

    def choice(self, parameter: str, allowed: Collection[str], default: str | None = None) -> str | None:
        value = self.text(parameter)
        if value is not None and value not in allowed:
            raise BadRequestError(f'{parameter}: "{one_line(value, most=60)}" is none of: {", ".join(allowed)}.')
        return value or default

    def moment(self, parameter: str) -> datetime | None:
        value = self.text(parameter)
        try:
            return None if value is None else read_time(value, now=self.now)
        except ValueError:
            raise BadRequestError(
                f'{parameter}: "{one_line(value or "", most=60)}" is not a time. Examples: 2026-11-20T10:00  2h  3d'
            ) from None

    def id(self, parameter: str) -> uuid.UUID | None:
        value = self.text(parameter)
        return None if value is None else _id_of(value, parameter)

    def number(self, parameter: str) -> int:
        """The number of a page; 1 if it is missing."""
        text = self.text(parameter) or "1"
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_NUMBER):
            raise BadRequestError(f'{parameter}: "{text[:40]}" is not a number from 1 to {MAX_NUMBER:,}.')
        return int(text)

    def own_id(self) -> uuid.UUID:
        """The id of the page's subject."""
        return _id_of(self.name, "id")

    def page(self, kind: Kind, name: object = None, **query: object) -> Markup:
        """The address of another page, for an attribute. Parameters that are None are left out."""
        return self._address(f"{self.root}{page_path(kind, name)}", query)

    def same(self, kind: Kind, **query: object) -> Markup:
        """The address of this list with some parameters changed; those that are None are left out."""
        return self._address(f"{self.root}{page_path(kind)}", {**self.query, **query})

    def run(self, run: object) -> Markup:
        """A run in Dagster's UI."""
        return self._address(f"{self.dagster}/runs/{quote(str(run), safe='')}", {})

    def asset(self, asset: str, partition: str | None = None) -> Markup:
        """An asset in Dagster's UI, or one of its partitions."""
        chosen = {"view": "partitions", "partition": partition} if partition else {}
        return self._address(f"{self.dagster}/assets/{quote(asset, safe='')}", chosen)

    @staticmethod
    def _address(path: str, query: Mapping[str, object]) -> Markup:
        given = {name: str(value) for name, value in query.items() if value is not None and value != ""}
        return escape(path + (f"?{urlencode(given)}" if given else ""))


def _id_of(text: str, parameter: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise BadRequestError(f'{parameter}: "{one_line(text, most=60)}" is not an id of 32 hex digits.') from None

"""Read named SQL statements from files.

There is one file per table or task in `database/sql/`. A statement starts with its name; a comment explains it, if
needed:

    -- coverage_gaps --
    -- Slots that should be complete and are not, oldest first.
    SELECT ...

Parameters are psycopg's `%(name)s`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, bytes]:
    """The statements of `database/sql/<file>.sql` by name, ready for `connection.execute`."""
    text = (files(__package__) / "sql" / f"{file}.sql").read_text("utf-8")
    parts = _NAME.split(text)
    if parts[0].strip():
        raise ValueError(f"{file}.sql: text before the first '-- name --': {parts[0].strip()[:60]!r}")
    named = {name: body.strip().rstrip(";").encode() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    if len(named) * 2 != len(parts) - 1:
        raise ValueError(f"{file}.sql names a statement twice")
    return named


def like_escaped(text: str) -> str:
    """Text for LIKE and ILIKE in which nothing is a wildcard."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")

"""Open the database for a command, with a progress line while it takes long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.database.connection import Connection, connect


@contextmanager
def open_database(doing: str) -> Iterator[Connection]:
    """A connection. doing: shown while the block takes long; so the block must not print. Raises NoHomeError and the
    errors of `database_url`."""
    with waiting("starting the database"):
        url = existing_database_url()
    with connect(url) as connection, waiting(doing):
        yield connection

"""The database that a command reads, opened; whoever waits for it is told so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.database.connection import Connection, connect


@contextmanager
def open_database(doing: str) -> Iterator[Connection]:
    """A connection; `doing` is shown while the block takes long, so a block prints nothing. Raises NoHomeError and what
    `database_url` raises."""
    with waiting("starting the database"):
        url = existing_database_url()
    with connect(url) as connection, waiting(doing):
        yield connection

"""Every named statement is valid for the migrated schema, and is used."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import postgres
from psycopg.conninfo import make_conninfo

import fleexmon_pipeline
from fleexmon_pipeline.database import statements as module
from fleexmon_pipeline.database.dagster_storage import FleexmonStorage
from fleexmon_pipeline.database.server import dagster_conninfo
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline_tests.conftest import Database

FILES = sorted(
    file.name.removesuffix(".sql")
    for file in (files("fleexmon_pipeline.database") / "sql").iterdir()
    if file.name.endswith(".sql")
)
# `slot - %(hour)s` is read as an interval where no type is given; psycopg gives it.
TYPES = dict.fromkeys(
    [b"since", b"until", b"before", b"now", b"hour", b"slot", b"first", b"last"], postgres.types["timestamp"].oid
)
TYPES[b"reach"] = postgres.types["interval"].oid
DUCKDB = "archive_files"  # its statements are DuckDB's; the tests of the archive run each
PACKAGE = Path(fleexmon_pipeline.__file__).parent


@pytest.fixture(scope="module")
def sources() -> str:
    return "\n".join(file.read_text("utf-8") for file in sorted(PACKAGE.rglob("*.py")))


@pytest.mark.parametrize("file", FILES)
def test_every_statement_is_used(file: str, sources: str) -> None:
    assert re.search(rf'statements\("{file}"\)', sources), f"nobody reads {file}.sql"

    unused = [name for name in statements(file) if f'"{name}"' not in sources]

    assert unused == []


def test_every_statement_fits_the_schema(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared, not run: names of tables, columns and functions, and types, are looked up by the server."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    storage = FleexmonStorage.from_config_value(None, {})
    for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        part.dispose()

    wrong = {}
    with database.connect() as product, psycopg.connect(make_conninfo(**dagster_conninfo(database.url))) as dagster:
        for made, temporary in (
            ("collection", "make_staging"), ("archive", "make_archived"), ("archive", "make_restored"),
        ):  # fmt: skip
            product.execute(statements(made)[temporary])
        for file in (file for file in FILES if file != DUCKDB):
            for name, text in statements(file).items():
                told = refused(product, text)
                if told and "does not exist" in told and refused(dagster, text) is None:
                    continue  # one of those about Dagster's own tables
                if told:
                    wrong[f"{file}: {name}"] = told
    assert wrong == {}, wrong


def refused(connection: psycopg.Connection[Any], statement: bytes) -> str | None:
    """What the server says against a statement; None when it has nothing to say."""
    if statement.lstrip().startswith(b"COPY") or b"COPY " in statement[:400]:
        return None  # cannot be prepared; the tests of collection run it
    text, names = numbered(statement)
    told = None
    for types in ([], [TYPES.get(name, 0) for name in names]):  # `first` is a moment here and a list of them there
        prepared = connection.pgconn.prepare(b"", text, types)
        if not prepared.error_message or b"could not determine data type" in prepared.error_message:
            return None
        told = prepared.error_message.decode()
    return told


def numbered(statement: bytes) -> tuple[bytes, list[bytes]]:
    """psycopg's `%(name)s` as the server's $1, $2, …; and the names in that order."""
    names: list[bytes] = []

    def number(found: re.Match[bytes]) -> bytes:
        if found.group(0) == b"%%":
            return b"%"
        if found.group(1) not in names:
            names.append(found.group(1))
        return b"$%d" % (names.index(found.group(1)) + 1)

    return re.sub(rb"%%|%\((\w+)\)s", number, statement), names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1;\n-- one --\nSELECT 1;", "before the first"),
        ("-- one --\nSELECT 1;\n-- one --\nSELECT 2;", "twice"),
    ],
)
def test_a_file_that_would_be_misread_is_refused(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "odd.sql").write_text(text)
    monkeypatch.setattr(module, "files", lambda _: tmp_path)

    with pytest.raises(ValueError, match=reason):
        statements.__wrapped__("odd")

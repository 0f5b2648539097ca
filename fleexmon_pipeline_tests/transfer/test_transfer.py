"""An export is imported unchanged, for any rows of other programs; unreadable files are refused."""

from __future__ import annotations

import gzip
import json
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleexmon_pipeline.commands.terminal import explained_errors
from fleexmon_pipeline.commands.transfer.export import app as export_app
from fleexmon_pipeline.commands.transfer.load import app as import_app
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline.transfer.load import load
from fleexmon_pipeline.transfer.records import TransferError
from fleexmon_pipeline.transfer.write import Selection, checksum, count, export
from fleexmon_pipeline_tests import conftest
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.stories import TEN
from fleexmon_pipeline_tests.web.pages.conftest import HOSTILE, SECRET, Site, add_line, site, story

__all__ = ["site", "story"]  # fixtures
ODD = [
    # timestamp, level, metadata, analyzed, createdAt: of other programs
    ("'infinity'", "'LOUD'", "'null'", "NULL", "NULL"),
    ("'-infinity'", "''", "'[1, 2, {\"a\": null}]'", "true", "'infinity'"),
    ("'0044-03-15 BC'", "'info'", "'\"a text\"'", "false", "now()"),
    ("'294276-12-31 23:59:59.999999'", "'info'", "NULL", "true", "now()"),
    ("'2026-11-20 10:00:00.000001'", "'info'",
     "'{\"big\": 123456789012345678901234567890.10, \"small\": 1e-7, \"\\u2028\": [\"\\\\\", \"\\n\\t\"]}'",
     "true", "now()"),
    ("'2026-11-20 10:00:00'", "'info'", "'{}'", "true", "now()"),
]  # fmt: skip
MESSAGES = [HOSTILE.replace("\x00", ""), "", "a\nb\tc\\N \\. \r", "語🎈 é \u202e", "NULL", "{1,2}"]


@pytest.fixture
def other(postgres: EmbeddedServer) -> Iterator[Database]:
    """Another installation, empty."""
    with conftest._created(postgres, "template_of_tests") as database:
        yield database


@pytest.fixture
def full(story: Site) -> Database:
    """The story of the pages, and rows of other programs."""
    database = story.database
    with database.connect() as connection:
        for (at, level, metadata, analyzed, created), message in zip(ODD, MESSAGES, strict=True):
            connection.execute(
                'INSERT INTO "LogEntry" (timestamp, level, message, source, hostname, metadata, analyzed, "createdAt") '
                f"VALUES ({at}, {level}, %s, 'other', '', {metadata}, {analyzed}, {created})".encode(),
                [message],
            )
            connection.execute(
                'INSERT INTO "LogIssue" (type, severity, title, description, source, status, "detectedAt", '
                f"\"updatedAt\", metadata, \"affectedLogs\") VALUES ('x', 'odd', %s, %s, 'other', NULL, {at}, {at}, "
                f"{metadata}, ARRAY[NULL, gen_random_uuid()])".encode(),
                [message, message],
            )
    return database


def content(database: Database, table: str) -> str:
    """A hash of every row."""
    return str(database.rows(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) AS hash FROM {table} t"))


FORMS = {"plain": Selection(), "gzip": Selection(packed=True), "parquet": Selection(form="parquet")}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_exported_comes_back_equal(full: Database, other: Database, tmp_path: Path, form: str) -> None:
    wanted = FORMS[form]
    with full.connect() as connection:
        manifest = export(connection, tmp_path / "out", wanted)
    with other.connect() as connection:
        first = load(connection, tmp_path / "out")
        again = load(connection, tmp_path / "out")
    with other.connect() as connection:
        export(connection, tmp_path / "back", wanted)

    for table in ('"LogEntry"', '"LogIssue"'):
        assert content(other, table) == content(full, table)
    assert [(file.kind, file.rows) for file in manifest.files] == [("logs", 106), ("issues", 8)]
    assert (first.kinds["logs"].added, first.kinds["issues"].added) == (106, 8)
    assert (again.kinds["logs"].added, again.kinds["logs"].there, again.kinds["issues"].there) == (0, 106, 8)
    for file in manifest.files:  # to the byte
        assert (tmp_path / "out" / file.name).read_bytes() == (tmp_path / "back" / file.name).read_bytes()


def test_records_have_the_names_of_opentelemetry(full: Database, tmp_path: Path) -> None:
    with full.connect() as connection:
        export(
            connection, tmp_path / "out", Selection(since=TEN + timedelta(minutes=1), until=TEN + timedelta(hours=1))
        )

    line = json.loads((tmp_path / "out" / "logs.ndjson").read_text("utf-8").splitlines()[0])
    issues = [json.loads(one) for one in (tmp_path / "out" / "issues.ndjson").read_text("utf-8").splitlines()]
    line.pop("ObservedTimestamp")
    assert line.pop("fleexmon").keys() == {"id", "analyzed"}
    assert line == {
        "Timestamp": "2026-11-20T10:01:00.000000Z", "SeverityText": "info", "SeverityNumber": 9,
        "Body": "order 1 shipped", "TraceId": "trace-1", "Attributes": {"trace_id": "trace-1"},
        "Resource": {"service.name": "blue", "host.name": "host"},
    }  # fmt: skip
    assert {issue["EventName"] for issue in issues} == {"fleexmon.issue"}
    assert "green was silent" in [issue["Body"] for issue in issues]


def test_parquet_has_types_and_json(full: Database, tmp_path: Path) -> None:
    from pyarrow.parquet import read_table  # noqa: PLC0415

    with full.connect() as connection:
        export(connection, tmp_path / "out", Selection(form="parquet"))
    table = read_table(tmp_path / "out" / "logs.parquet")
    row = next(row for row in table.to_pylist() if row["Body"] == "order 1 shipped")

    assert row["Timestamp"] == TEN + timedelta(minutes=1)
    assert (row["service.name"], row["SeverityNumber"], row["TraceId"]) == ("blue", 9, "trace-1")
    assert json.loads(row["Attributes"]) == {"trace_id": "trace-1"}
    assert sorted(filter(None, table.column("TimestampText").to_pylist()))[:2] == [
        "-infinity",
        "0044-03-15 00:00:00 BC",
    ]


def test_without_pyarrow_parquet_is_refused_with_a_remedy(
    full: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with full.connect() as connection, pytest.raises(TransferError, match="pip install"):
        export(connection, tmp_path / "out", Selection(form="parquet"))

    assert not (tmp_path / "out").exists()


def test_a_part_is_a_time_and_a_node(full: Database, tmp_path: Path) -> None:
    wanted = Selection(since=TEN, until=TEN + timedelta(minutes=30), node="blue")
    with full.connect() as connection:
        counted = count(connection, wanted)
        manifest = export(connection, tmp_path / "out", wanted)

    assert counted == {"logs": 15, "issues": 0}
    assert {file.kind: file.rows for file in manifest.files} == counted


def test_files_are_the_owners_alone_and_without_secrets_where_wanted(full: Database, tmp_path: Path) -> None:
    with full.connect() as connection:
        add_line(connection, TEN, "blue", "info", "login", password=SECRET, nested={"token": 123456789012})
        export(connection, tmp_path / "whole", Selection())
        export(connection, tmp_path / "redacted", Selection(redacted=True))

    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "whole").iterdir()} == {0o600}
    assert SECRET in (tmp_path / "whole" / "logs.ndjson").read_text("utf-8")
    for name in ("logs.ndjson", "issues.ndjson"):
        text = (tmp_path / "redacted" / name).read_text("utf-8")
        assert SECRET not in text
        assert [json.loads(line) for line in text.removesuffix("\n").split("\n")]  # U+2028 ends no record


def test_rows_that_are_there_stay(full: Database, tmp_path: Path) -> None:
    with full.connect() as connection:
        export(connection, tmp_path / "out", Selection())
        connection.execute('UPDATE "LogEntry" SET message = $$changed$$ WHERE message = $$order 1 shipped$$')
        connection.execute('DELETE FROM "LogEntry" WHERE message = $$order 2 shipped$$')
        dry = load(connection, tmp_path / "out", dry_run=True).kinds["logs"]
        left = connection.execute('SELECT count(*) FROM "LogEntry"').fetchone()
        done = load(connection, tmp_path / "out").kinds["logs"]
        changed = connection.execute('SELECT count(*) FROM "LogEntry" WHERE message = $$changed$$').fetchone()

    assert left == {"count": 105}
    assert (dry.added, dry.there, dry.differing) == (done.added, done.there, done.differing) == (1, 104, 1)
    assert changed == {"count": 1}


def rewrite(directory: Path, change: Callable[[bytes], bytes]) -> None:
    """As somebody with an editor who also mends the manifest."""
    file, manifest = directory / "logs.ndjson", directory / "manifest.json"
    before = checksum(file)
    file.write_bytes(change(file.read_bytes()))
    manifest.write_text(manifest.read_text("utf-8").replace(before, checksum(file)), "utf-8")


def without_first(content: bytes) -> bytes:
    return content[content.index(b"\n") + 1 :]


def in_manifest(out: Path, before: str, after: str) -> None:
    manifest = out / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace(before, after), "utf-8")


BROKEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no manifest": ("No such file", lambda out: (out / "manifest.json").unlink()),
    "no json": ("is no manifest", lambda out: (out / "manifest.json").write_text("x", "utf-8")),
    "another form": ("form 2 is not known", lambda out: in_manifest(out, '"format": 1', '"format": 2')),
    "elsewhere": ("outside of its directory", lambda out: in_manifest(out, "logs.ndjson", "../logs.ndjson")),
    "a file is gone": ("No such file", lambda out: (out / "logs.ndjson").unlink()),
    "changed": ("checksum differs", lambda out: (out / "logs.ndjson").write_bytes(b"{}\n")),
    "no record": ("lines 1 to 106", lambda out: rewrite(out, lambda content: b"{}\n" + without_first(content))),
    "no time": ("lines 1 to 106", lambda out: rewrite(out, lambda content: content.replace(b"2026-11-", b"2026-13-"))),
    "too few": ("the manifest says 106", lambda out: rewrite(out, without_first)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_read_is_refused(full: Database, other: Database, tmp_path: Path, what: str) -> None:
    with full.connect() as connection:
        export(connection, tmp_path / "out", Selection())
    reason, damage = BROKEN[what]
    damage(tmp_path / "out")

    with other.connect() as connection, pytest.raises(TransferError, match=reason):
        load(connection, tmp_path / "out")


def run(app: Any, database: Database, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setenv("DATABASE_URL", database.url)
    with explained_errors():
        return CliRunner().invoke(app, list(arguments))


def test_the_commands_say_what_they_did(
    full: Database, other: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "out")
    dry = run(export_app, full, monkeypatch, out, "--dry-run")
    done = run(export_app, full, monkeypatch, out, "--gzip")
    again = run(export_app, full, monkeypatch, out)
    unknown = run(export_app, full, monkeypatch, str(tmp_path / "x"), "--node", "red")
    would = run(import_app, other, monkeypatch, out, "--dry-run")
    loaded = run(import_app, other, monkeypatch, out, "--json")

    assert dry.stdout == f"Would write 106 lines and 8 issues to {out}.\n"
    assert done.stdout == f"Wrote 106 lines and 8 issues to {out}.\n"
    assert gzip.decompress((tmp_path / "out" / "logs.ndjson.gz").read_bytes()).count(b"\n") == 106
    assert "is not empty" in str(again.exception)
    assert "Known nodes: blue, green" in str(unknown.exception)
    assert (
        would.stdout == "logs: 106 would be added, 0 already existed.\nissues: 8 would be added, 0 already existed.\n"
    )
    assert json.loads(loaded.stdout)["logs"] == {"added": 106, "there": 0, "differing": 0}

"""The archive in a bucket: the same on a server that speaks S3, and errors when it is down or refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from fleexmon_pipeline import settings
from fleexmon_pipeline.archive.days import archived_days
from fleexmon_pipeline.archive.files import problem_of
from fleexmon_pipeline.archive.storage import ArchiveError, Bucket, beside, storage_of
from fleexmon_pipeline.lookup.lines import LineQuery
from fleexmon_pipeline.lookup.search import newest_first, search
from fleexmon_pipeline.retention.cold_days import archive_day, expire_days, restore_day
from fleexmon_pipeline.window import EPOCH
from fleexmon_pipeline_tests.archive.conftest import COLD, NOW, content, number
from fleexmon_pipeline_tests.archive.test_reading import _everything, _ids
from fleexmon_pipeline_tests.conftest import Database

pytestmark = pytest.mark.long

ALL = LineQuery(EPOCH, NOW)


@pytest.fixture
def server() -> Iterator[ThreadedMotoServer]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def bucket(server: ThreadedMotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Its secret is in a file."""
    host, port = server.get_host_and_port()
    (tmp_path / "secret").write_text("not told\n", "utf-8")
    monkeypatch.setenv("FLEEXMON_ARCHIVE", "s3://logs/shop/cold")
    monkeypatch.setenv("FLEEXMON_ARCHIVE_ENDPOINT", f"http://{host}:{port}")
    monkeypatch.setenv("FLEEXMON_ARCHIVE_ACCESS_KEY", "fleexmon")
    monkeypatch.setenv("FLEEXMON_ARCHIVE_SECRET_KEY_FILE", str(tmp_path / "secret"))
    configured = settings.archive()
    assert configured is not None
    storage = storage_of(configured)
    assert isinstance(storage, Bucket)
    from pyarrow.fs import S3FileSystem  # noqa: PLC0415

    S3FileSystem(
        endpoint_override=f"{host}:{port}", scheme="http", access_key="a", secret_key="b", allow_bucket_creation=True
    ).create_dir("logs")
    return storage


def test_a_day_in_a_bucket_is_read_restored_and_deleted_as_in_a_directory(full: Database, bucket: Bucket) -> None:
    before = content(full)
    with full.connect() as connection:
        ids = _ids(connection)
        read = _everything(connection, ids)

        told = archive_day(connection, bucket, COLD, now=NOW).sentence()

        assert "archived 209 lines in 2026/11/2026-11-10." in told
        assert number(full) == 2
        (day,) = archived_days(connection, None, None)
        assert [file.name for file in bucket.names()] == [day.file, beside(day.file)]
        assert problem_of(bucket, day) is None
        after = _everything(connection, ids)
        for name, said in read.items():
            assert after[name] == said, name
        assert restore_day(connection, bucket, day).added == 209
        assert content(full) == before
        assert expire_days(connection, lambda: bucket, before=COLD.until) == (209, [])
        assert bucket.names() == []


def test_a_server_that_is_away_is_said_within_seconds_and_names_no_secret(
    full: Database, bucket: Bucket, server: ThreadedMotoServer
) -> None:
    with full.connect() as connection:
        archive_day(connection, bucket, COLD, now=NOW)
        (day,) = archived_days(connection, None, None)
        server.stop()
        began = time.monotonic()
        with pytest.raises(ArchiveError, match="the lines of 2026-11-10 are archived: s3://logs/shop/cold: ") as told:
            list(newest_first(connection, ALL))
        found = search(connection, ALL, limit=100)
        deleted, (problem,) = expire_days(connection, lambda: bucket, before=NOW)
        assert time.monotonic() - began < 60
        assert found.unread == str(told.value)
        assert deleted == 0
        assert problem.startswith("2026-11-10 is past its retention and still archived: s3://logs/shop/cold: cannot ")
        assert "not told" not in f"{told.value}{problem}{problem_of(bucket, day)}{bucket!r}{settings.archive()!r}"
        server.start()


def test_a_bucket_that_is_not_there_is_said_and_nothing_leaves_the_table(
    full: Database, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_ARCHIVE", "s3://elsewhere/cold")
    configured = settings.archive()
    assert configured is not None
    other = storage_of(configured)
    with pytest.raises(ArchiveError, match="s3://elsewhere/cold: there is no bucket elsewhere"):
        other.check()
    with full.connect() as connection, pytest.raises(ArchiveError, match="s3://elsewhere/cold: cannot write: "):
        archive_day(connection, other, COLD, now=NOW)
    assert number(full) == 211

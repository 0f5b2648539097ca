"""FLEEXMON_ARCHIVE: valid values, errors with reasons, and secrets that are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleexmon_pipeline.settings import S3, SettingError, archive, nothing_gets_cold

BUCKET = {"FLEEXMON_ARCHIVE": "s3://logs/shop"}


def test_without_it_nothing_is_archived() -> None:
    assert archive({}) is None
    assert archive({"FLEEXMON_HOT_DAYS": "nonsense"}) is None


def test_a_directory_and_a_bucket() -> None:
    directory = archive({"FLEEXMON_ARCHIVE": " /var/lib/cold ", "FLEEXMON_HOT_DAYS": "3"})
    keys = {"FLEEXMON_ARCHIVE_ACCESS_KEY": "id", "FLEEXMON_ARCHIVE_SECRET_KEY": "hidden"}
    bucket = archive({**BUCKET, **keys, "FLEEXMON_ARCHIVE_ENDPOINT": "http://127.0.0.1:9000/"})

    assert directory is not None
    assert (directory.place, directory.hot_days) == (Path("/var/lib/cold"), 3)
    assert bucket is not None
    assert bucket.place == S3("logs", "shop", "http://127.0.0.1:9000", None, "id", "hidden")
    assert bucket.hot_days == 7
    assert "hidden" not in repr(bucket)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"FLEEXMON_ARCHIVE": "cold"}, 'FLEEXMON_ARCHIVE: "cold" is neither an absolute path nor an s3 URL.'),
        ({"FLEEXMON_ARCHIVE": "ftp://a/b"}, 'FLEEXMON_ARCHIVE: "ftp://a/b" is not s3://bucket/prefix.'),
        ({"FLEEXMON_ARCHIVE": "s3://Logs"}, 'FLEEXMON_ARCHIVE: "s3://Logs" is not s3://bucket/prefix.'),
        ({"FLEEXMON_ARCHIVE": "s3://logs/a/../b"}, 'FLEEXMON_ARCHIVE: the prefix "a/../b" has other characters.'),
        ({"FLEEXMON_ARCHIVE": "s3://logs/a b"}, 'FLEEXMON_ARCHIVE: the prefix "a b" has other characters.'),
        ({**BUCKET, "FLEEXMON_HOT_DAYS": "0"}, "FLEEXMON_HOT_DAYS: 0 is not between 1 and 3650."),
        ({**BUCKET, "FLEEXMON_ARCHIVE_ACCESS_KEY": "id"}, "FLEEXMON_ARCHIVE_SECRET_KEY: is not set, but "),
        ({**BUCKET, "FLEEXMON_ARCHIVE_SECRET_KEY": "x"}, "FLEEXMON_ARCHIVE_ACCESS_KEY: is not set, but "),
        ({**BUCKET, "FLEEXMON_ARCHIVE_REGION": "US East"}, 'FLEEXMON_ARCHIVE_REGION: "US East" is not a region.'),
        ({**BUCKET, "FLEEXMON_ARCHIVE_ENDPOINT": "minio"}, 'FLEEXMON_ARCHIVE_ENDPOINT: "minio" is not an http(s) URL '),
        ({**BUCKET, "FLEEXMON_ARCHIVE_ENDPOINT": "http://minio:9000"},
         "FLEEXMON_ARCHIVE_ENDPOINT: plain http to minio would send lines in the clear."),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_reason(environment: dict[str, str], told: str) -> None:
    with pytest.raises(SettingError) as error:
        archive(environment)
    assert str(error.value).startswith(told)


def test_days_that_are_deleted_before_they_are_cold_are_named() -> None:
    environment = {"FLEEXMON_ARCHIVE": "/cold", "FLEEXMON_HOT_DAYS": "30"}
    configured = archive(environment)
    assert configured is not None
    assert nothing_gets_cold(configured, environment) == (
        "lines are deleted after 30 days (LOG_RETENTION_DAYS), before they are cold"
    )
    assert nothing_gets_cold(configured, {**environment, "LOG_RETENTION_DAYS": "31"}) is None

"""The broker's URL: invalid values, and a password that is never shown."""

from __future__ import annotations

import pytest

from fleexmon_pipeline import settings
from fleexmon_pipeline.settings import SettingError


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "redis://redis.internal:6379",
        "redis://:secret@localhost:6379/1",
        "rediss://:secret@redis.example.com:6379/0?ssl_cert_reqs=required",
    ],
)
def test_a_redis_is_taken(url: str) -> None:
    assert settings.broker({"FLEEXMON_BROKER": f" {url} "}) == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("amqp://guest:secret@localhost//", "is not the URL of a Redis"),
        ("redis:///0", "is not the URL of a Redis"),
        ("redis://:secret@localhost:abc/0", "is not the URL of a Redis"),
        ("redis://localhost/secret", "is not the URL of a Redis"),
        ("redis://:secret@redis.example.com:6379/0", "in the clear"),
        ("rediss://:secret@redis.example.com:6379/0", "does not say how to verify the certificate"),
    ],
)
def test_what_cannot_be_used_is_refused_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason) as error:
        settings.broker({"FLEEXMON_BROKER": url})

    assert "secret" not in str(error.value)


def test_none_is_a_mistake_where_one_is_needed() -> None:
    with pytest.raises(SettingError, match="is not set"):
        settings.broker({})

"""Receivers, and a channel for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fleexmon_pipeline.channels.answers import Delivery, SendResult
from fleexmon_pipeline.channels.channel import Channel, open_channels
from fleexmon_pipeline_tests.channels.receivers import Mailbox, Receiver, SlackLike, mail_server, message

SIGNING = "0123456789abcdef-signing"
Opener = Callable[..., Channel]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackLike]:
    """Slack's API, as apprise's plugin calls it."""
    from apprise.plugins.slack import NotifySlack  # noqa: PLC0415 - it is loaded by apprise

    with SlackLike() as server:
        monkeypatch.setattr(NotifySlack, "api_url", f"http://{server.host_port}/api/{{}}")
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://{server.host_port}/services")
        yield server


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


def opened(url: str, name: str = "ops") -> Channel:
    (channel,) = open_channels(
        {"FLEEXMON_CHANNELS": f"{name}={url}", f"FLEEXMON_CHANNEL_{name.upper()}_SECRET": SIGNING}
    )
    return channel


def send(url: str, **delivery: Any) -> SendResult:
    return opened(url).transport.send(message(), Delivery("id-1", **delivery))

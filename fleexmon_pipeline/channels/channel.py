"""A channel: its settings, and the transport for its URL.

Here: which transport, and whether a URL can be used at all. Which messages it gets: `policy.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from fleexmon_pipeline import settings
from fleexmon_pipeline.channels.answers import Transport
from fleexmon_pipeline.settings import ChannelSettings, Environment, SettingError
from fleexmon_pipeline.settings.channels import CHANNELS


@dataclass(frozen=True)
class Channel:
    """Only `name` and `scheme` may be shown; the URL is a secret."""

    settings: ChannelSettings
    transport: Transport = field(repr=False)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def scheme(self) -> str:
        return self.settings.scheme

    @property
    def shown(self) -> str:
        """`ops (slack)`"""
        return f"{self.name} ({self.scheme})"


def open_channels(environment: Environment = os.environ) -> list[Channel]:
    """Every channel of FLEEXMON_CHANNELS. Raises SettingError for the first that cannot be used."""
    return [open_channel(channel) for channel in settings.channels(environment)]


def usable_channels(environment: Environment = os.environ) -> tuple[list[Channel], list[str]]:
    """Channels that can be used, and a sentence about each problem."""
    try:
        configured = settings.channels(environment)
    except SettingError as error:
        return [], [_first_line(error)]
    usable, problems = [], []
    for channel in configured:
        try:
            usable.append(open_channel(channel))
        except SettingError as error:
            problems.append(_first_line(error))
    return usable, problems


def _first_line(error: SettingError) -> str:
    return str(error).partition("\n")[0]


def open_channel(channel: ChannelSettings) -> Channel:
    # Imported only if a channel is configured: apprise and its dependencies take 0.2 s.
    from fleexmon_pipeline.channels.apprise_transport import AppriseTransport, UnusableUrlError  # noqa: PLC0415
    from fleexmon_pipeline.channels.mail import MailTransport, encrypts  # noqa: PLC0415
    from fleexmon_pipeline.channels.signed_webhook import SCHEMES, SignedWebhook  # noqa: PLC0415

    try:
        if channel.scheme in SCHEMES:
            return Channel(channel, SignedWebhook(channel.name, channel.url, channel.secret))
        if channel.scheme in ("mailto", "mailtos") and not encrypts(channel.url):
            return Channel(channel, MailTransport(channel.url))
        return Channel(channel, AppriseTransport(channel.url))
    except UnusableUrlError as error:
        hint = f" Set {settings.secret_variable(channel.name)}." if "secret" in str(error) else ""
        raise SettingError(CHANNELS, f'"{channel.name}": {error}{hint}') from None

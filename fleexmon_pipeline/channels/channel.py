"""A channel: its settings, and the transport that its URL calls for.

Here: which transport, and whether a URL is usable at all. What it is sent: `policy.py`.
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
    """`name` and `scheme` are all of it that may be shown."""

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
    return [open_channel(one) for one in settings.channels(environment)]


def usable_channels(environment: Environment = os.environ) -> tuple[list[Channel], list[str]]:
    """Channels that can be used, and a sentence for each thing that is wrong."""
    try:
        configured = settings.channels(environment)
    except SettingError as error:
        return [], [_first_line(error)]
    usable, problems = [], []
    for one in configured:
        try:
            usable.append(open_channel(one))
        except SettingError as error:
            problems.append(_first_line(error))
    return usable, problems


def _first_line(error: SettingError) -> str:
    return str(error).partition("\n")[0]


def open_channel(one: ChannelSettings) -> Channel:
    # Only where a channel is configured: apprise and its parts take 0.2 s to import.
    from fleexmon_pipeline.channels.apprise_transport import AppriseTransport, UnusableUrlError  # noqa: PLC0415
    from fleexmon_pipeline.channels.mail import MailTransport, encrypts  # noqa: PLC0415
    from fleexmon_pipeline.channels.signed_webhook import SCHEMES, SignedWebhook  # noqa: PLC0415

    try:
        if one.scheme in SCHEMES:
            return Channel(one, SignedWebhook(one.name, one.url, one.secret))
        if one.scheme in ("mailto", "mailtos") and not encrypts(one.url):
            return Channel(one, MailTransport(one.url))
        return Channel(one, AppriseTransport(one.url))
    except UnusableUrlError as error:
        hint = f" Set {settings.secret_variable(one.name)}." if "secret" in str(error) else ""
        raise SettingError(CHANNELS, f'"{one.name}": {error}{hint}') from None

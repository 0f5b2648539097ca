"""Channels as Dagster sees them. Here: when settings are read. Sending: `channels/`."""

from __future__ import annotations

import dagster as dg

from fleexmon_pipeline.channels.channel import Channel, usable_channels


class Channels(dg.ConfigurableResource):
    """What FLEEXMON_CHANNELS names. No field, so that the UI's resource page has no secret to show."""

    def open(self) -> tuple[list[Channel], list[str]]:
        """The usable channels, and what is wrong with others: one bad URL must not silence the rest."""
        return usable_channels()

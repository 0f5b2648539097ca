"""Channels as Dagster sees them. Here: when settings are read. Sending: `channels/`."""

from __future__ import annotations

import dagster as dg

from fleexmon_pipeline.channels.channel import Channel, usable_channels


class Channels(dg.ConfigurableResource):
    """The channels of FLEEXMON_CHANNELS. It has no field: the UI's resource page would show secrets."""

    def open(self) -> tuple[list[Channel], list[str]]:
        """The usable channels, and the errors of others: one bad URL must not silence the rest."""
        return usable_channels()

"""`fleexmon channels`."""

from fleexmon_pipeline.commands.channels.command import app

__all__ = ["app"]

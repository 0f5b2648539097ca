"""`fleexmon incidents`, and the actions that incidents and issues share."""

from fleexmon_pipeline.commands.incidents.command import app

__all__ = ["app"]

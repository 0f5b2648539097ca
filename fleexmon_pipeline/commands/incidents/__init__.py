"""`fleexmon incidents`, and what people do with incidents and issues alike."""

from fleexmon_pipeline.commands.incidents.command import app

__all__ = ["app"]

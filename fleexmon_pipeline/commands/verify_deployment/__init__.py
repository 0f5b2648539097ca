"""`fleexmon verify-deployment`."""

from fleexmon_pipeline.commands.verify_deployment.command import app

__all__ = ["app"]

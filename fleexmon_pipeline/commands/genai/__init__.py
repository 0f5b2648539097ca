"""`fleexmon genai`: requests to the agent, and how well it explains incidents whose cause is known."""

from fleexmon_pipeline.commands.genai.evaluate import evaluate
from fleexmon_pipeline.commands.genai.requests import app

app.command("eval")(evaluate)

__all__ = ["app"]

"""Replace secrets in text before it is shown or sent."""

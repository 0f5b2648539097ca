"""Secrets in text are replaced before the text is shown or sent."""

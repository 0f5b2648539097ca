"""Occurrences become issues: episodes, their lifecycle, what people did, and what is shown of them."""

"""Issues: made of occurrences, resolved and muted by people, and read for display."""

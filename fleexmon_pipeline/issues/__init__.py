"""Issues: derived from occurrences, resolved and muted by people, read for display."""

"""Find the time, level and message in a record or a line of text."""

"""`fleexmon patterns`: patterns of a file, and those that are stored."""

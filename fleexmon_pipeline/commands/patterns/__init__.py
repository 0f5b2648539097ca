"""`fleexmon patterns`: patterns of a file, and stored patterns."""

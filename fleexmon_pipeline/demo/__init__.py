"""Two nodes of a small shop to watch, for a machine that has none."""

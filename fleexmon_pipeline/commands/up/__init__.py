"""`fleexmon up` and what it starts: demo nodes, Dagster's processes, and the first run over the last 24 hours."""

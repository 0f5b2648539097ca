"""`fleexmon up` and what it starts: the demo's nodes, Dagster's processes, the first look at the last 24 hours."""

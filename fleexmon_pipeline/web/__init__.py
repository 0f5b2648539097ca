"""What a browser can open: Dagster's UI, behind a door that keeps other web pages out."""

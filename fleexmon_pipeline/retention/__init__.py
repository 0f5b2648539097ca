"""Delete what is old and no longer needed, in small batches."""

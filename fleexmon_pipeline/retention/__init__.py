"""What is old and no longer needed goes, in small batches."""

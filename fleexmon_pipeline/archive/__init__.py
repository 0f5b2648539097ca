"""The archive: lines of cold days as Parquet files in a directory or a bucket.

Here: files and reading them; DuckDB is imported when a file is touched, and not before. When a day's lines leave the
table, and when they come back: `retention/cold_days.py`.
"""

"""Logs and issues as files with OpenTelemetry's names, and back into a database, equal.

Here: form (`records.py`), writing (`write.py`), reading (`load.py`). A backup of everything else: pg_dump.
"""

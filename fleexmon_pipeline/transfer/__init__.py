"""Export logs and issues to files with OpenTelemetry's names, and import them again unchanged.

Here: the format (`records.py`), export (`write.py`), import (`load.py`). To back up everything else: pg_dump.
"""

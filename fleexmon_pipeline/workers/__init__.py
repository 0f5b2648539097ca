"""Runs on other machines: Dagster's launcher for Celery, and who executes them. Off unless dagster.yaml names it.

Here: `launcher.py`, which hands runs to a broker and watches who took them, and `worker.py`, who takes and executes
them. Needs the extra `celery`. How it is set up: "Several machines" in docs/operators.md.
"""

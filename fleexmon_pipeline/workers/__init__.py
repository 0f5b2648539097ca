"""Run on other machines, with Dagster's launcher for Celery. Used only if dagster.yaml names it.

`launcher.py` hands runs to a broker and observes their workers; `worker.py` takes and executes runs. Needs the extra
`celery`. Setup: "Several machines" in docs/operators.md.
"""

"""A worker: a process on any machine that takes runs from the broker and executes each in a separate process.

Here: starting one with the launcher that dagster.yaml names, so that the broker's address is in only one place. A
worker has no state: it may be killed, moved, and started on as many machines as needed.
"""

from __future__ import annotations

import os
import socket

import dagster as dg
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

from fleexmon_pipeline.workers.launcher import WorkerLauncher


def launcher_of(instance: dg.DagsterInstance) -> WorkerLauncher | None:
    """None if dagster.yaml names another launcher: then runs are processes of the code server."""
    launcher = instance.run_launcher
    return launcher if isinstance(launcher, WorkerLauncher) else None


def run_worker(launcher: WorkerLauncher, name: str, *, runs_at_once: int) -> int:
    """Take runs until SIGTERM or SIGINT; current runs may finish. Returns the exit status."""
    create_execute_job_task(launcher.celery)
    create_resume_job_task(launcher.celery)
    worker = launcher.celery.Worker(
        hostname=f"{name}-{os.getpid()}@{socket.gethostname()}",  # a restarted worker needs another name
        concurrency=runs_at_once,
        pool="prefork",
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return int(worker.exitcode or 0)

"""Hand runs to workers through a broker, and ask which worker has a run; named in dagster.yaml.

Here: additions to Dagster's CeleryRunLauncher: our settings, and asking a worker itself. Handling of workers that do
not respond: `lost_runs.py`; the worker: `worker.py`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg
from celery.exceptions import CeleryError
from dagster._config.config_schema import UserConfigSchema
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from fleexmon_pipeline import settings

QUEUE = "dagster"
ANSWER_SECONDS = 2.0  # even a busy worker responds in milliseconds: its runs are other processes
BROKER_DOWN = (CeleryError, OperationalError, RedisError, OSError)
warnings.filterwarnings("ignore", message="Task name 'execute_job' is already registered")  # at each launch anew
CONFIGURATION: Mapping[str, Any] = {
    # A run that waits behind a long one in the hands of one worker would time out while another is idle.
    "worker_disable_prefetch": True,
    "worker_prefetch_multiplier": 1,
    # As where each run is a process: its memory is freed, and none finds what another left behind.
    "worker_max_tasks_per_child": 1,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "broker_connection_retry_on_startup": True,
    # A launch while the broker is down fails in seconds: the daemon must not hang. The hour is requested again.
    "broker_transport_options": {
        "max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5,
        "socket_connect_timeout": 5, "socket_timeout": 30, "socket_keepalive": True,
    },
    "redis_socket_connect_timeout": 5,
    "redis_socket_timeout": 30,
    "redis_retry_on_timeout": True,
    "result_backend_transport_options": {"retry_policy": {"timeout": 5.0}},
}  # fmt: skip


class WorkerLauncher(CeleryRunLauncher):
    """CeleryRunLauncher that reads FLEEXMON_BROKER, and can ask workers for their runs."""

    def __init__(self, broker: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(
            default_queue=QUEUE,
            broker=broker,
            backend=broker,
            config_source=dict(CONFIGURATION),
            inst_data=inst_data,
        )

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """No field: its value would be shown in the UI, and the broker's URL contains a password."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> WorkerLauncher:  # noqa: ARG003
        return cls(settings.broker(os.environ), inst_data)

    @staticmethod
    def was_handed_over(run: dg.DagsterRun) -> bool:
        """Whether the broker has received it. The daemon writes the tag a moment later."""
        return DAGSTER_CELERY_TASK_ID_TAG in run.tags

    def state(self, run: dg.DagsterRun) -> tuple[str, str]:
        """Of a run that was handed over: its state in the broker (PENDING: it waits), and its worker, or "".

        Raises one of BROKER_DOWN, like the other methods.
        """
        result = self.celery.AsyncResult(run.tags[DAGSTER_CELERY_TASK_ID_TAG])
        state = result.state
        return state, str(result.info["hostname"]) if state == "STARTED" else ""

    def waits(self, run: dg.DagsterRun) -> bool:
        """Whether it is still in the broker's queue. A run that a worker took is not, even if the worker then died."""
        task = run.tags[DAGSTER_CELERY_TASK_ID_TAG].encode()
        with self.celery.connection_for_read() as connection:
            return any(task in message for message in connection.default_channel.client.lrange(QUEUE, 0, -1))

    def holds(self, worker: str, run: dg.DagsterRun) -> bool:
        """Whether that worker responds, and still has the run."""
        task = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        inspect = self.celery.control.inspect(destination=[worker], timeout=ANSWER_SECONDS)
        return any(task in tasks for tasks in (inspect.query_task(task) or {}).values())

    def workers(self) -> list[str]:
        """Names of the workers that respond."""
        return sorted(self.celery.control.inspect(timeout=ANSWER_SECONDS).ping() or {})

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:  # noqa: ARG002
        """Does nothing: `lost_runs.py` also checks runs that are about to start, and requests lost ones again."""
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def terminate(self, run_id: str) -> bool:
        """Whether a worker was told to end it. A run that no worker has received yet has no task."""
        run = self._instance.get_run_by_id(run_id)
        return run is not None and DAGSTER_CELERY_TASK_ID_TAG in run.tags and super().terminate(run_id)

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """For the message of a failed run; None if it never had a task."""
        if DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return None
        return super().get_run_worker_debug_info(run, include_container_logs)

"""Several machines simulated on one: a real Redis, workers and a daemon, each with separate processes and home.

Here: starting them, killing one as a power cut would, and what Dagster says of runs. What is expected: the tests.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg
import redis

from fleexmon_pipeline.workers.launcher import WorkerLauncher
from fleexmon_pipeline.workers.worker import launcher_of
from fleexmon_pipeline_tests.running_product import CHECKOUT, FLEEXMON, free_port
from fleexmon_pipeline_tests.workers.code import BEHIND

SEVERAL = Path(CHECKOUT) / "packaging" / "several-machines" / "dagster.yaml"
CODE = "fleexmon_pipeline_tests.workers.code"
BROKER_PASSWORD = "brk-5f2c81d09e"  # of this test
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING,
]  # fmt: skip


class Machines:
    """`at`: where their homes are. `variables`: the product's settings, the same on each."""

    def __init__(self, at: Path, **variables: str) -> None:
        self.at, self._port = at, free_port()
        self.broker = f"redis://:{BROKER_PASSWORD}@127.0.0.1:{self._port}/0"
        self.variables = {
            "PATH": os.environ["PATH"], "HOME": str(at), "PYTHONPATH": CHECKOUT, "FLEEXMON_BROKER": self.broker,
            "DAGSTER_EVENT_BATCH_SIZE": "1000", "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1", BEHIND: "0",
            **variables,
        }  # fmt: skip
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.look_every = 0.1  # seconds

    def home(self, machine: str) -> Path:
        """The DAGSTER_HOME of a machine, made where it has none."""
        home = self.at / machine
        if not home.exists():
            home.mkdir()
            shutil.copy(SEVERAL, home / "dagster.yaml")
        return home

    def start_redis(self) -> None:
        (self.at / "redis.conf").write_text(
            f'port {self._port}\nbind 127.0.0.1\nsave ""\ndir "{self.at}"\nrequirepass {BROKER_PASSWORD}\n'
        )
        self._start("redis", ["redis-server", str(self.at / "redis.conf")], "redis")
        client = self.redis()
        self.until(lambda: _answers(client), 20, "redis answers")
        client.close()

    def redis(self) -> redis.Redis:
        return redis.Redis(port=self._port, password=BROKER_PASSWORD)

    def told(self) -> dict[str, str]:
        """Everything that others of these machines can read, by where: files, arguments of processes, Redis."""
        files = (path for path in self.at.rglob("*") if path.is_file() and path.name != "redis.conf")
        told = {str(path.relative_to(self.at)): path.read_bytes().decode("utf-8", "replace") for path in files}
        groups = {process.pid for process in self.processes.values()}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended
                if os.getpgid(int(process.name)) in groups:
                    told[f"process {process.name}"] = (process / "cmdline").read_text("utf-8", "replace")
        client = self.redis()
        told |= {f"redis {key!r}": str(_value(client, key)) for key in client.scan_iter()}
        client.close()
        return told

    def start_worker(self, machine: str, runs: int = 2) -> None:
        self._start(machine, [FLEEXMON, "worker", "--name", machine, "--runs", str(runs)], machine)

    def start_daemon(self, machine: str, name: str = "daemon") -> None:
        daemon = str(Path(sys.executable).parent / "dagster-daemon")
        self._start(name, [daemon, "run", "-m", CODE], machine)

    def backfill(self, machine: str, first: str, last: str, *, seconds: float = 120) -> None:
        """Ends when all its runs are in the queue."""
        job = ("job", "backfill", "-m", CODE, "-j", "backfill_hours")
        self._dagster(machine, *job, "--from", first, "--to", last, "--noprompt", seconds=seconds)

    def materialize(self, machine: str, hour: str) -> None:
        """Without the daemon."""
        chain = "raw_logs,analyzed_logs,detected_issues,predictions"
        self._dagster(machine, "asset", "materialize", "-m", CODE, "--select", chain, "--partition", hour)

    def _dagster(self, machine: str, *arguments: str, seconds: float = 120) -> None:
        command = [str(Path(sys.executable).parent / "dagster"), *arguments]
        done = subprocess.run(
            command, env=self._environment(machine), capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def kill(self, name: str) -> None:
        """As when the machine loses power: nothing of it says good-bye."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def freeze(self, name: str) -> None:
        os.killpg(self.processes[name].pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        os.killpg(self.processes[name].pid, signal.SIGCONT)

    def stop(self, name: str, seconds: float = 60) -> int:
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(seconds)

    def end(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def said(self, name: str) -> str:
        return (self.at / f"{name}.log").read_text("utf-8", "replace")

    def until(self, done: Callable[[], bool], seconds: float, what: str) -> float:
        """How long it took, in seconds."""
        began = time.monotonic()
        while not done():
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended: {self.said(name)[-3000:]}"
            assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
            time.sleep(self.look_every)
        return time.monotonic() - began

    def _start(self, name: str, command: list[str], machine: str) -> None:
        with (self.at / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self._environment(machine), cwd=self.at, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _environment(self, machine: str) -> dict[str, str]:
        return {**self.variables, "DAGSTER_HOME": str(self.home(machine)), "FLEEXMON_HOME": str(self.at / "product")}


def launcher(instance: dg.DagsterInstance) -> WorkerLauncher:
    found = launcher_of(instance)
    assert found is not None
    return found


def statuses(instance: dg.DagsterInstance) -> Counter[str]:
    return Counter(run.status.value for run in instance.get_runs())


def _value(client: redis.Redis, key: bytes) -> object:
    read = {
        b"string": client.get, b"hash": client.hgetall, b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1), b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }  # fmt: skip
    kind = client.type(key)
    return read[kind](key) if kind in read else None  # type: ignore[no-untyped-call]


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False

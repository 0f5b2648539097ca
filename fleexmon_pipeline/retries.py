"""Bounds on calls of outside systems: retries with jitter, and a time limit for what cannot be interrupted."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

import stamina
import stamina.instrumentation

Result = TypeVar("Result")


def retry_context(
    *,
    on: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool | float],
    attempts: int,
    timeout: float,
    wait_initial: float,
    wait_max: float,
    wait_jitter: float,
) -> Iterable[stamina.Attempt]:
    """`stamina.retry_context`, without its log lines.

    With structlog installed, as by dagster, stamina would print each retry to stdout, where commands write JSON.
    Callers record their retries themselves: in an account, the ledger, the coverage.
    """
    stamina.instrumentation.set_on_retry_hooks([])
    return stamina.retry_context(
        on=on,
        attempts=attempts,
        timeout=timeout,
        wait_initial=wait_initial,
        wait_max=wait_max,
        wait_jitter=wait_jitter,
    )


def call_within(seconds: float, call: Callable[[], Result]) -> Result:
    """The result of `call`, which runs in a thread. Raises its exceptions, and TimeoutError when the time is up.

    HTTP clients limit each read, not the whole request: a server that sends one byte at a time, or a resolver that
    hangs, could block the caller for ever. After a timeout the thread keeps running until its own limits end it.
    """
    results: queue.SimpleQueue[Result | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(call())
        except Exception as error:  # noqa: BLE001 - raised below, where the caller waits
            results.put(error)

    threading.Thread(target=run, name="call-within", daemon=True).start()
    try:
        result = results.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise TimeoutError(f"no response in {seconds:g} s") from None
    if isinstance(result, Exception):
        raise result
    return result

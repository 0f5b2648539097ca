"""Bounded retries with jitter, for every client of an outside system."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import stamina
import stamina.instrumentation


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

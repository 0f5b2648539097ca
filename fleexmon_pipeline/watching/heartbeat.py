"""FLEEXMON_HEARTBEAT_URL: an outside switch that notices when we do not call any more, as Healthchecks and its like.

Here: one call, short, that never raises. Which runs call: `assets/heartbeat.py`.
"""

from __future__ import annotations

from typing import Literal

import httpx

from fleexmon_pipeline.retries import call_within

Signal = Literal["start", "success", "fail"]
SECONDS = 5.0  # of a call in all; a tick has better things to do
TIMEOUT = httpx.Timeout(3.0)
_PATHS: dict[Signal, str] = {"start": "/start", "success": "", "fail": "/fail"}


def beat(url: str, signal: Signal, *, run_id: str) -> str | None:
    """Call the URL for a signal; None, or why it failed, without the URL: it is a secret.

    `run_id` lets the other side match starts with ends.
    """
    try:
        status = call_within(SECONDS, lambda: _status(f"{url}{_PATHS[signal]}", run_id))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, UnicodeError) as error:
        return f"no answer ({type(error).__name__})"
    return None if status < 300 else f"it answered HTTP {status}"


def _status(url: str, run_id: str) -> int:
    with httpx.stream("GET", url, params={"rid": run_id}, timeout=TIMEOUT, follow_redirects=False) as response:
        return response.status_code  # the body is of no interest, however long it is

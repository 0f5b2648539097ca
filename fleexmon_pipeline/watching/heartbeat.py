"""FLEEXMON_HEARTBEAT_URL: an outside service, such as Healthchecks, that notices when we stop calling it.

Here: one short call that never raises. Which runs call: `assets/heartbeat.py`.
"""

from __future__ import annotations

from typing import Literal

import httpx

from fleexmon_pipeline.retries import call_within

Signal = Literal["start", "success", "fail"]
MAX_SECONDS = 5.0  # of a whole call, as the tick waits for it
TIMEOUT = httpx.Timeout(3.0)
_PATHS: dict[Signal, str] = {"start": "/start", "success": "", "fail": "/fail"}


def beat(url: str, signal: Signal, *, run_id: str) -> str | None:
    """Call the URL for a signal. Returns why it failed, without the URL, which is a secret; None if it succeeded.

    `run_id` lets the service match starts with ends.
    """
    try:
        status = call_within(MAX_SECONDS, lambda: _status(f"{url}{_PATHS[signal]}", run_id))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, UnicodeError) as error:
        return f"no answer ({type(error).__name__})"
    return None if status < 300 else f"it answered HTTP {status}"


def _status(url: str, run_id: str) -> int:
    with httpx.stream("GET", url, params={"rid": run_id}, timeout=TIMEOUT, follow_redirects=False) as response:
        return response.status_code  # the body is of no interest, however long it is

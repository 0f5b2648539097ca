"""Calls to FLEEXMON_HEARTBEAT_URL, only by ticks of the current slot: a backfill must not look like a running schedule.

Here: which runs call, and that a failed call never fails a run. The call itself: `watching/heartbeat.py`.
"""

import logging
from collections.abc import Mapping

from fleexmon_pipeline import settings
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline.ticks import Tick, tick_of
from fleexmon_pipeline.watching.heartbeat import Signal, beat


def heartbeat(log: logging.Logger, tags: Mapping[str, str], run_id: str, signal: Signal) -> None:
    """Call, if this run is a tick of the current slot and a URL is set. Failures are only logged."""
    if tick_of(tags) is not Tick.SLOT:
        return
    try:
        url = settings.heartbeat_url()
        problem = beat(url, signal, run_id=run_id) if url else None
    except SettingError as error:
        problem = str(error).partition("\n")[0]
    if problem:
        log.warning(f"heartbeat ({signal}): {problem}")

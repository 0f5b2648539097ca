"""Limits of one answer or file, for all who read one.

Here: their defaults. The variables that change them: `settings/watched_nodes.py`. This module imports nothing of ours:
commands that only read a file must not wait for all settings.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one answer. Beyond them slots become partial, and the process does not grow."""

    answer_bytes: int = 4_000_000_000  # decompressed; an hour of 1,000 lines/s is 700 MB
    answer_seconds: int = 600  # a slow drip must not block its run forever
    record_bytes: int = 32_000_000
    ratio: int = 200  # decompressed to sent; log lines reach 10 to 30, bombs 1,000 and more


DEFAULT_LIMITS = Limits()

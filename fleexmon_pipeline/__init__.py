"""Watches a blue/green stack: logs in, issues and digests out. Where things live: docs/developers.md."""

import os
from typing import TYPE_CHECKING

# These make ranges of partitions fast, and must be set before dagster is imported. Events for 30 days of 4 assets in
# one run took 1.7 s with both, 50 s with the first alone and over 110 s with neither.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
os.environ.setdefault("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """Read `__version__` only on demand: reading it takes as long as 40,000 lines of `fleexmon patterns`."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version  # noqa: PLC0415

        return version("fleexmon-pipeline")

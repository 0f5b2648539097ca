"""The nodes that runs and sensors poll. Settings: `settings/watched_nodes.py`."""

from __future__ import annotations

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.settings import Node, SettingError


class Nodes(dg.ConfigurableResource):
    """BLUE_HOST, GREEN_HOST and LOG_SOURCES, read when a run needs them: definitions load without them."""

    def sources(self) -> list[Node]:
        """Raises dagster.Failure, with the variable to set, if there is no node or one is malformed."""
        try:
            return settings.watched()[0]
        except SettingError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None

from __future__ import annotations

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline_tests.genai.cases.shop import Explainer
from fleexmon_pipeline_tests.genai_server import GenAIServer


@pytest.fixture
def explain(connection: Connection, server: GenAIServer) -> Explainer:
    return Explainer(connection, server)

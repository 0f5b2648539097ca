"""Fixtures of the GenAI tests: a database, an agent on loopback, and a judge over both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.genai.judging import Judge
from fleexmon_pipeline_tests.genai_server import GenAIServer


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


@pytest.fixture
def server() -> Iterator[GenAIServer]:
    with GenAIServer(key="the-key") as server:
        yield server


@pytest.fixture
def judged(connection: Connection, server: GenAIServer) -> Judge:
    return Judge(connection, server)

"""Fixtures for tests of collection over HTTP: a node on loopback, and attempts without pauses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleexmon_pipeline.collection import fetch
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline_tests.node_server import NodeServer


@pytest.fixture
def node() -> Iterator[NodeServer]:
    with NodeServer() as server:
        yield server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    real = retry_context
    monkeypatch.setattr(
        fetch, "retry_context", lambda **o: real(**{**o, "wait_initial": 0.01, "wait_max": 0.01, "wait_jitter": 0})
    )

"""Fixtures for tests of reporting: a GitHub on loopback and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleexmon_pipeline.reporting.github import GitHubClient
from fleexmon_pipeline.settings import GitHubSettings
from fleexmon_pipeline_tests.github_server import REPO, TOKEN, FakeGitHub, serve_github


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """Every request in a test must be one that GitHub's own description allows."""
    with serve_github() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture
def client(github: FakeGitHub) -> GitHubClient:
    return GitHubClient(GitHubSettings(REPO, TOKEN, github.url), timeout=5)

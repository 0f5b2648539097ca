"""The GitHub client alone: closed issues as knowledge, and failures by name."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from fleexmon_pipeline.reporting.github import GitHubClient, GitHubError
from fleexmon_pipeline.settings import GitHubSettings
from fleexmon_pipeline_tests.github_server import REPO, TOKEN, FakeGitHub


def test_closed_issues_come_with_their_resolution(github: FakeGitHub, client: GitHubClient) -> None:
    github.add("Pool exhausted on blue", "timeouts " * 999, labels=("bug",), state="closed")
    github.say(1, "Raised the pool to 50.")
    github.say(1, "<!-- fleexmon:abc -->\nResolved.")
    github.add("Pool exhausted, still open", "timeouts")
    github.add("Pool exhausted digest timeouts", labels=("digest",), state="closed")

    (found,) = client.closed_issues("pool timeouts", limit=3, most=100)

    assert (found.number, found.title, found.labels) == (1, "Pool exhausted on blue", ("bug",))
    assert found.resolution == "Raised the pool to 50."
    assert len(found.body) == 100


def test_a_query_cannot_leave_the_repository(github: FakeGitHub, client: GitHubClient) -> None:
    client.closed_issues('x" repo:other/secrets OR is:open  user:evil label:a-b ' + "word " * 99)

    query = github.requests[-1].query["q"]
    assert query.endswith(f" repo:{REPO} is:issue is:closed -label:digest")
    assert query.count(":") == 4
    assert len(query) < 256
    assert client.closed_issues('":-/ 12') == []


@pytest.mark.parametrize(
    ("status", "message", "headers", "kind"),
    [
        (401, "Bad credentials", {}, "auth"),
        (403, "Resource not accessible by personal access token", {}, "auth"),
        (403, "You have exceeded a secondary rate limit.", {}, "rate-limit"),
        (403, "API rate limit exceeded", {"X-RateLimit-Remaining": "0"}, "rate-limit"),
        (404, "Not Found", {}, "not-found"),
        (410, "Issues are disabled for this repo", {}, "refused"),
        (422, "Validation Failed", {}, "refused"),
        (503, "Unavailable", {}, "unavailable"),
    ],
)
def test_failures_have_names(
    github: FakeGitHub, client: GitHubClient, *, status: int, message: str, headers: dict[str, str], kind: str
) -> None:
    github.fail("*", status=status, message=message, headers=headers, times=9)

    with pytest.raises(GitHubError) as failure:
        client.create("t", "b", ["l"])

    assert failure.value.kind == kind
    assert TOKEN not in str(failure.value)
    assert len(github.writes()) == 1


def test_reading_is_tried_again(github: FakeGitHub, client: GitHubClient) -> None:
    github.fail("GET", status=502, times=2)

    assert client.check() == REPO
    assert len(github.requests) == 3


def test_a_wrong_token_says_which_variable(github: FakeGitHub) -> None:
    with pytest.raises(GitHubError, match="GH_TOKEN"):
        GitHubClient(GitHubSettings(REPO, "ghp_wrong", github.url)).check()
    github.violations.clear()


def test_the_fake_refuses_what_github_would(github: FakeGitHub, shared: Path) -> None:
    """`shared` skips this where GitHub's description is not at hand."""
    headers = {"Authorization": f"token {TOKEN}"}
    for body in ({"title": ["no"]}, {"body": "no title"}):
        assert httpx.post(f"{github.url}/repos/{REPO}/issues", json=body, headers=headers).status_code == 422
    assert httpx.get(f"{github.url}/repos/{REPO}/issues?state=ajar", headers=headers).status_code == 422
    assert len(github.violations) == 3
    github.violations.clear()

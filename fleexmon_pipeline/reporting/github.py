"""GitHub issues over REST, through PyGithub: create, edit, comment, find, and search closed ones.

Here: the requests and their errors. What to show, and retries: `outbox.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from urllib3.util import Retry

from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.settings import GitHubSettings

if TYPE_CHECKING:
    import github
    import requests

TIMEOUT = 10  # seconds
USER_AGENT = "fleexmon-pipeline"
MARK = "<!-- fleexmon:"  # start of our bodies and comments
MAX_BODY = 65_536  # characters; GitHub's limits
MAX_TITLE = 256
MAX_LABEL = 50

# Reads only. A repeated POST would make a second issue; a PATCH is retried by the Outbox, which can wait longer.
_RETRY = Retry(
    total=2, connect=0, other=0, read=1, status=2, status_forcelist=(500, 502, 503, 504), allowed_methods=("GET",),
    backoff_factor=0.2, respect_retry_after_header=False, raise_on_status=False,
)  # fmt: skip

Kind = Literal["auth", "rate-limit", "not-found", "gone", "refused", "unavailable", "unexpected"]


class GitHubError(FleexmonError):
    """A failed request. `kind`: why; `retry_after`: seconds to wait, if GitHub asked for it.

    After "unavailable" and "unexpected", a write may still have succeeded.
    """

    def __init__(self, kind: Kind, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


@dataclass(frozen=True)
class Posted:
    """One of our issues on GitHub."""

    number: int
    url: str


@dataclass(frozen=True)
class ClosedIssue:
    """A person's closed issue; `resolution` is its last comment, or empty."""

    number: int
    url: str
    title: str
    body: str
    labels: tuple[str, ...]
    resolution: str


@dataclass(frozen=True)
class SeenIssue:
    """What people did to an issue on GitHub. `reason`: why it was closed, as GitHub has it."""

    number: int
    is_open: bool
    reason: str | None
    labels: frozenset[str]
    assignee: str | None
    closed_at: datetime | None


class GitHubClient:
    """The issues of one repository."""

    def __init__(self, settings: GitHubSettings, *, timeout: int = TIMEOUT) -> None:
        import github  # noqa: PLC0415  a third of a second of CPU, and most runs ask nothing of GitHub

        self._name = settings.repo
        self._github = github.Github(
            auth=github.Auth.Token(settings.token), base_url=settings.api_url, timeout=timeout, user_agent=USER_AGENT,
            retry=_RETRY, per_page=100, lazy=True, seconds_between_requests=None, seconds_between_writes=None,
        )  # fmt: skip
        self._repo = self._github.get_repo(settings.repo)

    def check(self) -> str:
        """The repository's full name if the token can read it and issues are enabled. Raises GitHubError otherwise."""
        with _named_failures():
            self._repo.update()
            if not self._repo.has_issues:
                raise GitHubError("refused", f"issues are disabled for {self._name}; enable them in its settings")
            return self._repo.full_name

    @property
    def name(self) -> str:
        return self._name

    def seen(self, labels: Sequence[str], *, since: datetime) -> list[SeenIssue]:
        """The issues with `labels` that changed after `since`, whoever opened them."""
        with _named_failures():
            issues = self._repo.get_issues(state="all", labels=list(labels), since=since)
            return [
                SeenIssue(
                    issue.number, issue.state == "open", issue.state_reason,
                    frozenset(label.name for label in issue.labels),
                    issue.assignees[0].login if issue.assignees else None, issue.closed_at,
                )
                for issue in issues
            ]  # fmt: skip

    def closed_by(self, number: int) -> str:
        """Who closed an issue; empty if GitHub does not say."""
        with _named_failures():
            person = self._repo.get_issue(number).closed_by
            return person.login if person else ""

    @cached_property
    def _login(self) -> str | None:
        """The login of the token's account; None for a token of an app, which has no account."""
        try:
            with _named_failures():
                return self._github.get_user().login
        except GitHubError as error:
            if error.kind in ("auth", "not-found"):
                return None
            raise

    def _is_ours(self, author: github.NamedUser.NamedUser | github.Organization.Organization | None) -> bool:
        """Whether our account wrote it. A marker that somebody else copied into an issue means nothing."""
        if author is None:
            return False
        return author.login == self._login if self._login else author.type == "Bot"

    def find(self, marker: str, labels: Sequence[str], *, since: datetime) -> Posted | None:
        """Our issue whose body starts with `marker`, among those with `labels` that changed after `since`.

        Lists by label instead of searching: GitHub's search index lags half a minute behind.
        """
        with _named_failures():
            issues = self._repo.get_issues(
                state="all", labels=list(labels), since=since, sort="created", direction="asc"
            )
            for issue in issues:
                if (issue.body or "").startswith(marker) and self._is_ours(issue.user):
                    return Posted(issue.number, issue.html_url)
        return None

    def create(self, title: str, body: str, labels: Sequence[str]) -> Posted:
        """One POST, never retried here."""
        with _named_failures():
            issue = self._repo.create_issue(title, body, labels=list(labels))
            return Posted(issue.number, issue.html_url)

    def edit(
        self, number: int, *, fields: dict[str, str], add_labels: Sequence[str] = (), drop_labels: Sequence[str] = ()
    ) -> None:
        """Set `title`, `body`, `state`; labels that people added stay."""
        changes: dict[str, Any] = dict(fields)
        with _named_failures():
            issue = self._repo.get_issue(number)
            if add_labels or drop_labels:
                present = {label.name for label in issue.labels}
                changes["labels"] = sorted((present - set(drop_labels)) | set(add_labels))
            issue.edit(**changes)

    def comment(self, number: int, text: str) -> None:
        """One POST, never retried here."""
        with _named_failures():
            self._repo.get_issue(number).create_comment(text)

    def has_comment(self, number: int, marker: str, *, since: datetime) -> bool:
        """Whether a comment written after `since` starts with `marker`."""
        with _named_failures():
            comments = self._repo.get_issue(number).get_comments(since=since)
            return any((comment.body or "").startswith(marker) and self._is_ours(comment.user) for comment in comments)

    def closed_issues(self, words: str, *, limit: int = 3, most: int = 1_500) -> list[ClosedIssue]:
        """Closed issues that contain `words`, best match first, texts cut at `most` characters; without digests.

        `words` may come from a log line: only plain words reach the query, so it cannot name another repository. An
        issue must contain all of them, so a few specific words find the most.
        """
        plain = " ".join(re.findall(r"\b[A-Za-z][A-Za-z0-9_]{2,39}\b", words)[:6])
        if not plain:
            return []
        with _named_failures():
            issues = self._github.search_issues(f"{plain} repo:{self._name} is:issue is:closed -label:digest")
            return [_closed(issue, most) for issue, _ in zip(issues, range(limit), strict=False)]


def _closed(issue: github.Issue.Issue, most: int) -> ClosedIssue:
    comments = issue.get_comments().reversed if issue.comments else ()
    texts = (comment.body or "" for comment, _ in zip(comments, range(10), strict=False))
    resolution = next((text for text in texts if text and not text.startswith(MARK)), "")
    labels = tuple(label.name for label in issue.labels)
    return ClosedIssue(
        issue.number, issue.html_url, issue.title, (issue.body or "")[:most], labels, resolution[:most]
    )  # fmt: skip


@contextmanager
def _named_failures() -> Iterator[None]:
    """Raise failures of PyGithub and requests, and unexpected responses, as GitHubError. No message has the token."""
    import github  # noqa: PLC0415  as above
    import requests  # noqa: PLC0415

    try:
        yield
    except github.GithubException as error:
        raise _named(error) from error
    except requests.RequestException as error:
        raise GitHubError("unavailable", f"no response from GitHub: {_reason(error)}") from error
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        # Not a response of GitHub: a login page, an error of a proxy, truncated JSON.
        raise GitHubError(
            "unexpected", f"the response is not from GitHub ({type(error).__name__}); check GITHUB_API_URL and proxies"
        ) from error


def _reason(error: requests.RequestException) -> str:
    """`ConnectionError: … refused`, without the URL's query and the nested errors of requests."""
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    return f"{type(error).__name__}: {cause}"[:200]


def _named(error: github.GithubException) -> GitHubError:
    status, headers = error.status, {name.lower(): value for name, value in (error.headers or {}).items()}
    data = error.data if isinstance(error.data, dict) else {}
    text = str(data.get("message") or error.message or "")[:200]
    message = f"GitHub responded with {status}: {text}"
    wait = _wait(headers)
    limited = "rate limit" in text.lower() or "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    if status == 429 or (status == 403 and limited):
        return GitHubError("rate-limit", message, wait if wait is not None else 60.0)  # GitHub: "at least one minute"
    if status in (401, 403):
        return GitHubError("auth", f"{message}; GH_TOKEN must be allowed to write issues there")
    if status == 404:
        return GitHubError("not-found", f"{message}; GitHub also responds like this if the token has no access")
    if status == 410 and "deleted" in text.lower():
        return GitHubError("gone", message)
    if status >= 500:
        return GitHubError("unavailable", message, wait)
    return GitHubError("refused" if 400 <= status < 500 else "unexpected", message, wait)


def _wait(headers: dict[str, str]) -> float | None:
    """Retry-After in seconds, or the time until X-RateLimit-Reset by the server's clock."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdigit():
        return float(after)
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit() and "date" in headers:
        try:
            sent = datetime.strptime(headers["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        except ValueError:
            return None
        return max(0.0, float(reset) - sent.timestamp())
    return None

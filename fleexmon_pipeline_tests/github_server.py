"""GitHub's issues for tests: a real HTTP server on loopback, one repository in memory, faults on request.

Here: as much of the REST API as a client of issues meets, its limits and its bad days. Requests are checked against
GitHub's own description where that file is at hand; what is wrong stands in `violations`.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

TOKEN = "ghp_ofTestsOnly0123456789abcdefghijABCD"
REPO = "acme/shop-alerts"

Json = dict[str, Any]


class Request(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    body: Json
    user_agent: str


@dataclass
class Fault:
    """What to do to the next `times` requests that match, instead of (or, with `after`, after) serving them.

    Without a status the connection is dropped.
    """

    method: str
    path: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "a fault of the test's"
    text: str | None = None  # a body that is no JSON of GitHub's
    times: int = 1
    after: bool = False  # the request is carried out; only its answer is lost


ACCOUNT = "fleexmon-bot"  # whose token we use


class FakeGitHub:
    """One repository. `issues` and `comments` are what a browser would show."""

    def __init__(self) -> None:
        self.issues: list[Json] = []
        self.comments: dict[int, list[Json]] = {}
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.faults: list[Fault] = []
        self.before_create: Callable[[], None] = lambda: None
        self.page = 100  # most issues a page, whatever the client asks for
        self.now = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
        self.url = ""
        self.lock = threading.RLock()

    def fail(self, method: str, path: str = "", **fault: Any) -> None:
        """Script a Fault for requests of `method` whose path contains `path`."""
        self.faults.append(Fault(method, path, **fault))

    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method != "GET"]

    def add(
        self, title: str, body: str = "", *, labels: tuple[str, ...] = (), state: str = "open", by: str = "somebody"
    ) -> Json:
        """An issue that somebody opened."""
        with self.lock:
            number = len(self.issues) + 1
            moment = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            issue = {
                "number": number, "id": 1000 + number, "title": title, "body": body, "state": state, "comments": 0,
                "labels": [{"name": name} for name in labels], "created_at": moment, "updated_at": moment,
                "url": f"{self.url}/repos/{REPO}/issues/{number}",
                "comments_url": f"{self.url}/repos/{REPO}/issues/{number}/comments",
                "html_url": f"https://github.com/{REPO}/issues/{number}",
                "user": {"login": by, "type": "User"}, "assignees": [], "state_reason": None, "closed_by": None,
            }  # fmt: skip
            self.issues.append(issue)
            self.comments[number] = []
            return issue

    def close(self, number: int, *, by: str, reason: str = "completed") -> None:
        """As a person does in the browser."""
        with self.lock:
            moment = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            changes = {"state": "closed", "state_reason": reason, "closed_by": {"login": by, "type": "User"}}
            self.issues[number - 1].update({**changes, "updated_at": moment, "closed_at": moment})

    def say(self, number: int, body: str, *, by: str = "somebody") -> Json:
        """A comment that somebody made."""
        with self.lock:
            moment = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            comment = {
                "id": 5000 + len(self.comments[number]),
                "body": body,
                "user": {"login": by, "type": "User"},
                "created_at": moment,
                "updated_at": moment,
            }
            self.comments[number].append(comment)
            self.issues[number - 1]["comments"] += 1
            return comment

    # -- answers ---------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> tuple[int, Any]:  # noqa: PLR0911  one for each kind of request
        """Status and JSON of a sound request; a list is paginated by the caller."""
        base = f"/repos/{REPO}"
        if request.path == "/search/issues":
            found = self._search(request.query["q"])
            return 200, {"total_count": len(found), "incomplete_results": False, "items": found}
        if request.path == "/user":
            return 200, {"login": ACCOUNT, "id": 1, "type": "User", "user_view_type": "public"}
        if request.path == base:
            return 200, {"full_name": REPO, "has_issues": True, "url": self.url + base}
        if request.path == f"{base}/issues":
            return (200, self._listed(request.query)) if request.method == "GET" else self._create(request.body)
        found_issue = re.fullmatch(rf"{base}/issues/(\d+)(/comments)?", request.path)
        if not found_issue or not 0 < int(found_issue[1]) <= len(self.issues):
            return 404, {"message": "Not Found"}
        issue = self.issues[int(found_issue[1]) - 1]
        if issue["state"] == "deleted":
            return 410, {"message": "This issue was deleted"}
        if found_issue[2]:
            if request.method == "GET":
                since = request.query.get("since", "")
                return 200, [c for c in self.comments[issue["number"]] if c["updated_at"] >= since]
            return 201, self.say(issue["number"], request.body["body"], by=ACCOUNT)
        if request.method == "PATCH":
            changes = dict(request.body)
            if "labels" in changes:
                changes["labels"] = [{"name": name} for name in changes["labels"]]
            issue.update(changes)
        return 200, issue

    def _create(self, body: Json) -> tuple[int, Json]:
        self.before_create()
        return 201, self.add(body["title"], body.get("body", ""), labels=tuple(body.get("labels", ())), by=ACCOUNT)

    def _listed(self, query: dict[str, str]) -> list[Json]:
        wanted = set(filter(None, query.get("labels", "").split(",")))
        state, since = query.get("state", "open"), query.get("since", "")
        return [
            issue for issue in self.issues
            if wanted <= {label["name"] for label in issue["labels"]} and issue["state"] != "deleted"
            and state in ("all", issue["state"]) and issue["updated_at"] >= since
        ]  # fmt: skip

    def _search(self, text: str) -> list[Json]:
        words = [word.lower() for word in text.split() if ":" not in word]
        dropped = {word.removeprefix("-label:") for word in text.split() if word.startswith("-label:")}
        assert f"repo:{REPO}" in text.split()
        assert "is:issue" in text.split()
        return [
            issue for issue in self.issues
            if issue["state"] == "closed" and not dropped & {label["name"] for label in issue["labels"]}
            and all(word in f"{issue['title']} {issue['body']}".lower() for word in words)
        ]  # fmt: skip


@contextmanager
def serve_github() -> Iterator[FakeGitHub]:
    """A FakeGitHub at its `url`, until the block ends."""
    fake = FakeGitHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(fake: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(raw) if raw else {}
            agent = self.headers.get("User-Agent", "")
            request = Request(self.command, parts.path, dict(parse_qsl(parts.query)), body, agent)
            with fake.lock:
                fake.requests.append(request)
                fault = _matching(fake, request)
            if fault and not fault.after:
                self._fault(fault)
                return
            wrong = self._wrong(request, raw)
            if wrong:
                fake.violations.append(f"{request.method} {request.path}: {wrong[1]}")
                self._send(*wrong)
                return
            if request.method == "POST":
                status, answer = fake.answer(request)  # without the lock: `before_create` may wait for another request
            else:
                with fake.lock:
                    status, answer = fake.answer(request)
            if fault:
                self._fault(fault)
            elif isinstance(answer, list):
                self._send_page(request, answer)
            else:
                self._send(status, answer)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815

        def _wrong(self, request: Request, raw: bytes) -> tuple[int, Json] | None:
            if self.headers.get("Authorization") not in (f"token {TOKEN}", f"Bearer {TOKEN}"):
                return 401, {"message": "Bad credentials"}
            if not request.user_agent:
                return 403, {"message": "Request forbidden by administrative rules. No User-Agent."}
            too_long = [name for name, most in (("title", 256), ("body", 65_536))
                        if len(request.body.get(name) or "") > most]  # fmt: skip
            too_long += [label for label in request.body.get("labels", ()) if len(label) > 50]
            if too_long:
                return 422, {"message": "Validation Failed", "errors": too_long}
            problem = _against_the_description(request, raw, dict(self.headers))
            return (422, {"message": f"not GitHub's API: {problem}"}) if problem else None

        def _fault(self, fault: Fault) -> None:
            if fault.status is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            elif fault.text is not None:
                self._write(fault.status, fault.text.encode(), {"Content-Type": "text/html", **fault.headers})
            else:
                self._send(fault.status, {"message": fault.message}, fault.headers)

        def _send_page(self, request: Request, items: list[Json]) -> None:
            size = min(fake.page, int(request.query.get("per_page", 30)))
            page, last = int(request.query.get("page", 1)), max(1, -(-len(items) // size))
            links = [f'<{fake.url}{request.path}?{urlencode({**request.query, "page": target})}>; rel="{name}"'
                     for name, target in (("next", page + 1), ("last", last)) if page < last]  # fmt: skip
            headers = {"Link": ", ".join(links)} if links else {}
            self._send(200, items[(page - 1) * size : page * size], headers)

        def _send(self, status: int, answer: Any, headers: Mapping[str, str] = {}) -> None:
            content = {"Content-Type": "application/json; charset=utf-8", **headers}
            self._write(status, json.dumps(answer).encode(), content)

        def _write(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """The test's output is not the place."""

    return Handler


def _matching(fake: FakeGitHub, request: Request) -> Fault | None:
    for fault in fake.faults:
        if fault.times > 0 and fault.method in ("*", request.method) and fault.path in request.path:
            fault.times -= 1
            return fault
    return None


@cache
def _description() -> Any:
    """GitHub's own description of its API; None where the file is not at hand."""
    for up in Path(__file__).resolve().parents:
        file = up / "shared" / "contracts" / "github-issues.openapi.json"
        if file.is_file():
            from openapi_core import OpenAPI  # noqa: PLC0415  half a second that other tests need not pay

            return OpenAPI.from_dict(json.loads(file.read_text("utf-8")))
    return None


_validating = threading.Lock()


def _against_the_description(request: Request, raw: bytes, headers: dict[str, str]) -> str | None:
    description = _description()
    if description is None:
        return None
    from openapi_core.exceptions import OpenAPIError  # noqa: PLC0415
    from openapi_core.testing import MockRequest  # noqa: PLC0415

    mock = MockRequest(
        "https://api.github.com", request.method, request.path, args=request.query, headers=headers, data=raw or None
    )
    try:
        with _validating:
            description.validate_request(mock)
    except OpenAPIError as error:
        return f"{error}: {error.__cause__}"[:500]
    return None

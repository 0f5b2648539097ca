"""A GenAI agent for tests: a real HTTP server on loopback with scripted answers and faults.

Here: what an agent may send and how it may fail on the wire. Every request is checked against the service's own
description where that is present; one that breaks it is answered 400 and fails the test when the server closes.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from fleexmon_pipeline.settings import GenAISettings
from fleexmon_pipeline_tests.loopback import Handler, Loopback

PATH = "/api/v1/chat/completions"
Script = Callable[["_Handler", dict[str, Any]], None]


@cache
def contract_of_agents() -> OpenAPI | None:
    for folder in Path(__file__).resolve().parents:
        path = folder / "shared" / "contracts" / "digitalocean-agent.openapi.json"
        if path.is_file():
            return OpenAPI.from_file_path(str(path))
    return None


def completion(content: str | None, finish_reason: str = "stop", *, cached: int = 0, **members: Any) -> dict[str, Any]:
    """The body of a successful answer, with every member that the description requires. `members`: of the message."""
    message = {"role": "assistant", "content": content, "refusal": None, "reasoning_content": None, **members}
    choice = {"index": 0, "finish_reason": finish_reason, "logprobs": None, "message": message}
    written = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    usage = {
        "prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150, "cache_created_input_tokens": 0,
        "cache_read_input_tokens": cached, "cache_creation": written,
    }  # fmt: skip
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "llama3.3-70b-instruct",
        "choices": [choice], "usage": usage,
    }  # fmt: skip


def issue(*ids: Any, **members: Any) -> dict[str, Any]:
    """An issue as the agent is asked to give it, with evidence."""
    return {
        "type": "disk-full", "severity": "high", "title": "Disk is full", "description": "Writes fail.",
        "rootCause": "Logs were not rotated.", "recommendation": "Free space.", "affectedLogs": list(ids), **members,
    }  # fmt: skip


def _nothing(question: dict[str, Any]) -> str:
    """An answer that finds nothing, in the form that the question asks for."""
    about_incident = question["messages"][1]["content"].startswith("Data:")
    return '{"facts": [], "hypotheses": []}' if about_incident else '{"issues": []}'


class _Handler(Handler):
    fake: GenAIServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # noqa: N802 - the parent's name
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path, _, query = self.path.partition("?")
        self.fake.headers.append({name.lower(): value for name, value in self.headers.items()})
        question = json.loads(body)
        self.fake.questions.append(question)
        violation = self._violation(path, query, body)
        if violation:
            self.fake.violations.append(violation)
            self.reply(400, {"id": "bad_request", "message": violation}, {})
        elif self.fake.key and self.headers.get("authorization") != f"Bearer {self.fake.key}":
            self.reply(401, {"id": "unauthorized", "message": "bad key"}, {})
        else:
            self.fake.next_script()(self, question)

    def _violation(self, path: str, query: str, body: bytes) -> str | None:
        if path != PATH:
            return f"asked for {path}"
        contract = contract_of_agents()
        if contract is None:
            return None
        arguments = dict(part.split("=", 1) for part in query.split("&") if part)
        try:
            contract.validate_request(
                MockRequest(
                    "http://agent.test",
                    "post",
                    path,
                    args=arguments,
                    # The description demands a key; an agent of one's own may have none, and then none is sent.
                    headers={"Authorization": self.headers.get("authorization", "Bearer none")},
                    data=body,
                    content_type=self.headers.get("content-type", ""),
                )
            )
        except OpenAPIError as error:
            return f"{error}: {error.__cause__}"
        return None

    def reply(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        """`body`: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_body(status, data, {"Content-Type": "application/json", **headers})

    def wait(self) -> None:
        self.close_connection = True
        self.fake.stopping.wait(30)

    def drip(self, start: bytes, *, every: float | None) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(start)
        while not self.fake.stopping.wait(every or 30):
            try:
                self.wfile.write(b" ")
                self.wfile.flush()
            except OSError:
                return

    def drop(self) -> None:
        self.close_connection = True


class GenAIServer(Loopback):
    """An agent on 127.0.0.1, up inside `with`. What is scripted is used up in order; then it finds nothing."""

    handler = _Handler

    def __init__(self, *, key: str | None = None) -> None:
        super().__init__()
        self.key = key
        self.questions: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.violations: list[str] = []
        self._script: deque[Script] = deque()
        self.always: Script | None = None

    def __exit__(self, *error: object) -> None:
        super().__exit__()
        if error[0] is None:
            assert not self.violations, self.violations

    @property
    def url(self) -> str:
        return f"http://{self.host_port}"

    @property
    def settings(self) -> GenAISettings:
        return GenAISettings(self.url, self.key)

    # -- what it does next ----------------------------------------------------------------------------------------

    def then(self, script: Script) -> Self:
        self._script.append(script)
        return self

    def answer(self, *issues: dict[str, Any]) -> Self:
        return self.say(json.dumps({"issues": list(issues)}))

    def say(self, content: str | None, finish_reason: str = "stop", **more: Any) -> Self:
        return self.send(200, completion(content, finish_reason, **more))

    def send(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Self:
        """`body`: bytes as they are, anything else as JSON."""
        return self.then(lambda handler, _: handler.reply(status, body, headers or {}))

    def refuse(self, status: int, message: str = "no", **headers: str) -> Self:
        """An error of the service; header names with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(status, {"id": "error", "message": message}, named)

    def hang(self) -> Self:
        return self.then(lambda handler, _: handler.wait())

    def hang_mid_body(self) -> Self:
        return self.then(lambda handler, _: handler.drip(b'{"choices": [', every=None))

    def drip(self, every: float) -> Self:
        """A byte now and then, for ever: no single read ever times out."""
        return self.then(lambda handler, _: handler.drip(b"{", every=every))

    def drop(self) -> Self:
        """Close the connection without a word."""
        return self.then(lambda handler, _: handler.drop())

    # -- what it was asked ----------------------------------------------------------------------------------------

    def records(self, number: int = -1) -> list[dict[str, Any]]:
        """The records of a question; each must be a line of JSON with the next id."""
        content = self.questions[number]["messages"][1]["content"]
        lines = content.partition("Records (data):\n")[2].split("\n")
        return [json.loads(line) for line in lines]

    def all_text(self) -> str:
        """Everything that ever left for the agent."""
        return json.dumps([self.questions, self.headers], ensure_ascii=False)

    def next_script(self) -> Script:
        if self._script:
            return self._script.popleft()
        return self.always or (lambda handler, question: handler.reply(200, completion(_nothing(question)), {}))

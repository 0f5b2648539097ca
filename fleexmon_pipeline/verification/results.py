"""Read and check the end-to-end results of a CI job.

Here: plain data. Storing: `record.py`; the file and the options: `commands/verify_deployment/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import EPOCH, read_time
from fleexmon_pipeline.wording import counted, one_line

MAX_BYTES = 1_000_000
MAX_LISTED = 20  # failed endpoints that are named
MAX_TEXT = 200

HEALTH, VERSION, WEBHOOK, ROUTING, ENDPOINTS = (
    "e2e-health-check-failure",
    "e2e-version-mismatch",
    "e2e-webhook-failure",
    "e2e-haproxy-routing",
    "e2e-endpoint-failure",
)
RUNBOOKS = {HEALTH: HEALTH, VERSION: VERSION, WEBHOOK: WEBHOOK, ROUTING: ROUTING, ENDPOINTS: HEALTH}

_GOOD = {"up", "ok", "healthy", "pass", "passed", "success", "true", "ready", "active"}
_BAD = {"down", "error", "unhealthy", "fail", "failed", "failure", "false"}
_UNKNOWN = {"", "unknown", "skipped", "n/a", "none"}
_STATES = {
    "blueHealth": (HEALTH, "blue", "health check failed on blue"),
    "greenHealth": (HEALTH, "green", "health check failed on green"),
    "httpsHealth": (HEALTH, None, "health check failed over https, from outside"),
    "httpsGraphQL": (HEALTH, None, "GraphQL does not answer over https, from outside"),
    "versionVerified": (VERSION, "", "version mismatch"),  # "": the node that was deployed
    "webhookStatus": (WEBHOOK, None, "the webhook did not take the test event"),
    "haproxyState": (ROUTING, None, "HAProxy's state is error"),
}
_ABOUT = {
    "run": ("workflowRunId", "workflowRun", "runId", "run"),
    "url": ("workflowUrl", "runUrl", "url"),
    "node": ("node", "target", "deployedTo"),
    "version": ("version", "expectedVersion", "commit"),
    "at": ("timestamp", "finishedAt", "at"),
    "deployed_at": ("deployedAt",),
}
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,99}")


class ResultsError(FleexmonError, ValueError):
    """Results that cannot be used. The text names the field, its value and the expected value."""

    exit_status = 2


@dataclass(frozen=True)
class Failure:
    """A failed check. `node` is None if it is not about a single node."""

    type: str
    node: str | None
    text: str


@dataclass(frozen=True)
class Results:
    """`checked`: number of checks with a result; `ignored`: unknown fields."""

    run: str | None
    url: str | None
    node: str | None
    version: str | None
    at: datetime | None
    deployed_at: datetime | None
    failures: tuple[Failure, ...]
    checked: int
    passed: tuple[str, ...]  # types whose checks all passed
    ignored: tuple[str, ...]
    document: Mapping[str, Any]


def read_results(text: bytes) -> Results:
    """Raises ResultsError."""
    if len(text) > MAX_BYTES:
        raise ResultsError(f"the results have {len(text):,} bytes, and {MAX_BYTES:,} are read.")
    if not text.strip():
        raise ResultsError("the results are empty. Check the path or the pipe.")
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ResultsError(f"the results are not JSON: {one_line(str(error), most=100)}.") from None
    if not isinstance(document, dict):
        raise ResultsError('the results are not a JSON object. Example: {"greenHealth": "up", "versionVerified": true}')
    about = {name: _text(document, keys) for name, keys in _ABOUT.items()}
    node = about["node"]
    results = {name: _state(name, document[name]) for name in _STATES if name in document}
    failures = [
        Failure(_STATES[name][0], node if _STATES[name][1] == "" else _STATES[name][1], _STATES[name][2])
        for name, good in results.items()
        if good is False
    ]
    endpoints = list(_endpoints(document.get("endpointTests"), node))
    checked = sum(good is not None for good in results.values()) + (document.get("endpointTests") is not None)
    if not checked:
        known_keys = ", ".join((*_STATES, "endpointTests"))
        raise ResultsError(f"the results hold no check. Known: {known_keys}.")
    run = about["run"]
    if run is not None and not _RUN.fullmatch(run):
        raise ResultsError(f'the workflow run "{one_line(run, most=60)}" is not 1 to 100 letters, digits and ._:@/-')
    known_fields = {*_STATES, "endpointTests", *(key for keys in _ABOUT.values() for key in keys)}
    return Results(
        run, about["url"], node, about["version"], _moment("timestamp", about["at"]),
        _moment("deployedAt", about["deployed_at"]), (*failures, *endpoints), checked,
        tuple(_passed(results, endpoints, document)),
        tuple(sorted(one_line(str(field), most=40) for field in document.keys() - known_fields)), document,
    )  # fmt: skip


def severity_of(failures: list[Failure]) -> Severity:
    """Critical if users cannot reach the service: no node is healthy, or nothing responds from outside."""
    down = {failure.node for failure in failures if failure.type == HEALTH}
    outside = any(failure.text == _STATES["httpsHealth"][2] for failure in failures)
    return Severity.CRITICAL if outside or {"blue", "green"} <= down else Severity.HIGH


def _passed(results: Mapping[str, bool | None], endpoints: list[Failure], document: Mapping[str, Any]) -> Iterator[str]:
    by_type: dict[str, list[bool | None]] = {}
    for name, good in results.items():
        by_type.setdefault(_STATES[name][0], []).append(good)
    if document.get("endpointTests") is not None:
        by_type[ENDPOINTS] = [not endpoints]
    for type_, states in by_type.items():
        if True in states and False not in states:
            yield type_


def _state(name: str, value: object) -> bool | None:
    """Whether a check passed; None if it did not run."""
    if value is None or isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _GOOD:
        return True
    if word in _BAD:
        return False
    if word in _UNKNOWN:
        return None
    if word is not None and name == "haproxyState":  # its other states are its own: MAINT, DRAIN, a server's name
        return True
    shown = one_line(str(value), most=40)
    raise ResultsError(f'{name}: "{shown}" is no result. Expected true or false, "up" or "down", or null.')


def _endpoints(value: object, node: str | None) -> Iterator[Failure]:
    if value is None:
        return
    failed = value.get("failed", []) if isinstance(value, dict) else None
    if isinstance(failed, int) and not isinstance(failed, bool):
        failed = ["endpoint"] * min(failed, MAX_LISTED)
    if not isinstance(failed, list):
        raise ResultsError(
            'endpointTests: expected an object with a list, as in {"failed": [{"name": "GET /orders"}]}.'
        )
    for test in failed[:MAX_LISTED]:
        yield Failure(ENDPOINTS, node, _endpoint(test))
    if len(failed) > MAX_LISTED:
        yield Failure(ENDPOINTS, node, f"and {counted(len(failed) - MAX_LISTED, 'more endpoint')}")


def _endpoint(test: object) -> str:
    if isinstance(test, str):
        return _clean(test)
    if isinstance(test, dict):
        name = next((test[key] for key in ("name", "endpoint", "url", "path") if test.get(key)), "endpoint")
        reason = next((test[key] for key in ("error", "message", "reason", "status") if test.get(key)), None)
        return _clean(f"{name}{f': {reason}' if reason is not None else ''}")
    raise ResultsError("endpointTests.failed: expected texts, or objects with name and error.")


def _clean(text: str) -> str:
    return one_line(redact(text[: MAX_TEXT * 4]), most=MAX_TEXT)


def _text(document: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = document.get(key)
        if value is None or value == "":
            continue
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise ResultsError(f"{key}: expected a text, and it is {type(value).__name__}.")
        return one_line(str(value), most=MAX_TEXT)
    return None


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return read_time(text, now=EPOCH)
    except ValueError:
        raise ResultsError(f'{name}: "{one_line(text, most=40)}" is not a time such as 2026-11-20T10:00:00Z.') from None

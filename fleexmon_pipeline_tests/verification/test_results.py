"""A CI job's results: failed checks, checks that did not run, and unusable results."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.issues.runbooks import runbook_names
from fleexmon_pipeline.verification.results import MAX_BYTES, RUNBOOKS, ResultsError, read_results, severity_of

GOOD: dict[str, Any] = {
    "workflowRunId": 4711, "node": "green", "version": "1.4.2", "timestamp": "2026-11-20T10:00:00Z",
    "blueHealth": "up", "greenHealth": "up", "versionVerified": True, "httpsHealth": True, "httpsGraphQL": True,
    "webhookStatus": True, "haproxyState": "ok", "endpointTests": {"passed": ["a", "b"], "failed": []},
}  # fmt: skip


def failures(**changes: Any) -> list[tuple[str, str | None, str]]:
    read = read_results(json.dumps({**GOOD, **changes}).encode())
    return [(failure.type.removeprefix("e2e-"), failure.node, failure.text) for failure in read.failures]


def test_results_that_passed_have_no_failure() -> None:
    read = read_results(json.dumps(GOOD).encode())

    assert read.failures == ()
    assert (read.run, read.node, read.version, read.checked) == ("4711", "green", "1.4.2", 8)
    assert read.at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert set(read.passed) == set(RUNBOOKS)


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"blueHealth": "down"}, ("health-check-failure", "blue", "health check failed on blue")),
        ({"greenHealth": False}, ("health-check-failure", "green", "health check failed on green")),
        ({"versionVerified": False}, ("version-mismatch", "green", "version mismatch")),
        ({"httpsHealth": False}, ("health-check-failure", None, "health check failed over https, from outside")),
        ({"httpsGraphQL": "error"}, ("health-check-failure", None, "GraphQL does not answer over https, from outside")),
        ({"webhookStatus": False}, ("webhook-failure", None, "the webhook did not take the test event")),
        ({"haproxyState": "error"}, ("haproxy-routing", None, "HAProxy's state is error")),
        (
            {"endpointTests": {"failed": [{"name": "GET /orders", "error": "500"}]}},
            ("endpoint-failure", "green", "GET /orders: 500"),
        ),
        ({"endpointTests": {"failed": ["GET /cart"]}}, ("endpoint-failure", "green", "GET /cart")),
        ({"endpointTests": {"failed": 1}}, ("endpoint-failure", "green", "endpoint")),
    ],
)
def test_each_failure_is_told(changes: dict[str, Any], failure: tuple[str, str | None, str]) -> None:
    assert failures(**changes) == [failure]


def test_every_kind_of_failure_has_a_runbook() -> None:
    assert set(RUNBOOKS.values()) <= set(runbook_names())


@pytest.mark.parametrize("value", [None, "", "skipped", "unknown", "N/A"])
def test_a_check_that_did_not_run_has_neither_passed_nor_failed(value: str | None) -> None:
    read = read_results(json.dumps({**GOOD, "webhookStatus": value}).encode())

    assert read.failures == ()
    assert read.checked == 7
    assert "e2e-webhook-failure" not in read.passed


@pytest.mark.parametrize("state", ["MAINT", "green", "DRAIN"])
def test_a_state_of_haproxy_that_is_no_error_is_its_own(state: str) -> None:
    assert failures(haproxyState=state) == []


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"blueHealth": "down"}, Severity.HIGH),
        ({"blueHealth": "down", "greenHealth": "down"}, Severity.CRITICAL),
        ({"httpsHealth": False}, Severity.CRITICAL),
        ({"versionVerified": False}, Severity.HIGH),
    ],
)
def test_it_is_critical_where_users_are_cut_off(changes: dict[str, Any], severity: Severity) -> None:
    read = read_results(json.dumps({**GOOD, **changes}).encode())

    assert severity_of(list(read.failures)) is severity


def test_a_hundred_failed_endpoints_are_twenty_and_a_number() -> None:
    told = failures(endpointTests={"failed": [f"GET /{n}" for n in range(100)]})

    assert len(told) == 21
    assert told[-1][2] == "and 80 more endpoints"


def test_secrets_and_control_characters_in_results_are_not_kept() -> None:
    (told,) = failures(endpointTests={"failed": [{"name": "GET /x\n\x1b[31m", "error": "password=hunter2hunter2"}]})

    assert told[2] == "GET /x [31m: password=<password>"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "the results are empty"),
        (b"{", "are not JSON"),
        (b"\xff\xfe", "are not JSON"),
        (b"[]", "are not a JSON object"),
        (b"{}", "hold no check. Known: blueHealth, greenHealth"),
        (b'{"blueHealth": null}', "hold no check"),
        (b'{"blueHealth": 5}', 'blueHealth: "5" is no result. Expected true or false'),
        (b'{"blueHealth": "perhaps"}', 'blueHealth: "perhaps" is no result'),
        (b'{"blueHealth": ["up"]}', "is no result"),
        (b'{"endpointTests": []}', "endpointTests: expected an object"),
        (b'{"endpointTests": {"failed": "x"}}', "endpointTests: expected an object"),
        (b'{"endpointTests": {"failed": [5]}}', "endpointTests.failed: expected texts"),
        (b'{"blueHealth": "up", "node": ["a"]}', "node: expected a text, and it is list"),
        (b'{"blueHealth": "up", "timestamp": "soon"}', 'timestamp: "soon" is not a time'),
        (b'{"blueHealth": "up", "runId": "a b"}', 'the workflow run "a b" is not'),
        (b" " * (MAX_BYTES + 1), "1,000,001 bytes"),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_what_cannot_be_used_is_named(text: bytes, reason: str) -> None:
    with pytest.raises(ResultsError) as error:
        read_results(text)

    assert reason in str(error.value)


def test_fields_that_mean_nothing_are_named() -> None:
    assert read_results(b'{"blueHealth": "up", "blueHelth": "down"}').ignored == ("blueHelth",)

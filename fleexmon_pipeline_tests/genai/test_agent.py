"""One answer or a named failure, in time, and never the key."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable

import pytest
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from fleexmon_pipeline.genai.agent import MAX_ANSWER_BYTES, Agent, AgentError
from fleexmon_pipeline.settings import GenAISettings
from fleexmon_pipeline_tests.genai_server import PATH, GenAIServer, completion, contract_of_agents

QUESTION = [{"role": "system", "content": "You judge."}, {"role": "user", "content": "Is it so?"}]
KEY = "key-of-the-agent-Q7x"


GZIP = {"Content-Encoding": "gzip"}


def ask(settings: GenAISettings, *, seconds: float = 5.0) -> tuple[AgentError, list[AgentError], float]:
    """What it fails with, what was told of on the way, and how long it took."""
    failures: list[AgentError] = []
    started = time.monotonic()
    with pytest.raises(AgentError) as caught:
        Agent(settings, first_wait=0.01).ask(QUESTION, seconds=seconds, on_failure=failures.append)
    return caught.value, failures, time.monotonic() - started


def test_the_reply_comes_with_its_model_and_tokens() -> None:
    with GenAIServer(key=KEY) as server:
        server.say('{"issues": []}', "length")

        reply = Agent(server.settings).ask(QUESTION, seconds=5)

        assert (reply.content, reply.finish_reason) == ('{"issues": []}', "length")
        assert (reply.model, reply.tokens_in, reply.tokens_out) == ("llama3.3-70b-instruct", 120, 30)
        assert server.questions[0]["max_tokens"] == 1000
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ({"prompt_tokens": 120, "prompt_tokens_details": {"cached_tokens": 100}}, 100),
        ({"prompt_tokens": 120, "cache_read_input_tokens": 90}, 90),
        ({"prompt_tokens": 120, "prompt_tokens_details": {"cached_tokens": 10**9}}, 120),
        ({"prompt_tokens": 120, "prompt_tokens_details": ["cached_tokens"], "cache_read_input_tokens": -1}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 100}}, 0),
    ],
    ids=["openai", "digitalocean", "more-than-all", "nonsense", "of-nothing"],
)
def test_cached_tokens_are_counted_within_those_of_the_prompt(usage: dict[str, object], cached: int) -> None:
    with GenAIServer() as server:
        server.send(200, {**completion("{}"), "usage": usage})

        reply = Agent(server.settings).ask(QUESTION, seconds=5)

    assert reply.tokens_cached == cached
    assert reply.tokens_in >= cached


def test_an_answer_next_to_a_tool_call_or_a_thought_is_an_answer() -> None:
    with GenAIServer() as server:
        server.say("{}", "tool_calls", tool_calls=[{"id": "1"}], reasoning_content="Hm.", refusal="no")

        assert Agent(server.settings).ask(QUESTION, seconds=5).content == "{}"


def test_a_useless_answer_is_paid_and_says_what_to_change() -> None:
    with GenAIServer() as server:
        server.say("", "length", reasoning_content="First, the records.", cached=100)

        error, _, _ = ask(server.settings)

    assert (error.tokens_in, error.tokens_out, error.tokens_cached) == (120, 30, 100)
    assert "GENAI_MAX_TOKENS" in str(error)


def test_without_a_key_there_is_no_authorization_header() -> None:
    with GenAIServer() as server:
        Agent(server.settings).ask(QUESTION, seconds=5)

        assert "authorization" not in server.headers[0]


FAULTS: list[tuple[str, int, Callable[[GenAIServer], object]]] = [
    ("http_400", 1, lambda server: server.refuse(400)),
    ("http_403", 1, lambda server: server.refuse(403)),
    ("http_404", 1, lambda server: server.send(404, b"<html>not here</html>")),
    ("http_302", 1, lambda server: server.send(302, b"", {"Location": "http://evil.test/"})),
    ("http_429", 3, lambda server: [server.refuse(429) for _ in range(3)]),
    ("http_500", 3, lambda server: [server.send(500, b"\xff") for _ in range(3)]),
    ("http_529", 3, lambda server: [server.refuse(529, "overloaded") for _ in range(3)]),
    ("not_json", 1, lambda server: server.send(200, b"<html>Welcome</html>")),
    ("not_json", 1, lambda server: server.send(200, b'{"choices": [{"message"')),
    ("not_json", 1, lambda server: server.send(200, b"[" * 100_000)),
    ("not_chat", 1, lambda server: server.send(200, [])),
    ("not_chat", 1, lambda server: server.send(200, {"error": "x"})),
    ("empty_choices", 1, lambda server: server.send(200, {"choices": []})),
    ("no_content", 1, lambda server: server.say(None)),
    ("content_filter", 1, lambda server: server.say(None, "content_filter")),
    ("content_filter", 1, lambda server: server.say('{"issues": []}', "content_filter")),
    ("refusal", 1, lambda server: server.say(None, refusal="I cannot help with that.")),
    ("refusal", 1, lambda server: server.say(" ", refusal="I cannot help with that.", reasoning_content="Hm.")),
    ("tool_calls", 1, lambda server: server.say(None, "tool_calls", tool_calls=[{"id": "1", "type": "function"}])),
    ("tool_calls", 1, lambda server: server.say("", tool_calls=[{"id": "1", "type": "function"}])),
    ("reasoning_only", 1, lambda server: server.say("", "length", reasoning_content="First, the records.")),
    ("reasoning_only", 1, lambda server: server.say("", reasoning_content="First, the records.")),
    ("reasoning_only", 1, lambda server: server.say(None, "length")),
    ("no_content", 1, lambda server: server.say("", refusal=[], reasoning_content={}, tool_calls=None)),
    ("no_content", 1, lambda server: server.send(200, {"choices": ["text"]})),
    ("too_large", 1, lambda server: server.send(200, completion("x" * MAX_ANSWER_BYTES))),
    ("too_large", 1, lambda server: server.send(200, gzip.compress(b" " * 20 * MAX_ANSWER_BYTES), GZIP)),
    ("not_json", 1, lambda server: server.send(200, b"{}", GZIP)),
    ("not_json", 1, lambda server: server.send(200, b"{}", {"Content-Encoding": "compress"})),
    ("broken_off", 1, lambda server: server.drop()),
]


@pytest.mark.parametrize(("outcome", "attempts", "fault"), FAULTS, ids=[f"{f[0]}-{n}" for n, f in enumerate(FAULTS)])
def test_each_fault_has_a_name_and_only_passing_ones_are_tried_again(
    outcome: str, attempts: int, fault: Callable[[GenAIServer], object]
) -> None:
    with GenAIServer(key=KEY) as server:
        fault(server)

        error, failures, _ = ask(server.settings)

        assert error.outcome == outcome
        assert [failure.outcome for failure in failures] == [outcome] * attempts
        assert len(server.questions) == attempts


def test_an_answer_that_a_gateway_compressed_is_read() -> None:
    with GenAIServer() as server:
        server.send(200, gzip.compress(json.dumps(completion('{"issues": []}')).encode()), GZIP)

        assert Agent(server.settings).ask(QUESTION, seconds=5).content == '{"issues": []}'


def test_names_and_reasons_are_texts_that_can_be_kept_and_shown() -> None:
    odd = "bad\0 \u202e\u001b[2J\u2028 password=hunter2"
    with GenAIServer() as server:
        server.send(200, {**completion("{}"), "model": odd}).send(400, {"message": odd})

        reply = Agent(server.settings).ask(QUESTION, seconds=5)
        error, _, _ = ask(server.settings)

    assert reply.model
    for text in (reply.model, str(error)):
        assert "bad" in text
        assert not set(text) & set("\0\u202e\u001b\u2028")
        assert "hunter2" not in text


@pytest.mark.parametrize("fault", ["hang", "hang_mid_body", "drip"])
def test_an_agent_that_never_ends_is_left_at_the_deadline_and_not_asked_again(fault: str) -> None:
    with GenAIServer() as server:
        _ = server.drip(0.05) if fault == "drip" else getattr(server, fault)()

        error, failures, seconds = ask(server.settings, seconds=0.4)

        assert error.outcome == "timeout"
        assert len(failures) == len(server.questions) == 1
        assert 0.3 < seconds < 1.5


def test_a_fault_that_passes_is_passed_over() -> None:
    with GenAIServer() as server:
        server.refuse(503).answer()
        failures: list[AgentError] = []

        reply = Agent(server.settings, first_wait=0.01).ask(QUESTION, seconds=5, on_failure=failures.append)

        assert reply.content == '{"issues": []}'
        assert [failure.outcome for failure in failures] == ["http_503"]


def test_retry_after_is_honoured_within_the_deadline() -> None:
    with GenAIServer() as server:
        server.refuse(429, Retry_After="1").answer()
        started = time.monotonic()

        Agent(server.settings, first_wait=0.01).ask(QUESTION, seconds=10)

        assert time.monotonic() - started > 0.9


@pytest.mark.parametrize("after", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_retry_after_beyond_the_deadline_is_not_waited_for(after: str) -> None:
    with GenAIServer() as server:
        server.refuse(429, Retry_After=after)

        error, _, seconds = ask(server.settings)

        assert (error.outcome, len(server.questions)) == ("http_429", 1)
        assert error.retry_after is not None
        assert error.retry_after > 60
        assert seconds < 1


@pytest.mark.parametrize("after", ["soon", "-5", "", "٣"])
def test_a_retry_after_that_says_nothing_is_ignored(after: str) -> None:
    with GenAIServer() as server:
        server.send(429, {"message": "x"}, {"Retry-After": after.encode().decode("latin-1")}).answer()

        assert Agent(server.settings, first_wait=0.01).ask(QUESTION, seconds=5)


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error, failures, _ = ask(GenAISettings(f"http://127.0.0.1:{unused.getsockname()[1]}", KEY))

    assert error.outcome == "refused"
    assert len(failures) == 3


def test_no_such_host() -> None:
    error, _, _ = ask(GenAISettings("https://no-such-host.invalid", KEY))

    assert error.outcome in ("dns", "unreachable")


def test_tls_that_is_none() -> None:
    with GenAIServer() as server:
        error, failures, _ = ask(GenAISettings(server.url.replace("http://", "https://"), KEY))

    assert error.outcome == "tls"
    assert len(failures) == 1


@pytest.mark.parametrize("key", [KEY, "key\nwith a newline-Q7x", "schlüssel-Q7x"])
def test_the_key_is_in_no_error_and_no_log(
    key: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", logger="fleexmon_pipeline")
    with GenAIServer() as server:
        server.refuse(500, f"your key {key} is bad").refuse(500).refuse(401, f"Bearer {key}")

        error, failures, _ = ask(GenAISettings(server.url, key))

    said = (
        repr([error, *failures]) + str(error) + caplog.text + "".join(capfd.readouterr()) + repr(Agent(server.settings))
    )
    assert key not in said
    assert "Q7x" not in said


@pytest.mark.usefixtures("shared")
def test_the_answers_of_the_fake_agent_are_those_of_the_description() -> None:
    contract = contract_of_agents()
    assert contract
    request = MockRequest("http://agent.test", "post", PATH, args={"agent": "true"}, content_type="application/json")
    answer = MockResponse(json.dumps(completion('{"issues": []}')).encode(), content_type="application/json")

    contract.validate_response(request, answer)

    with pytest.raises(OpenAPIError):
        contract.validate_response(request, MockResponse(b'{"choices": "none"}', content_type="application/json"))

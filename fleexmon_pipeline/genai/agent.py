"""The GenAI agent over HTTP: one question, one answer, and a name for each kind of failure.

Here: the call, its deadline and its retries. The prompt: `prompt.py`; the meaning of an answer: `answer.py`.

Source: DigitalOcean's description of `POST /api/v1/chat/completions`. It requires `model` and `?agent=true`; the
service ignores the model. Errors are `{"id", "message"}`. Without `max_tokens`, long answers time out.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard

import httpx
import msgspec

from fleexmon_pipeline.encoding import EncodingError, unpacked
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.genai.answer import clean
from fleexmon_pipeline.genai.outcomes import MAYBE_PAID, REMEDIES, CallOutcome, http_outcome, is_transient
from fleexmon_pipeline.retries import call_within, retry_context
from fleexmon_pipeline.settings import GenAISettings

PATH = "/api/v1/chat/completions"
MODEL = "fleexmon"  # required by the description, ignored by the service
MAX_CALL_ATTEMPTS = 3
CHARACTERS_PER_TOKEN = 2.5  # for agents that report no usage; measured in JSON with log lines: 2.7 to 3.4
MAX_ANSWER_BYTES = 1_000_000  # an answer of max_tokens has about 10 kB

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": …}


class AgentError(FleexmonError):
    """The agent gave no answer. `outcome`: a CallOutcome or `http_<status>`, for the ledger."""

    def __init__(self, outcome: str, message: str, *, latency_ms: int = 0, retry_after: float | None = None) -> None:
        self.outcome = outcome
        self.latency_ms = latency_ms
        self.tokens_in = 0  # as the agent counted them; estimated if it may have answered, and so be paid
        self.tokens_out = 0
        self.tokens_cached = 0
        self.retry_after = retry_after  # seconds, if the agent named them
        super().__init__(message)


@dataclass(frozen=True)
class Reply:
    """The agent's reply, not parsed: `content` is hostile text."""

    content: str
    finish_reason: str | None
    model: str | None
    tokens_in: int  # as the agent counted them, else estimated
    tokens_out: int
    latency_ms: int
    tokens_cached: int = 0  # those of `tokens_in` that the service had read before, at a lower price


def estimated_tokens(texts: Iterable[str]) -> int:
    """Tokens of a prompt or an answer; an upper estimate."""
    return sum(int(len(text) / CHARACTERS_PER_TOKEN) + 4 for text in texts)


def request_of(messages: Sequence[Message], max_tokens: int) -> dict[str, Any]:
    """The exact body of a request."""
    return {"model": MODEL, "messages": list(messages), "max_tokens": max_tokens, "temperature": 0}


class Agent:
    """One configured agent. The key is in no repr, exception or log line."""

    def __init__(self, settings: GenAISettings, *, first_wait: float = 0.5) -> None:
        self._url = f"{settings.url}{PATH}"
        self._key = settings.api_key
        self._timeout = float(settings.timeout)  # of one attempt, from first to last packet
        self.max_tokens = settings.max_tokens
        self._first_wait = first_wait

    def ask(
        self, messages: Sequence[Message], *, seconds: float, on_failure: Callable[[AgentError], None] = lambda _: None
    ) -> Reply:
        """The agent's reply, within `seconds` for all attempts and the waits between them.

        `on_failure` is called with every failed attempt. Raises the last AgentError.
        """
        deadline = time.monotonic() + seconds

        def retry_delay(error: Exception) -> bool | float:
            if not isinstance(error, AgentError) or not is_transient(error.outcome):
                return False
            left = deadline - time.monotonic()
            if error.retry_after is not None:
                return error.retry_after if error.retry_after < left else False
            return left > 2 * self._first_wait

        for attempt in retry_context(
            on=retry_delay,
            attempts=MAX_CALL_ATTEMPTS,
            timeout=seconds,
            wait_initial=self._first_wait,
            wait_max=5.0,
            wait_jitter=self._first_wait,
        ):
            with attempt:
                try:
                    return self._attempt(messages, min(self._timeout, deadline - time.monotonic()))
                except AgentError as error:
                    on_failure(error)
                    raise
        raise AssertionError("stamina returns or raises")

    def _attempt(self, messages: Sequence[Message], seconds: float) -> Reply:
        started = time.monotonic()
        try:
            try:
                body = call_within(seconds, lambda: self._post(messages, seconds))
            except TimeoutError:
                raise _timeout(seconds) from None
            return _read(body, messages, _milliseconds_since(started))
        except AgentError as error:
            error.latency_ms = _milliseconds_since(started)
            if error.outcome in MAYBE_PAID:
                error.tokens_in = estimated_tokens(message["content"] for message in messages)
            raise error from None

    def _post(self, messages: Sequence[Message], seconds: float) -> bytes:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "fleexmon"}
        if self._key:
            if not re.fullmatch(r"[\x21-\x7e]+", self._key):
                raise AgentError(CallOutcome.BAD_KEY, "GENAI_API_KEY has a character that is not allowed in a header")
            headers["Authorization"] = f"Bearer {self._key}"
        request = request_of(messages, self.max_tokens)
        ends = time.monotonic() + seconds
        try:
            with (
                httpx.Client(timeout=seconds, follow_redirects=False) as client,
                client.stream("POST", self._url, params={"agent": "true"}, json=request, headers=headers) as response,
            ):
                body = bytearray()
                # A server may ignore identity and send a compression bomb, which httpx would unpack in one piece.
                for chunk in unpacked(response.iter_raw(), response.headers.get("Content-Encoding", "")):
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise AgentError(CallOutcome.TOO_LARGE, f"the answer has more than {MAX_ANSWER_BYTES:,} bytes")
                    if time.monotonic() > ends:
                        raise _timeout(seconds)
                if response.status_code != 200:
                    raise self._refusal(response, bytes(body))
                return bytes(body)
        except httpx.TimeoutException:
            raise _timeout(seconds) from None
        except EncodingError as error:
            raise AgentError(CallOutcome.NOT_JSON, self._harmless(str(error))) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AgentError(*self._fault(error)) from None

    def _refusal(self, response: httpx.Response, body: bytes) -> AgentError:
        status = response.status_code
        try:
            reason = msgspec.json.decode(body)["message"]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, IndexError, RecursionError):
            reason = ""
        hint = {401: " (is GENAI_API_KEY right?)", 404: " (is GENAI_AGENT_URL the agent's base URL?)"}.get(status, "")
        message = f"HTTP {status}{hint}" + (f": {self._harmless(str(reason))}" if reason else "")
        return AgentError(http_outcome(status), message, retry_after=_seconds(response.headers.get("retry-after")))

    def _fault(self, error: Exception) -> tuple[str, str]:
        causes = list(_causes(error))
        message = f"{type(error).__name__}: {self._harmless(str(causes[-1]))}"
        if isinstance(error, httpx.ConnectError):
            for kind, outcome in (
                (socket.gaierror, CallOutcome.DNS),
                (ssl.SSLError, CallOutcome.TLS),
                (ConnectionRefusedError, CallOutcome.REFUSED),
            ):
                if any(isinstance(cause, kind) for cause in causes):
                    return outcome, message
            return CallOutcome.UNREACHABLE, message
        return CallOutcome.BROKEN_OFF, message

    def _harmless(self, text: str) -> str:
        """Text of another party, without the key, which it may echo."""
        if self._key:
            text = text.replace(self._key, "<key>")
        return clean(" ".join(text[:2000].split()), 200)


def _timeout(seconds: float) -> AgentError:
    return AgentError(CallOutcome.TIMEOUT, f"no complete answer in {seconds:.0f} s")


def _read(body: bytes, messages: Sequence[Message], latency_ms: int) -> Reply:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AgentError(CallOutcome.NOT_JSON, f"answered {len(body):,} bytes that are not JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        raise AgentError(CallOutcome.NOT_CHAT, "answered JSON that is not a chat completion")
    if not answer["choices"]:
        raise AgentError(CallOutcome.EMPTY_CHOICES, "answered without a choice")
    choice = answer["choices"][0]
    message = choice.get("message") if isinstance(choice, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    reason, model = choice.get("finish_reason") if isinstance(choice, dict) else None, answer.get("model")
    text = content if isinstance(content, str) and content.strip() else ""
    tokens_in, tokens_out, tokens_cached = _usage(answer.get("usage"))
    reply = Reply(
        content=text,
        finish_reason=reason if isinstance(reason, str) else None,
        model=(clean(model, 100) or None) if isinstance(model, str) else None,
        tokens_in=tokens_in or estimated_tokens(question["content"] for question in messages),
        tokens_out=tokens_out or (estimated_tokens([text]) if text else 0),
        latency_ms=latency_ms,
        tokens_cached=tokens_cached,
    )
    if fault := _no_answer(reply, message if isinstance(message, dict) else {}):
        outcome, why = fault
        remedy = f"; {REMEDIES[outcome]}" if outcome in REMEDIES else ""
        error = AgentError(outcome, f"{why}{remedy}")
        error.tokens_in, error.tokens_out, error.tokens_cached = reply.tokens_in, reply.tokens_out, tokens_cached
        raise error
    return reply


def _no_answer(reply: Reply, message: Mapping[str, Any]) -> tuple[CallOutcome, str] | None:
    """Why there is no usable answer. A filtered one is not usable even if it has text: nobody knows what is missing."""
    if reply.finish_reason == "content_filter":
        return CallOutcome.CONTENT_FILTER, "a content filter stopped the answer"
    if reply.content:
        return None
    if _is_text(refusal := message.get("refusal")):
        return CallOutcome.MODEL_REFUSAL, f'the model refused: "{clean(" ".join(refusal[:2000].split()), 200)}"'
    if reply.finish_reason == "tool_calls" or message.get("tool_calls"):
        return CallOutcome.TOOL_CALLS, "called a function instead of answering"
    # Some models do not return their reasoning; then only the finish reason tells.
    if _is_text(message.get("reasoning_content")) or reply.finish_reason == "length":
        return CallOutcome.REASONING_ONLY, "reasoned until its tokens were used up, and gave no answer"
    return CallOutcome.NO_CONTENT, "answered without content"


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def _usage(usage: object) -> tuple[int | None, int | None, int]:
    """Input tokens, output tokens, and cached input tokens, which OpenAI and DigitalOcean name differently."""
    counts: dict[str, Any] = usage if isinstance(usage, dict) else {}
    details = counts.get("prompt_tokens_details")
    tokens_in = _count(counts.get("prompt_tokens"))
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    cached = _count(counts.get("cache_read_input_tokens")) if cached is None else cached
    return tokens_in, _count(counts.get("completion_tokens")), min(cached or 0, tokens_in or 0)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


def _seconds(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After header, which RFC 9110 allows to be a number or a date."""
    if retry_after is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}\s*", retry_after, re.ASCII):
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)

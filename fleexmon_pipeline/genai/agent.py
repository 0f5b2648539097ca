"""The GenAI agent over HTTP: one question, one answer, and a name for each way it can fail.

Here: the call, its deadline and its retries. What is asked: `prompt.py`; what the answer means: `answer.py`.

Source: DigitalOcean's description of `POST /api/v1/chat/completions`. It requires `model` and `?agent=true`; the
service ignores the model. Errors are `{"id", "message"}`; without `max_tokens` long answers time out.
"""

from __future__ import annotations

import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from fleexmon_pipeline.encoding import EncodingError, unpacked
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.genai.answer import clean
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.settings import GenAISettings

PATH = "/api/v1/chat/completions"
MODEL = "fleexmon"  # required by the description, ignored by the service
ATTEMPTS = 3
CHARACTERS_A_TOKEN = 2.5  # of JSON with log lines, measured 2.7 to 3.4: where an agent does not say what it counted
MOST_BYTES = 1_000_000  # an answer of max_tokens has some 10 kB

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": …}


class AgentError(FleexmonError):
    """The agent gave no answer. `outcome` is for the ledger: refused, dns, tls, timeout, http_429, not_json, …"""

    def __init__(self, outcome: str, message: str, *, latency_ms: int = 0, retry_after: float | None = None) -> None:
        self.outcome = outcome
        self.latency_ms = latency_ms
        self.tokens_in = 0  # estimated, where the question was heard and may have been answered and paid for
        self.retry_after = retry_after  # seconds, where the agent named them
        super().__init__(message)

    @property
    def passing(self) -> bool:
        """Whether to ask again at once. Not after a timeout: the agent may still be working, and be paid for it."""
        return self.outcome in ("refused", "dns", "unreachable", "http_429") or self.outcome.startswith("http_5")


@dataclass(frozen=True)
class Reply:
    """What the agent said, unread: `content` is hostile text."""

    content: str
    finish_reason: str | None
    model: str | None
    tokens_in: int  # as the agent counted them, or estimated where it does not say
    tokens_out: int
    latency_ms: int


def estimated_tokens(texts: Iterable[str]) -> int:
    """Of a prompt or an answer; rather too many than too few."""
    return sum(int(len(text) / CHARACTERS_A_TOKEN) + 4 for text in texts)


def request_of(messages: Sequence[Message], max_tokens: int) -> dict[str, Any]:
    """The body of a request, to the letter."""
    return {"model": MODEL, "messages": list(messages), "max_tokens": max_tokens, "temperature": 0}


class Agent:
    """One configured agent. The key is in no repr, exception or log line."""

    def __init__(self, settings: GenAISettings, *, first_wait: float = 0.5) -> None:
        self._url = f"{settings.url}{PATH}"
        self._key = settings.api_key
        self._timeout = float(settings.timeout)  # for one attempt, from the first packet to the last
        self.max_tokens = settings.max_tokens
        self._first_wait = first_wait

    def ask(
        self, messages: Sequence[Message], *, seconds: float, on_failure: Callable[[AgentError], None] = lambda _: None
    ) -> Reply:
        """The agent's reply, within `seconds` for all attempts and the waits between them.

        `on_failure` is told of every attempt that failed. Raises AgentError, the last of them.
        """
        deadline = time.monotonic() + seconds

        def again(error: Exception) -> bool | float:
            if not isinstance(error, AgentError) or not error.passing:
                return False
            left = deadline - time.monotonic()
            if error.retry_after is not None:
                return error.retry_after if error.retry_after < left else False
            return left > 2 * self._first_wait

        for attempt in retry_context(
            on=again,
            attempts=ATTEMPTS,
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
            body = _within(seconds, lambda: self._post(messages, seconds))
            return _read(body, messages, _since(started))
        except AgentError as error:
            error.latency_ms = _since(started)
            if error.outcome in ("timeout", "broken_off", "too_large"):
                error.tokens_in = estimated_tokens(message["content"] for message in messages)
            raise error from None

    def _post(self, messages: Sequence[Message], seconds: float) -> bytes:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "fleexmon"}
        if self._key:
            if not re.fullmatch(r"[\x21-\x7e]+", self._key):
                raise AgentError("bad_key", "GENAI_API_KEY has a character that cannot stand in a header")
            headers["Authorization"] = f"Bearer {self._key}"
        question = request_of(messages, self.max_tokens)
        ended = time.monotonic() + seconds
        try:
            with (
                httpx.Client(timeout=seconds, follow_redirects=False) as client,
                client.stream("POST", self._url, params={"agent": "true"}, json=question, headers=headers) as response,
            ):
                body = bytearray()
                # Compressed though it was asked not to be, an answer may be a bomb; httpx would unpack it at once.
                for chunk in unpacked(response.iter_raw(), response.headers.get("Content-Encoding", "")):
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise AgentError("too_large", f"the answer has more than {MOST_BYTES:,} bytes")
                    if time.monotonic() > ended:
                        raise AgentError("timeout", f"no complete answer in {seconds:.0f} s")
                if response.status_code != 200:
                    raise self._refusal(response, bytes(body))
                return bytes(body)
        except httpx.TimeoutException:
            raise AgentError("timeout", f"no complete answer in {seconds:.0f} s") from None
        except EncodingError as error:
            raise AgentError("not_json", self._harmless(str(error))) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AgentError(*self._fault(error)) from None

    def _refusal(self, response: httpx.Response, body: bytes) -> AgentError:
        code = response.status_code
        try:
            said = msgspec.json.decode(body)["message"]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, IndexError, RecursionError):
            said = ""
        hint = {401: " (is GENAI_API_KEY right?)", 404: " (is GENAI_AGENT_URL the agent's base URL?)"}.get(code, "")
        message = f"HTTP {code}{hint}" + (f": {self._harmless(str(said))}" if said else "")
        return AgentError(f"http_{code}", message, retry_after=_seconds(response.headers.get("retry-after")))

    def _fault(self, error: Exception) -> tuple[str, str]:
        causes = list(_causes(error))
        message = f"{type(error).__name__}: {self._harmless(str(causes[-1]))}"
        if isinstance(error, httpx.ConnectError):
            for kind, outcome in (
                (socket.gaierror, "dns"),
                (ssl.SSLError, "tls"),
                (ConnectionRefusedError, "refused"),
            ):
                if any(isinstance(cause, kind) for cause in causes):
                    return outcome, message
            return "unreachable", message
        return "broken_off", message

    def _harmless(self, text: str) -> str:
        """What another party says may echo the key."""
        if self._key:
            text = text.replace(self._key, "<key>")
        return clean(" ".join(text[:2000].split()), 200)


def _within(seconds: float, call: Callable[[], bytes]) -> bytes:
    """`call` in a thread that is left behind when time is up.

    httpx bounds each read, not the whole: a server that drips a byte at a time, or a resolver that hangs, would hold a
    tick for as long as it likes. The thread's own limits end it.
    """
    results: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(call())
        except Exception as error:  # noqa: BLE001 - it is raised below, where the caller waits
            results.put(error)

    threading.Thread(target=run, name="genai-call", daemon=True).start()
    try:
        result = results.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise AgentError("timeout", f"no complete answer in {seconds:.0f} s") from None
    if isinstance(result, Exception):
        raise result
    return result


def _read(body: bytes, messages: Sequence[Message], latency_ms: int) -> Reply:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AgentError("not_json", f"answered {len(body):,} bytes that are not JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        raise AgentError("not_chat", "answered JSON that is no chat completion")
    if not answer["choices"]:
        raise AgentError("empty_choices", "answered without a choice")
    choice = answer["choices"][0]
    message = choice.get("message") if isinstance(choice, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str) or not content.strip():
        raise AgentError("no_content", "answered without content")
    usage = answer.get("usage")
    tokens: dict[str, Any] = usage if isinstance(usage, dict) else {}
    reason, model = choice.get("finish_reason"), answer.get("model")
    return Reply(
        content=content,
        finish_reason=reason if isinstance(reason, str) else None,
        model=(clean(model, 100) or None) if isinstance(model, str) else None,
        tokens_in=_count(tokens.get("prompt_tokens")) or estimated_tokens(one["content"] for one in messages),
        tokens_out=_count(tokens.get("completion_tokens")) or estimated_tokens([content]),
        latency_ms=latency_ms,
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


def _seconds(retry_after: str | None) -> float | None:
    """Seconds, or a date: RFC 9110 allows both."""
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


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)

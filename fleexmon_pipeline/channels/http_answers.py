"""Record the HTTP exchanges of an apprise call, and derive the result of an attempt from them.

apprise only reports whether a message was sent. What to do after a failure depends on more: whether a connection was
made, which status came back, how long to wait. Its plugins use `requests`, so requests are recorded there, with bounded
answers, for calls inside `recording`. Nothing else in the process is affected.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import msgspec
import requests
import urllib3

from fleexmon_pipeline.channels.answers import Kind, SendResult, Thread, plain_reason

MAX_BODY = 65_536  # bytes of an answer that are read
MAX_SHOWN = 120  # characters of the service's words in a reason


@dataclass
class Exchange:
    """One request, and its answer or the failure to get one. `reached`: the request may have arrived."""

    request: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: str | None = None
    reached: bool = True


@dataclass
class RecordedExchanges:
    """The exchanges of one call, in order. After `deadline` (monotonic) nothing is sent or read any more."""

    deadline: float
    exchanges: list[Exchange] = field(default_factory=list)


# The first entry that an error or one of its causes matches: the request did not arrive.
_NOT_REACHED: dict[type[BaseException], str] = {
    requests.exceptions.SSLError: "the certificate cannot be verified",
    requests.ConnectTimeout: "no connection in time",
    urllib3.exceptions.NameResolutionError: "the host's name cannot be resolved",
    ConnectionRefusedError: "connection refused",
    urllib3.exceptions.NewConnectionError: "no connection",
}

_recorder: ContextVar[RecordedExchanges | None] = ContextVar("fleexmon_noted", default=None)
_logs_dropped: ContextVar[bool] = ContextVar("fleexmon_unlogged", default=False)


@contextmanager
def recording(exchanges: RecordedExchanges) -> Iterator[None]:
    """Record every request of this context, and of threads that copy it, as apprise's do."""
    _install()
    token = _recorder.set(exchanges)
    try:
        with without_client_logs():
            yield
    finally:
        _recorder.reset(token)


def result_of(recorded: RecordedExchanges, url: str, *, sent: bool, logged_reason: str) -> SendResult:
    """The result that follows from the exchanges. `logged_reason`: by the plugin, for services without HTTP."""
    if sent:
        return SendResult("sent")
    failed = [exchange for exchange in recorded.exchanges if exchange.status is None or exchange.status >= 300]
    if not failed:  # an answer that the plugin did not accept, or no HTTP at all
        last = recorded.exchanges[-1] if recorded.exchanges else None
        reason = (
            _refusal(last) if last else logged_reason or "the service did not accept it, and apprise gives no reason"
        )
        return SendResult("closed" if last else "unavailable", plain_reason(reason, url))
    exchange = failed[-1]
    if exchange.status is None:
        kind: Kind = "unproven" if exchange.reached else "unavailable"
        return SendResult(kind, plain_reason(exchange.failure or "no answer", url))
    wait = retry_after_of(exchange.status, exchange.headers)
    return SendResult(kind_of(exchange.status), plain_reason(_refusal(exchange), url), wait)


def kind_of(status: int) -> Kind:
    """What a status means for the next attempt."""
    if status < 300:
        return "sent"
    if status == 429:
        return "limited"
    if status in (502, 504):  # of a gateway: the service behind it may have got the message
        return "unproven"
    if status >= 500 or status == 408:
        return "unavailable"
    if status in (400, 406, 411, 413, 415, 422):
        return "refused"
    return "closed"  # 401, 403, 404, 410 …, and redirections, which are not followed


def retry_after_of(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds, from Retry-After as a number or a date."""
    if status < 400:
        return None
    text = {name.lower(): value for name, value in headers.items()}.get("retry-after", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text).astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def slack_threads(recorded: RecordedExchanges) -> Thread:
    """Channel as requested → timestamp of the message in it, which is Slack's name of the thread."""
    threads: dict[str, str] = {}
    for exchange in recorded.exchanges:
        request, response = _object(exchange.request), _object(exchange.body)
        if (
            response.get("ok") is True
            and isinstance(response.get("ts"), str)
            and isinstance(request.get("channel"), str)
        ):
            threads[request["channel"]] = response["ts"]
    return threads


def _object(body: Any) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _refusal(exchange: Exchange) -> str:
    """`HTTP 404: channel_not_found`."""
    words = exchange.body[: MAX_SHOWN * 4].decode("utf-8", "replace").strip()
    shown = f": {words[:MAX_SHOWN]}" if words and not words.startswith("<") else ""  # not a page of HTML
    return f"HTTP {exchange.status}{shown}"


@contextmanager
def without_client_logs() -> Iterator[None]:
    """Drop the HTTP clients' own log lines: they contain URLs, and a webhook's URL is its key."""
    _drop_log_lines()
    token = _logs_dropped.set(True)
    try:
        yield
    finally:
        _logs_dropped.reset(token)


@cache
def _drop_log_lines() -> None:
    for name in ("urllib3.connectionpool", "httpx"):
        logging.getLogger(name).addFilter(lambda _: not _logs_dropped.get())


@cache
def _install() -> None:
    """Wrap the method that sends every request, once: apprise offers no other hook."""
    send = requests.adapters.HTTPAdapter.send

    def recorded_send(
        self: requests.adapters.HTTPAdapter, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        recorded = _recorder.get()
        if recorded is None:
            return send(self, request, *args, **options)
        if time.monotonic() > recorded.deadline:  # the caller has given up: nothing more may go out
            raise requests.ConnectTimeout("the time for this message is over")
        exchange = Exchange(request.body)
        recorded.exchanges.append(exchange)
        try:
            response = send(self, request, *args, **options)
            exchange.status, exchange.headers = response.status_code, dict(response.headers)
            exchange.body = _read_bounded(response, recorded.deadline)
        except requests.RequestException as error:
            if exchange.status is None or exchange.status < 300:
                exchange.status = None  # a status without its answer proves nothing
                exchange.failure, exchange.reached = _failure(error)
            raise
        return response

    requests.adapters.HTTPAdapter.send = recorded_send  # type: ignore[method-assign]


def _read_bounded(response: requests.Response, deadline: float) -> bytes:
    """Read at most MAX_BODY bytes until the deadline, and make them the content that the plugin sees."""
    body = b""
    try:
        for piece in response.raw.stream(4_096, decode_content=True):
            body += piece
            if len(body) >= MAX_BODY:
                break
            if time.monotonic() > deadline:
                raise requests.ReadTimeout("the answer did not end in time")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if isinstance(error, requests.RequestException):
            raise
        raise requests.ConnectionError(str(error)) from error
    finally:
        response.close()
    response._content = body[:MAX_BODY]  # noqa: SLF001 - what `content` gives
    response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001
    return body[:MAX_BODY]


def _failure(error: requests.RequestException) -> tuple[str, bool]:
    """The failure in words, and whether the request may have arrived."""
    chain = [error, *_causes(error)]
    for kind, words in _NOT_REACHED.items():
        if any(isinstance(cause, kind) for cause in chain):
            return words, False
    if isinstance(error, requests.Timeout):
        return "no answer in time", True
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return "the connection ended before the answer", True
    return type(error).__name__, False


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[Any] = [error.__cause__, error.__context__, *error.args, getattr(error, "reason", None)]
    while pending:
        cause = pending.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            pending += [cause.__cause__, cause.__context__, *cause.args, getattr(cause, "reason", None)]
            yield cause

"""Our own webhook: `webhook+https://host/path`. JSON, signed, so that a receiver can verify its origin and age.

Here: the request and its answer. The body's schema, and how a receiver checks it: docs/operators.md.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from fleexmon_pipeline.channels.answers import Delivery, SendResult, plain_reason
from fleexmon_pipeline.channels.apprise_transport import UnusableUrlError
from fleexmon_pipeline.channels.http_answers import MAX_SHOWN, kind_of, retry_after_of, without_client_logs
from fleexmon_pipeline.channels.message import ChannelMessage
from fleexmon_pipeline.retries import call_within
from fleexmon_pipeline.settings import is_loopback

SCHEMES = ("webhook+https", "fleexmon+https", "webhook+http", "fleexmon+http")
VERSION = 1  # of the body
TIMEOUT = httpx.Timeout(10.0)  # of each phase of a request
MAX_SECONDS = 20.0  # of a whole request
MAX_BODY = 65_536  # bytes; a larger message is sent without `data`
MAX_ANSWER = 4_096  # bytes that are read
MIN_SECRET = 16  # characters


class SignedWebhook:
    """Receivers recognise a repeat by X-Fleexmon-Delivery, which is the same for every attempt of a message."""

    knows_repeats = True
    service = "signed webhook"

    def __init__(self, name: str, url: str, secret: str | None) -> None:
        self._name, self._url = name, url
        self._target = url.partition("+")[2]
        try:
            parts = urlsplit(self._target)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise UnusableUrlError("its URL has no host. Its form: webhook+https://host/path")
        if parts.username or parts.password or parts.fragment:
            raise UnusableUrlError("its URL must not have a user, password or fragment: messages are signed instead.")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise UnusableUrlError("plain http is only allowed on this machine: use webhook+https://.")
        if secret is None or len(secret) < MIN_SECRET:
            raise UnusableUrlError(
                f"its messages are signed with a secret of at least {MIN_SECRET} characters, which is "
                + ("not set." if secret is None else "shorter.")
            )
        self._secret = secret.encode()

    def send(self, message: ChannelMessage, delivery: Delivery) -> SendResult:
        body, stamp = json_body(message, self._name, delivery), str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "fleexmon",
            "X-Fleexmon-Delivery": delivery.id,
            "X-Fleexmon-Timestamp": stamp,
            "X-Fleexmon-Signature": signature(self._secret, stamp, body),
        }
        try:
            return call_within(MAX_SECONDS, lambda: self._post(body, headers))
        except TimeoutError:
            return SendResult("unproven", f"no answer in {MAX_SECONDS:g} s")

    def _post(self, body: bytes, headers: dict[str, str]) -> SendResult:
        try:
            with (
                without_client_logs(),
                httpx.stream(  # the certificate is verified
                    "POST", self._target, content=body, headers=headers, timeout=TIMEOUT, follow_redirects=False
                ) as response,
            ):
                kind = kind_of(response.status_code)
                words = "" if kind == "sent" else self._words(response)
                retry_after = retry_after_of(response.status_code, response.headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return SendResult("unavailable", plain_reason(f"no connection: {error}", self._url))
        except httpx.TimeoutException:
            return SendResult("unproven", "no answer in time")
        except httpx.HTTPError:
            return SendResult("unproven", "the connection ended before the answer")
        except (httpx.InvalidURL, UnicodeError):
            return SendResult("closed", "its URL cannot be used")
        if kind == "sent":
            return SendResult("sent")
        shown = f": {words}" if words and not words.startswith("<") else ""
        return SendResult(kind, plain_reason(f"HTTP {response.status_code}{shown}", self._url), retry_after)

    def _words(self, response: httpx.Response) -> str:
        read = b""
        for piece in response.iter_bytes(1_024):
            read += piece
            if len(read) >= MAX_ANSWER:
                break
        return read[: MAX_SHOWN * 4].decode("utf-8", "replace").strip()[:MAX_SHOWN]


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """`sha256=…`: HMAC-SHA256 of timestamp, a full stop and the body, in hexadecimal."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def json_body(message: ChannelMessage, channel: str, delivery: Delivery) -> bytes:
    """The message as JSON of at most 64 kB."""
    about = message.document()
    document: dict[str, Any] = {
        "version": VERSION, "id": delivery.id, "channel": channel, "repeat": delivery.repeat,
        "eventId": about.pop("event_id"), **about,
    }  # fmt: skip
    body = msgspec.json.encode(document, enc_hook=str)
    if len(body) > MAX_BODY:
        body = msgspec.json.encode({**document, "data": {}, "dataOmitted": True}, enc_hook=str)
    return body

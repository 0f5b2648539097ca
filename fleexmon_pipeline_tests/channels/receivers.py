"""Receivers for channels in tests: a real HTTP server and a real SMTP server on loopback, with faults on request.

Here: the servers, and the services whose plugins are pointed at them. What they got stands in `got` and `mails`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from fleexmon_pipeline.channels.message import ChannelMessage
from fleexmon_pipeline_tests.loopback import Handler, Loopback
from fleexmon_pipeline_tests.stories import TEN

TOKEN = "xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"  # in the form of a Slack bot's
SECRET_PATH = "T0PSECRETPATH4711"


def message(
    event: str = "opened", *, key: str = "incident:1", severity: str = "high", **changes: Any
) -> ChannelMessage:
    """An event of an incident; another `event` of the same key belongs to the same thread."""
    values: dict[str, Any] = {
        "key": key,
        "event": event,
        "event_id": f"{event}:{key}",
        "severity": severity,
        "nodes": ("blue",),
        "title": "Payments fail on blue: connect ETIMEDOUT (412 errors in 35 min)",
        "lines": ("Since 10:00 UTC.", "412 lines of blue say so."),
        "at": TEN,
        "evidence": ("10:00:01 error connect ETIMEDOUT 10.0.0.9:5432",),
        "command": "fleexmon issues show 1",
    }
    return ChannelMessage(**{**values, **changes})


@dataclass
class Request:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fault:
    """What the next `times` requests meet. `die`: the connection ends within the answer; `hang`: none comes."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    die: bool = False
    hang: bool = False


class Receiver(Loopback):
    """Answers 200 and `body` unless a fault is due."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Request] = []
        self.faults: list[Fault] = []
        self.body = b"ok"
        self.lock = threading.Lock()

    def fail(self, status: int = 500, **options: Any) -> None:
        self.faults.append(Fault(status, **options))

    def next_fault(self) -> Fault | None:
        with self.lock:
            if not self.faults:
                return None
            fault = self.faults[0]
            fault.times -= 1
            if fault.times <= 0:
                self.faults.pop(0)
            return fault

    class handler(Handler):  # noqa: N801 - the parent's attribute
        fake: ClassVar[Any]

        def do_GET(self) -> None:  # noqa: N802 - the parent's name
            self.do_POST()

        def do_POST(self) -> None:  # noqa: N802 - the parent's name
            receiver: Receiver = self.fake
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with receiver.lock:
                receiver.got.append(Request(self.path, dict(self.headers), body))
            fault = receiver.next_fault()
            if fault is None:
                self.send_body(200, receiver.answer(body), {"Content-Type": "application/json"})
            elif fault.hang:
                receiver.stopping.wait(30)
            else:
                self.send_body(fault.status, fault.body or b"no", fault.headers, truncate_at=0 if fault.die else None)
                if fault.die:
                    self.close_connection = True

    def answer(self, _: bytes) -> bytes:
        return self.body

    handler: ClassVar[type[BaseHTTPRequestHandler]]  # type: ignore[no-redef]


class SlackLike(Receiver):
    """Answers chat.postMessage as Slack does: each message has a timestamp, which names its thread."""

    def answer(self, request: bytes) -> bytes:
        asked = json.loads(request)
        return json.dumps(
            {"ok": True, "channel": "C0ALERTS", "ts": f"17000000{len(self.got):02}.000100", "asked": asked}
        ).encode()


class Mailbox:
    """Keeps what an SMTP server got. `answers` replace 250 for the next messages; a recipient in `refused` gets 550."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answers: list[str] = []
        self.refused: set[str] = set()
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        if self.answers and not (answer := self.answers.pop(0)).startswith("250"):
            return answer
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.mails.append(message_from_bytes(content, policy=policy.default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=_free_port())
    controller.start()
    mailbox.port = controller.port
    try:
        yield mailbox
    finally:
        controller.stop()


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mail_url(mailbox: Mailbox, to: str = "ops@example.com") -> str:
    return f"mailto://127.0.0.1:{mailbox.port}?from=monitor@example.com&to={to}"


def urls(receiver: Receiver) -> dict[str, str]:
    return {
        "apprise": f"json://{receiver.host_port}/{SECRET_PATH}",
        "signed": f"webhook+http://{receiver.host_port}/{SECRET_PATH}",
    }

"""Credentials and certificates: each node gets only its own, TLS is verified, no secret is shown."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection import fetch
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline_tests.collection.polling import WINDOW, poll
from fleexmon_pipeline_tests.node_server import NodeServer

pytestmark = pytest.mark.usefixtures("hasty")


def test_each_node_is_shown_its_own_credentials_and_no_others() -> None:
    with NodeServer() as blue, NodeServer() as green, NodeServer() as worker:
        found = settings.nodes(
            {
                "BLUE_HOST": blue.host_port, "BLUE_TOKEN": "tok.en-1", "GREEN_HOST": green.host_port,
                "LOG_SOURCES": f"worker-1={worker.host_port}", "WORKER_1_USER": "me", "WORKER_1_PASSWORD": "pä:ss w",
            }
        )  # fmt: skip
        for node in found:
            with ask(Clients(), node, WINDOW) as answer:
                assert list(answer) == []

    assert blue.requests[0].headers["authorization"] == "Bearer tok.en-1"
    assert "authorization" not in green.requests[0].headers
    assert worker.requests[0].headers["authorization"] == "Basic bWU6cMOkOnNzIHc="
    assert "tok.en-1" not in blue.requests[0].target
    assert not any(secret in repr(found) for secret in ("tok.en-1", "pä:ss w"))


def test_a_redirect_is_not_followed_and_learns_no_token(node: NodeServer) -> None:
    with NodeServer() as thief:
        node.answer(status=302, headers={"Location": thief.url})
        _, error = poll(BLUE_HOST=node.host_port, BLUE_TOKEN="hunter2")

    assert error == "HTTP 302: a redirect, which is not followed"
    assert thief.requests == []


def test_wrong_credentials_are_told_and_not_shown(node: NodeServer) -> None:
    node.answer(status=401, body=b"hunter2 is wrong")
    assert poll(BLUE_HOST=node.host_port, BLUE_TOKEN="hunter2") == (
        0,
        "HTTP 401: credentials missing or refused",
    )


class _Authority:
    """A certificate authority of this test, and what it has signed, as files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.path = directory / "ca.pem"
        self.path.write_bytes(self._sign(self._name, self._key, authority=True))

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, *, passphrase: bytes | None = None) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, secret = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate.write_bytes(self._sign(subject, key, authority=False))
        encryption: Any = (
            serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        )
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
        return certificate, secret


class _OneLine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'[{"timestamp": 1, "message": "m"}]')

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Nothing on stderr."""


class _TlsServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client without certificate is refused in the handshake: the client's side of it is what is tested."""


@pytest.fixture
def authority(tmp_path: Path) -> _Authority:
    return _Authority(tmp_path)


@pytest.fixture
def https(authority: _Authority) -> Iterator[str]:
    """The port of a node that wants a client certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("node"))
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    with _over_tls(context, _OneLine) as url:
        yield url


@contextmanager
def _over_tls(context: ssl.SSLContext, handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = _TlsServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class _Drips(BaseHTTPRequestHandler):
    """A body that goes on as long as the client lets it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b"[")
                time.sleep(0.02)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Nothing on stderr."""


class _DripsAHandshake(BaseRequestHandler):
    """A record of TLS whose 16 kB come a byte at a time."""

    def handle(self) -> None:
        with suppress(OSError):
            self.request.sendall(b"\x16\x03\x03\x40\x00")
            while True:
                self.request.sendall(b"x")
                time.sleep(0.02)


def hurried(url: str, authority: _Authority) -> settings.Node:
    [node] = settings.nodes({"BLUE_HOST": url, "BLUE_CA": str(authority.path)})
    return replace(node, limits=settings.Limits(answer_seconds=1))


def told_in_time(node: settings.Node) -> str | None:
    """What is told of its answer. The time itself is no test's business: without an end this would hang."""
    with ask(Clients(), node, WINDOW) as answer:
        assert list(answer) == []
    assert answer.seconds < fetch.ATTEMPTS * (fetch.TIMEOUT.connect or 0)
    return answer.error


def test_a_node_that_drips_a_body_through_tls_is_left(authority: _Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("node"))
    with _over_tls(context, _Drips) as url:
        assert told_in_time(hurried(url, authority)) == "not done after 1 s"


def test_a_node_that_drips_its_handshake_is_left(authority: _Authority) -> None:
    with ThreadingTCPServer(("127.0.0.1", 0), _DripsAHandshake) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        node = hurried(f"https://localhost:{server.server_address[1]}", authority)
        assert told_in_time(node) == "not done after 1 s"
        server.shutdown()
        thread.join()


def test_a_node_with_its_own_authority_and_client_certificates_is_read(https: str, authority: _Authority) -> None:
    certificate, key = (str(path) for path in authority.issue("client"))
    trusted = {"BLUE_HOST": https, "BLUE_CA": str(authority.path)}

    assert poll(**trusted, BLUE_CLIENT_CERT=certificate, BLUE_CLIENT_KEY=key) == (1, None)
    assert "CERTIFICATE_VERIFY_FAILED" in (poll(BLUE_HOST=https)[1] or "")
    assert poll(**trusted)[0] == 0


def test_certificate_files_that_cannot_be_used_are_told_and_nobody_is_asked_for_a_passphrase(
    https: str, authority: _Authority, tmp_path: Path
) -> None:
    certificate, _ = authority.issue("client")
    locked = authority.issue("locked", passphrase=b"hunter2")
    (tmp_path / "empty").write_bytes(b"")

    for environment in (
        {"BLUE_CA": str(tmp_path / "empty")},
        {"BLUE_CLIENT_CERT": str(certificate)},
        {"BLUE_CLIENT_CERT": str(locked[0]), "BLUE_CLIENT_KEY": str(locked[1])},
    ):
        count, error = poll(BLUE_HOST=https, **environment)
        assert count == 0
        assert "cannot be used: " in (error or "")

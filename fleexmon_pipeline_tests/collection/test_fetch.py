"""The wire: encodings, limits, bombs, credentials and certificates; what fails is told, and nobody learns a secret."""

from __future__ import annotations

import gzip
import json
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import brotli
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline import settings
from fleexmon_pipeline.collection import encoding, fetch
from fleexmon_pipeline.collection.clients import Clients
from fleexmon_pipeline.collection.encoding import EncodingError, unpacked, zstd
from fleexmon_pipeline.collection.sources import ask
from fleexmon_pipeline.retries import retry_context
from fleexmon_pipeline.window import HOUR, Window
from fleexmon_pipeline_tests.node_server import NodeServer, lines

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(TEN, TEN + HOUR)


@pytest.fixture
def node() -> Iterator[NodeServer]:
    with NodeServer() as server:
        yield server


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    real = retry_context
    monkeypatch.setattr(
        fetch, "retry_context", lambda **o: real(**{**o, "wait_initial": 0.01, "wait_max": 0.01, "wait_jitter": 0})
    )


def asked(**environment: str) -> tuple[int, str | None]:
    """How many records the first node gives, and what is told of the rest."""
    node, *_ = settings.nodes(environment)
    with ask(Clients(), node, WINDOW) as answer:
        return sum(map(len, answer)), answer.error


# -- encodings ------------------------------------------------------------------------------------------------------


def _deflated(body: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(body) + packer.flush()


SKIPPED = b"\x50\x2a\x4d\x18\x03\0\0\0abc"  # a frame that says nothing, RFC 8878
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": lambda body: gzip.compress(body[:7]) + gzip.compress(body[7:]) + b"\0\0\0",
    "deflate": partial(_deflated, wbits=zlib.MAX_WBITS),
    "Deflate": partial(_deflated, wbits=-zlib.MAX_WBITS),
    "br": partial(brotli.compress, quality=5),
    "zstd": lambda body: zstd.compress(body[:7]) + SKIPPED + zstd.compress(body[7:]),  # files that were joined
    "identity": lambda body: body,
    "": lambda body: body,
}


@given(st.binary(max_size=2_000), st.sampled_from(sorted(PACKERS)), st.integers(1, 700))
def test_every_encoding_that_is_asked_for_is_unpacked_whatever_the_chunks(body: bytes, name: str, size: int) -> None:
    packed = PACKERS[name](body)
    chunks = (packed[start : start + size] for start in range(0, len(packed), size))

    assert b"".join(unpacked(chunks, name)) == body


def test_no_size_of_a_body_leaves_its_end_inside_the_decoder() -> None:
    for name in ("Deflate", "br", "zstd"):
        for size in range(encoding.PIECE - 300, encoding.PIECE + 300, 17):
            assert sum(map(len, unpacked([PACKERS[name](b"x" * size)], name))) == size


@pytest.mark.parametrize("name", ["compress", "dcz", "gzip, gzip", "aes128gcm\x1b[31m"])
def test_an_encoding_that_was_not_asked_for_is_told(node: NodeServer, name: str) -> None:
    with pytest.raises(EncodingError, match="is not taken, only gzip, deflate, br, zstd"):
        unpacked([b"x"], name)

    node.answer(headers={"Content-Encoding": "dcb"}, body=b"\x1b\x03")
    assert asked(BLUE_HOST=node.host_port) == (0, "Content-Encoding: dcb is not taken, only gzip, deflate, br, zstd")
    assert node.requests[0].headers["accept-encoding"] == "gzip, deflate, br, zstd"


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_body_that_is_cut_or_is_none_is_told(node: NodeServer, name: str) -> None:
    numbers = Random(1)
    record = b'{"timestamp": %d, "message": "%x"}'
    body = PACKERS[name](b"[" + b", ".join(record % (n, numbers.getrandbits(500)) for n in range(20_000)) + b"]")
    node.answer(headers={"Content-Encoding": name}, body=body[: len(body) // 2])
    count, error = asked(BLUE_HOST=node.host_port)

    assert 1_000 < count < 20_000
    assert error == "broke off: its compressed body breaks off"

    node.answer(headers={"Content-Encoding": name}, body=b"\xff{} is no such body")
    assert "not what its Content-Encoding says" in (asked(BLUE_HOST=node.host_port)[1] or "")


def _gzip_bomb(size: int) -> bytes:
    return gzip.compress(b"[" + b" " * size, compresslevel=1)


def _brotli_bomb(size: int) -> bytes:
    packer = brotli.Compressor(quality=1, lgwin=24)
    parts = [packer.process(b" " * 10_000_000) for _ in range(size // 10_000_000)]
    return b"".join([*parts, packer.finish()])


def _zstd_bomb(size: int) -> bytes:
    packer = zstd.ZstdCompressor(level=1)
    return b"".join(packer.compress(b" " * 10_000_000) for _ in range(size // 10_000_000)) + packer.flush()


BOMBS = {"gzip": _gzip_bomb(100_000_000), "br": _brotli_bomb(2_000_000_000), "zstd": _zstd_bomb(2_000_000_000)}
PEAK = "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_bomb_is_told_and_takes_no_memory(node: NodeServer, name: str) -> None:
    given = 0
    try:
        for piece in unpacked([BOMBS[name]], name):
            given += len(piece)
            assert len(piece) <= 2 * encoding.PIECE
    except EncodingError as error:
        assert str(error) == "unpacks to more than 200 times its size"
    assert 0 < given <= max(encoding.BOMB_FROM, 200 * len(BOMBS[name]))

    node.answer(headers={"Content-Encoding": name}, body=BOMBS[name])
    assert asked(BLUE_HOST=node.host_port)[0] == 0


@pytest.mark.parametrize("name", ["br", "zstd"])
def test_gigabytes_that_are_let_through_take_no_memory_either(tmp_path: Path, name: str) -> None:
    """In a process of its own: its peak is the decoder's, whose memory Python does not count."""
    (tmp_path / "bomb").write_bytes(BOMBS[name])
    script = f"""
import resource
from pathlib import Path
from fleexmon_pipeline.collection.encoding import unpacked
bomb = Path("bomb").read_bytes()
{PEAK}
print(sum(map(len, unpacked([bomb], "{name}", 10**9))))
{PEAK}
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    before, given, after = map(int, run.stdout.split())

    assert given == 2_000_000_000
    assert after - before < 64  # MB; a window of br is 16, one of zstd 8


def test_a_window_that_is_larger_than_http_allows_is_refused() -> None:
    large: dict[int, int] = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    packer = zstd.ZstdCompressor(options=large)
    body = packer.compress(b"x" * 20_000_000) + packer.flush()

    with pytest.raises(EncodingError, match="not what its Content-Encoding says: "):
        list(unpacked([body], "zstd"))


def test_a_compressed_body_that_says_nothing_for_ever_is_left(node: NodeServer) -> None:
    node.answer(headers={"Content-Encoding": "zstd"}, body=SKIPPED * 100_000)
    no_time = replace(settings.node_of("BLUE_HOST", "blue", node.host_port), limits=settings.Limits(answer_seconds=0))
    with ask(Clients(), no_time, WINDOW) as answer:
        assert list(answer) == []
    assert answer.error == "not done after 0 s"


def test_the_ratio_can_be_set(node: NodeServer) -> None:
    body = b"[" + (b'{"timestamp": 1}, ' + b" " * 1_000) * 60_000 + b"{}]"
    node.answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(body, compresslevel=1))

    told = "broke off: unpacks to more than 10 times its size"
    assert asked(BLUE_HOST=node.host_port, FLEEXMON_MAX_RATIO="10")[1] == told
    assert asked(BLUE_HOST=node.host_port, FLEEXMON_MAX_RATIO="2000") == (60_001, None)


# -- limits ---------------------------------------------------------------------------------------------------------


def test_limits_make_an_answer_partial(node: NodeServer) -> None:
    node.serve(lines(20_000, TEN, every=timedelta(milliseconds=100)))
    count, error = asked(BLUE_HOST=node.host_port, FLEEXMON_MAX_ANSWER_BYTES="1000000")
    assert 5_000 < count < 20_000
    assert error == "more than 1,000,000 bytes"

    node.serve([{"timestamp": 1, "message": "x" * 3_000_000}, *lines(1, TEN)], filtered=False)
    assert asked(BLUE_HOST=node.host_port, FLEEXMON_MAX_RECORD_BYTES="10000") == (
        2,
        None,
    )  # the long one is told, unread


def test_an_answer_that_never_ends_is_left(node: NodeServer) -> None:
    node.serve(lines(20_000, TEN, every=timedelta(milliseconds=100)))
    no_time = replace(settings.node_of("BLUE_HOST", "blue", node.host_port), limits=settings.Limits(answer_seconds=0))
    with ask(Clients(), no_time, WINDOW) as answer:
        assert sum(map(len, answer)) < 20_000
        assert answer.error == "not done after 0 s"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"", id="status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: ", id="headers"),
        pytest.param(CHUNKED + b"1\r\n[\r\n1;", id="length of a chunk"),
        pytest.param(CHUNKED + b"1\r\n[\r\n0\r\nX-A: ", id="trailers"),
    ],
)
def test_a_node_that_drips_what_is_no_body_is_left(node: NodeServer, start: bytes) -> None:
    node.answer(drip_after=start)
    hurried = replace(settings.node_of("BLUE_HOST", "blue", node.host_port), limits=settings.Limits(answer_seconds=1))
    with ask(Clients(), hurried, WINDOW) as answer:
        assert list(answer) == []
    assert answer.error == "not done after 1 s"
    assert len(node.requests) == 1


def test_a_body_without_a_length_that_falls_silent_is_not_whole(node: NodeServer) -> None:
    def sent() -> Iterator[bytes]:
        for record in lines(3, TEN):
            yield json.dumps(record).encode() + b"\n"
        node.stopping.wait()

    node.answer(stream=sent)
    hurried = replace(settings.node_of("BLUE_HOST", "blue", node.host_port), limits=settings.Limits(answer_seconds=1))
    with ask(Clients(), hurried, WINDOW) as answer:
        assert sum(map(len, answer)) == 3
    assert answer.error == "not done after 1 s"


# -- credentials ----------------------------------------------------------------------------------------------------


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
        _, error = asked(BLUE_HOST=node.host_port, BLUE_TOKEN="hunter2")

    assert error == "HTTP 302: a redirect, which is not followed"
    assert thief.requests == []


def test_wrong_credentials_are_told_and_not_shown(node: NodeServer) -> None:
    node.answer(status=401, body=b"hunter2 is wrong")
    assert asked(BLUE_HOST=node.host_port, BLUE_TOKEN="hunter2") == (
        0,
        "HTTP 401: it wants other credentials than it was sent",
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

    assert asked(**trusted, BLUE_CLIENT_CERT=certificate, BLUE_CLIENT_KEY=key) == (1, None)
    assert "CERTIFICATE_VERIFY_FAILED" in (asked(BLUE_HOST=https)[1] or "")
    assert asked(**trusted)[0] == 0


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
        count, error = asked(BLUE_HOST=https, **environment)
        assert count == 0
        assert "cannot be used: " in (error or "")

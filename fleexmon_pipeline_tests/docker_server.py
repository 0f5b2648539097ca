"""Docker's Engine API for tests: the real engines where they can run containers, and one that behaves like them.

Here: the log of a container as Docker 20.10 and Podman 4.3 send it, and how they may fail. What the product makes of
it: `collection/sources/test_docker.py`.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from fleexmon_pipeline_tests.loopback import Handler, Loopback

OUT, ERR = 1, 2
SECOND = 1_000_000_000  # ns
ID = "f126081066bf5ebc8009c2cfaf1f5c2def63d5a0a0bb3088df7f10d72f679260"
BUSYBOX = Path("/bin/busybox")


class Said(NamedTuple):
    """What a container wrote at once. `text`: with its newline, if it wrote one."""

    nanoseconds: int
    text: bytes
    stream: int = OUT


def frame(stream: int, payload: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def time_of(nanoseconds: int) -> bytes:
    seconds, rest = divmod(nanoseconds, SECOND)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09dZ" % rest


def sent(said: Said, part: int = 16_384) -> list[bytes]:
    """The payloads of the frames of a line: one, or one per part, each with the time."""
    texts = [said.text[at : at + part] for at in range(0, max(len(said.text.rstrip(b"\n")), 1), part)]
    if said.text.endswith(b"\n") and not texts[-1].endswith(b"\n"):
        texts[-1] += b"\n"
    return [time_of(said.nanoseconds) + b" " + text for text in texts]


class _Handler(Handler):
    fake: DockerServer
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "a socket"  # a Unix socket has no address

    def do_GET(self) -> None:  # noqa: N802 - the parent's name
        server, parts = self.fake, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        *_, container, what = parts.path.split("/")
        server.asked.append((parts.path, query))
        if parts.path.rpartition("/containers/")[0] != server.prefix or container not in (server.name, ID):
            self._refuse(404, f"No such container: {container}")
        elif what in server.refusals:
            self._refuse(server.refusals[what], "is what the engine says")
        elif what == "json":
            self._send(server.state_body or json.dumps(server.state()).encode(), "application/json")
        elif query.get("stdout") != "1" and query.get("stderr") != "1":
            self._refuse(400, "Bad parameters: you must choose at least one stream")
        else:
            self._send_log(server.log(query) if server.body is None else server.body)

    def _refuse(self, status: int, message: str) -> None:
        body = json.dumps({"message": message}).encode()
        self.send_body(status, body, {"Content-Type": "application/json", "Connection": "close"})

    def _send(self, body: bytes, content_type: str) -> None:
        self.send_body(200, body, {"Content-Type": content_type})

    def _send_log(self, body: bytes) -> None:
        """Chunked, in pieces that have nothing to do with frames."""
        server = self.fake
        kind = "raw" if server.tty else "multiplexed"
        self.send_response(200)
        self.send_header("Content-Type", f"application/vnd.docker.{kind}-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        end = len(body) if server.truncate_at is None else server.truncate_at
        try:
            for at in range(0, end, server.piece):
                chunk = body[at : min(at + server.piece, end)]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            if server.truncate_at is None or server.ends_well:
                self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.close_connection = True


class DockerServer(Loopback):
    """One container and its log; `refusals`: a status for `json` or `logs`; `truncate_at` bytes of the log."""

    handler = _Handler

    def __init__(self, said: Sequence[Said] = (), *, created: int, name: str = "shop", tty: bool = False) -> None:
        super().__init__()
        self.said = list(said)
        self.created = created
        self.name = name
        self.tty = tty
        self.prefix = ""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refusals: dict[str, int] = {}
        self.options: dict[str, str] = {}
        self.state_body: bytes | None = None
        self.body: bytes | None = None
        self.truncate_at: int | None = None
        self.ends_well = False  # though truncated
        self.piece = 4_000

    def state(self) -> dict[str, Any]:
        return {
            "Id": ID, "Created": time_of(self.created).decode(), "Name": f"/{self.name}",
            "Config": {"Tty": self.tty, "Image": "shop:1.4"},
            "HostConfig": {"LogConfig": {"Type": "json-file", "Config": self.options}},
        }  # fmt: skip

    def log(self, query: dict[str, str]) -> bytes:
        assert query["timestamps"] == "1"
        since, until = (int(query.get(name, "0")) * SECOND for name in ("since", "until"))
        chosen = [said for said in self.said if said.nanoseconds >= since and (not until or said.nanoseconds <= until)]
        if self.tty:
            return b"".join(b"".join(sent(said)).replace(b"\n", b"\r\n") for said in chosen)
        return b"".join(frame(said.stream, payload) for said in chosen for payload in sent(said))


class _UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0


@contextmanager
def on_a_socket(server: DockerServer, path: Path) -> Iterator[None]:
    """Answers on a Unix socket, too."""
    handler = type("Handler", (DockerServer.handler,), {"fake": server})
    address: Any = str(path)  # of a Unix socket, which typeshed does not expect here
    with _UnixServer(address, handler) as unix:
        unix.daemon_threads = True
        threading.Thread(target=unix.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield
        finally:
            unix.shutdown()


# -- real engines ---------------------------------------------------------------------------------------------------


class _OfSocket(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


class Engine(NamedTuple):
    """A running engine with one image, `local/busybox`, that holds nothing but busybox."""

    socket: Path

    def run(self, name: str, script: str, **config: Any) -> None:
        """Raises OSError if the engine cannot run containers."""
        body = {"Image": "local/busybox", "Cmd": ["/bin/busybox", "sh", "-c", script], **config}
        body["HostConfig"] = {"NetworkMode": "none", **config.get("HostConfig", {})}
        self.call("POST", f"/containers/create?name={name}", body)
        self.call("POST", f"/containers/{name}/start")

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        connection = _OfSocket(self.socket)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        try:
            connection.request(method, path, raw, {"Content-Type": kind})
            response = connection.getresponse()
            text = response.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise OSError(text.decode())
        return text


@contextmanager
def real_engine(program: str, directory: Path) -> Iterator[Engine]:
    """dockerd or podman with everything in `directory`. Raises OSError where it cannot start or has no image."""
    if os.geteuid() != 0 or not all(map(shutil.which, (program, "runc"))) or not BUSYBOX.is_file():
        raise OSError(f"{program}, runc and a static busybox are not here, or not for this user")
    engine = Engine(directory / "engine.sock")
    environment = {**os.environ, "CONTAINERS_CONF": str(directory / "containers.conf")}
    limits = 'default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\nlog_driver = "k8s-file"'
    engines = f'runtime = "{shutil.which("runc")}"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"'
    (directory / "containers.conf").write_text(f"[containers]\n{limits}\n[engine]\n{engines}\n")
    with subprocess.Popen(
        _command(program, directory), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(engine, process)
            engine.call("POST", "/images/create?fromSrc=-&repo=" + quote("local/busybox", safe=""), _image())
            yield engine
        finally:
            process.terminate()


def _command(program: str, directory: Path) -> list[str]:
    address = f"unix://{directory / 'engine.sock'}"
    data, run = str(directory / "data"), str(directory / "run")
    if program == "podman":
        return ["podman", "--root", data, "--runroot", run, "--storage-driver", "vfs", "system", "service",
                "--time=0", address]  # fmt: skip
    return ["dockerd", "--data-root", data, "--exec-root", run, "--pidfile", f"{run}.pid", "-H", address,
            "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", "vfs"]  # fmt: skip


def _wait_for(engine: Engine, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            engine.call("GET", "/_ping")
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _image() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(BUSYBOX, "bin/busybox")
    return packed.getvalue()

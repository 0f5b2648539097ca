"""Dagster's webserver behind our gate, over HTTP and in a browser: attacks are refused, the UI works.

One server for the module. It has no code to show, which is enough: Dagster's instance is there to be changed.
"""

from __future__ import annotations

import base64
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from dagster_webserver import app, cli
from dagster_webserver.webserver import DagsterWebserver
from playwright.sync_api import Browser

from fleexmon_pipeline.web.webserver import GuardedWebserver
from fleexmon_pipeline_tests.loopback import Handler, Loopback
from fleexmon_pipeline_tests.running_product import CHECKOUT, free_port

NAME = "fleexmon.example.com"
MUTATION = 'mutation { setConcurrencyLimit(concurrencyKey: "attack", limit: 1) }'
LIMITS = "{ instance { concurrencyLimits { concurrencyKey } } }"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a webserver that people reach as https://fleexmon.example.com, and on this machine."""
    with webserver(tmp_path_factory, FLEEXMON_UI_URL=f"https://{NAME}") as number:
        yield number


@contextmanager
def webserver(tmp_path_factory: pytest.TempPathFactory, **variables: str) -> Iterator[int]:
    home, number = tmp_path_factory.mktemp("webserver"), free_port()
    # As in the product: a moment after the first page, Dagster would open a dialog for its newsletter over any other.
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    (home / "workspace.yaml").write_text("load_from: []\n")
    arguments = ["-h", "127.0.0.1", "-p", str(number), "-w", str(home / "workspace.yaml")]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "DAGSTER_HOME": str(home), "PYTHONPATH": CHECKOUT}
    with (home / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "fleexmon_pipeline.web.webserver", *arguments],
            env={**environment, **variables}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not _answers(number):
            assert process.poll() is None, (home / "output").read_text()
            assert time.monotonic() < deadline, (home / "output").read_text()
            time.sleep(0.1)
        yield number
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/server_info").status_code in (200, 401)
    except httpx.TransportError:
        return False


def ask(port: int, query: str, **headers: str) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, headers=headers, timeout=60)


def limits(port: int) -> list[str]:
    """What the mutations of this module set."""
    answer = ask(port, LIMITS).json()
    return [limit["concurrencyKey"] for limit in answer["data"]["instance"]["concurrencyLimits"]]


# -- the seam ---------------------------------------------------------------------------------------------------------


def test_dagsters_webserver_still_has_what_we_change() -> None:
    """An update of Dagster that moves one of these would leave the door open."""
    assert vars(app)["DagsterWebserver"] is DagsterWebserver
    assert "DagsterWebserver" in app.create_app_from_workspace_process_context.__code__.co_names
    assert "create_app_from_workspace_process_context" in (
        cli.host_dagster_ui_with_workspace_process_context.__code__.co_names
    )
    for changed in ("build_middleware", "build_routes", "make_security_headers", "graphql_http_endpoint"):
        assert hasattr(DagsterWebserver, changed), changed
        assert changed in vars(GuardedWebserver), changed
    assert {"build_middleware", "build_routes"} <= set(DagsterWebserver.create_asgi_app.__code__.co_names)


# -- attacks ----------------------------------------------------------------------------------------------------------

ATTACKS: dict[str, dict[str, str]] = {
    "foreign-host": {**JSON, "Host": "evil.example.com"},
    "rebound-name": {**JSON, "Host": "evil.example.com:{port}", "Origin": "http://evil.example.com:{port}"},
    "name-that-begins-like-ours": {**JSON, "Host": "127.0.0.1.evil.example.com"},
    "name-that-ends-like-ours": {**JSON, "Host": f"evil-{NAME}"},
    "any-address": {**JSON, "Host": "0.0.0.0:{port}"},
    "host-with-user": {**JSON, "Host": "127.0.0.1@evil.example.com"},
    "no-host": {**JSON, "Host": ""},
    "foreign-origin": {**JSON, "Origin": "https://evil.example.com"},
    "origin-of-another-port": {**JSON, "Origin": "http://127.0.0.1:1"},
    "origin-of-a-frame": {**JSON, "Origin": "null"},
    "origin-that-begins-like-ours": {**JSON, "Origin": f"https://{NAME}.evil.example.com"},
    "ours-without-tls": {**JSON, "Origin": f"http://{NAME}"},
    "cross-site": {**JSON, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    "cross-site-form": {
        **JSON, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
    },
    "form": {"Content-Type": "application/x-www-form-urlencoded"},
    "plain-text": {"Content-Type": "text/plain"},
    "plain-text-that-mentions-json": {"Content-Type": "text/plain; application/json"},
    "graphql-text": {"Content-Type": "application/graphql"},
    "no-type": {},
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_with_a_reason_and_changes_nothing(name: str, port: int) -> None:
    """The query is in the address too: there Dagster looks for it if the body is not JSON."""
    headers = {key: value.replace("{port}", str(port)) for key, value in ATTACKS[name].items()}
    body = b"" if name == "no-type" else b'{"query": "%s"}' % MUTATION.replace('"', r"\"").encode()

    answer = httpx.post(
        f"http://127.0.0.1:{port}/graphql", params={"query": MUTATION}, content=body, headers=headers, timeout=60
    )

    assert answer.status_code in (400, 403, 415), answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert re.fullmatch(r"[A-Z][^<>]+\.\n", answer.text)
    assert answer.status_code != 403 or "set FLEEXMON_UI_URL to that address" in answer.text
    assert "attack" not in limits(port)


@pytest.mark.parametrize("headers", [{}, {"Accept": "application/json"}, JSON], ids=["plain", "accept", "typed"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_graphql_is_not_executed_by_get(method: str, headers: dict[str, str], port: int) -> None:
    url = f"http://127.0.0.1:{port}/graphql"
    answer = httpx.request(method, url, params={"query": MUTATION}, headers=headers, timeout=60)

    assert answer.status_code == 405
    assert method == "HEAD" or answer.text.startswith("GraphQL is sent by POST")
    assert "attack" not in limits(port)


def test_the_playground_is_a_page_that_executes_nothing(port: int) -> None:
    url = f"http://127.0.0.1:{port}/graphql"
    answer = httpx.get(url, params={"query": MUTATION}, headers={"Accept": "text/html"}, timeout=60)

    assert answer.status_code == 200
    assert "GraphiQL" in answer.text
    assert "attack" not in limits(port)


def test_reports_of_assets_are_behind_the_door_too(port: int) -> None:
    url = f"http://127.0.0.1:{port}/report_asset_materialization/raw_logs"

    assert httpx.post(url).status_code == 415
    assert httpx.post(url, json={}, headers={"Origin": "https://evil.example.com"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Host": "evil.example.com"},
    ],
    ids=["frame", "image", "rebound-name"],
)
def test_pages_are_not_shown_elsewhere(headers: dict[str, str], port: int) -> None:
    assert httpx.get(f"http://127.0.0.1:{port}/runs", headers=headers).status_code == 403


def test_two_hosts_are_none(port: int) -> None:
    assert _status(port, "GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", "Host: evil.example.com") == 400
    assert _status(port, "GET / HTTP/1.0") == 400


def _status(port: int, *lines: str) -> int:
    """Of a request that an HTTP library would not send, or would not leave open."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(connection.recv(4096).split()[1])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 101),
        (["Origin: http://127.0.0.1:{port}"], 101),
        ([f"Origin: https://{NAME}"], 101),
        (["Origin: https://evil.example.com"], 403),
        (["Origin: null"], 403),
        (["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: websocket"], 403),
    ],
    ids=["command", "page", "behind-proxy", "foreign-origin", "frame", "cross-site"],
)
def test_websockets_are_opened_for_our_pages_alone(headers: list[str], status: int, port: int) -> None:
    assert _handshake(port, f"127.0.0.1:{port}", headers) == status


def test_a_websocket_of_a_foreign_name_is_refused(port: int) -> None:
    assert _handshake(port, "evil.example.com", []) == 403


def _handshake(port: int, host: str, headers: list[str]) -> int:
    key = base64.b64encode(b"0123456789abcdef").decode()
    upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
    given = [header.replace("{port}", str(port)) for header in headers]
    protocol = "Sec-WebSocket-Protocol: graphql-ws"
    return _status(port, "GET /graphql HTTP/1.1", f"Host: {host}", *upgrade, protocol, *given)


# -- who is let in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},  # curl, `fleexmon up`, dagster's own client
        {"Host": "localhost"},
        {"Host": "LOCALHOST:{port}", "Origin": "http://localhost:{port}"},
        {"Host": "[::1]:{port}", "Origin": "http://[::1]:{port}"},
        {"Host": "127.0.0.1:3001", "Origin": "http://127.0.0.1:3001"},  # ssh -L 3001:127.0.0.1:3000
        {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        # nginx, without proxy_set_header Host, with $host, with $http_host
        {"Host": "127.0.0.1:3000", "Origin": f"https://{NAME}"},
        {"Host": NAME, "Origin": f"https://{NAME}", "Sec-Fetch-Site": "same-origin"},
        {"Host": f"{NAME}.:443", "Origin": f"https://{NAME}:443", "Content-Type": "application/json; charset=utf-8"},
    ],
    ids=["command", "localhost", "upper-case", "ipv6", "tunnel", "page", "proxy", "proxy-host", "proxy-host-and-port"],
)
def test_our_own_pages_and_commands_are_answered(headers: dict[str, str], port: int) -> None:
    answer = ask(port, "{ version }", **{key: value.replace("{port}", str(port)) for key, value in headers.items()})

    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["version"]


def test_the_mutation_of_these_attacks_is_executed_where_it_may_be(port: int) -> None:
    """Otherwise nothing here would show that an attack changes nothing."""
    answer = ask(port, MUTATION.replace("attack", "ours"), Origin=f"http://127.0.0.1:{port}")

    assert answer.json() == {"data": {"setConcurrencyLimit": True}}
    assert "ours" in limits(port)


def test_a_link_in_an_alert_opens_a_page_that_cannot_be_framed(port: int) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    answer = httpx.get(f"http://127.0.0.1:{port}/runs", headers={**followed, "Accept": "text/html"}, timeout=60)

    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"


# -- in a browser -----------------------------------------------------------------------------------------------------


class EvilPage(Loopback):
    """An empty page of another site: scripts are run on it."""

    class handler(Handler):  # noqa: N801  the parent's name
        def do_GET(self) -> None:  # noqa: N802  likewise
            self.send_body(200, b"<!doctype html><title>evil</title>", {"Content-Type": "text/html"})


TRY_ALL = """async ([ui, mutation]) => {
    const url = `${ui}/graphql`, query = `?query=${encodeURIComponent(mutation)}`;
    const body = JSON.stringify({query: mutation});
    const sent = (to, options) => fetch(to, {mode: "no-cors", ...options}).catch(error => error);
    await sent(url + query);
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"])
        await sent(url + query, {method: "POST", headers: {"Content-Type": type}, body});
    await sent(url + query, {method: "POST"});
    await sent(url, {mode: "cors", method: "POST", headers: {"Content-Type": "application/json"}, body});
    await new Promise(done => Object.assign(new Image(), {onload: done, onerror: done, src: url + query}));
    return await new Promise(done => {
        const socket = new WebSocket(url.replace("http", "ws"), "graphql-ws");
        socket.onopen = () => done("open");
        socket.onerror = () => done("refused");
    });
}"""


def test_a_foreign_page_changes_nothing(browser: Browser, port: int) -> None:
    """Of another site (localhost is one to 127.0.0.1), and of another port of the same."""
    with EvilPage() as evil:
        for address in (f"http://localhost:{evil.host_port.rpartition(':')[2]}", f"http://{evil.host_port}"):
            page = browser.new_page()
            page.goto(address)

            assert page.evaluate(TRY_ALL, [f"http://127.0.0.1:{port}", MUTATION]) == "refused"

            page.close()
    assert "attack" not in limits(port)


def test_the_ui_changes_what_a_person_changes_and_none_of_its_requests_is_refused(browser: Browser, port: int) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    statuses: dict[str, int] = {}
    received: list[str | bytes] = []
    page.on("response", lambda answer: statuses.update({answer.url: answer.status}))
    page.on("websocket", lambda opened: opened.on("framereceived", lambda frame: received.append(frame)))  # noqa: PLW0108  playwright marks it

    page.goto(f"http://127.0.0.1:{port}/deployment/concurrency")
    page.get_by_role("button", name="Add pool limit").click()
    page.get_by_placeholder("Pool", exact=True).fill("by-hand")
    page.locator("input").last.fill("3")
    page.get_by_role("button", name="Add limit", exact=True).press("Enter")
    page.get_by_text("by-hand", exact=True).wait_for()

    page.close()
    assert "by-hand" in limits(port)
    assert any("connection_ack" in str(frame) for frame in received)
    assert {url: status for url, status in statuses.items() if status >= 400} == {}


def test_a_phone_shows_dagsters_pages_as_wide_as_they_need(browser: Browser, port: int) -> None:
    phone = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, device_scale_factor=2)
    page = phone.new_page()
    answer = page.goto(f"http://127.0.0.1:{port}/assets")
    width = page.evaluate("innerWidth")
    phone.close()

    assert answer is not None
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "nonce-" in answer.headers["content-security-policy"]
    assert width >= 1024


def test_it_does_not_start_with_an_address_that_is_none(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": CHECKOUT, "FLEEXMON_UI_URL": "fleexmon.example.com"}
    command = [sys.executable, "-m", "fleexmon_pipeline.web.webserver"]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith('FLEEXMON_UI_URL: "fleexmon.example.com" is not an http(s) URL')

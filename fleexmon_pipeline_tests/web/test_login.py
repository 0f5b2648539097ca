"""The optional login: over HTTP, websockets and in a browser, by passwords and by a proxy's header.

One real webserver for the module, behind a password file. What needs no Dagster: a small server with the same two
middlewares.
"""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, WebSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from fleexmon_pipeline import settings
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline.web import login
from fleexmon_pipeline.web.door import Door
from fleexmon_pipeline.web.login import LoginGate
from fleexmon_pipeline.web.passwords import hash_password, is_password
from fleexmon_pipeline_tests.web.test_webserver import LIMITS, MUTATION, webserver

PASSWORD, OWN_KEY = "correct horse: bättery", "key-of-up"
RIGHT, WRONG = ("alice", PASSWORD), ("alice", "a wrong password")


@pytest.fixture(scope="module")
def line() -> str:
    return f"alice:{hash_password(PASSWORD)}\n"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "WRONG_LOGIN_DELAY_SECONDS", 0.0)


@contextmanager
def serving(variable: str) -> Iterator[str]:
    async def shown(_: Request) -> PlainTextResponse:
        return PlainTextResponse("inside")

    gate = Middleware(LoginGate, rule=settings.login({"FLEEXMON_LOGIN": variable}), own_key=OWN_KEY)
    app = Starlette(routes=[Route("/", shown)], middleware=[Middleware(Door, ui_url=None), gate])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", proxy_headers=False))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture
def file(tmp_path: Path, line: str) -> Path:
    path = tmp_path / "passwords"
    path.write_text(f"# of the shop\n\n{line}", "utf-8")
    return path


# -- passwords --------------------------------------------------------------------------------------------------------


def test_a_name_and_its_password_pass_and_nothing_else_does(file: Path) -> None:
    with serving(str(file)) as url:
        refused = httpx.get(url)
        assert (refused.status_code, refused.headers["www-authenticate"][:5]) == (401, "Basic")
        assert refused.text == "Log in with a name and password of this installation.\n"
        assert httpx.get(url, auth=RIGHT).text == "inside"
        assert httpx.get(url, auth=RIGHT).text == "inside"  # remembered
        for wrong in (WRONG, ("bob", PASSWORD), ("Alice", PASSWORD), ("alice", PASSWORD[:-1]), ("alice", "")):
            assert httpx.get(url, auth=wrong).status_code == 401, wrong
        encoded = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
        for header in (
            "", "Basic", f"Bearer {encoded}", f"Basic {encoded}x", "Basic !", f"Basic {'A' * 5_000}", "Bearer None",
            f"Bearer {OWN_KEY}x", f"Basic {base64.b64encode(b'alice').decode()}", "Basic \xff",
        ):  # fmt: skip
            answer = httpx.get(url, headers=[(b"Authorization", header.encode("latin1"))])
            assert answer.status_code == 401, header
        twice = [("Authorization", f"Basic {encoded}"), ("Authorization", f"Basic {encoded}")]
        assert httpx.get(url, headers=twice).status_code == 401
        assert httpx.get(url, headers={"Authorization": f"Bearer {OWN_KEY}"}).text == "inside"


def test_the_door_comes_first(file: Path) -> None:
    with serving(str(file)) as url:
        answer = httpx.get(url, auth=RIGHT, headers={"Origin": "https://evil.example.com"})
        assert answer.status_code == 403


def test_who_is_taken_out_of_the_file_or_given_another_password_is_out_at_once(file: Path, line: str) -> None:
    with serving(str(file)) as url:
        assert httpx.get(url, auth=RIGHT).status_code == 200
        file.write_text(line.replace("alice", "bob"), "utf-8")
        assert httpx.get(url, auth=RIGHT).status_code == 401
        assert httpx.get(url, auth=("bob", PASSWORD)).status_code == 200
        file.write_text("nonsense", "utf-8")
        broken = httpx.get(url, auth=("bob", PASSWORD))
        assert (broken.status_code, broken.text[:17]) == (503, "Nobody can log in")
        file.unlink()
        assert httpx.get(url, auth=("bob", PASSWORD)).status_code == 503


def test_many_guesses_at_once_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "MAX_WAITING", 0)
    with serving(str(file)) as url:
        assert httpx.get(url, auth=RIGHT).status_code == 429


def test_a_hash_is_of_its_password_and_two_are_never_alike() -> None:
    first, second = hash_password("é"), hash_password("é")
    assert first != second
    assert is_password("é", first)
    assert is_password("é", second)
    assert not is_password("e", first)


# -- a proxy ----------------------------------------------------------------------------------------------------------


def test_the_header_of_a_proxy_counts_from_its_address_alone() -> None:
    named = {"X-User": "alice"}
    with serving("header:X-User@127.0.0.1") as url:
        assert httpx.get(url, headers=named).text == "inside"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"X-User": ""}).status_code == 401
        assert httpx.get(url, headers=[("X-User", "alice"), ("X-User", "bob")]).status_code == 401
    with serving("header:X-User@10.0.0.5,10.1.0.0/24") as url:
        for told in ({}, {"X-Forwarded-For": "10.0.0.5"}, {"Forwarded": "for=10.0.0.5"}, {"X-Real-IP": "10.0.0.5"}):
            assert httpx.get(url, headers=named | told).status_code == 401
        assert httpx.get(url, headers={"Authorization": f"Bearer {OWN_KEY}"}).text == "inside"


# -- the setting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("/nowhere/passwords", "cannot be read: No such file"),
        ("header:X User@127.0.0.1", "is not the name of a header"),
        ("header:X-User", "is not the IP address of a proxy"),
        ("header:X-User@proxy.example.com", "is not the IP address of a proxy"),
        ("header:X-User@0.0.0.0/0", "has more than 65,536 addresses"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(value: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        settings.login({"FLEEXMON_LOGIN": value})
    assert settings.login({"FLEEXMON_LOGIN": " "}) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no user"),
        ("# nobody yet\n", "has no user"),
        ("alice:hunter2hunter2\n", "line 1 of .* is not a name and a hash"),
        ("{line}{line}", "line 2 of .* repeats an earlier name"),
        ("{line}bob\n", "line 2 of .* is not a name and a hash"),
        ("\x00\xff", "is not a name and a hash"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_never_shown(tmp_path: Path, line: str, text: str, said: str) -> None:
    path = tmp_path / "passwords"
    path.write_text(text.replace("{line}", line), "utf-8")
    with pytest.raises(SettingError, match=said) as error:
        settings.login({"FLEEXMON_LOGIN": str(path)})
    assert "hunter2" not in str(error.value)


# -- Dagster's webserver ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, line: str) -> Iterator[int]:
    path = tmp_path_factory.mktemp("login") / "passwords"
    path.write_text(line, "utf-8")
    with webserver(tmp_path_factory, FLEEXMON_LOGIN=str(path)) as number:
        yield number


def test_nothing_of_dagster_or_of_ours_is_shown_or_changed_without_a_login(port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    for path in ("/", "/graphql", "/server_info", "/runs", "/fleexmon", "/fleexmon/style.css", "/report_asset_check/x"):
        for auth in (None, WRONG):
            assert httpx.get(f"{base}{path}", auth=auth, timeout=60).status_code == 401, path
    asked = {"json": {"query": MUTATION}, "timeout": 60}
    assert httpx.post(f"{base}/graphql", **asked).status_code == 401  # type: ignore[arg-type]
    limits = httpx.post(f"{base}/graphql", json={"query": LIMITS}, auth=RIGHT, timeout=60).json()
    assert limits["data"]["instance"]["concurrencyLimits"] == []


def test_a_websocket_is_refused_before_it_opens(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-ws\r\n\r\n".encode()
        )
        assert connection.recv(1_000).startswith(b"HTTP/1.1 401 ")


def test_the_ui_works_in_a_browser_that_logged_in(browser: Browser, port: int) -> None:
    context = browser.new_context(http_credentials={"username": RIGHT[0], "password": RIGHT[1]})
    page = context.new_page()
    opened: list[str] = []
    received: list[str | bytes] = []

    def follow(opening: WebSocket) -> None:
        opened.append(opening.url)
        opening.on("framereceived", lambda payload: received.append(payload))  # noqa: PLW0108  playwright marks it

    page.on("websocket", follow)
    page.goto(f"http://127.0.0.1:{port}/runs", timeout=60_000)
    page.get_by_text("Runs").first.wait_for(timeout=60_000)
    for _ in range(60):  # on a busy machine the server takes its time
        if any("connection_ack" in str(frame) for frame in received):
            break
        page.wait_for_timeout(500)
    assert opened
    assert any("connection_ack" in str(frame) for frame in received)
    context.close()

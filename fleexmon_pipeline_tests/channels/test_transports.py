"""The request of each kind of channel, its reading of every answer, and the secrets that it never shows."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from pathlib import Path

import pytest

from fleexmon_pipeline.channels import apprise_transport, http_answers, signed_webhook
from fleexmon_pipeline.channels.answers import Delivery
from fleexmon_pipeline.channels.channel import open_channels
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline_tests.channels.conftest import SIGNING, opened, send
from fleexmon_pipeline_tests.channels.receivers import SECRET_PATH, TOKEN, Receiver, SlackLike, message, urls

# -- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["apprise", "signed"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, "sent"), (204, "sent"), (301, "closed"), (400, "refused"), (401, "closed"), (403, "closed"),
        (404, "closed"), (410, "closed"), (413, "refused"), (422, "refused"), (429, "limited"), (500, "unavailable"),
        (502, "unproven"), (503, "unavailable"), (504, "unproven"),
    ],
)  # fmt: skip
def test_each_status_is_told_from_the_others(receiver: Receiver, kind: str, status: int, expected: str) -> None:
    receiver.fail(status, body=b'{"error": "so it is"}' if status != 204 else b"")

    answer = send(urls(receiver)[kind])

    assert answer.kind == expected
    assert (str(status) in answer.reason) == (expected != "sent")
    assert len(receiver.got) == 1, "one attempt is one request"


@pytest.mark.parametrize("kind", ["apprise", "signed"])
@pytest.mark.parametrize(("value", "least", "most"), [("120", 120, 120), ("soon", None, None), ("-5", 0, 0)])
def test_a_service_says_how_long_to_wait(
    receiver: Receiver, kind: str, value: str, least: float | None, most: float | None
) -> None:
    receiver.fail(429, headers={"Retry-After": value})

    answer = send(urls(receiver)[kind])

    assert answer.kind == "limited"
    assert answer.retry_after == least == most


def test_retry_after_may_be_a_date(receiver: Receiver) -> None:
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 300))
    receiver.fail(503, headers={"Retry-After": later})

    assert 290 < (send(urls(receiver)["apprise"]).retry_after or 0) <= 300


@pytest.mark.parametrize("kind", ["apprise", "signed"])
def test_a_refused_connection_has_reached_nobody(receiver: Receiver, kind: str) -> None:
    url = urls(receiver)[kind]
    receiver.stop()

    answer = send(url)

    assert answer.kind == "unavailable"
    assert "connection" in answer.reason.lower()


@pytest.mark.parametrize("kind", ["apprise", "signed"])
def test_a_receiver_that_dies_within_its_answer_may_have_got_it(receiver: Receiver, kind: str) -> None:
    receiver.fail(200, body=b"x" * 1000, die=True)

    answer = send(urls(receiver)[kind])

    # A status line says that it was accepted; only apprise's plugins read the body.
    assert answer.kind == ("unproven" if kind == "apprise" else "sent")


def test_a_receiver_that_never_answers_may_have_got_it(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx  # noqa: PLC0415

    monkeypatch.setattr(signed_webhook, "TIMEOUT", httpx.Timeout(0.3))
    receiver.fail(hang=True, times=2)

    assert send(urls(receiver)["apprise"] + "?rto=0.3").kind == "unproven"
    assert send(urls(receiver)["signed"]).kind == "unproven"


def test_an_endless_answer_is_cut(receiver: Receiver) -> None:
    receiver.body = b"y" * 50_000_000

    before = time.monotonic()
    assert send(urls(receiver)["apprise"]).kind == "sent"
    assert time.monotonic() - before < 5


def test_requests_of_others_in_this_process_are_not_touched(receiver: Receiver) -> None:
    import requests  # noqa: PLC0415

    send(urls(receiver)["apprise"])
    receiver.body = b"z" * (http_answers.MAX_BODY * 2)

    assert len(requests.post(f"http://{receiver.host_port}/x", timeout=5).content) == http_answers.MAX_BODY * 2


def test_redirections_are_not_followed(receiver: Receiver) -> None:
    """They would carry tokens to a host that nobody configured."""
    for kind in ("apprise", "signed"):
        receiver.fail(307, headers={"Location": f"http://{receiver.host_port}/elsewhere"})
        assert send(urls(receiver)[kind]).kind == "closed"
    assert [request.path for request in receiver.got] == [f"/{SECRET_PATH}"] * 2


# -- secrets ------------------------------------------------------------------------------------------------------


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What reaches a program's handlers. pytest also listens to loggers that pass nothing on, such as apprise's."""
    own = [record for record in caplog.records if record.name == "apprise"]
    assert not own or not logging.getLogger("apprise").propagate
    return "\n".join(record.getMessage() for record in caplog.records if record.name != "apprise")


@pytest.mark.parametrize("kind", ["apprise", "signed"])
def test_no_client_logs_a_url(receiver: Receiver, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    assert send(urls(receiver)[kind]).kind == "sent"

    assert SECRET_PATH not in logged(caplog)


def test_no_part_of_a_url_is_shown_whatever_the_service_says(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"json://someuser:{SECRET_PATH}pw@{receiver.host_port}/{SECRET_PATH}?:token={SECRET_PATH}q"
    receiver.fail(401, body=f"bad {SECRET_PATH} and {SECRET_PATH}pw and {SECRET_PATH}q".encode())

    channel = opened(url)
    answer = channel.transport.send(message(), Delivery("id"))

    shown = f"{answer}{channel!r}{channel.shown}{logged(caplog)}{capfd.readouterr()}"
    assert "HTTP 401" in shown
    assert SECRET_PATH not in shown
    assert "someuser" not in shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"slack://{SECRET_PATH}", "not complete or not valid for Slack"),
        (f"nosuch://{SECRET_PATH}", "nosuch:// is not a known service"),
        (f"https://{SECRET_PATH}.example.com/x", "https:// is not a known service"),
        (f"discord://{SECRET_PATH}", "not valid for Discord"),
        (f"mailto://{SECRET_PATH}", "not valid for"),
        (f"webhook+https://user:{SECRET_PATH}@example.com/x", "must not have a user"),
        (f"webhook+http://example.com/{SECRET_PATH}", "plain http is only allowed on this machine"),
        (f"webhook+https:///{SECRET_PATH}", "has no host"),
        (f"webhook+https://h:99999/{SECRET_PATH}", "has no host"),
    ],
    ids=["slack", "unknown", "https", "discord", "mail", "userinfo", "http", "no-host", "port"],
)
def test_a_url_that_cannot_be_used_is_named_by_its_channel(
    url: str, reason: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)

    with pytest.raises(SettingError) as error:
        opened(url)

    assert reason in str(error.value)
    assert '"ops"' in str(error.value)
    assert SECRET_PATH not in f"{error.value}{logged(caplog)}{capfd.readouterr()}"


def test_a_webhook_without_a_secret_is_refused_with_the_variable_to_set() -> None:
    with pytest.raises(SettingError, match=r"is not set\. Set FLEEXMON_CHANNEL_OPS_SECRET"):
        open_channels({"FLEEXMON_CHANNELS": "ops=webhook+https://example.com/x"})
    with pytest.raises(SettingError, match="at least 16 characters, which is shorter"):
        open_channels(
            {"FLEEXMON_CHANNELS": "ops=webhook+https://example.com/x", "FLEEXMON_CHANNEL_OPS_SECRET": "short"}
        )


# -- the signed webhook -------------------------------------------------------------------------------------------


def test_a_receiver_can_check_who_sent_it_and_when(receiver: Receiver) -> None:
    send(urls(receiver)["signed"])

    (got,) = receiver.got
    stamp = got.headers["X-Fleexmon-Timestamp"]
    expected = hmac.new(SIGNING.encode(), stamp.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert got.headers["X-Fleexmon-Signature"] == f"sha256={expected}"
    assert abs(int(stamp) - time.time()) < 5
    assert got.headers["X-Fleexmon-Delivery"] == got.json["id"] == "id-1"
    assert {name: got.json[name] for name in ("version", "channel", "event", "severity", "nodes", "at")} == {
        "version": 1, "channel": "ops", "event": "opened", "severity": "high", "nodes": ["blue"],
        "at": "2026-11-20T10:00:00Z",
    }  # fmt: skip


def test_what_is_too_large_goes_without_its_data(receiver: Receiver) -> None:
    large = message(data={"rows": ["x" * 1_000] * 200})

    opened(urls(receiver)["signed"]).transport.send(large, Delivery("id"))

    (got,) = receiver.got
    assert len(got.body) < signed_webhook.MAX_BODY
    assert (got.json["data"], got.json["dataOmitted"]) == ({}, True)


def test_the_certificate_of_a_webhook_is_verified(receiver: Receiver) -> None:
    """The receiver speaks no TLS at all."""
    answer = opened(f"webhook+https://{receiver.host_port}/x").transport.send(message(), Delivery("id"))

    assert answer.kind == "unavailable"
    assert receiver.got == []


def test_a_call_that_was_given_up_on_sends_nothing_more(slack: SlackLike, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second channel of the URL was not reached in time; a later attempt does."""
    monkeypatch.setattr(apprise_transport, "MAX_SECONDS", 0.5)
    monkeypatch.setattr(apprise_transport, "SECONDS_PER_TARGET", 0.0)
    channel, accepted = opened(f"slack://{TOKEN}/#alerts/#second"), list[str]()
    given_up = channel.transport.send(message(), Delivery("a", on_accepted=accepted.append))
    time.sleep(1.5)  # the pause between two targets is a second
    reached = [request.json["channel"] for request in slack.got]
    monkeypatch.setattr(apprise_transport, "MAX_SECONDS", 30.0)
    later = channel.transport.send(message(), Delivery("a", accepted=accepted))

    assert (given_up.kind, reached) == ("unproven", ["#alerts"])
    assert later.kind == "sent"
    assert [request.json["channel"] for request in slack.got] == ["#alerts", "#second"]


def test_the_guide_names_every_field_and_header_of_the_signed_webhook(receiver: Receiver) -> None:
    guide = (Path(__file__).parent.parent.parent / "docs" / "operators.md").read_text("utf-8")
    section = guide[guide.index("### The signed webhook") :].partition("\n## ")[0]

    send(urls(receiver)["signed"])

    (got,) = receiver.got
    headers = {name for name in got.headers if name.startswith("X-Fleexmon")}
    for name in (*got.json, *headers):
        assert f"`{name}`" in section, f"{name} is sent, and the guide does not say what it is"

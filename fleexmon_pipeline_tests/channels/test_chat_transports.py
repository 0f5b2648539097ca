"""Chats: threads, targets, and text of log lines, which must have no effect."""

from __future__ import annotations

import json

import pytest

from fleexmon_pipeline.channels.answers import Delivery
from fleexmon_pipeline.channels.message import MAX_TITLE
from fleexmon_pipeline_tests.channels.conftest import opened
from fleexmon_pipeline_tests.channels.receivers import TOKEN, Mailbox, Receiver, SlackLike, mail_url, message, urls


def test_slack_keeps_the_messages_of_an_incident_in_one_thread(slack: SlackLike) -> None:
    channel = opened(f"slack://{TOKEN}/#alerts/#second")

    first = channel.transport.send(message(), Delivery("a"))
    second = channel.transport.send(message("ended"), Delivery("b", thread=first.thread))

    assert first.thread == {"#alerts": "1700000001.000100", "#second": "1700000002.000100"}
    assert second.kind == "sent"
    sent = [(request.json["channel"], request.json.get("thread_ts")) for request in slack.got]
    assert sent == [
        ("#alerts", None), ("#second", None), ("#alerts", "1700000001.000100"), ("#second", "1700000002.000100")
    ]  # fmt: skip
    assert second.thread == first.thread, "a thread is that of its first message"


def test_slack_says_no_with_status_200(slack: SlackLike) -> None:
    slack.fail(200, body=b'{"ok": false, "error": "channel_not_found"}')

    answer = opened(f"slack://{TOKEN}/#alerts").transport.send(message(), Delivery("a"))

    assert answer.kind == "closed"
    assert "channel_not_found" in answer.reason


def test_a_target_that_took_the_message_is_left_out_of_the_next_attempt(slack: SlackLike) -> None:
    channel, accepted = opened(f"slack://{TOKEN}/#alerts/#second"), list[str]()
    slack.fail(200, body=b'{"ok": true, "channel": "C1", "ts": "1.1"}')
    slack.fail(500)

    first = channel.transport.send(message(), Delivery("a", on_accepted=accepted.append))
    second = channel.transport.send(message(), Delivery("a", accepted=tuple(accepted), on_accepted=accepted.append))

    assert (first.kind, second.kind) == ("unavailable", "sent")
    assert [request.json["channel"] for request in slack.got] == ["#alerts", "#second", "#second"]
    third = channel.transport.send(message(), Delivery("a", accepted=tuple(accepted)))
    assert third.kind == "sent"
    assert len(slack.got) == 3, "all had it: nothing is sent"


HOSTILE = {
    "slack-channel": "<!channel> deploy failed",
    "slack-here": "<!here|now> deploy failed",
    "user": "<@U0123456> <@!1234> look",
    "everyone": "@everyone @here look",
    "link": "[your bank](http://evil.example/x)",
    "bare-link": "see http://evil.example/x and www.evil.example",
    "html": "<b>bold</b><script>alert(1)</script><img src=x onerror=y>",
    "fence": "``` unclosed",
    "spoiler": "||hidden|| **loud** ~~gone~~ __under__",
}


TRIGGERS = ("<!", "<@U", "<@!", "@everyone", "@here", "](", "://evil", "www.evil", "`", "||", "**", "~~", "__")
HTML_TRIGGERS = ("<script", "<img", "<b>bold")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("service", ["slack", "discord", "telegram", "json", "mail"])
def test_nothing_in_a_log_line_has_an_effect(
    name: str, service: str, receiver: Receiver, slack: SlackLike, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apprise.plugins.discord import NotifyDiscord  # noqa: PLC0415
    from apprise.plugins.telegram import NotifyTelegram  # noqa: PLC0415

    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://{receiver.host_port}/discord")
    monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://{receiver.host_port}/bot")
    url = {
        "slack": f"slack://{TOKEN}/#alerts",
        "discord": "discord://123456789/abcdefgh",
        "telegram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "json": f"json://{receiver.host_port}/x",
        "mail": mail_url(mailbox),
    }[service]
    text = HOSTILE[name]
    hostile = message(title=text, lines=(text,), evidence=(text,)).within_limits()

    assert opened(url).transport.send(hostile, Delivery("id")).kind == "sent"

    if service == "mail":
        body = str(mailbox.mails[-1]["Subject"]) + mailbox.mails[-1].get_content()
    else:
        body = json.dumps((receiver.got or slack.got)[-1].json, ensure_ascii=False)
    for trigger in (*TRIGGERS, *HTML_TRIGGERS):
        assert trigger not in body, f"{trigger} reached {service}"


@pytest.mark.parametrize("service", ["json", "mail", "signed"])
def test_a_title_of_10_megabytes_is_cut(service: str, receiver: Receiver, mailbox: Mailbox) -> None:
    huge = message(title="a word " * 1_500_000, lines=("b" * 10_000_000,), nodes=("n" * 100_000,)).within_limits()
    url = {"json": urls(receiver)["apprise"], "signed": urls(receiver)["signed"], "mail": mail_url(mailbox)}[service]

    assert len(huge.title) <= MAX_TITLE
    assert opened(url).transport.send(huge, Delivery("id")).kind == "sent"
    assert all(len(request.body) < 10_000 for request in receiver.got)

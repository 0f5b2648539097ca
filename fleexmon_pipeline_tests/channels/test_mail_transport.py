"""Mail: threads, headers, and the effect of a server's answer on the next attempt."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import pytest

from fleexmon_pipeline.channels import mail
from fleexmon_pipeline.channels.answers import Delivery
from fleexmon_pipeline_tests.channels.conftest import opened
from fleexmon_pipeline_tests.channels.receivers import SECRET_PATH, Mailbox, mail_url, message


def test_mails_of_an_incident_are_one_thread_and_a_repeat_has_the_same_id(mailbox: Mailbox) -> None:
    channel = opened(mail_url(mailbox))

    first = channel.transport.send(message(), Delivery("id-1"))
    channel.transport.send(message(), Delivery("id-1", repeat=True))
    channel.transport.send(message("ended"), Delivery("id-2", thread=first.thread))
    channel.transport.send(message("worse", severity="critical"), Delivery("id-3", thread=first.thread))
    channel.transport.send(message(key="incident:2"), Delivery("id-4"))

    opened_, repeated, ended, worse, other = mailbox.mails
    assert opened_["Message-ID"] == repeated["Message-ID"] == "<id-1@example.com>"
    assert "may be a repeat" in repeated.get_content()
    assert "may be a repeat" not in opened_.get_content()
    assert len({one["References"] for one in (opened_, ended, worse)}) == 1
    assert other["References"] != opened_["References"]
    assert str(opened_["Subject"]).startswith("[high] Payments fail on blue")
    assert ended["Subject"] == f"Re: {opened_['Subject']}"
    assert ended.get_content().startswith("[high] ended: Payments fail on blue")
    assert str(worse["Subject"]).startswith("[critical] worse: Payments fail on blue")
    assert mailbox.recipients[0] == ["ops@example.com"]


@pytest.mark.parametrize("field", ["title", "lines", "nodes", "command"])
def test_no_header_can_be_put_into_a_mail(mailbox: Mailbox, field: str) -> None:
    text = "down\r\nBcc: victim@example.com\r\n\r\nbody\n.\nMAIL FROM:<x>"
    value: Any = text if field in ("title", "command") else (text,)
    hostile = message(**{field: value})

    for one in (hostile, hostile.within_limits()):
        assert opened(mail_url(mailbox)).transport.send(one, Delivery("id")).kind == "sent"

    assert all(recipients == ["ops@example.com"] for recipients in mailbox.recipients)
    assert all(one["Bcc"] is None for one in mailbox.mails)
    assert len(mailbox.mails) == 2


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("451 try later", "unavailable"),
        ("421 closing", "unavailable"),
        ("550 spam", "refused"),
        ("552 too big", "refused"),
    ],
)
def test_what_a_mail_server_says_decides_about_the_next_attempt(mailbox: Mailbox, words: str, kind: str) -> None:
    mailbox.answers = [words]

    answer = opened(mail_url(mailbox)).transport.send(message(), Delivery("id"))

    assert answer.kind == kind
    assert words[:3] in answer.reason


def test_one_wrong_recipient_does_not_keep_the_mail_from_the_others(mailbox: Mailbox) -> None:
    mailbox.refused = {"gone@example.com"}
    channel, accepted = opened(mail_url(mailbox, "ops@example.com,gone@example.com")), list[str]()

    first = channel.transport.send(message(), Delivery("id", on_accepted=accepted.append))
    second = channel.transport.send(message(), Delivery("id", accepted=accepted, on_accepted=accepted.append))

    assert (first.kind, second.kind) == ("refused", "refused")
    assert mailbox.recipients == [["ops@example.com"]], "sent once"
    assert "gone@example.com" not in first.reason


def test_a_mail_server_that_is_down_has_got_nothing(mailbox: Mailbox) -> None:
    url = mail_url(mailbox).replace(str(mailbox.port), "9")

    answer = opened(url).transport.send(message(), Delivery("id"))

    assert answer.kind == "unavailable"
    assert "refused" in answer.reason.lower()


def test_a_password_is_not_sent_to_a_server_that_cannot_log_in(mailbox: Mailbox) -> None:
    url = f"mailto://someone:{SECRET_PATH}@127.0.0.1:{mailbox.port}?from=monitor@example.com&to=ops@example.com"

    answer = opened(url).transport.send(message(), Delivery("id"))

    assert answer.kind in ("closed", "unavailable")
    assert SECRET_PATH not in answer.reason
    assert mailbox.mails == []


def test_the_mail_of_a_long_line_can_be_read_by_any_client(mailbox: Mailbox) -> None:
    opened(mail_url(mailbox)).transport.send(message(lines=("x" * 5_000, "Grüße, 日本")), Delivery("id"))

    mail_got: EmailMessage = mailbox.mails[0]
    assert "Grüße, 日本" in mail_got.get_content()
    assert len(str(mail_got["Subject"])) <= mail.MAX_SUBJECT

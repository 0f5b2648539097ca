"""Send mail to the recipients of a mailto URL.

Here: one SMTP transaction for all recipients. apprise reads the URL, but does not send: it would give each attempt
another Message-ID, hide the server's answer, and support no threads. Only mail with PGP is left to apprise.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from fleexmon_pipeline.channels.answers import Delivery, SendResult, plain_reason
from fleexmon_pipeline.channels.apprise_transport import MAX_SECONDS, plugin_of
from fleexmon_pipeline.channels.message import ChannelMessage, short_hash
from fleexmon_pipeline.channels.render import body_of, title_of
from fleexmon_pipeline.retries import call_within
from fleexmon_pipeline.wording import one_line

MAX_SUBJECT = 150


def encrypts(url: str) -> bool:
    """Whether a mailto URL asks for PGP, which is left to apprise."""
    plugin: Any = plugin_of(url)
    return bool(plugin.pgp_mode != plugin.template_args["pgp"]["default"])


class MailTransport:
    """Mail servers and clients drop a second message with the same Message-ID, or show it once."""

    knows_repeats = True
    service = "mail"

    def __init__(self, url: str) -> None:
        self._url = url
        self._plugin: Any = plugin_of(url)

    def send(self, message: ChannelMessage, delivery: Delivery) -> SendResult:
        recipients = [address for address in self._recipients() if short_hash(address) not in delivery.accepted]
        if not recipients:
            return SendResult("sent", thread=delivery.thread)
        try:
            return call_within(MAX_SECONDS, lambda: self._transact(message, delivery, recipients))
        except TimeoutError:
            return SendResult("unproven", f"no answer in {MAX_SECONDS:g} s")

    def _recipients(self) -> list[str]:
        plugin = self._plugin
        addresses = [address for _, address in plugin.targets] + sorted(plugin.cc) + sorted(plugin.bcc)
        return list(dict.fromkeys(addresses))

    def _transact(self, message: ChannelMessage, delivery: Delivery, recipients: list[str]) -> SendResult:
        mail, connected = self._mail(message, delivery), False
        try:
            smtp = self._connected()
            connected = True
            try:
                refused = smtp.send_message(mail, self._plugin.from_addr[1], recipients)
            finally:
                with suppress(smtplib.SMTPException, OSError):  # what was accepted stays accepted
                    smtp.quit()
        except smtplib.SMTPRecipientsRefused as error:
            return self._refused(error.recipients)
        except smtplib.SMTPAuthenticationError as error:
            return self._answer("closed", error.smtp_code, error.smtp_error)
        except smtplib.SMTPResponseException as error:
            kind = "unavailable" if error.smtp_code < 500 else "refused" if connected else "closed"
            return self._answer(kind, error.smtp_code, error.smtp_error)
        except ssl.SSLError:
            return SendResult("unavailable", "no encrypted connection, or the certificate cannot be verified")
        except (smtplib.SMTPException, OSError) as error:
            lost = connected and not isinstance(error, smtplib.SMTPNotSupportedError)
            reason = plain_reason(one_line(str(error), most=200) or type(error).__name__, self._url)
            return SendResult("unproven" if lost else "unavailable", reason)
        for recipient in recipients:
            if recipient not in refused:
                delivery.on_accepted(short_hash(recipient))
        subject = (delivery.thread or {}).get("subject") or title_of(message)
        return self._refused(refused) if refused else SendResult("sent", thread={"subject": subject})

    def _connected(self) -> smtplib.SMTP:
        """Connect, encrypt and log in as the URL says. The certificate is verified unless it says verify=no."""
        plugin, context = self._plugin, ssl.create_default_context()
        if not plugin.verify_certificate:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        seconds = plugin.socket_connect_timeout
        if plugin.secure_mode == "ssl":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(plugin.smtp_host, plugin.port, timeout=seconds, context=context)
        else:
            smtp = smtplib.SMTP(plugin.smtp_host, plugin.port, timeout=seconds)
        try:
            if plugin.secure_mode == "starttls":
                smtp.starttls(context=context)
            if plugin.user and plugin.password:
                smtp.login(plugin.user, plugin.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _mail(self, message: ChannelMessage, delivery: Delivery) -> EmailMessage:
        plugin, subject = self._plugin, _header(self._subject(message, delivery))
        # Encoded words must be folded. A plain subject of 80 characters would begin with an empty line instead.
        mail = EmailMessage(policy=SMTP.clone(max_line_length=998) if subject.isascii() else SMTP)
        sender_name, sender = plugin.from_addr
        mail["From"] = _address(sender_name if isinstance(sender_name, str) else "fleexmon", sender)
        mail["To"] = [_address(name or "", address) for name, address in plugin.targets]
        if plugin.cc:
            mail["Cc"] = [_address("", address) for address in sorted(plugin.cc)]
        if plugin.reply_to:
            mail["Reply-To"] = [_address("", address) for address in sorted(plugin.reply_to)]
        mail["Subject"] = subject
        mail["Date"] = datetime.now(UTC)
        domain = sender.rpartition("@")[2] or "fleexmon.invalid"
        root = f"<{short_hash('thread', message.key)}@{domain}>"
        mail["Message-ID"] = f"<{delivery.id}@{domain}>"
        mail["In-Reply-To"] = mail["References"] = root  # no mail has this id; it only holds the thread together
        mail["Auto-Submitted"] = "auto-generated"  # prevents out-of-office replies
        for name, value in plugin.headers.items():
            if name.lower() not in {"message-id", "references", "in-reply-to"} and name not in mail:
                mail[_header(name)] = _header(value)
        title = f"{title_of(message)}\n\n" if subject.startswith("Re: ") else ""  # which is not the subject then
        mail.set_content(title + body_of(message, repeat=delivery.repeat))
        return mail

    def _subject(self, message: ChannelMessage, delivery: Delivery) -> str:
        """Clients also thread by subject: an update that needs nobody's attention keeps the first subject."""
        first = (delivery.thread or {}).get("subject")
        keeps_subject = message.event in ("joined", "ended") and isinstance(first, str)
        return f"Re: {first}" if keeps_subject else title_of(message)

    def _refused(self, refused: dict[str, tuple[int, bytes]]) -> SendResult:
        code, words = next(iter(refused.values()))
        kind = "unavailable" if all(code < 500 for code, _ in refused.values()) else "refused"
        return self._answer(kind, code, words, f"{len(refused)} of the recipients: ")

    def _answer(self, kind: Any, code: int, words: bytes | str, before: str = "") -> SendResult:
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
        return SendResult(kind, f"{before}{plain_reason(f'SMTP {code} {text}', self._url)}")


def _address(name: str, address: str) -> Address:
    return Address(_header(name), addr_spec=address)


def _header(text: str) -> str:
    """No line ends, which would begin another header, and nothing that a header cannot hold."""
    kept = "".join(character for character in text if unicodedata.category(character) not in ("Cc", "Cs"))
    return re.sub(r"\s+", " ", kept)[:MAX_SUBJECT].strip()

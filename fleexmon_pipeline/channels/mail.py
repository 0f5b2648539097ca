"""Mail: what apprise reads from a mailto URL, sent with an identity.

Here: one SMTP transaction for all recipients. apprise would give each attempt another Message-ID, keep the server's
words to itself, and know no thread: its URLs and its connection are used, the message and its answers are ours. A URL
that asks for PGP is left to apprise.
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

from fleexmon_pipeline.channels.answers import Answer, Delivery, plain_reason
from fleexmon_pipeline.channels.apprise_transport import SECONDS, plugin_of
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

    def send(self, message: ChannelMessage, delivery: Delivery) -> Answer:
        recipients = [one for one in self._recipients() if short_hash(one) not in delivery.accepted]
        if not recipients:
            return Answer("sent", thread=delivery.thread)
        try:
            return call_within(SECONDS, lambda: self._transact(message, delivery, recipients))
        except TimeoutError:
            return Answer("unproven", f"no answer in {SECONDS:g} s")

    def _recipients(self) -> list[str]:
        plugin = self._plugin
        addresses = [address for _, address in plugin.targets] + sorted(plugin.cc) + sorted(plugin.bcc)
        return list(dict.fromkeys(addresses))

    def _transact(self, message: ChannelMessage, delivery: Delivery, recipients: list[str]) -> Answer:
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
            return Answer("unavailable", "no encrypted connection, or the certificate cannot be verified")
        except (smtplib.SMTPException, OSError) as error:
            lost = connected and not isinstance(error, smtplib.SMTPNotSupportedError)
            reason = plain_reason(one_line(str(error), most=200) or type(error).__name__, self._url)
            return Answer("unproven" if lost else "unavailable", reason)
        for recipient in recipients:
            if recipient not in refused:
                delivery.on_accepted(short_hash(recipient))
        subject = (delivery.thread or {}).get("subject") or title_of(message)
        return self._refused(refused) if refused else Answer("sent", thread={"subject": subject})

    def _connected(self) -> smtplib.SMTP:
        """Encrypted and logged in as the URL says; the certificate is verified unless it says verify=no."""
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
        mail["In-Reply-To"] = mail["References"] = root  # of no mail: it only holds the thread together
        mail["Auto-Submitted"] = "auto-generated"  # out-of-office answers stay away
        for name, value in plugin.headers.items():
            if name.lower() not in {"message-id", "references", "in-reply-to"} and name not in mail:
                mail[_header(name)] = _header(value)
        news = f"{title_of(message)}\n\n" if subject.startswith("Re: ") else ""  # that the subject does not tell
        mail.set_content(news + body_of(message, repeat=delivery.repeat))
        return mail

    def _subject(self, message: ChannelMessage, delivery: Delivery) -> str:
        """Clients thread by subject, too: an update that calls for nobody keeps the first one's."""
        first = (delivery.thread or {}).get("subject")
        quiet = message.event in ("joined", "ended") and isinstance(first, str)
        return f"Re: {first}" if quiet else title_of(message)

    def _refused(self, refused: dict[str, tuple[int, bytes]]) -> Answer:
        code, words = next(iter(refused.values()))
        kind = "unavailable" if all(code < 500 for code, _ in refused.values()) else "refused"
        return self._answer(kind, code, words, f"{len(refused)} of the recipients: ")

    def _answer(self, kind: Any, code: int, words: bytes | str, before: str = "") -> Answer:
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
        return Answer(kind, f"{before}{plain_reason(f'SMTP {code} {text}', self._url)}")


def _address(name: str, address: str) -> Address:
    return Address(_header(name), addr_spec=address)


def _header(text: str) -> str:
    """No line ends, which would begin another header, and nothing that a header cannot hold."""
    kept = "".join(character for character in text if unicodedata.category(character) not in ("Cc", "Cs"))
    return re.sub(r"\s+", " ", kept)[:MAX_SUBJECT].strip()

"""Send to services that apprise supports: chats, pagers, SMS, webhooks.

Here: from a URL to apprise's plugin, and from a message to one call of it. Texts: `render.py`; the result:
`http_answers.py`. Mail is sent by `mail.py`.
"""

from __future__ import annotations

import logging
import re
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import apprise
from apprise.exception import AppriseImproperlyConfigured

from fleexmon_pipeline.channels.answers import Delivery, SendResult, Thread
from fleexmon_pipeline.channels.http_answers import RecordedExchanges, recording, result_of, slack_threads
from fleexmon_pipeline.channels.message import ChannelMessage, short_hash
from fleexmon_pipeline.channels.render import body_of, title_of
from fleexmon_pipeline.retries import call_within

MAX_SECONDS = 30.0  # for one message
SECONDS_PER_TARGET = 2.0  # in addition, as a URL may name many
MAX_PAUSE_SECONDS = 1.0  # between targets; apprise's own is up to 5.5 s
MAX_READ_SECONDS = 20.0  # `rto` and `cto` in a URL may set less
MAX_CHARACTERS = 4_000  # of a body; apprise cuts it for services with lower limits
_SHOWN_AS_FAILURE = ("critical", "high")
_THREAD = re.compile(r"(?<=\w):[0-9]+\.[0-9]+(?=')")  # of a Slack target


class UnusableUrlError(ValueError):
    """A URL that apprise cannot use. Its text is safe to show."""


def plugin_of(url: str) -> apprise.NotifyBase:
    """apprise's plugin for a URL. Raises UnusableUrlError."""
    _load()
    scheme = url.partition("://")[0].lower()
    with suppress(AppriseImproperlyConfigured, TypeError, ValueError):
        plugin = apprise.Apprise.instantiate(url, asset=_asset())
        if plugin is not None:
            plugin.service_retry = 0  # the outbox retries, and records each result
            plugin.request_rate_per_sec = min(plugin.request_rate_per_sec, MAX_PAUSE_SECONDS)
            plugin.overflow_mode = apprise.OverflowMode.TRUNCATE  # one message, not a series
            plugin.socket_read_timeout = min(plugin.socket_read_timeout, MAX_READ_SECONDS)
            plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, MAX_READ_SECONDS)
            return plugin
    raise UnusableUrlError(_why(scheme))


class AppriseTransport:
    """One URL. Each message gets a new plugin, because a plugin keeps state, such as rate limits, between messages."""

    knows_repeats = False

    def __init__(self, url: str) -> None:
        self._url = url
        self.service = str(plugin_of(url).service_name)

    def send(self, message: ChannelMessage, delivery: Delivery) -> SendResult:
        plugin = plugin_of(self._url)
        _in_thread(plugin, message.key, delivery.thread)
        _only_missing_targets(plugin, delivery)
        seconds = MAX_SECONDS + SECONDS_PER_TARGET * len(plugin)
        exchanges = RecordedExchanges(time.monotonic() + seconds)

        def call() -> tuple[bool, str]:
            with recording(exchanges):
                result = _notify(plugin, message, repeat=delivery.repeat)
                return bool(result), _logged_reason(result)

        try:
            sent, logged_reason = call_within(seconds, call)
        except TimeoutError:
            return SendResult("unproven", f"no answer in {seconds:g} s")
        result = result_of(exchanges, self._url, sent=sent, logged_reason=logged_reason)
        threads = slack_threads(exchanges) if _has_slack_threads(plugin) else {}
        # The known thread wins: it is that of the first message.
        return replace(result, thread={**threads, **(delivery.thread or {})} or None)


def _notify(plugin: apprise.NotifyBase, message: ChannelMessage, *, repeat: bool) -> apprise.AppriseResult:
    sender = apprise.Apprise(asset=plugin.asset)
    sender.add(plugin)
    return sender.notify(
        title=title_of(message),
        body=body_of(message, repeat=repeat)[:MAX_CHARACTERS],
        body_format=apprise.NotifyFormat.TEXT,  # apprise escapes it for services that use HTML or mrkdwn
        notify_type=_type_of(message),
        log_level=logging.DEBUG,
    )


def _type_of(message: ChannelMessage) -> apprise.NotifyType:
    """The type decides on colours and sounds in the service."""
    if message.event in ("digest", "summary", "test"):
        return apprise.NotifyType.INFO
    if message.event == "ended":
        return apprise.NotifyType.SUCCESS
    return apprise.NotifyType.FAILURE if message.severity in _SHOWN_AS_FAILURE else apprise.NotifyType.WARNING


def _logged_reason(result: apprise.AppriseResult) -> str:
    """The reason that a plugin logged for its failure, for services without HTTP. The caller removes secrets."""
    for entry in reversed(list(result.logs())):
        head, separator, reason = str(entry.message).partition("Exception: ")
        if separator and len(head) < 20:
            return reason
    return ""


# -- threads and targets -----------------------------------------------------------------------------------------------


def _has_slack_threads(plugin: apprise.NotifyBase) -> bool:
    """Only bots have threads: with a bot's token Slack returns the message's id; an incoming webhook answers `ok`."""
    return type(plugin).__name__ == "NotifySlack" and getattr(plugin, "mode", None) == "bot"


def _in_thread(plugin: Any, key: str, thread: Thread | None) -> None:
    """Send into the key's thread if apprise supports that for the service. A thread in the operator's URL stays."""
    if type(plugin).__name__ == "NotifyGoogleChat" and not plugin.thread_key:
        plugin.thread_key = short_hash(key)  # Google Chat opens it with the first message
    elif _has_slack_threads(plugin) and thread:
        plugin.channels = [
            f"{channel}:{thread[shown]}" if (shown := _slack_channel(channel)) in thread else channel
            for channel in plugin.channels
        ]


def _slack_channel(channel: str) -> str:
    """The channel as apprise writes it into a request: `alerts` → `#alerts`, `+C0123` → `C0123`."""
    if channel[:1] == "+":
        return channel[1:]
    return channel if channel[:1] in "#@" else f"#{channel}"


def _only_missing_targets(plugin: Any, delivery: Delivery) -> None:
    """Leave out targets that accepted the message in an earlier attempt.

    apprise does the same in its own retries. What it then keeps in memory, the outbox keeps in the database.
    """
    accepted = set(delivery.accepted)

    def name(key: object) -> str:
        if type(key) is object:
            return "all"  # how apprise marks a whole message
        return short_hash(_THREAD.sub("", repr(key)))  # hashed: a target may be a telephone number or a token

    def is_delivered(key: object, per_message: bool = False) -> bool:  # noqa: ARG001 - apprise's signature
        return name(key) in accepted

    def mark_delivered(key: object, per_message: bool = False) -> None:  # noqa: ARG001
        if name(key) not in accepted:
            accepted.add(name(key))
            delivery.on_accepted(name(key))

    plugin.is_delivered, plugin.mark_delivered = is_delivered, mark_delivered


# -- apprise itself ----------------------------------------------------------------------------------------------------


def _asset() -> apprise.AppriseAsset:
    return apprise.AppriseAsset(
        app_id="fleexmon", app_desc="fleexmon", app_url="", async_mode=False, http_redirects=False, secure_logging=True,
        image_url_mask=None, image_url_logo=None, default_service_retry=0, plugin_paths=[],
    )  # fmt: skip


@cache
def _load() -> Any:
    """Load apprise's plugins, once, and drop its log lines.

    It logs URLs that it cannot read, and sometimes tokens. We report ourselves what a person should know.
    """
    log = logging.getLogger("apprise")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    plugins: Any = apprise.manager_plugins.NotificationManager()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():  # of modules that apprise imports
        warnings.simplefilter("ignore")
        plugins.load_modules()
    return plugins


def _why(scheme: str) -> str:
    plugins = _load()
    if scheme not in plugins:
        return f"{scheme[:40]}:// is not a known service. The list: https://appriseit.com/services/"
    plugin = plugins[scheme]
    if not plugin.enabled:
        needed = plugin.requirements.get("packages_required") or []
        packages = ", ".join([needed] if isinstance(needed, str) else needed) or "a package that is not installed"
        return f"{scheme}:// needs {packages}."
    return f"its URL is not complete or not valid for {plugin.service_name}. Its form: {plugin.setup_url}"

"""`fleexmon channels`: list channels with their delivery state, and send a test message. Never prints a URL.

Here: options and printing. Reading and sending: `channels/`.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import psycopg
import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.channels.answers import Delivery, SendResult
from fleexmon_pipeline.channels.channel import Channel, open_channel, usable_channels
from fleexmon_pipeline.channels.message import short_hash
from fleexmon_pipeline.channels.outbox import record_test
from fleexmon_pipeline.channels.overview import ChannelOverview, overview, without_history
from fleexmon_pipeline.channels.produce import message_of_test
from fleexmon_pipeline.commands.home import NoHomeError
from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.screen.clock import Clock, readers_clock
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.wording import iso_text, one_line

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def channels() -> None:
    """List channels with their delivery state, or send a test message. FLEEXMON_CHANNELS configures them."""


@app.command("list")
def list_channels(as_json: Json = False) -> None:
    """List channels with last success, last failure and waiting messages. Exit status 1 if one cannot be used."""
    configured = settings.channels()
    _, problems = usable_channels()
    now = datetime.now(UTC)
    try:
        with open_database("reading channels") as connection:
            views = overview(connection, configured, now=now)
    except NoHomeError:  # nothing was sent yet
        views = without_history(configured)
    if as_json:
        print_json({"channels": [_document(view) for view in views], "problems": problems})
    else:
        for view in views:
            typer.echo(_line(view, readers_clock(now)))
        for problem in problems:
            typer.echo(f"wrong: {problem}")
        if not views:
            typer.echo("no channel: FLEEXMON_CHANNELS is not set")
    raise typer.Exit(1 if problems else 0)


@app.command("test")
def send_test(
    name: Annotated[str, typer.Argument(help="The channel's name: see `fleexmon channels list`.")],
    as_json: Json = False,
) -> None:
    """Send a marked test message to a channel now and report the answer. Exit status 1 if it was not accepted."""
    channel = open_channel(_named(name))
    now = datetime.now(UTC)
    message = message_of_test(channel.name, at=now).within_limits()
    with waiting("waiting for the service's answer"):
        answer = channel.transport.send(message, Delivery(short_hash(channel.name, message.event_id)))
    _record(channel, answer, now)
    if as_json:
        print_json({
            "channel": channel.name, "service": channel.transport.service, "sent": answer.kind == "sent",
            "outcome": answer.kind, "reason": answer.reason, "retryAfter": answer.retry_after,
        })  # fmt: skip
    else:
        typer.echo(f"{channel.shown}: {_words(answer)}")
    raise typer.Exit(0 if answer.kind == "sent" else 1)


def _named(name: str) -> settings.ChannelSettings:
    configured = settings.channels(os.environ)
    for one in configured:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in configured) or "none: FLEEXMON_CHANNELS is not set"
    raise CommandError(f'NAME: "{one_line(name, most=60)}" is not a channel. Channels: {names}.')


def _record(channel: Channel, answer: SendResult, now: datetime) -> None:
    """Record the test, if there is a database. After a success, the next run sends waiting messages."""
    try:
        with open_database("recording the test") as connection:
            record_test(connection, channel, answer, now=now)
    except (NoHomeError, psycopg.Error):
        return


_OUTCOMES = {
    "sent": "accepted the test message",
    "refused": "refused the test message",
    "closed": "does not accept messages",
    "limited": "asks to wait",
    "unavailable": "could not be reached",
    "unproven": "did not answer; the message may have arrived",
}


def _words(answer: SendResult) -> str:
    wait = f" (asked to wait {answer.retry_after:g} s)" if answer.retry_after else ""
    return f"{_OUTCOMES[answer.kind]}{': ' + answer.reason if answer.reason else ''}{wait}"


def _line(view: ChannelOverview, clock: Clock) -> str:
    wants = f"{view.severity} and worse{', digest' if view.digest else ''}"
    success = f"last success {clock.full_minute(view.last_success, named=True)}" if view.last_success else "never used"
    parts = [success, f"{view.waiting} waiting"]
    if view.last_failure:
        parts.append(f"last failure {clock.full_minute(view.last_failure, named=True)}")
    if view.failing_since:
        parts.append(f"failing: {view.error}")
    return f"{view.name:<16}  {view.scheme:<14}  {wants:<26}  {'; '.join(parts)}"


def _document(view: ChannelOverview) -> dict[str, object]:
    return {name: iso_text(value) if isinstance(value, datetime) else value for name, value in asdict(view).items()}

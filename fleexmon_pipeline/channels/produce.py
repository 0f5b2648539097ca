"""Turn incidents and digests into channel messages.

Here: their words. Sentences that GitHub uses too: `incidents/sentences.py`. Which incidents, and what happened to them:
`incidents/follow.py`; queueing: `outbox.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fleexmon_pipeline.channels.message import ChannelMessage, Event
from fleexmon_pipeline.channels.outbox import SQL
from fleexmon_pipeline.channels.policy import rank
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents import sentences
from fleexmon_pipeline.incidents.follow import Report, Step, about_incident, follow, reason_of_end
from fleexmon_pipeline.incidents.read import Incident
from fleexmon_pipeline.incidents.story import Story, read_story
from fleexmon_pipeline.settings import ChannelSettings
from fleexmon_pipeline.settings.channels import SEVERITIES
from fleexmon_pipeline.window import Window
from fleexmon_pipeline.wording import iso_text

DIGEST_RECENT = timedelta(days=2)  # after the day's end
MAX_ADVICE = 400  # characters


def lowest_severity(channels: Sequence[ChannelSettings]) -> str:
    """The lowest severity that any of these channels gets."""
    return min((channel.severity for channel in channels), key=rank, default="high")


def messages_of_incidents(
    connection: Connection, *, now: datetime, min_severity: str = "high", ui_url: str | None = None
) -> list[ChannelMessage]:
    """What changed since each incident was last reported: opened, worse, joined, ended, returned.

    Reads only, idempotent.

    An incident is reported first when it is open, not muted, of `min_severity` or worse, and was seen in the last 24
    hours; from then on it is followed at any age. `ui_url`: where people open the UI.
    """
    last_events = connection.execute(SQL["last_events"]).fetchall()
    data = {row["key"]: row["message"]["data"] for row in last_events}
    reports = [Report.of(row["key"], data[row["key"]], is_open=row["event"] != "ended") for row in last_events]
    severities = [name for name in SEVERITIES if rank(name) >= rank(min_severity)]
    messages = []
    for step in follow(connection, reports, now=now, severities=severities):
        if step.incident is None:
            messages.append(
                _ended_elsewhere(step, data[step.key], data[step.continued_by.key] if step.continued_by else None)
            )
        elif step.event:
            messages.append(_message(connection, step, step.incident, data.get(step.key), ui_url))
    return messages


def _message(
    connection: Connection, step: Step, incident: Incident, before: Mapping[str, Any] | None, ui_url: str | None
) -> ChannelMessage:
    """`before`: the data of the last message about this incident.

    In the data, `turn` counts how often the incident began, including returns, and `told` its messages. Both are part
    of the id of events that can happen more than once, so two runs at once give an event the same id.
    """
    event: Event = step.event or "opened"  # type: ignore[assignment]
    turn = int(before["turn"]) + (event == "returned") if before else 1
    sequence = int(before.get("told", 1)) + 1 if before else 1
    identity = f"{event}:{sequence}" if event in ("worse", "joined") else event
    story = read_story(connection, incident)
    return ChannelMessage(
        key=step.key,
        event=event,
        event_id=f"{turn}:{identity}",
        severity=incident.severity,
        nodes=tuple(incident.nodes),
        title=incident.title,
        lines=tuple(_lines(connection, step, story)),
        at=incident.last_seen_at,
        evidence=() if event == "ended" else tuple(
            f"{line.timestamp:%H:%M:%S} {line.node} {line.level} {line.message}" for line in story.evidence
        ),
        link=f"{ui_url}/fleexmon/incidents/{incident.id}" if ui_url else None,
        command=f"fleexmon incidents show {incident.id}",
        data={
            **about_incident(connection, incident),
            "turn": turn,
            "told": sequence,
            "status": incident.status,
            "title": incident.title,
            "startedAt": iso_text(incident.started_at, "seconds"),
            "lastSeenAt": iso_text(incident.last_seen_at, "seconds"),
            "lines": incident.figures.lines,
            "errors": incident.figures.errors,
            "usualErrors": incident.figures.usual_errors,
        },
    )  # fmt: skip


def _ended_elsewhere(step: Step, before: Mapping[str, Any], continued_by: Mapping[str, Any] | None) -> ChannelMessage:
    """The last message about an incident that was merged into another one, or whose issues no longer exist."""
    line = sentences.merged(continued_by["title"]) if continued_by else sentences.REMOVED
    return ChannelMessage(
        key=step.key, event="ended", event_id=f"{before['turn']}:ended", severity=before["severity"],
        nodes=tuple(before["nodes"]), title=before["title"], lines=(line,),
        at=datetime.fromisoformat(before["updated"]), data=before,
    )  # fmt: skip


def _lines(connection: Connection, step: Step, story: Story) -> Iterator[str]:
    incident = story.incident
    if step.event == "ended":
        yield f"{sentences.ended(incident)} {sentences.errors_of(incident)}."
        if reason := reason_of_end(connection, incident):
            yield reason
        return
    if step.event == "returned":
        yield sentences.RETURNED
    if step.event == "joined":
        yield sentences.spread(step.new_nodes)
    if step.event == "worse" and step.report:
        yield sentences.rose(step.report.severity, incident.severity)
    yield f"{sentences.state(incident)} {sentences.errors_of(incident)}."
    if step.event in ("worse", "joined"):
        return
    if story.began_with:
        yield sentences.began_with(story.began_with)
    for change in incident.changes[:3]:
        yield f"Shortly before, at {change.at[11:16]} UTC: {change.kind} on {change.node}: {change.text}"
    if story.hypothesis:
        yield f"{sentences.HYPOTHESIS}: {' '.join(story.hypothesis.split())[:MAX_ADVICE]}"
    if story.steps:
        yield " ".join(story.steps.split())[:MAX_ADVICE]


def message_of_digest(day: Window, title: str, sentences: Sequence[str], *, now: datetime) -> ChannelMessage | None:
    """A day's digest, sent once, when the day has ended; None if that is too early or too late, as in a backfill.

    `sentences`: what a person should know without opening the digest.
    """
    if not day.until <= now < day.until + DIGEST_RECENT:
        return None
    name = f"{day.since:%Y-%m-%d}"
    return ChannelMessage(
        key=f"digest:{name}",
        event="digest",
        event_id=f"digest:{name}",
        severity="low",
        nodes=(),
        title=title,
        lines=tuple(sentences),
        at=day.until,
        command=f"fleexmon digest --date {name}",
        data={"day": name},
    )


def message_of_test(name: str, *, at: datetime) -> ChannelMessage:
    """A marked message that a person asked for."""
    return ChannelMessage(
        key="test",
        event="test",
        event_id=f"test:{iso_text(at)}",
        severity="low",
        nodes=(),
        title=f"test of the channel {name}",
        lines=("Somebody ran `fleexmon channels test`. Nothing is wrong, and there is nothing to do.",),
        at=at,
    )

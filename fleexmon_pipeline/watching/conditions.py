"""What is wrong with the pipeline: runs that fail, schedules that stall, work that piles up, a disk that fills.

Here: decisions on facts, without Dagster and without a database. Reading the facts: `dagster_history.py` and
`record.py`, which also turns problems into issues. A condition must last before it counts: one failed run is retried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fleexmon_pipeline.issues.occurrence import Severity
from fleexmon_pipeline.watching.disk import MIN_FREE_SHARE, Disk
from fleexmon_pipeline.wording import counted, cut_at_word, duration, one_line, plural

MIN_FAILED_RUNS = 2  # of a job in a row
MAX_FAILURE_AGE = timedelta(hours=26)  # a daily job's failure lasts until the next day
MIN_WAITING_FOR_ANALYSIS = timedelta(hours=3)
MIN_BACKLOG_HOURS = 24  # hours of log that wait for a stage
MIN_QUEUED_RUNS, MIN_QUEUED_TIME = 5, timedelta(minutes=30)
MIN_FAILING_CHECK = timedelta(hours=1)
MIN_FAILING_CHANNEL = timedelta(minutes=5)
FULL_WITHIN = timedelta(days=3)
MAX_LISTED = 8
MAX_TITLE = 100
NODE = "fleexmon"  # the node that the issues are about


@dataclass(frozen=True)
class JobRuns:
    """The newest finished runs of a job: when each ended, and whether it succeeded; newest first."""

    job: str
    runs: Sequence[tuple[datetime, bool]]


@dataclass(frozen=True)
class ExpectedSchedule:
    """A schedule, and how long it may be without a successful run. `last_success`: None if it never had one."""

    name: str
    max_gap: timedelta
    last_success: datetime | None


@dataclass(frozen=True)
class FailingCheck:
    name: str
    asset: str
    since: datetime


@dataclass(frozen=True)
class FailingChannel:
    name: str
    since: datetime
    waiting: int


@dataclass(frozen=True)
class Facts:
    """What is known of the pipeline now. `running_since`: the installation's first run; None if there was none yet."""

    running_since: datetime | None = None
    jobs: Sequence[JobRuns] = ()
    schedules: Sequence[ExpectedSchedule] = ()
    queued: Sequence[datetime] = ()  # when each queued run was requested
    waiting_for_analysis: Sequence[datetime] = ()  # hours
    backlog: int = 0  # hours that wait for any stage
    checks: Sequence[FailingCheck] = ()
    channels: Sequence[FailingChannel] = ()
    disk: Disk | None = None


@dataclass(frozen=True)
class Problem:
    """`name` is the rule and the type of its issue; the title consists of `what` and `which`."""

    name: str
    severity: Severity
    what: str
    which: str
    description: str
    recommendation: str
    figures: dict[str, object] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What, where, which: as of every issue."""
        return cut_at_word(f"{self.what} on {NODE}: {self.which}", most=MAX_TITLE)


NAMES = (
    "pipeline-runs-fail",
    "pipeline-schedule-stalled",
    "pipeline-analysis-waits",
    "pipeline-backlog",
    "pipeline-check-fails",
    "pipeline-disk-fills",
    "pipeline-channel-fails",
)


def problems(facts: Facts, *, now: datetime) -> list[Problem]:
    """The problems that these facts show, at most one of each name."""
    return [
        problem
        for condition in (
            _runs_fail(facts, now),
            _schedule_stalled(facts, now),
            _analysis_waits(facts, now),
            _backlog(facts, now),
            _check_fails(facts, now),
            _disk_fills(facts),
            _channel_fails(facts, now),
        )
        for problem in condition
    ]


MIN_LASTING = timedelta(minutes=10)  # after a machine wakes up, everything is late for a moment
MAX_PAUSE = timedelta(minutes=15)  # between evaluations; after a longer pause nobody knows whether a problem lasted


def lasting(
    found: Sequence[Problem], seen: Mapping[str, datetime], *, last: datetime | None, now: datetime
) -> tuple[list[Problem], dict[str, datetime]]:
    """Problems that have lasted, and since when each was seen, for the next call.

    `seen` and `last` are what the previous call returned, and its time.
    """
    before = seen if last is not None and timedelta() <= now - last <= MAX_PAUSE else {}
    since = {problem.name: before.get(problem.name, now) for problem in found}
    return [problem for problem in found if now - since[problem.name] >= MIN_LASTING], since


def _runs_fail(facts: Facts, now: datetime) -> Iterator[Problem]:
    failing = {}
    for job in facts.jobs:
        failures = 0
        for ended, succeeded in job.runs:
            if succeeded or now - ended > MAX_FAILURE_AGE:
                break
            failures += 1
        if failures >= MIN_FAILED_RUNS:
            failing[job.job] = failures
    if failing:
        jobs = ", ".join(f"{job} ({count}x)" for job, count in failing.items())
        yield Problem(
            NAMES[0],
            Severity.HIGH,
            "Runs fail",
            jobs,
            f"The last runs of {jobs} failed, one after the other.",
            "Open the newest failed run in the UI (Runs, status Failure): its last event names the reason. "
            "`fleexmon doctor` checks every setting and system.",
            {"jobs": failing},
        )


def _schedule_stalled(facts: Facts, now: datetime) -> Iterator[Problem]:
    late = {}
    for schedule in facts.schedules:
        last = schedule.last_success or facts.running_since
        if last is not None and now - last > schedule.max_gap:
            late[schedule.name] = last
    if late:
        names = ", ".join(late)
        yield Problem(
            NAMES[1],
            Severity.HIGH,
            f"{plural(len(late), 'Schedule')} stalled",
            names,
            "; ".join(f"{name}: no successful run since {_time(last)}" for name, last in late.items()) + ".",
            "See whether its runs fail or wait in the queue (UI: Runs), and whether it is on (UI: Automation). "
            "If it was stopped on purpose, mute this issue.",
            {"schedules": {name: last.isoformat() for name, last in late.items()}},
        )


def _analysis_waits(facts: Facts, now: datetime) -> Iterator[Problem]:
    waiting = [hour for hour in facts.waiting_for_analysis if now - hour > MIN_WAITING_FOR_ANALYSIS]
    if waiting:
        yield Problem(
            NAMES[2],
            Severity.MEDIUM,
            "Analysis waits",
            f"{counted(len(waiting), 'hour')}, the oldest since {_time(min(waiting))}",
            f"{counted(len(waiting), 'hour')} of log wait for the GenAI agent. Rules work without it.",
            "The check everything_is_judged says why. It is retried automatically.",
            {"hours": len(waiting)},
        )


def _backlog(facts: Facts, now: datetime) -> Iterator[Problem]:
    queued = [at for at in facts.queued if now - at > MIN_QUEUED_TIME]
    reasons = []
    if facts.backlog >= MIN_BACKLOG_HOURS:
        reasons.append(f"{counted(facts.backlog, 'hour')} of log wait for a stage")
    if len(queued) >= MIN_QUEUED_RUNS:
        reasons.append(f"{counted(len(queued), 'run')} queued for more than {duration(MIN_QUEUED_TIME)}")
    if reasons:
        yield Problem(
            NAMES[3],
            Severity.MEDIUM,
            "Work piles up",
            " and ".join(reasons),
            f"{'; '.join(reasons)}. Pending hours are processed oldest first, 6 at a time.",
            "See whether runs fail or hang (UI: Runs), whether nodes answer (`fleexmon nodes`), and whether the "
            "machine is overloaded: a tick should take seconds.",
            {"hours": facts.backlog, "queued": len(queued)},
        )


def _check_fails(facts: Facts, now: datetime) -> Iterator[Problem]:
    failing = [check for check in facts.checks if now - check.since > MIN_FAILING_CHECK]
    if failing:
        names = [check.name for check in failing[:MAX_LISTED]]
        yield Problem(
            NAMES[4],
            Severity.LOW,
            f"{plural(len(failing), 'Check')} {'fails' if len(failing) == 1 else 'fail'}",
            ", ".join(names),
            "; ".join(f"{check.name} of {check.asset} since {_time(check.since)}" for check in failing[:MAX_LISTED]),
            "`fleexmon doctor` lists the reasons; details are in the UI, under the asset's Checks.",
            {"checks": [check.name for check in failing]},
        )


def _disk_fills(facts: Facts) -> Iterator[Problem]:
    disk = facts.disk
    if disk is None:
        return
    soon = disk.full_in is not None and disk.full_in <= FULL_WITHIN
    if not soon and disk.free >= disk.total * MIN_FREE_SHARE:
        return
    when = f"full in {_rough(disk.full_in)}" if soon and disk.full_in is not None else "nearly full"
    yield Problem(
        NAMES[5],
        Severity.CRITICAL if disk.free < disk.total * MIN_FREE_SHARE else Severity.HIGH,
        f"Disk {when}",
        f"{_bytes(disk.free)} of {_bytes(disk.total)} free",
        f"{_bytes(disk.free)} of {_bytes(disk.total)} are free where FLEEXMON_HOME is.",
        "Find what grew (`du -xh --max-depth 3 / | sort -h | tail`). Of ours: log files of `up`, Dagster's storage, "
        "and rows, which LOG_RETENTION_DAYS bounds: see the operator guide, Retention and disk.",
        {"free": disk.free, "total": disk.total},
    )


def _channel_fails(facts: Facts, now: datetime) -> Iterator[Problem]:
    failing = [channel for channel in facts.channels if now - channel.since > MIN_FAILING_CHANNEL]
    if failing:
        names = ", ".join(one_line(channel.name, most=40) for channel in failing[:MAX_LISTED])
        yield Problem(
            NAMES[6],
            Severity.MEDIUM,
            f"{plural(len(failing), 'Channel')} cannot be reached",
            names,
            "; ".join(
                f"{channel.name} since {_time(channel.since)}, {counted(channel.waiting, 'message')} waiting"
                for channel in failing[:MAX_LISTED]
            ),
            "`fleexmon channels list` shows the reason. Then `fleexmon channels test NAME` sends pending messages.",
            {"channels": [channel.name for channel in failing]},
        )


def _rough(length: timedelta) -> str:
    hours = round(length.total_seconds() / 3600)
    return counted(hours, "hour") if hours < 48 else f"{hours // 24} days"


def _bytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.0f} MB"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

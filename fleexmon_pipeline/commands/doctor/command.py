"""`fleexmon doctor`: the order of its checks, and how findings are printed.

The checks are in the modules beside this one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime

import psycopg
import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.doctor import archive, machine, nodes, outside, stored
from fleexmon_pipeline.commands.doctor.finding import Environment, Finding, summed_up
from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import print_json
from fleexmon_pipeline.database.migrate import DatabaseTooNewError
from fleexmon_pipeline.database.server import DatabaseUnreachableError
from fleexmon_pipeline.embedded.server import EmbeddedServerError
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline.wording import counted

app = typer.Typer(add_completion=False)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check every setting and outside system.

    Each is ok, off (not configured), warn (works, but needs attention) or wrong, with what to do about it. Creates
    nothing.

    Exit status 1 when one is wrong.
    """
    with waiting("checking settings, nodes and outside systems"):
        findings = examine(os.environ, now=datetime.now(UTC))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        typer.echo(render(findings))
    raise typer.Exit(1 if any(finding.state == "wrong" for finding in findings) else 0)


def examine(environment: Environment, *, now: datetime) -> list[Finding]:
    """All findings, in the order of dependencies. Problems are findings, never exceptions."""
    findings = [finding for check in _CHECKS for finding in _settled(check, environment, now)]
    return list(dict.fromkeys(findings))  # several checks may report the same wrong setting


def render(findings: list[Finding]) -> str:
    shown = summed_up(findings)
    width = max(len(finding.subject) for finding in shown)
    lines = [
        f"{finding.state:<5}  {finding.subject:<{width}}  " + finding.told.replace("\n", f"\n{' ' * (width + 9)}")
        for finding in shown
    ]
    states = Counter(finding.state for finding in findings)
    checks = (
        f"{counted(states['warn'], 'check')} {'fails' if states['warn'] == 1 else 'fail'}" if states["warn"] else ""
    )
    wrong = f"{states['wrong']} wrong" if states["wrong"] or checks else "no problems found"
    return "\n".join([*lines, "", ", ".join(filter(None, (wrong, checks)))])


def _settled(
    check: Callable[[Environment, datetime], Iterator[Finding]], environment: Environment, now: datetime
) -> Iterator[Finding]:
    try:
        yield from check(environment, now)
    except SettingError as error:
        yield Finding(error.variable, "wrong", str(error).removeprefix(f"{error.variable}: "))
    except (DatabaseUnreachableError, DatabaseTooNewError, EmbeddedServerError, psycopg.Error) as error:
        subject = "DATABASE_URL" if settings.is_set(environment, "DATABASE_URL") else "database"
        yield Finding(subject, "wrong", str(error).removeprefix("DATABASE_URL: ").strip())
    except OSError as error:
        yield Finding(error.filename or "machine", "wrong", error.strerror or str(error))


_CHECKS = (
    machine.homes,
    machine.port,
    machine.retention,
    machine.false_alarms,
    machine.limits,
    machine.rules,
    stored.database,
    archive.archive,
    nodes.nodes,
    outside.genai,
    outside.github,
    outside.channels,
    outside.heartbeat,
    outside.agents,
    outside.broker,
)

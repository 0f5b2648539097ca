"""`fleexmon rules backtest`: what other rules would have said of the past, in a terminal and as JSON.

Here: options, and what is printed. The replay: `replays/rules.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.times import moment_of
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.detection.rule_files import Rules, all_rules
from fleexmon_pipeline.issues.lifecycle import newest_covered
from fleexmon_pipeline.replays.rules import Backtest, Issue, NothingKnownError, Progress, backtest
from fleexmon_pipeline.window import DAY, SLOT, Window, ceil, floor
from fleexmon_pipeline.wording import inert_line, iso_text, plural

Write = Callable[[str], object]
CURRENT = "CURRENT"
LONGEST = 366 * DAY
_LISTED = 40  # issues of a kind; --json has all


def run_backtest(
    write: Write, since: str, until: str | None, directory: Path | None, against: str, progress: Progress,
    *, as_json: bool, now: datetime,
) -> None:  # fmt: skip
    """Raises typer.BadParameter."""
    candidate = _rules(directory, "--rules")
    current = _rules(None if against == CURRENT else Path(against), "--against")
    with connect(database_url()) as connection:
        window = _window(since, until, newest=newest_covered(connection), now=now)
        try:
            live = settings.live_node()
            found = backtest(connection, current.rules, candidate.rules, window, live=live, progress=progress)
        except NothingKnownError as error:
            raise typer.BadParameter(str(error)) from None
    write(msgspec.json.encode(as_document(found)).decode() if as_json else page(found))


def _rules(directory: Path | None, option: str) -> Rules:
    """As if FLEEXMON_RULES named the directory; None: the rules in force. A file that is refused refuses all: figures
    without the rule that was changed would mislead."""
    if directory is not None and not directory.is_dir():
        raise typer.BadParameter(f"{option}: {directory} is not a directory. Examples: {option} ./rules")
    loaded = all_rules(directory or settings.rules_directory())
    if directory is not None and loaded.problems:
        told = "\n  ".join(str(problem) for problem in loaded.problems)
        raise typer.BadParameter(f"{option}: nothing was replayed, since rules are refused:\n  {told}")
    return loaded


def _window(since: str, until: str | None, *, newest: datetime | None, now: datetime) -> Window:
    """Whole slots, none later than what is known."""
    end = ceil(moment_of("--to", until, now=now), SLOT) if until else floor(now, SLOT)
    end = min(end, newest) if newest else end
    begin = floor(moment_of("--from", since, now=now), SLOT)
    if begin >= end:
        known = f"; what is known ends at {newest:%Y-%m-%d %H:%M} UTC" if newest else ""
        raise typer.BadParameter(f"--from {since}: is not before --to {until or 'now'}{known}")
    if end - begin > LONGEST:
        raise typer.BadParameter(f"--from {since}: more than a year before --to; counts are not kept that long")
    return Window(begin, end)


def as_document(found: Backtest) -> dict[str, Any]:
    """All of it; times are ISO 8601 in UTC."""
    return {
        "from": iso_text(found.window.since, "seconds"),
        "to": iso_text(found.window.until, "seconds"),
        "lines": found.lines,
        "nodes": found.known,
        "rules_changed": found.changed,
        "issues": {
            "before": len(found.against), "after": len(found.candidate), "kept": len(found.kept),
            "gained": len(found.gained), "lost": len(found.lost),
        },
        "false_alarms_a_day": {
            "before": found.false_alarms(found.against), "after": found.false_alarms(found.candidate),
        },
        "by_rule": {
            rule: {str(day): {name: count[name] for name in ("kept", "gained", "lost")} for day, count in days.items()}
            for rule, days in found.by_rule().items()
        },
        "kept": [_issue(issue) for issue in found.kept],
        "gained": [_issue(issue) for issue in found.gained],
        "lost": [_issue(issue) for issue in found.lost],
        "other_severity": [{"before": old.severity, **_issue(new)} for old, new in found.reweighed],
        "notes": found.notes,
    }  # fmt: skip


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "fingerprint": issue.fingerprint, "rule": issue.rule, "severity": issue.severity, "title": issue.title,
        "nodes": issue.nodes,
        "since": iso_text(issue.since, "seconds"), "until": iso_text(issue.until, "seconds"), "slots": issue.slots,
        "verdict": issue.verdict,
    }  # fmt: skip


def page(found: Backtest) -> str:
    changed = ", ".join(found.changed) or "none: the same rules on both sides"
    lines = [
        f"{found.window} UTC, {found.lines:,} lines; rules that differ: {changed}",
        *_gaps(found),
        "",
        f"{'rule':<28}{'day':<12}{'kept':>6}{'gained':>8}{'lost':>6}",
    ]
    total: Counter[str] = Counter()
    for rule, days in found.by_rule().items():
        of_rule = sum(days.values(), Counter[str]())
        total += of_rule
        lines.append(_row(rule, "all", of_rule))
        lines += [_row("", str(day), count) for day, count in days.items() if count["gained"] or count["lost"]]
    lines.append(_row("all", "", total))
    for heading, sign, issues in (("Gained", "+", found.gained), ("Lost", "-", found.lost)):
        lines += _listed(heading, sign, issues)
    if found.reweighed:
        lines += ["", "Kept with another severity"]
        lines += [f"~ {old.severity} → {_told(new)}" for old, new in found.reweighed[:_LISTED]]
    lines += ["", _alarms(found), *(f"Note: {inert_line(note)}" for note in found.notes)]
    return "\n".join(lines)


def _gaps(found: Backtest) -> list[str]:
    holes = [f"{inert_line(node)} {share:.0%}" for node, share in found.known.items() if share < 0.995]
    return [f"Not all of it is known: {', '.join(holes)} of the slots; where nothing is known nothing fires"] * bool(
        holes
    )


def _row(rule: str, day: str, count: Counter[str]) -> str:
    kept, gained, lost = (count[name] for name in ("kept", "gained", "lost"))
    return f"{rule:<28}{day:<12}{kept:>6}{f'+{gained}' if gained else '':>8}{f'-{lost}' if lost else '':>6}"


def _listed(heading: str, sign: str, issues: tuple[Issue, ...]) -> Iterable[str]:
    if not issues:
        return []
    width = max(len(_nodes(issue)) for issue in issues[:_LISTED])
    more = [f"  … and {len(issues) - _LISTED:,} more; --json has them"] if len(issues) > _LISTED else []
    return ["", f"{heading} ({len(issues)})", *(f"{sign} {_told(issue, width)}" for issue in issues[:_LISTED]), *more]


def _nodes(issue: Issue) -> str:
    return inert_line(", ".join(issue.nodes) or "all nodes")


def _told(issue: Issue, width: int = 0) -> str:
    called = f"  [{issue.verdict}]" if issue.verdict else ""
    return (
        f"{Window(issue.since, issue.until)}  {issue.severity:<8}  {_nodes(issue):<{width}}  {issue.rule}: "
        f"{inert_line(issue.title)}{called}"
    )


def _alarms(found: Backtest) -> str:
    days = f"{found.days:.3g} {plural(found.days, 'day')}"
    text = f"Issues: {len(found.against)} before, {len(found.candidate)} after, in {days}."
    if not any(issue.verdict for issue in (*found.against, *found.candidate)):
        return f"{text} Nobody has called one of them noise or real yet: `fleexmon issues resolve ID --as noise`."
    alarms = [found.false_alarms(issues) for issues in (found.against, found.candidate)]
    text += f" Of those that people called noise: {alarms[0]:.2f} a day before, {alarms[1]:.2f} after."
    real = sum(issue.verdict == "real" for issue in found.lost)
    return f"{text} Lost: {real} that people called real." if real else text

"""`fleexmon rules backtest`: print the issues that changed rules would have opened in the past.

Here: windows, rules and printing. Options: `command.py`; the replay: `replays/rules.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.home import existing_database_url
from fleexmon_pipeline.commands.screen.clock import Clock, readers_clock
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.screen.terminal import show_text
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.commands.times import named_minute, parse_time
from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.detection.rule_files import Rules, all_rules
from fleexmon_pipeline.issues.lifecycle import newest_covered
from fleexmon_pipeline.replays.rules import Backtest, Issue, backtest
from fleexmon_pipeline.window import DAY, SLOT, Window, ceil, floor
from fleexmon_pipeline.wording import inert_line, iso_text, plural

MAX_WINDOW = 366 * DAY
_MAX_LISTED = 40  # issues of a kind; --json prints all


def run_backtest(
    since: str, until: str | None, compared: tuple[Path | None, Path | None], *, as_json: bool, now: datetime
) -> None:
    """compared: directories of the changed rules and of those they are compared with; None: the rules in force."""
    candidate, current = _rules(compared[0], "--rules"), _rules(compared[1], "--against")
    url = existing_database_url()
    with connect(url) as connection, waiting("replaying") as show_progress:
        window = _window(since, until, newest=newest_covered(connection), now=now)
        live, false_alarms = settings.live_node(), settings.false_alarms_per_day()
        result = backtest(
            connection, current.rules, candidate.rules, window, live=live, false_alarms=false_alarms,
            progress=lambda done, total: show_progress(f"{done} of {total} days replayed"),
        )  # fmt: skip
    if as_json:
        print_json(as_document(result))
    else:
        show_text(page(result, readers_clock(now)))


def _rules(directory: Path | None, option: str) -> Rules:
    """The rules, as if FLEEXMON_RULES named the directory; None: the rules in force. One refused file refuses all,
    because figures without the changed rule would mislead."""
    if directory is not None and not directory.is_dir():
        raise CommandError(f"{option}: {directory} is not a directory. Examples: {option} ./rules")
    loaded = all_rules(directory or settings.rules_directory(), settings.node_labels())
    if directory is not None and loaded.problems:
        problems = "\n  ".join(str(problem) for problem in loaded.problems)
        raise CommandError(
            f"{option}: nothing was replayed, because rule files are refused. Fix them first:\n  {problems}"
        )
    return loaded


def _window(since: str, until: str | None, *, newest: datetime | None, now: datetime) -> Window:
    """The window in whole slots, up to the newest covered one."""
    end = ceil(parse_time("--to", until, now=now), SLOT) if until else floor(now, SLOT)
    end = min(end, newest) if newest else end
    begin = floor(parse_time("--from", since, now=now), SLOT)
    if begin >= end:
        covered = f"; what was collected ends at {named_minute(newest, now=now)}" if newest else ""
        raise CommandError(f"--from {since}: is not before --to {until or 'now'}{covered}.")
    if end - begin > MAX_WINDOW:
        raise CommandError(f"--from {since}: more than a year before --to; counts are not kept that long.")
    return Window(begin, end)


def as_document(result: Backtest) -> dict[str, Any]:
    """The complete result as JSON. Times are ISO 8601 in UTC."""
    return {
        "from": iso_text(result.window.since, "seconds"),
        "to": iso_text(result.window.until, "seconds"),
        "lines": result.lines,
        "nodes": result.known,
        "rules_changed": result.changed,
        "issues": {
            "before": len(result.against), "after": len(result.candidate), "kept": len(result.kept),
            "gained": len(result.gained), "lost": len(result.lost),
        },
        "false_alarms_a_day": {
            "before": result.false_alarms(result.against), "after": result.false_alarms(result.candidate),
        },
        "by_rule": {
            rule: {str(day): {name: count[name] for name in ("kept", "gained", "lost")} for day, count in days.items()}
            for rule, days in result.by_rule().items()
        },
        "kept": [_issue(issue) for issue in result.kept],
        "gained": [_issue(issue) for issue in result.gained],
        "lost": [_issue(issue) for issue in result.lost],
        "other_severity": [{"before": old.severity, **_issue(new)} for old, new in result.reweighed],
        "notes": result.notes,
    }  # fmt: skip


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "fingerprint": issue.fingerprint, "rule": issue.rule, "severity": issue.severity, "title": issue.title,
        "nodes": issue.nodes,
        "since": iso_text(issue.since, "seconds"), "until": iso_text(issue.until, "seconds"), "slots": issue.slots,
        "verdict": issue.verdict,
    }  # fmt: skip


def page(result: Backtest, clock: Clock) -> str:
    changed = ", ".join(result.changed) or "none, both sides have the same rules"
    lines = [
        f"{clock.window(result.window)}, {result.lines:,} lines; rules that differ: {changed}",
        *_gaps(result),
        "",
        f"{'rule':<28}{'day':<12}{'kept':>6}{'gained':>8}{'lost':>6}",
    ]
    total: Counter[str] = Counter()
    for rule, days in result.by_rule().items():
        of_rule = sum(days.values(), Counter[str]())
        total += of_rule
        lines.append(_row(rule, "all", of_rule))
        lines += [_row("", str(day), count) for day, count in days.items() if count["gained"] or count["lost"]]
    lines.append(_row("all", "", total))
    for heading, sign, issues in (("Gained", "+", result.gained), ("Lost", "-", result.lost)):
        lines += _listed(heading, sign, issues)
    if result.reweighed:
        lines += ["", "Kept, with another severity"]
        lines += [f"~ {old.severity} → {_shown(new)}" for old, new in result.reweighed[:_MAX_LISTED]]
    lines += ["", _alarms(result), *(f"Note: {inert_line(note)}" for note in result.notes)]
    return "\n".join(lines)


def _gaps(result: Backtest) -> list[str]:
    shares = [f"{inert_line(node)} {share:.0%}" for node, share in result.known.items() if share < 0.995]
    return [f"Coverage has gaps: {', '.join(shares)} of the slots are known; no rule fires in a gap"] if shares else []


def _row(rule: str, day: str, count: Counter[str]) -> str:
    kept, gained, lost = (count[name] for name in ("kept", "gained", "lost"))
    return f"{rule:<28}{day:<12}{kept:>6}{f'+{gained}' if gained else '':>8}{f'-{lost}' if lost else '':>6}"


def _listed(heading: str, sign: str, issues: tuple[Issue, ...]) -> Iterable[str]:
    if not issues:
        return []
    width = max(len(_nodes(issue)) for issue in issues[:_MAX_LISTED])
    more = [f"  … and {len(issues) - _MAX_LISTED:,} more; --json prints all"] if len(issues) > _MAX_LISTED else []
    return [
        "",
        f"{heading} ({len(issues)})",
        *(f"{sign} {_shown(issue, width)}" for issue in issues[:_MAX_LISTED]),
        *more,
    ]


def _nodes(issue: Issue) -> str:
    return inert_line(", ".join(issue.nodes) or "all nodes")


def _shown(issue: Issue, width: int = 0) -> str:
    marked = f"  [{issue.verdict}]" if issue.verdict else ""
    return (
        f"{Window(issue.since, issue.until)}  {issue.severity:<8}  {_nodes(issue):<{width}}  {issue.rule}: "
        f"{inert_line(issue.title)}{marked}"
    )


def _alarms(result: Backtest) -> str:
    days = f"{result.days:.3g} {plural(result.days, 'day')}"
    text = f"Issues: {len(result.against)} before, {len(result.candidate)} after, in {days}."
    if not any(issue.verdict for issue in (*result.against, *result.candidate)):
        return f"{text} None was marked as noise or real yet; to mark one: `fleexmon issues resolve ID --as noise`."
    alarms = [result.false_alarms(issues) for issues in (result.against, result.candidate)]
    text += f" Marked as noise: {alarms[0]:.2f} per day before, {alarms[1]:.2f} after."
    real = sum(issue.verdict == "real" for issue in result.lost)
    return f"{text} {real} of the lost were marked as real." if real else text

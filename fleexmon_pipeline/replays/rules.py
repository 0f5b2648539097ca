"""What changed rules would have reported in the past: run the functions of the stages on stored rows; write nothing.

Here: two sets of rules over one window, and the differences of their issues. When a rule fires:
`detection/evaluate.py`; which occurrences are one issue: `issues/episodes.py`. People's resolutions are not replayed:
they would split the issues of one set only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from fleexmon_pipeline.baselines.store import learn_days
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.detection.budget import Budget
from fleexmon_pipeline.detection.evaluate import evaluate
from fleexmon_pipeline.detection.rule_model import Rule, all_series, text_conditions
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.forecasting.predictors import predict
from fleexmon_pipeline.issues.episodes import RETURNS_WITHIN, CoveredTime, FiringSpan, episodes
from fleexmon_pipeline.issues.occurrence import Occurrence, Severity, peak
from fleexmon_pipeline.window import DAY, EPOCH, SETTLED, SLOT, Window, floor, history_day

SQL = statements("backtest")
Progress = Callable[[int, int], object]  # parts done, and their number
DAYS_LEARNT_AT_ONCE = 8  # with one read of their pasts: successive days share 13 of 14 days


@dataclass(frozen=True)
class Issue:
    """An episode of one fingerprint, which would have been an issue, with title and severity of its last slot."""

    fingerprint: str
    rule: str
    severity: Severity
    title: str
    nodes: tuple[str, ...]
    since: datetime  # beginning of the first slot
    until: datetime  # end of the last slot
    slots: int  # in which the rule fired
    verdict: str | None = None  # people's, if it really was an issue: noise or real

    @property
    def day(self) -> date:
        return self.since.date()

    def overlaps(self, other: Issue) -> bool:
        return self.since < other.until and other.since < self.until


@dataclass(frozen=True)
class Backtest:
    """Issues of both sets of rules. `kept`: issues of the candidate that the other set reports at the same time."""

    window: Window
    lines: int
    known: dict[str, float]  # node → share of the window's slots that are covered
    changed: tuple[str, ...]  # rules that only one set has, or that differ
    against: tuple[Issue, ...]
    candidate: tuple[Issue, ...]
    kept: tuple[Issue, ...]
    gained: tuple[Issue, ...]
    lost: tuple[Issue, ...]
    reweighed: tuple[tuple[Issue, Issue], ...]  # kept, with another severity: before, after
    notes: tuple[str, ...]

    @property
    def days(self) -> float:
        return self.window.length / DAY

    def false_alarms(self, issues: Iterable[Issue]) -> float:
        """Issues per day that people marked as noise."""
        return sum(issue.verdict == "noise" for issue in issues) / self.days

    def by_rule(self) -> dict[str, dict[date, Counter[str]]]:
        """Rule → day → number of issues kept, gained and lost; days and rules without any are left out."""
        counts: defaultdict[str, defaultdict[date, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        for name, issues in (("kept", self.kept), ("gained", self.gained), ("lost", self.lost)):
            for issue in issues:
                counts[issue.rule][issue.day][name] += 1
        return {rule: dict(sorted(days.items())) for rule, days in sorted(counts.items())}


class NothingKnownError(FleexmonError, ValueError):
    """Nothing is stored for the window. The text says for which window something is."""


def backtest(
    connection: Connection,
    against: Sequence[Rule],
    candidate: Sequence[Rule],
    window: Window,
    *,
    live: str | None = None,
    false_alarms: float | None = None,
    progress: Progress = lambda *_: None,
) -> Backtest:
    """Evaluate `window` (whole slots) with both sets of rules and compare the issues.

    Only rules that are enabled, active and `replayable` run. Baselines are learnt into a temporary table; the server
    refuses all other writes of this session. A rule that both sets have in the same version is evaluated once.
    Deployments are those known now, `live` is LIVE_NODE. `false_alarms` is FLEEXMON_FALSE_ALARMS_PER_DAY, which the
    rules of both sets share in the same way as the first set. Raises NothingKnownError.
    """
    nodes = connection.execute(SQL["slots_known"], {"since": window.since, "until": window.until}).fetchall()
    if not any(row["slots"] for row in nodes):
        raise NothingKnownError(_nothing(connection, window))
    before, after = _active(against), _active(candidate)
    before_fired: list[Occurrence] = []
    after_fired: list[Occurrence] = []
    parts = list(_parts(window))
    all_rules = [*against, *candidate]
    sharing = {rule.name: rule for rule in (*candidate, *against)}
    budget = Budget(false_alarms, list(sharing.values())) if false_alarms is not None else None
    with _scratch(connection, window):
        for done, part in enumerate(parts):
            progress(done, len(parts))
            if done % DAYS_LEARNT_AT_ONCE == 0:
                days = [history_day(later.since) for later in parts[done : done + DAYS_LEARNT_AT_ONCE]]
                learn_days(connection, [row["node"] for row in nodes], days, all_series(all_rules))
            old, new = _evaluate_both(connection, before, after, all_rules, part, live, budget)
            before_fired += old
            after_fired += new
    progress(len(parts), len(parts))
    covered = _coverage(connection, window, [*before_fired, *after_fired])
    verdicts = _verdicts(connection)
    old_issues, new_issues = (_issues(fired, covered, verdicts) for fired in (before_fired, after_fired))
    kept, gained, lost, reweighed = _compare(old_issues, new_issues)
    slots = window.length / SLOT
    return Backtest(
        window=window,
        lines=sum(row["lines"] for row in nodes),
        known={row["node"]: row["slots"] / slots for row in nodes},
        changed=tuple(sorted({name for name, _ in _versions(before) ^ _versions(after)})),
        against=tuple(old_issues),
        candidate=tuple(new_issues),
        kept=tuple(kept),
        gained=tuple(gained),
        lost=tuple(lost),
        reweighed=tuple(reweighed),
        notes=tuple(_notes(connection, window, against, candidate)),
    )


def _active(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.replayable and rule.enabled and rule.mode == "active"]


def _versions(rules: Iterable[Rule]) -> set[tuple[str, str]]:
    return {(rule.name, rule.version) for rule in rules}


def _parts(window: Window) -> Iterator[Window]:
    """The window in parts, each with one set of baselines: these change some time after midnight."""
    since = window.since
    while since < window.until:
        until = min(floor(since - SETTLED, DAY) + DAY + SETTLED, window.until)
        yield Window(since, until)
        since = until


def _evaluate_both(
    connection: Connection, before: Sequence[Rule], after: Sequence[Rule], all_rules: Sequence[Rule], part: Window,
    live: str | None, budget: Budget | None,
) -> tuple[list[Occurrence], list[Occurrence]]:  # fmt: skip
    """Occurrences of both sets in a part. A silent node gets no other issue, so results are shared only if both sets
    have the same rules for silence. All rules are passed, some disabled, so that baselines are learnt once for all."""
    off = [rule.model_copy(update={"enabled": False}) for rule in all_rules]
    old = _evaluated(connection, [*before, *off], part, live, budget)
    silences = [rule for rule in after if rule.absence]
    alike = _versions(silences) == _versions(rule for rule in before if rule.absence)
    shared = _versions(before) & _versions(after) if alike else set()
    names = {name for name, _ in shared}
    other = [rule for rule in after if rule.name not in names]
    if not other:
        return old, [fired for fired in old if fired.rule in names]
    new = _evaluated(connection, [*other, *(silences if alike else ()), *off], part, live, budget)
    own = {rule.name for rule in other}
    return old, [fired for fired in old if fired.rule in names] + [fired for fired in new if fired.rule in own]


def _evaluated(
    connection: Connection, rules: Sequence[Rule], part: Window, live: str | None, budget: Budget | None
) -> list[Occurrence]:
    """Rules with forecasts are evaluated only at the end of whole hours."""
    occurrences = evaluate(connection, rules, part, until=part.until, live=live, evidence=False, budget=budget)
    for hour in part.hours():
        if hour.overlap(part) == hour:
            occurrences += predict(connection, rules, hour, now_end=hour.until)
    return occurrences


@contextmanager
def _scratch(connection: Connection, window: Window) -> Iterator[None]:
    bounds = {"since": window.since, "until": window.until}
    connection.execute(SQL["scratch_baselines"], bounds)
    connection.execute(SQL["scratch_key"])
    connection.execute(SQL["only_scratch"])
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute(SQL["as_before"])
            connection.execute(SQL["drop_scratch"])


# -- from occurrences to issues -------------------------------------------------------------------------------------


def _coverage(
    connection: Connection, window: Window, occurrences: Iterable[Occurrence]
) -> dict[tuple[str, ...], CoveredTime]:
    covered = {}
    for nodes in {tuple(sorted(set(occurrence.nodes))) for occurrence in occurrences}:
        rows = connection.execute(
            statements("lifecycle")["covered"], {"since": window.since, "nodes": list(nodes) or None}
        )
        covered[nodes] = CoveredTime([Window(row["since"], row["until"]) for row in rows])
    return covered


def _issues(
    occurrences: Iterable[Occurrence],
    covered: dict[tuple[str, ...], CoveredTime],
    verdicts: dict[str, list[tuple[Window, str]]],
) -> list[Issue]:
    by_fingerprint: defaultdict[str, dict[datetime, Occurrence]] = defaultdict(dict)
    for occurrence in occurrences:
        by_fingerprint[occurrence.fingerprint][occurrence.slot] = occurrence
    issues = []
    for name, of_slots in by_fingerprint.items():
        runs = [
            FiringSpan(fired.slot, fired.slot, fired.grace, 1, RETURNS_WITHIN if fired.subject.pattern else timedelta())
            for _, fired in sorted(of_slots.items())
        ]
        nodes = tuple(sorted({node for fired in of_slots.values() for node in fired.nodes}))
        for episode in episodes(runs, covered.get(nodes, CoveredTime([]))):
            shown = peak(fired for slot, fired in of_slots.items() if episode.first <= slot <= episode.last)
            issue = Issue(
                name, shown.rule, shown.severity, shown.title, nodes, episode.first, episode.end, episode.occurrences
            )
            own_verdicts = [
                verdict
                for window, verdict in verdicts.get(name, ())
                if issue.since < window.until and window.since < issue.until
            ]
            issues.append(replace(issue, verdict=own_verdicts[-1] if own_verdicts else None))
    return sorted(issues, key=lambda issue: (issue.since, issue.fingerprint))


def _verdicts(connection: Connection) -> dict[str, list[tuple[Window, str]]]:
    """Fingerprint → windows and verdicts of issues with people's verdicts, the latest last."""
    verdicts: defaultdict[str, list[tuple[Window, str]]] = defaultdict(list)
    for row in connection.execute(SQL["verdicts"]):
        began = floor(EPOCH + timedelta(milliseconds=row["issue"].int >> 80), SLOT)
        window = Window(row["first"] or began, (row["last"] or began) + SLOT)
        verdicts[row["fingerprint"]].append((window, row["verdict"]))
    return verdicts


def _compare(
    against: Iterable[Issue], candidate: Iterable[Issue]
) -> tuple[list[Issue], list[Issue], list[Issue], list[tuple[Issue, Issue]]]:
    """Kept, gained, lost, and kept with another severity."""
    by_name: defaultdict[str, list[Issue]] = defaultdict(list)
    for issue in against:
        by_name[issue.fingerprint].append(issue)
    kept: list[Issue] = []
    gained: list[Issue] = []
    reweighed: list[tuple[Issue, Issue]] = []
    met: set[Issue] = set()
    for issue in candidate:
        same = [other for other in by_name[issue.fingerprint] if other.overlaps(issue)]
        met.update(same)
        (kept if same else gained).append(issue)
        if same and same[-1].severity != issue.severity:
            reweighed.append((same[-1], issue))
    return kept, gained, [issue for issue in against if issue not in met], reweighed


# -- notes on the figures -------------------------------------------------------------------------------------------


def _nothing(connection: Connection, window: Window) -> str:
    row = connection.execute(SQL["known"]).fetchone()
    if row is None or row["since"] is None:
        return "no node has responded yet, so there is nothing to replay. `fleexmon up` collects; see `fleexmon nodes`."
    return (
        f"nothing was collected in {window} UTC. Choose --from and --to within "
        f"{Window(row['since'], row['until'])} UTC."
    )


def oldest_line(connection: Connection) -> datetime | None:
    """The time of the oldest line in the table or the archive."""
    oldest = connection.execute(SQL["oldest_line"]).fetchone()
    return oldest["timestamp"] if oldest else None


def _notes(connection: Connection, window: Window, against: Sequence[Rule], candidate: Sequence[Rule]) -> Iterator[str]:
    both = {rule.name: rule for rule in (*against, *candidate)}
    if skipped := sorted(name for name, rule in both.items() if not rule.replayable):
        yield f"not replayed, because they need stored forecasts or issues: {', '.join(skipped)}"
    if shadows := sorted(rule.name for rule in candidate if rule.mode == "shadow" and rule.enabled):
        yield f"in shadow mode, so without issues: {', '.join(shadows)}; set mode: active to see them here"
    texts = sorted(text_conditions(rule for rule in both.values() if rule.enabled))
    since = oldest_line(connection)
    if texts and (since is None or since >= window.since + DAY):
        deleted = f"lines before {since:%Y-%m-%d %H:%M} UTC" if since else "all lines"
        yield f"{deleted} are deleted: rules that search for texts find nothing there ({', '.join(texts)})"

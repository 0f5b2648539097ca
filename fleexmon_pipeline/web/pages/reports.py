"""Comparisons, digests, and rules in shadow mode.

The data: `comparison/`, `lookup/digests.py`, `lookup/shadow.py`.
"""

from __future__ import annotations

import os
import re
from datetime import date, datetime

from markupsafe import Markup

from fleexmon_pipeline import settings
from fleexmon_pipeline.comparison.deployments import Deployment, deployments
from fleexmon_pipeline.comparison.judge import ComparedPattern
from fleexmon_pipeline.comparison.read import (
    MAX_WINDOW,
    Comparison,
    NothingToCompareError,
    known_nodes,
)
from fleexmon_pipeline.comparison.watch import AFTER, MAX_AFTER, baseline_for, compared_windows
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.issues.read import IssueFilter, IssueSummary, list_issues
from fleexmon_pipeline.lookup.digests import list_digests, one_digest
from fleexmon_pipeline.lookup.shadow import shadow_rules, shadow_subjects
from fleexmon_pipeline.web.pages.comparing import Comparing
from fleexmon_pipeline.web.pages.page import Page
from fleexmon_pipeline.web.pages.page_request import BadRequestError, NotFoundError, PageRequest
from fleexmon_pipeline.window import DAY, SLOT, Window, ceil, floor

MAX_ROWS, MAX_KNOWN_ROWS = 30, 8
RELOAD_SECONDS = 1  # for a page whose comparison is still being computed
DIGESTS = 40
DIVERGES = "deployment-diverges"  # the rule
DEPLOYMENT_DAYS, MAX_DEPLOYMENTS = 30, 20
SHADOW_DAYS = 30
MAX_SUBJECTS = 60  # of all rules
_MAIN = re.compile(r"<main>(.*)</main>", re.DOTALL)
_INLINE_STYLE = re.compile(r' style="[^"]*"')


def compared(connection: Connection, page_request: PageRequest, *, comparing: Comparing) -> Page:
    """The last deployments, with the issues that report a divergence; and a comparison, if from and candidate are
    given.

    A comparison reads a week of counts, so each has its own link, and the page does not wait for it.
    """
    question = _question(connection, page_request, settings.live_node(os.environ))
    try:
        chosen = comparing.of(connection, *question) if question else None
    except NothingToCompareError as error:
        raise NotFoundError(str(error)) from None
    waits = question is not None and chosen is None
    since = page_request.now - DEPLOYMENT_DAYS * DAY
    listed = deployments(connection, Window(since, page_request.now), limit=MAX_DEPLOYMENTS)
    diverging = list_issues(connection, IssueFilter("all", rule=DIVERGES, since=since), limit=MAX_DEPLOYMENTS)
    return Page(
        "compare",
        "Compare",
        "compare",
        {
            "nodes": known_nodes(connection),
            "chosen": chosen,
            "waits": waits,
            "rows": _rows(chosen) if chosen else [],
            "deployments": [
                (deployed, _window(deployed, page_request.now), _issue_of(deployed, diverging)) for deployed in listed
            ],
            "since": page_request.text("from"),
            "until": page_request.text("to"),
            "baseline": page_request.text("baseline"),
            "candidate": page_request.text("candidate"),
        },
        reload_seconds=RELOAD_SECONDS if waits else None,
    )


def _window(deployed: Deployment, now: datetime) -> Window | None:
    """The longest window after a deployment that has ended; None if none has, or the next version came too soon."""
    return next((window for window in reversed([*compared_windows(deployed, AFTER)]) if window.until <= now), None)


def _issue_of(deployed: Deployment, issues: list[IssueSummary]) -> IssueSummary | None:
    """The issue that reports its divergence: on its node, detected while the deployment is compared."""
    during = Window(deployed.at, deployed.at + MAX_AFTER)
    return next((issue for issue in issues if deployed.node in issue.nodes and issue.detected_at in during), None)


def _question(connection: Connection, page_request: PageRequest, live: str | None) -> tuple[Window, str, str] | None:
    """Window, baseline and candidate of the requested comparison; None if there is none."""
    since, until = page_request.moment("from"), page_request.moment("to") or page_request.now
    candidate = page_request.text("candidate")
    if since is None and candidate is None and page_request.text("baseline") is None:
        return None
    if since is None or candidate is None:
        raise BadRequestError("A comparison needs from, the time of the deployment, and a candidate node.")
    if until <= since:
        raise BadRequestError("to: is not after from.")
    window = Window(floor(since, SLOT), ceil(until, SLOT)).ended(page_request.now)
    if not window:
        raise BadRequestError("from: no whole slot of 5 minutes has ended since.")
    if window.length > MAX_WINDOW:
        raise BadRequestError(f"from: more than {MAX_WINDOW.days} days; compare the hours after a deployment.")
    nodes = known_nodes(connection)
    deployed = Deployment(candidate, "", since, "", "person")
    baseline = page_request.text("baseline") or baseline_for(connection, deployed, window, live)
    for name in (candidate, baseline):
        if name not in nodes:
            raise BadRequestError(f'"{(name or "")[:60]}" is not a node. Known nodes: {", ".join(nodes) or "none"}.')
    if baseline is None or baseline == candidate:
        raise BadRequestError(f"{candidate} would be compared with itself; choose another reference node.")
    return window, baseline, candidate


def _rows(comparison: Comparison) -> list[ComparedPattern]:
    """The patterns that stand out; without any, the most frequent ones."""
    patterns = comparison.outcome.patterns
    standing_out = [pattern for pattern in patterns if pattern.status != "known"]
    most_frequent = sorted(patterns, key=lambda pattern: -(pattern.baseline + pattern.candidate))
    return standing_out[:MAX_ROWS] or most_frequent[:MAX_KNOWN_ROWS]


def digests(connection: Connection, page_request: PageRequest) -> Page:
    days = list_digests(connection, before=_day(page_request.text("before"), "before"), limit=DIGESTS + 1)
    return Page(
        "digests",
        "Digests",
        "digest",
        {"days": days[:DIGESTS], "older": days[DIGESTS - 1].day if len(days) > DIGESTS else None},
    )


def one_day(connection: Connection, page_request: PageRequest) -> Page:
    """A digest as it was written, in the frame of these pages."""
    day = _day(page_request.name, "day")
    digest = one_digest(connection, day)
    if digest is None:
        raise NotFoundError(f"There is no digest of {page_request.name[:40]}. One is written every morning.")
    main = _MAIN.search(digest.html)
    content = _INLINE_STYLE.sub("", main[1]) if main else ""
    content = content.replace(
        '<div class="scroll">', '<div class="scroll" tabindex="0" role="group" aria-label="Scrolls sideways">'
    )
    around = list_digests(connection, before=digest.day, limit=1)
    return Page(
        "digest",
        f"Digest {digest.day}",
        "digest",
        {
            # Our own HTML, escaped when it was written; the policy of these pages executes nothing in any case.
            "content": Markup(content),  # noqa: S704
            "day": digest.day,
            "earlier": around[0].day if around else None,
        },
    )


def _day(text: str | None, parameter: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f'{parameter}: "{text[:40] if text else ""}" is not a day such as 2026-11-20.') from None


def shadow(connection: Connection, page_request: PageRequest) -> Page:
    since = page_request.now - SHADOW_DAYS * DAY
    rules = shadow_rules(connection, since=since)
    limit = max(3, MAX_SUBJECTS // max(1, len(rules)))
    return Page(
        "shadow",
        "Shadow rules",
        "shadow",
        {
            "rules": [(rule, shadow_subjects(connection, rule.rule, since=since, limit=limit)) for rule in rules],
            "days": SHADOW_DAYS,
        },
    )

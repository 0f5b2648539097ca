"""The verdict at the top of a digest: how the day went, and how complete its data is.

A day without lines is never healthy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleexmon_pipeline.reporting.figures import Coverage, GenAIUse, Incidents, NodeFigures, Verdict, Volume
from fleexmon_pipeline.wording import counted, one_line

# An error rate above these needs attention; the predictor uses the same thresholds.
MIN_RATE_RISE = 1.5
MIN_RATE = 0.02


def verdict_of_day(
    total: Volume,
    week: Volume,
    coverage: Coverage,
    nodes: Sequence[NodeFigures],
    incidents: Incidents,
    genai: GenAIUse,
    *,
    new_errors: int,
    as_of: datetime | None,
) -> Verdict:
    """The verdict of a day. week: the mean of the days before; coverage: the sum over all nodes."""
    lines, uncounted = int(total.lines), coverage.uncounted(total.lines)
    rate, rate_before = total.error_rate, week.error_rate
    incomplete = [node.node for node in nodes if node.coverage.missing or node.coverage.partial]
    so_far = f" up to {as_of:%H:%M} UTC" if as_of else ""
    things = []
    if incidents.urgent:
        things.append(counted(incidents.urgent, "open high or critical incident"))
    if new_errors:
        things.append(counted(new_errors, "new error pattern"))
    if rate is not None and rate_before is not None and rate > max(MIN_RATE_RISE * rate_before, MIN_RATE):
        times = f" ({rate / rate_before:.1f}x the week before)" if rate_before else " (0% the week before)"
        things.append(f"error rate {rate:.1%}{times}")
    if genai.failures:
        things.append(f"GenAI failed in {genai.failures} of {counted(genai.calls, 'call')}")
    gaps = _gaps(coverage, incomplete, uncounted)

    if not lines and not uncounted:
        return _without_lines(coverage, incomplete, things, so_far)
    if things:
        listed = "; ".join([*things, *gaps])
        return Verdict("attention", f"Needs attention{so_far}: {listed}.", (*things, *gaps))
    if gaps:
        return Verdict("incomplete", f"Incomplete data{so_far}: {'; '.join(gaps)}. The collected part looks healthy.",
                       tuple(gaps))  # fmt: skip
    collected = f"all {counted(coverage.due, 'slot')} collected" if coverage.due else "coverage not recorded"
    return Verdict(
        "healthy" if coverage.due else "incomplete",
        f"{'Healthy' if coverage.due else 'Incomplete data'}{so_far}: {collected}, {counted(lines, 'line')}, "
        f"error rate {rate or 0:.1%}, no open high or critical incident.",
        (),
    )


def _without_lines(coverage: Coverage, incomplete: Sequence[str], things: Sequence[str], so_far: str) -> Verdict:
    answered = coverage.known + coverage.partial
    if answered:
        reason = f"the nodes responded but had no lines in {answered:,} of {counted(coverage.due, 'slot')}"
    elif coverage.missing:
        reason = (
            f"no node responded ({_names(incomplete)}: {coverage.missing:,} of {counted(coverage.due, 'slot')} missing)"
        )
    else:
        reason = "no node was polled"
    also = f" Also: {'; '.join(things)}." if things else ""
    return Verdict("no-data", f"No data{so_far}: {reason}. No data does not mean healthy.{also}", tuple(things))


def _gaps(coverage: Coverage, incomplete: Sequence[str], uncounted: int) -> list[str]:
    gaps = []
    if coverage.missing or coverage.partial:
        numbers = ((coverage.missing, "missing"), (coverage.partial, "partial"))
        parts = [f"{number:,} {word}" for number, word in numbers if number]
        gaps.append(f"{' and '.join(parts)} of {counted(coverage.due, 'slot')} ({_names(incomplete)})")
    if coverage.rejected:
        gaps.append(f"{counted(coverage.rejected, 'record')} rejected")
    if uncounted:
        gaps.append(f"{counted(uncounted, 'line')} collected but not analyzed yet")
    return gaps


def _names(nodes: Sequence[str]) -> str:
    shown = ", ".join(one_line(node, most=40) for node in nodes[:5])
    return f"{shown} and {len(nodes) - 5} more" if len(nodes) > 5 else shown

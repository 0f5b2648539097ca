"""The sentence at the top of a digest: how the day was, told apart from how little is known of it.

Here: what counts as worth looking at. An empty window is never mistaken for a healthy one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fleexmon_pipeline.wording import counted, one_line

State = Literal["no-data", "incomplete", "attention", "healthy"]

# The predictor's own bounds for an error rate that deserves a look.
RATE_RISE = 1.5
RATE_FLOOR = 0.02


@dataclass(frozen=True)
class Verdict:
    """`sentence` stands alone; `things` are what it counts, most urgent first."""

    state: State
    sentence: str
    things: tuple[str, ...]


def judge(
    *, lines: int, error_rate: float | None, usual_rate: float | None, slots_due: int, slots_heard: int,
    slots_missing: int, slots_partial: int, doubtful_nodes: Sequence[str], rejected: int, uncounted: int, urgent: int,
    new_errors: int, genai_failures: int, genai_calls: int, as_of: datetime | None,
) -> Verdict:  # fmt: skip
    """`usual_rate`: of the week before, None without one. `slots_heard`: those in which a node answered."""
    so_far = f" up to {as_of:%H:%M} UTC" if as_of else ""
    things = []
    if urgent:
        things.append(f"{counted(urgent, 'high or critical issue')} open")
    if new_errors:
        things.append(counted(new_errors, "new error pattern"))
    if error_rate is not None and usual_rate is not None and error_rate > max(RATE_RISE * usual_rate, RATE_FLOOR):
        times = f", {error_rate / usual_rate:.1f} times the week before" if usual_rate else ", none the week before"
        things.append(f"error rate {error_rate:.1%}{times}")
    if genai_failures:
        things.append(f"GenAI failed in {genai_failures} of {counted(genai_calls, 'call')}")
    gaps = _gaps(
        missing=slots_missing, partial=slots_partial, due=slots_due, nodes=doubtful_nodes,
        rejected=rejected, uncounted=uncounted,
    )  # fmt: skip

    if not lines and not uncounted:
        return _without_lines(
            heard=slots_heard, missing=slots_missing, due=slots_due, nodes=doubtful_nodes, things=things, so_far=so_far
        )
    if things:
        listed = "; ".join([*things, *gaps])
        return Verdict(
            "attention", f"{counted(len(things) + len(gaps), 'thing')} to look at{so_far}: {listed}.", (*things, *gaps)
        )
    if gaps:
        return Verdict("incomplete", f"Incomplete data{so_far}: {'; '.join(gaps)}. What is known looks healthy.",
                       tuple(gaps))  # fmt: skip
    known = f"all {counted(slots_due, 'slot')} known" if slots_due else "coverage not recorded"
    rate = f"error rate {error_rate or 0:.1%}"
    return Verdict(
        "healthy" if slots_due else "incomplete",
        f"{'Healthy' if slots_due else 'Incomplete data'}{so_far}: {known}, {counted(lines, 'line')}, {rate}, "
        "nothing high or critical open.",
        (),
    )


def _without_lines(
    *, heard: int, missing: int, due: int, nodes: Sequence[str], things: Sequence[str], so_far: str
) -> Verdict:
    if heard:
        what = f"the nodes responded and had no lines in {heard} of {counted(due, 'slot')}"
    elif missing:
        what = f"no node responded ({_names(nodes)}: {missing} of {counted(due, 'slot')} missing)"
    else:
        what = "no node was polled"
    also = f" Still: {'; '.join(things)}." if things else ""
    return Verdict("no-data", f"No data{so_far}: {what}. This does not mean healthy.{also}", tuple(things))


def _gaps(
    *, missing: int, partial: int, due: int, nodes: Sequence[str], rejected: int, uncounted: int
) -> list[str]:  # fmt: skip
    gaps = []
    if missing or partial:
        parts = [f"{number} {word}" for number, word in ((missing, "missing"), (partial, "partial")) if number]
        gaps.append(f"{' and '.join(parts)} of {counted(due, 'slot')} ({_names(nodes)})")
    if rejected:
        gaps.append(f"{counted(rejected, 'record')} rejected")
    if uncounted:
        gaps.append(f"{counted(uncounted, 'line')} collected but not analysed yet")
    return gaps


def _names(nodes: Sequence[str]) -> str:
    shown = ", ".join(one_line(node, most=40) for node in nodes[:5])
    return f"{shown} and {len(nodes) - 5} more" if len(nodes) > 5 else shown

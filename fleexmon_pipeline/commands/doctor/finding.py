"""The findings of `fleexmon doctor`, and how many findings of one kind are summed up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "off", "warn", "wrong"]
Environment = Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """`subject`: a variable or a system; `told`: its state, and for `wrong` what to do."""

    subject: str
    state: State
    told: str  # named `told` in --json
    kind: str = ""  # many findings of one kind and state are summed up for people


MAX_SHOWN = 20  # findings of a kind and state; beyond that, people see a count


def summed_up(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in their order, with large groups cut, so that a thousand nodes take a few lines."""
    groups: defaultdict[tuple[str, State], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.kind or finding.subject, finding.state].append(finding)
    shown = []
    for (kind, state), group in groups.items():
        if len(group) <= MAX_SHOWN or kind != group[0].kind:
            shown.extend(group)
        elif state == "ok":
            shown.append(Finding(kind, state, f"{len(group):,} ok; --json lists them"))
        else:
            shown.extend(group[:MAX_SHOWN])
            shown.append(Finding(kind, state, f"{len(group) - MAX_SHOWN:,} more; --json lists them"))
    return shown

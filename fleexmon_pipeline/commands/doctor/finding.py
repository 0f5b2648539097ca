"""What a check of `fleexmon doctor` found, and how many of one kind are put into few lines."""

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
    told: str  # a key of --json
    kind: str = ""  # many of one kind and state are summed up for people


MAX_SHOWN = 20  # of a kind and state; of more, people see this many that are wrong, and a number


def summed_up(findings: Iterable[Finding]) -> list[Finding]:
    """In the same order, for people: a thousand nodes are a few lines, those that are wrong among them."""
    alike: defaultdict[tuple[str, State], list[Finding]] = defaultdict(list)
    for finding in findings:
        alike[finding.kind or finding.subject, finding.state].append(finding)
    shown = []
    for (kind, state), group in alike.items():
        if len(group) <= MAX_SHOWN or kind != group[0].kind:
            shown.extend(group)
        elif state == "ok":
            shown.append(Finding(kind, state, f"{len(group):,} ok; --json lists them"))
        else:
            shown.extend(group[:MAX_SHOWN])
            shown.append(Finding(kind, state, f"{len(group) - MAX_SHOWN:,} more; --json lists them"))
    return shown

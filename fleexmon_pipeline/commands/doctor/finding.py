"""What a check of `fleexmon doctor` found."""

from __future__ import annotations

from collections.abc import Mapping
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

"""What goes wrong, and when: drawn from a seed, so that a soak that found something can be had again.

Here: the kinds and the draw. Who does them: `nodes.py` (answers), `simulate.py` and `live.py` (processes).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests.soak.log import Skew

# Of answers, one at a time; the share of questions that each meets. The rest of 1 is answered as it should be.
ANSWERS = {"http 500": 0.03, "html": 0.015, "reset": 0.02, "cut": 0.04}
# Of answers that are whole all the same: any of them together.
MANNERS = {"reordered": 0.3, "window ignored": 0.08, "gzip": 0.35, "chunked": 0.4, "lines": 0.33, "object": 0.33}
KINDS = (*ANSWERS, *MANNERS)


@dataclass(frozen=True)
class Spell:
    """Something that lasts. `who`: a node, "monitor" or "database"; `what`: "down", or one of ANSWERS."""

    who: str
    what: str
    window: Window

    def __str__(self) -> str:
        return f"{self.window} {self.who} {self.what}"


@dataclass(frozen=True)
class Plan:
    """All of a soak that is decided beforehand."""

    seed: int
    window: Window
    spells: tuple[Spell, ...]
    skews: dict[str, tuple[Skew, ...]]
    database_kills: frozenset[datetime]  # ticks in the middle of which the server is killed
    run_killed: float = 0.05  # the share of runs that a kill -9 meets
    run_doubled: float = 0.03  # the share beside which a person materialises the same hour

    def spell(self, who: str, now: datetime) -> str | None:
        return next((spell.what for spell in self.spells if spell.who == who and now in spell.window), None)

    def __str__(self) -> str:
        skews = [
            f"{skew.window} clock of {node} {abs(skew.ahead)} {'ahead' if skew.ahead > timedelta() else 'behind'}"
            for node, found in self.skews.items()
            for skew in found
        ]
        kills = [f"{tick:%Y-%m-%d %H:%M} database killed -9" for tick in self.database_kills]
        shares = f"of runs {self.run_killed:.0%} killed -9, {self.run_doubled:.0%} doubled by a person; of answers " + (
            ", ".join(f"{share:.1%} {kind}" for kind, share in {**ANSWERS, **MANNERS}.items())
        )
        return "\n".join([f"seed {self.seed}:", *sorted([*map(str, self.spells), *skews, *kills]), shares])


def draw(seed: int, window: Window, nodes: Sequence[str]) -> Plan:
    """Every kind of spell once, where it falls by chance; as long as told here in 24 hours, shorter in fewer."""
    rnd = random.Random(seed)
    scale = min(1.0, window.length / timedelta(hours=24))

    def stretch(minutes: float) -> Window:
        length = max(SLOT, timedelta(minutes=minutes * scale) // SLOT * SLOT)
        since = window.since + rnd.randrange(1, (window.length - length) // SLOT) * SLOT
        return Window(since, since + length)

    both, some = stretch(60), rnd.sample(list(nodes), 2)
    spells = [
        Spell(some[0], "down", stretch(180)),
        *(Spell(node, "down", both) for node in nodes),
        Spell(some[1], "cut", stretch(90)),
        Spell(some[0], "http 500", stretch(30)),
        Spell(some[1], "html", stretch(30)),
        Spell("monitor", "down", stretch(360)),
        Spell("database", "down", stretch(10)),
    ]
    behind = Skew(stretch(180), -timedelta(minutes=rnd.randrange(3, 20)))
    ahead = Skew(stretch(120), timedelta(minutes=rnd.randrange(2, 10)))
    ticks = window.length // SLOT
    kills = {window.since + rnd.randrange(1, ticks) * SLOT for _ in range(max(1, round(10 * scale)))}
    return Plan(seed, window, tuple(spells), {some[0]: (behind,), some[1]: (ahead,)}, frozenset(kills))

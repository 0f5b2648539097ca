"""A third world with a known truth, unlike the second: a parcel plant, which works in shifts and has no users.

Here: what happens in it, as lines; a script of its own, like those of the outside material. What is found: `lives.py`.
Written before detection was tried on it; the first figures are in the developer guide.

Unlike a web shop: three shifts instead of two humps, and next to nothing on Sundays; devices that report whether there
is work or not; everyday errors (a device that loses its link) and failures that are logged as information, with codes
instead of words; two nodes with a few lines an hour; what one node sends another one stores. No node takes requests.

Ordinary: shifts, weekends, links that flap for minutes, firmware for all devices, a hub that is drained every week,
releases that reword the most frequent line, a busy day, an hour of debug lines.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

DAY = 1440  # minutes
NODES = ("hub-1", "hub-2", "sorter-a", "sorter-b", "store", "planner", "billing")
DEVICES = 12  # at each hub
KINDS = {  # kind → its least and most minutes
    "slow_store": (40, 120),
    "refused": (30, 90),
    "lost_runs": (180, 240),
    "swallowed": (40, 120),
    "belt_stopped": (30, 100),
    "repeated_frames": (30, 60),
    "stuck_values": (60, 180),
    "creeping_errors": (240, 330),
    "no_export": (150, 210),
    "crashes": (25, 60),
    "jams": (30, 60),
}
AT_WORK = {"slow_store", "refused", "swallowed", "belt_stopped", "repeated_frames", "jams", "stuck_values"}
APART = 150  # minutes between incidents
SAME_APART = 26 * 60  # between two of one kind: what comes again within a day is the same issue again
Floats = np.ndarray[Any, np.dtype[np.float64]]


class Plant:
    def __init__(self, seed: int, days: int, warmup: int, *, incidents: bool) -> None:
        self.rng = np.random.default_rng([909, seed])
        self.minutes, self.first = days * DAY, warmup * DAY
        self.start = datetime(2026, 11, 9, tzinfo=UTC)  # a Monday
        self.lines: dict[str, list[tuple[float, str, str]]] = {node: [] for node in NODES}
        self.truth: list[dict[str, Any]] = []
        self.ordinary: list[dict[str, Any]] = []
        self.during: dict[str, list[tuple[str, slice, float]]] = {kind: [] for kind in KINDS}
        self.work = self._shifts()
        if incidents:
            self._plan()

    # -- what happens ---------------------------------------------------------------------------------------------

    def _shifts(self) -> Floats:
        """How much is done in each minute, 1 being a weekday's morning."""
        clock = np.arange(self.minutes)
        of_shift = np.select([clock % DAY < 360, clock % DAY < 840, clock % DAY < 1320], [0.25, 1.0, 0.8], 0.25)
        of_day = np.array([1, 1, 1.05, 1, 0.95, 0.45, 0.08])[clock // DAY % 7]
        pause = np.isin(clock % DAY // 30, (23, 37))  # half an hour at 11:30 and 18:30
        work = of_shift * of_day * np.where(pause, 0.45, 1.0)
        busy = self.first + 2 * DAY
        work[busy : busy + DAY] *= 1.5
        self._note("busy_day", NODES, busy, DAY)
        wander = np.convolve(self.rng.normal(0, 1, self.minutes + 60), np.ones(60) / 60**0.5, "same")[: self.minutes]
        return np.asarray(work * np.exp(0.12 * wander))

    def _plan(self) -> None:
        placed: list[tuple[str, int, int]] = []
        for kind in self.rng.permutation([kind for kind in KINDS for _ in range(3)]):
            length = int(self.rng.integers(*KINDS[str(kind)]))
            for _ in range(5000):
                begin = int(self.rng.integers(self.first + 60, self.minutes - length - 90))
                at_work = self.work[begin : begin + length].min() > 0.3
                if (at_work or kind not in AT_WORK) and all(
                    begin > until + apart or begin + length + apart < since
                    for other, since, until in placed
                    for apart in [SAME_APART if other == kind else APART]
                ):
                    placed.append((str(kind), begin, begin + length))
                    self._happen(str(kind), begin, length)
                    break

    def _happen(self, kind: str, begin: int, length: int) -> None:
        hub, sorter = str(self.rng.choice(NODES[:2])), str(self.rng.choice(NODES[2:4]))
        node = {"slow_store": "store", "swallowed": "store", "crashes": "store", "lost_runs": "planner"}.get(kind, hub)
        node = {"belt_stopped": sorter, "jams": sorter, "stuck_values": sorter, "no_export": "billing"}.get(kind, node)
        self.during[kind].append((node, slice(begin, begin + length), float(self.rng.random())))
        of_it = {"node": node, "nodes": [node], "kind": kind, "start": self._at(begin), "end": self._at(begin + length)}
        self.truth.append(of_it)

    def _during(self, kind: str, node: str, scale: Callable[[float, Floats], Floats]) -> Floats:
        """1 in each minute, and while such an incident lasts, what `scale` makes of its strength and its progress."""
        found = np.ones(self.minutes)
        for of, span, strength in self.during[kind]:
            if of == node:
                found[span] = scale(strength, np.linspace(0, 1, span.stop - span.start))
        return found

    def _in(self, kind: str, minute: float, node: str) -> bool:
        return any(of == node and span.start <= minute < span.stop for of, span, _ in self.during[kind])

    def _note(self, kind: str, nodes: tuple[str, ...], begin: int, length: int) -> None:
        entry = {"kind": kind, "nodes": list(nodes), "start": self._at(begin), "end": self._at(begin + length)}
        self.ordinary.append(entry)

    def _at(self, minute: float) -> str:
        moment = self.start + timedelta(minutes=float(minute))
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # -- who says what --------------------------------------------------------------------------------------------

    def _say(self, node: str, minute: float, level: str, text: str) -> None:
        if 0 <= minute < self.minutes:
            self.lines[node].append((minute, level, text))

    def _often(self, a_minute: Floats) -> list[float]:
        """Moments of a process that has so many a minute."""
        counts = self.rng.poisson(np.maximum(a_minute, 0))
        return list((np.repeat(np.arange(self.minutes), counts) + self.rng.random(int(counts.sum()))).tolist())

    def hubs(self) -> list[float]:
        """The moments of all frames, which the store is to write."""
        frames: list[float] = []
        drained = self._drained()
        firmware = self.first + 4 * DAY + 600
        self._note("firmware", NODES[:2], firmware, 180)
        for place, hub in enumerate(NODES[:2]):
            share = 1 - drained if hub == "hub-1" else 1 + drained
            for minute in range(0, self.minutes, 5):
                for device in range(DEVICES // 2):
                    if share[minute]:
                        self._say(hub, minute + 0.3 * device, "info", f"dev d{place * DEVICES + device:03d} alive")
            frame_share = self._during("repeated_frames", hub, lambda strength, _: np.asarray(4 + 3 * strength))
            refused = 1 - self._during("refused", hub, lambda strength, _: np.asarray(0.7 - 0.3 * strength))
            sent = self._often(1.1 * self.work * share)
            for moment in sent:
                name = f"{self.rng.integers(1 << 24):06x}"
                if self.rng.random() < refused[int(moment)]:
                    self._say(hub, moment, "info", f"frame {name} nack rc=-110, requeued")
                    continue
                frames.append(moment)
                for copy in range(int(frame_share[int(moment)])):
                    self._say(
                        hub,
                        moment + 0.02 * copy,
                        "info",
                        f"frame {name} accepted ({self.rng.integers(20, 60)} readings)",
                    )
            for moment in self._often(1.3 * self.work * share + 0.1 * share):
                seq, strength = int(moment * 7), self.rng.integers(50, 95)
                self._say(hub, moment, "info", f"dev {self._device()} uplink seq={seq} rssi=-{strength}")
            lost = self._during("creeping_errors", hub, lambda strength, part: 1 + (2.5 + 1.5 * strength) * part)
            lost[firmware : firmware + 180] *= 1.5
            for minute in np.flatnonzero(self.rng.random(self.minutes - 10) < 2.5 / DAY).tolist():
                lost[minute : minute + int(self.rng.integers(1, 4))] += 40
                self._note("flapping", (hub,), minute, 4)
            for moment in self._often(0.16 * lost * share):
                self._say(hub, moment, "error", f"dev {self._device()} link lost, reconnect {self.rng.integers(1, 5)}")
            for _ in range(DEVICES):
                at = firmware + float(self.rng.random()) * 180
                for step, part in enumerate((25, 50, 75, 100)):
                    self._say(hub, at + step, "info", f"dev {self._device()} firmware 4.2.1 at {part} %")
        return frames

    def _drained(self) -> Floats:
        """While hub-2 does the work of hub-1."""
        drained = np.zeros(self.minutes)
        for begin in range(2 * DAY + 600, self.minutes, 7 * DAY):
            drained[begin : begin + 120] = 1
            self._note("drained", NODES[:2], begin, 120)
        return drained

    def _device(self) -> str:
        return f"d{self.rng.integers(DEVICES):03d}"

    def sorters(self) -> None:
        releases = [(day * DAY + int(self.rng.integers(480, 960))) for day in range(3, self.minutes // DAY, 5)]
        for release in releases:
            self._note("release", NODES[2:4], release, 60)
        debug = self.first + DAY + int(self.rng.integers(400, 900))
        self._note("debug_on", ("sorter-b",), debug, 60)
        for node in NODES[2:4]:
            left = self._during("belt_stopped", node, lambda strength, _: np.asarray(0.1 + 0.25 * strength))
            jams = self._during("jams", node, lambda strength, _: np.asarray(8 + 8 * strength))
            for moment in self._often(2.2 * self.work * left):
                weight = 4.213 if self._in("stuck_values", moment, node) else float(self.rng.lognormal(0.8, 0.7))
                parcel, chute, took = self.rng.integers(10**6), self.rng.integers(40), self.rng.lognormal(5.8, 0.3)
                word = ("->", "routed to", "assigned to")[sum(moment >= at for at in releases) % 3]
                self._say(
                    node, moment, "info", f"parcel {parcel} {weight:.3f} kg {word} chute {chute} in {took:.0f} ms"
                )
                if self.rng.random() < 0.04:
                    self._say(node, moment + 0.1, "info", f"no-read, parcel {parcel} recirculated")
                if node == "sorter-b" and debug <= moment < debug + 60:
                    for gate in range(3):
                        self._say(node, moment, "debug", f"gate {gate} state {self.rng.integers(4)}")
            for moment in self._often(0.06 * self.work * jams):
                self._say(
                    node,
                    moment,
                    "warn",
                    f"jam at chute {self.rng.integers(40)} cleared after {self.rng.integers(2, 9)} s",
                )
            for release in releases:
                self._say(node, release, "info", "sorter control starting")
                for motor in range(24):
                    self._say(
                        node,
                        release + 0.05 * motor,
                        "info",
                        f"motor m{motor} calibrated, offset {self.rng.normal():.2f}",
                    )

    def store(self, frames: list[float]) -> None:
        slow = self._during("slow_store", "store", lambda strength, _: np.asarray(2 + 2 * strength))
        left = self._during("swallowed", "store", lambda strength, _: np.asarray(0.15 + 0.3 * strength))
        crashes = [
            float(span.start + 5 * step + self.rng.random())
            for _, span, _ in self.during["crashes"]
            for step in range((span.stop - span.start) // 5)
        ]
        for moment in sorted(frames):
            if self.rng.random() < left[int(moment)]:
                took = slow[int(moment)] * self.rng.lognormal(2.5, 0.4)
                self._say(
                    "store", moment + 0.05, "info", f"wrote batch rows={self.rng.integers(20, 60)} t={took:.1f}ms"
                )
        moment = 0.0
        while moment < self.minutes:
            moment += float(self.rng.uniform(18, 45))
            level, files = self.rng.integers(1, 5), self.rng.integers(4, 20)
            self._say(
                "store",
                moment,
                "info",
                f"compaction level {level} done: {files} files in {self.rng.lognormal(1, 0.5):.1f} s",
            )
        for at in crashes:
            self._say(
                "store",
                at,
                "fatal",
                f"panic: runtime error: index out of range [{self.rng.integers(64)}] with length 64",
            )
            self._say("store", at + 0.2, "info", "store starting, build 4.2.17")

    def planner(self) -> None:
        minute, run = 3.0, 100
        while minute < self.minutes:
            run, length = run + 1, float(self.rng.uniform(12, 35))
            self._say("planner", minute, "info", f"run {run} begin lines={self.rng.integers(100, 400)}")
            if not self._in("lost_runs", minute, "planner"):
                self._say("planner", minute + length, "info", f"run {run} end status=ok after {length * 60:.0f} s")
                minute += length + float(self.rng.exponential(4))
            else:
                minute += 35
        for tick in range(0, self.minutes, 10):
            self._say("planner", tick + 0.4, "info", "scheduler tick")

    def billing(self) -> None:
        for hour in range(40, self.minutes, 60):
            if not self._in("no_export", hour, "billing"):
                took = float(self.rng.lognormal(3.7, 0.2))
                self._say("billing", hour, "info", "export started")
                rows = self.rng.poisson(900 * self.work[hour])
                self._say("billing", hour + took / 60, "info", f"export finished rows={rows} in {took:.0f} s")
        for night in range(135, self.minutes, DAY):
            for page in range(30):
                self._say("billing", night + page * 0.3, "info", f"statement page {page} of 30 rendered")
            self._say(
                "billing", night + 10, "info", f"statement run finished: {self.rng.integers(4000, 6000)} documents"
            )

    def write(self, out: Path) -> None:
        self.store(self.hubs())
        self.sorters()
        self.planner()
        self.billing()
        for node, lines in self.lines.items():
            with (out / f"{node}.ndjson").open("w") as file:
                for minute, level, text in sorted(lines, key=lambda line: line[0]):
                    file.write(json.dumps({"timestamp": self._at(minute), "level": level, "message": text}) + "\n")
        truth = {
            "start": self._at(0), "end": self._at(self.minutes), "scored_from": self._at(self.first),
            "nodes": list(NODES), "incidents": sorted(self.truth, key=lambda one: str(one["start"])),
            "not_incidents": sorted(self.ordinary, key=lambda one: str(one["start"])),
        }  # fmt: skip
        (out / "incidents.json").write_text(json.dumps(truth, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description="Lines of a parcel plant, and what was wrong in it.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--days", type=int, default=18)
    parser.add_argument("--warmup", type=int, default=8)
    parser.add_argument("--incidents", action="store_true")
    options = parser.parse_args()
    Plant(options.seed, options.days, options.warmup, incidents=options.incidents).write(options.out)


if __name__ == "__main__":
    main()

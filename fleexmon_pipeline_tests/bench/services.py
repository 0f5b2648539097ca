"""Real services with injected faults, as a world with a known truth: traces of public data, drawn anew.

Here: reading that data and drawing a life from it; a script like those of the outside material. What is found:
`lives.py`; whether the service at fault is named: `origin.py`.

The data is Train Ticket's of Nezha (Yu et al., FSE 2023): 27 Java services, 45 faults (exceptions, wrong results, CPU
contention, network delay), of each a minute before it and two after. It is not part of this project: give the folder
that has its `rca_data` and `construct_data`. What is drawn is a whole trace, with all its lines at all services: from
those before faults, or, while an incident lasts, from those after its fault began. Rates and their seasons are made up.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from fleexmon_pipeline.collection.reading.text_levels import level_in_text

DAY = 1440  # minutes
TRACES_A_MINUTE = 2.5  # at noon; the data has about 60
NIGHT = 0.3  # of noon's
LENGTHS = (20, 45)  # minutes of an incident
APART, SAME_APART = 100, 26 * 60  # minutes between incidents, and between two of one service
_record = json.JSONDecoder().raw_decode
_CLOCK = re.compile(r"^\d\d:\d\d:\d\d\.\d{3} ")
_TRACE = re.compile("TraceID: [0-9a-f]{32} ")
Trace = list[tuple[float, str, str, str]]  # seconds since its first line, service, level, message without its clock


@dataclass(frozen=True)
class Fault:
    service: str
    kind: str
    traces: list[Trace]  # of the two minutes since it began


class Services:
    def __init__(self, data: Path, seed: int, days: int, warmup: int, *, incidents: bool) -> None:
        self.rng, self.ids = np.random.default_rng([31, seed]), random.Random(seed)
        self.minutes, self.first = days * DAY, warmup * DAY
        self.start = datetime(2026, 11, 9, tzinfo=UTC)  # a Monday
        self.normal, self.faults = read(data)
        self.plan: list[tuple[Fault, int, int]] = self._plan() if incidents else []

    def _plan(self) -> list[tuple[Fault, int, int]]:
        placed: list[tuple[Fault, int, int]] = []
        for number in self.rng.permutation(len(self.faults)):
            fault, length = self.faults[number], int(self.rng.integers(*LENGTHS))
            for _ in range(5000):
                begin = int(self.rng.integers(self.first + 60, self.minutes - length - 90))
                if all(
                    begin > until + apart or begin + length + apart < since
                    for other, since, until in placed
                    for apart in [SAME_APART if other.service == fault.service else APART]
                ):
                    placed.append((fault, begin, begin + length))
                    break
        return sorted(placed, key=lambda one: one[1])

    def lines(self) -> Iterator[tuple[float, str, str, str]]:
        """Minute, service, level, message; not in order."""
        clock = np.arange(self.minutes)
        season = NIGHT + (1 - NIGHT) * (0.5 - 0.5 * np.cos(2 * np.pi * (clock % DAY) / DAY))
        weekend = np.where(clock // DAY % 7 >= 5, 0.6, 1.0)
        wander = np.convolve(self.rng.normal(0, 1, self.minutes + 60), np.ones(60) / 60**0.5, "same")[: self.minutes]
        counts = self.rng.poisson(TRACES_A_MINUTE * season * weekend * np.exp(0.1 * wander))
        pool: list[list[Trace]] = [self.normal] * self.minutes
        for fault, since, until in self.plan:
            pool[since:until] = [fault.traces] * (until - since)
        for minute in range(self.minutes):
            for _ in range(counts[minute]):
                trace = pool[minute][int(self.rng.integers(len(pool[minute])))]
                begin = minute + float(self.rng.random())
                # A few traces are drawn many times: each time it is another request.
                named = f"TraceID: {self.ids.getrandbits(128):032x} "
                for seconds, service, level, message in trace:
                    yield begin + seconds / 60, service, level, _TRACE.sub(named, message, count=1)

    def at(self, minute: float) -> str:
        moment = self.start + timedelta(minutes=minute)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def write(self, out: Path) -> None:
        by_service: defaultdict[str, list[tuple[float, str, str]]] = defaultdict(list)
        for minute, service, level, message in self.lines():
            if minute < self.minutes:
                by_service[service].append((minute, level, message))
        for service, lines in by_service.items():
            with (out / f"{service}.ndjson").open("w") as file:
                for minute, level, message in sorted(lines, key=lambda line: line[0]):
                    at = self.at(minute)
                    text = f"{at[11:23]} {message}"
                    file.write(json.dumps({"timestamp": at, "level": level, "message": text}) + "\n")
        truth = {
            "start": self.at(0), "end": self.at(self.minutes), "scored_from": self.at(self.first),
            "nodes": sorted(by_service), "not_incidents": [],
            "incidents": [
                {
                    "node": fault.service, "nodes": [fault.service, *_affected(fault)], "kind": fault.kind,
                    "start": self.at(since), "end": self.at(until),
                }
                for fault, since, until in self.plan
            ],
        }  # fmt: skip
        (out / "incidents.json").write_text(json.dumps(truth, indent=1))


def read(data: Path) -> tuple[list[Trace], list[Fault]]:
    """The traces without a fault, and each fault with its own."""
    normal = [trace for path in sorted(data.glob("construct_data/*/log/*.csv")) for _, trace in traces_in([path])]
    faults = []
    for listed in sorted(data.glob("rca_data/*/*-fault_list.json")):
        files = sorted((listed.parent / "log").glob("*_log.csv"))
        for one in (one for hour in json.loads(listed.read_text()).values() for one in hour):
            injected = datetime.fromisoformat(one["inject_time"] + "+00:00")
            names = [f"{injected + timedelta(minutes=minute):%H_%M}_log.csv" for minute in range(3)]
            of_fault = [path for path in files if path.name in names]
            if not of_fault:
                raise FileNotFoundError(f"{listed}: no file of {one['inject_time']}")
            traces = list(traces_in(of_fault))
            normal += [trace for began, trace in traces if began < injected.timestamp() - 5]
            after = [trace for began, trace in traces if began >= injected.timestamp()]
            faults.append(Fault(_service(one["inject_pod"]), one["inject_type"], after))
    if not normal or not faults:
        raise FileNotFoundError(f"{data} has no rca_data and construct_data of Nezha")
    return normal, faults


def traces_in(paths: list[Path]) -> Iterator[tuple[float, Trace]]:
    """When each trace began, in seconds since 1970, and its lines."""
    csv.field_size_limit(1 << 30)
    by_id: defaultdict[str, Trace] = defaultdict(list)
    for path in paths:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                text = _record(row["Log"])[0]["log"].rstrip("\n")  # two rows have the end of another behind it
                level, message = level_in_text(text) or "info", _CLOCK.sub("", text)
                by_id[row["TraceID"]].append((int(row["TimeUnixNano"]) / 1e9, _service(row["PodName"]), level, message))
    for lines in by_id.values():
        began = min(line[0] for line in lines)
        yield began, [(moment - began, *rest) for moment, *rest in sorted(lines)]  # type: ignore[misc]


def _service(pod: str) -> str:
    """Its name without the hashes of its deployment and pod."""
    return pod.rsplit("-", 2)[0]


def _affected(fault: Fault) -> list[str]:
    """Other services with lines in traces through it: whoever calls it."""
    services: set[str] = set()
    for trace in fault.traces:
        names = {service for _, service, _, _ in trace}
        services |= names if fault.service in names else set()
    return sorted(services - {fault.service})


def main() -> None:
    parser = argparse.ArgumentParser(description="Lines of real services, and which fault was injected when.")
    parser.add_argument("--data", type=Path, required=True, help="the folder with rca_data and construct_data")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--days", type=int, default=18)
    parser.add_argument("--warmup", type=int, default=8)
    parser.add_argument("--incidents", action="store_true")
    options = parser.parse_args()
    life = Services(options.data, options.seed, options.days, options.warmup, incidents=options.incidents)
    life.write(options.out)


if __name__ == "__main__":
    main()

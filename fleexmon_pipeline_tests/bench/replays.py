"""Replays with a known truth: made by the script of the outside material, mined once, kept as counts.

Here: lines into counts, exactly as analysis makes them, and the cache that lets a change of a rule be measured in
seconds. What detection says of them: `replay.py`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import pickle
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from fleexmon_pipeline.patterns import masks
from fleexmon_pipeline.patterns.forms.request_ids import FindId, finder
from fleexmon_pipeline.patterns.measures import (
    FOLLOWED,
    MAX_COMPARED,
    MAX_MEASURED,
    MAX_MEASURED_CHARS,
    MIN_FOLLOWED,
    Durations,
    Follower,
    Steps,
    different_values,
    sketch,
)
from fleexmon_pipeline.patterns.miner import PatternMiner, presentable
from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline.window import EPOCH, HOUR, SLOT

_FORMAT = 8  # of what is kept; a change of this module that changes it counts it up
_SPARSE_LEVELS = ("warn", "error", "fatal")
SLOT_SECONDS = int(SLOT.total_seconds())
Line = tuple[int, str, str, str, float]  # slot, node, level, message, seconds since 1970


SCRIPTS = {"replay": "incident_replay.py", "life": "other_life.py"}  # world → the script that makes it


def script(world: str = "replay") -> Path | None:
    """The world's script, searched for upward from here; None where the outside material is not. Those of the plant and
    of the real services are here."""
    if world not in SCRIPTS:
        return Path(__file__).with_name(f"{world}.py")
    for up in Path(__file__).resolve().parents:
        if (path := up / "shared" / world / SCRIPTS[world]).is_file():
            return path
    return None


@dataclass(frozen=True)
class Setting:
    """What is generated. `name` is how tables call it; `options` go to the script, `params` override its Params."""

    name: str
    options: tuple[str, ...] = ()
    params: tuple[tuple[str, Any], ...] = ()
    world: str = "replay"


@dataclass(frozen=True)
class Replay:
    """Counts of a replay: slots are numbered from `first`."""

    truth: dict[str, Any]
    first: int  # slot number since 1970
    slots: int
    nodes: list[str]
    patterns: list[str]
    templates: list[str]
    alias_of: dict[str, tuple[str, int]]  # what it merged into, and the slot it did so in
    rows: list[tuple[int, str, str, str, int]]  # slot, node, own pattern, level, count; ascending by slot
    texts: list[tuple[int, str, str, str]]  # slot, node, level, message: lines that a text rule may want
    durations: list[tuple[int, str, str, str, int, float, float, bool]] = field(default_factory=list)
    """Slot, node, own pattern, level, count, median and 95th percentile of what its lines state, or else of steps, and
    which of both; ascending by slot."""
    began: dict[tuple[int, str, str, str], float] = field(default_factory=dict)
    """Slot, node, own pattern and level (warn or worse) → seconds since 1970 of the first line."""
    varieties: list[tuple[int, str, str, str, int, int]] = field(default_factory=list)
    """Slot, node, own pattern, level, count, different values by field; ascending by slot."""
    after: dict[tuple[int, str, str, str], str] = field(default_factory=dict)
    """Slot, node, own pattern, level → the node whose line came before the longest step to these lines."""


def replay(seed: int, setting: Setting, cache: Path) -> Replay:
    source = script(setting.world)
    if source is None:
        raise FileNotFoundError(f"shared/{setting.world}/{SCRIPTS[setting.world]} is not here")
    told = json.dumps([_FORMAT, _miner(), seed, setting.options, setting.params, source.stat().st_size])
    kept = cache / f"{setting.name}-{seed}-{hashlib.sha256(told.encode()).hexdigest()[:10]}.pickle"
    if kept.is_file():
        with kept.open("rb") as file:
            found: Replay = pickle.load(file)  # written by this function  # noqa: S301
            return found
    with tempfile.TemporaryDirectory(prefix="fleexmon-replay-") as made:
        generate(source, seed, setting, Path(made))
        found = _mined(Path(made))
    cache.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(pickle.dumps(found))
    return found


def _miner() -> str:
    """Of the miner's own text: patterns that another miner made are no measurement of this one."""
    sources = sorted(Path(masks.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def generate(source: Path, seed: int, setting: Setting, out: Path) -> None:
    options = [*setting.options]
    if setting.params:
        (out / "params.json").write_text(json.dumps(dict(setting.params)))
        options += ["--params", str(out / "params.json")]
    command = [sys.executable, str(source), "--seed", str(seed), "--out", str(out), *options]
    subprocess.run(command, check=True, capture_output=True)


def scorer() -> ModuleType:
    """The folder's own `score`."""
    source = script()
    spec = importlib.util.spec_from_file_location("incident_replay", source) if source else None
    if spec is None or spec.loader is None:
        raise FileNotFoundError("shared/replay/incident_replay.py is not here")
    module = importlib.util.module_from_spec(spec)
    sys.modules["incident_replay"] = module
    spec.loader.exec_module(module)
    return module


def _mined(folder: Path) -> Replay:
    truth = json.loads((folder / "incidents.json").read_text())
    first = slot_number(datetime.fromisoformat(truth["start"]))
    last = slot_number(datetime.fromisoformat(truth["end"]))
    miner = PatternMiner()
    rows: list[tuple[int, str, str, str, int]] = []
    texts: list[tuple[int, str, str, str]] = []
    since: dict[str, int] = {}
    began: dict[tuple[int, str, str, str], float] = {}
    measured: list[tuple[int, str, str, str, int, float, float, bool]] = []
    compared: list[tuple[int, str, str, str, int, int]] = []
    after: dict[tuple[int, str, str, str], str] = {}
    reader = Durations()
    hour_slots = HOUR // SLOT
    streams = [lines_of(folder / f"{node}.ndjson", node) for node in truth["nodes"]]
    for _, lines in groupby(merge(*streams), key=lambda line: line[0] // hour_slots):
        counts: Counter[tuple[int, str, str, str]] = Counter()
        batch = list(lines)
        stated: defaultdict[tuple[int, str, str, str], list[str]] = defaultdict(list)
        newest: defaultdict[tuple[int, str, str, str], deque[str]] = defaultdict(lambda: deque(maxlen=MAX_COMPARED))
        by_slot: defaultdict[int, list[Line]] = defaultdict(list)
        steps: dict[tuple[int, str, str, str], Steps] = {}
        for line in batch:
            by_slot[line[0]].append(line)
        for slot, of_slot in by_slot.items():
            named = miner.identify([line[3] for line in of_slot])
            steps |= steps_of(slot, of_slot, named)
            for line, pattern in zip(of_slot, named, strict=True):
                key = slot, line[1], pattern, line[2]
                counts[key] += 1
                newest[key].append(line[3][:MAX_MEASURED_CHARS])
                if counts[key] <= MAX_MEASURED:
                    stated[key].append(line[3])
                if line[2] in _SPARSE_LEVELS:
                    began.setdefault((slot, line[1], pattern, line[2]), line[4])
                if line[2] in _SPARSE_LEVELS or "memory" in line[3].lower():
                    texts.append(line[:4])
            for pattern in miner.new_aliases:
                since.setdefault(pattern, slot)
            miner.new_aliases.clear()
        for key in sorted(stated):
            if figures := sketch(reader.of(stated[key])):
                measured.append((*key, counts[key], *figures, False))
            elif key in steps and (figures := steps[key].sketch()):
                measured.append((*key, counts[key], *figures, True))
                after[key] = steps[key].after or key[1]
        varied = ((key, different_values([*reversed(newest[key])])) for key in sorted(newest))
        compared += ((*key, counts[key], fields) for key, fields in varied if fields is not None)
        rows += ((slot, node, pattern, level, count) for (slot, node, pattern, level), count in sorted(counts.items()))
    patterns = sorted({row[2] for row in rows})
    ids = {each for pattern in patterns for each in miner.lineage(pattern)}
    alias_of = {own: (lineage[1], since[own]) for own in ids if len(lineage := miner.lineage(own)) > 1}
    names = sorted(ids)
    templates = [presentable(miner.template(pattern), redact) for pattern in names]
    return Replay(
        truth, first, last - first, truth["nodes"], names, templates, alias_of, rows, texts, measured, began, compared,
        after,
    )  # fmt: skip


def steps_of(slot: int, lines: Sequence[Line], patterns: Sequence[str]) -> dict[tuple[int, str, str, str], Steps]:
    """As counting makes them; here, lines have no records."""
    steps: dict[tuple[int, str, str, str], Steps] = {}
    find: dict[tuple[int, str, str, str], FindId | None] = {}
    follower, end = Follower(), (slot + 1) * SLOT_SECONDS
    newest_first = sorted(zip(lines, patterns, strict=True), key=lambda one: one[0][4], reverse=True)
    for number, (line, pattern) in enumerate(newest_first):
        key = slot, line[1], pattern, line[2]
        if key not in find:
            find[key] = finder(line[3])
            steps[key] = Steps()
        if number >= MIN_FOLLOWED and line[4] < end - FOLLOWED.total_seconds():
            break
        if (search := find[key]) and (request := search(line[3])):
            follower.see(request, round(line[4] * 1e6), line[1], steps[key])
    return steps


def slot_number(moment: datetime) -> int:
    return (moment - EPOCH) // SLOT


def lines_of(path: Path, node: str) -> Iterator[Line]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    minutes: dict[str, int] = {}
    with path.open("rb") as file:
        for raw in file:
            record = decode(raw)
            minute, seconds = record["timestamp"][:16], record["timestamp"][17:23].rstrip("Z")
            since = minutes.get(minute)
            if since is None:
                since = minutes[minute] = int(datetime.fromisoformat(minute + ":00+00:00").timestamp())
            yield since // SLOT_SECONDS, node, record["level"], record["message"], since + float(seconds or 0)

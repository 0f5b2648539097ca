"""The bench's third world: its lines agree with its labels."""

from __future__ import annotations

import json
from pathlib import Path

from fleexmon_pipeline_tests.bench.plant import KINDS, NODES, Plant


def written(out: Path, seed: int, *, incidents: bool) -> str:
    out.mkdir()
    Plant(seed, 12, 8, incidents=incidents).write(out)
    return "".join((out / f"{node}.ndjson").read_text() for node in NODES)


def test_a_seed_is_a_world_and_without_incidents_none_of_their_lines_come(tmp_path: Path) -> None:
    lines = written(tmp_path / "one", 1, incidents=True)
    quiet = written(tmp_path / "quiet", 1, incidents=False)
    truth = json.loads((tmp_path / "one" / "incidents.json").read_text())

    assert written(tmp_path / "again", 1, incidents=True) == lines
    assert json.loads((tmp_path / "quiet" / "incidents.json").read_text())["incidents"] == []
    assert {one["kind"] for one in truth["incidents"]} <= set(KINDS)
    assert all(truth["scored_from"] < one["start"] < one["end"] < truth["end"] for one in truth["incidents"])
    told_by = {"crashes": "panic:", "refused": " nack "}
    for kind, text in told_by.items():
        assert (text in lines) is any(one["kind"] == kind for one in truth["incidents"])
        assert text not in quiet

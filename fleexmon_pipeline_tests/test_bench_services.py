"""The bench's real services: traces are drawn whole, and an incident draws traces of its fault."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fleexmon_pipeline_tests.bench.services import Services, read

INJECTED = datetime.fromisoformat("2023-01-29T08:43:04+00:00")
LATER = timedelta(seconds=20)


def record(trace: str, pod: str, at: datetime, text: str) -> dict[str, object]:
    log = json.dumps({"log": f"{at:%H:%M:%S}.000 {text}\n", "stream": "stdout"})
    return {"TraceID": trace, "PodName": pod, "TimeUnixNano": int(at.timestamp()) * 10**9, "Log": log}


def write(path: Path, records: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A shop that asks its stock, which fails from 08:43:04 on."""
    shop, stock = "shop-5d4f-abcde", "stock-77aa-xyz12"
    before, after = INJECTED - LATER, INJECTED + LATER
    good = [record("a", shop, before, "INFO  s.Shop#1 asked"), record("a", stock, before, "INFO  s.Stock#2 answered")]
    bad = [record("b", shop, after, "INFO  s.Shop#1 asked"), record("b", stock, after, "ERROR s.Stock#9 no answer")]
    write(tmp_path / "construct_data" / "2023-01-29" / "log" / "08_30_log.csv", good)
    write(tmp_path / "rca_data" / "2023-01-29" / "log" / "08_43_log.csv", good)
    write(tmp_path / "rca_data" / "2023-01-29" / "log" / "08_44_log.csv", bad)
    fault = {"inject_time": "2023-01-29 08:43:04", "inject_pod": stock, "inject_type": "exception"}
    (tmp_path / "rca_data" / "2023-01-29" / "2023-01-29-fault_list.json").write_text(json.dumps({"08": [fault]}))
    return tmp_path


def test_an_incident_has_the_traces_of_its_fault_and_all_else_those_before_it(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    Services(data, 1, 3, 1, incidents=True).write(out)
    truth = json.loads((out / "incidents.json").read_text())
    [incident] = truth["incidents"]
    lines = [json.loads(line) for line in (out / "stock.ndjson").read_text().splitlines()]
    of_incident = [incident["start"] <= line["timestamp"] < incident["end"] for line in lines]

    assert truth["nodes"] == ["shop", "stock"]
    assert (incident["node"], incident["nodes"]) == ("stock", ["stock", "shop"])
    assert any(of_incident)
    assert [line["level"] == "error" for line in lines] == of_incident
    assert all(line["message"].startswith(line["timestamp"][11:23]) for line in lines)


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        read(tmp_path)

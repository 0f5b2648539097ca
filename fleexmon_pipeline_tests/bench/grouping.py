"""How rightly lines of labelled sets are grouped, beside drain3 and logfold, and what our quality figure says.

`python -m fleexmon_pipeline_tests.bench grouping FOLDER…`: each `*_structured.csv` below the folders is a set, with
`Content` and `EventId` (Loghub's form). Where the file of the whole lines stands beside it, these are grouped as well,
with their heads: times, levels, loggers, threads. Batches of 500, one configuration, aliases resolved at the end. Sets
stay where they are: their licences do not let them into this repository.
"""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.quality import MAX_LINES_COMPARED, MAX_PATTERNS_COMPARED, silhouette
from fleexmon_pipeline_tests.bench.patterns import drain3_python, python_with
from fleexmon_pipeline_tests.bench.table import Row, Table
from fleexmon_pipeline_tests.patterns.test_loghub import accuracy

BATCH = 500
LOGFOLD = "0.5.0"
WHOLE = ", whole lines"


def main(folders: Sequence[str]) -> int:
    files = [file for folder in folders for file in sorted(Path(folder).rglob("*_structured.csv"))]
    if not files:
        print(f"no *_structured.csv below {', '.join(folders) or 'nothing'}", file=sys.stderr)
        return 1
    print(measure(files))
    return 0


def measure(files: Sequence[Path]) -> Table:
    rows: list[Row] = []
    by_part: defaultdict[str, list[list[float]]] = defaultdict(list)
    for file in files:
        with file.open(encoding="utf-8", newline="") as lines:
            labelled = list(csv.DictReader(lines))
        name = file.name.removesuffix(".csv").removesuffix("_structured").removesuffix(".log")
        true = [row["EventId"] for row in labelled]
        for part, messages in (("", [row["Content"] for row in labelled]), (WHOLE, whole_lines(file, len(labelled)))):
            if messages:
                ours = our_groups(messages)
                scores = [*accuracy(ours, true), quality_of(messages, ours)]
                for peer in (groups_of_drain3, groups_of_logfold):
                    scores += scores_of(peer(messages), true)
                figures = {"statements": len(set(true)), "patterns": len(set(ours)), **cells(scores)}
                rows.append({"set": name + part, **figures})
                by_part[part].append(scores)
    rows.sort(key=lambda row: str(row["GA"]))
    for part, all_scores in by_part.items():
        means = [fmean(column) for column in zip(*all_scores, strict=True)]
        rows.append({"set": f"mean{part}", "statements": "", "patterns": "", **cells(means)})
    how = f"batches of {BATCH}; drain3 with its README's masks, logfold {LOGFOLD} as it is"
    return Table("grouping of labelled lines", how, rows)


def whole_lines(structured: Path, number: int) -> list[str]:
    """The lines that were labelled, with their heads; empty where they are not beside the labels."""
    file = structured.with_name(structured.name.removesuffix("_structured.csv"))
    if not file.is_file():
        return []
    lines = file.read_text("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return lines[:number] if len(lines) >= number else []


HEADS = ("GA", "FGA", "quality", "drain3_GA", "drain3_FGA", "logfold_GA", "logfold_FGA")


def cells(scores: Sequence[float], heads: Sequence[str] = HEADS) -> Row:
    return {head: f"{score:.3f}" for head, score in zip(heads, scores, strict=False)}


def scores_of(groups: Sequence[str], true: Sequence[str]) -> Sequence[float]:
    return accuracy(groups, true) if groups else (math.nan, math.nan)


def quality_of(messages: Sequence[str], groups: Sequence[str]) -> float:
    """What `patterns_are_sound` would say of these lines."""
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for message, group in zip(messages, groups, strict=True):
        lines[group].append(message)
    largest = sorted(lines.values(), key=len, reverse=True)[:MAX_PATTERNS_COMPARED]
    return silhouette({str(n): of_one[-MAX_LINES_COMPARED:] for n, of_one in enumerate(largest)})


def our_groups(messages: Sequence[str]) -> list[str]:
    miner = PatternMiner()
    ids: list[str] = []
    for start in range(0, len(messages), BATCH):
        ids += miner.identify(messages[start : start + BATCH])
    return [miner.resolve(i) for i in ids]


def groups_of_drain3(messages: Sequence[str]) -> list[str]:
    """Its clusters at the end; empty where it cannot be installed."""
    return _groups(drain3_python(), "drain3_rate.py", messages)


def groups_of_logfold(messages: Sequence[str]) -> list[str]:
    """Its templates at the end, after it has learnt from all lines; empty where it cannot be installed."""
    return _groups(python_with("logfold", LOGFOLD), "logfold_groups.py", messages)


def _groups(python: Path | None, script: str, messages: Sequence[str]) -> list[str]:
    if python is None:
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(messages, file)
        file.flush()
        command = [str(python), str(Path(__file__).with_name(script)), "--groups", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    groups: list[str] = json.loads(done.stdout)
    return groups

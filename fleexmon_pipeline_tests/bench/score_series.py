"""Score any folder of series: `python -m fleexmon_pipeline_tests.bench score-series IN OUT`.

Here: reading and writing `timestamp,value` files, and what is said of bad ones. Scores: `fleexmon_pipeline/series/`.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isinf, nan
from pathlib import Path

import numpy as np

from fleexmon_pipeline.series.score import score

COLUMNS = ("timestamp", "value")
MAX_NAMED = 3  # positions of gaps that a message lists
MAX_SET_BACK_SECONDS = 7_200  # a clock is set back by an hour in autumn; rows further back are not sorted


class BadFileError(Exception):
    """What, where and why: a file that is not scored."""


@dataclass
class File:
    head: list[str]
    rows: list[list[str]]
    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="fleexmon_pipeline_tests.bench score-series",
        description="Write each CSV file below IN to OUT with a column anomaly_score, 0 to 1. Scores of 1 / (1 + r) "
        "and above come about r times a day to a series without incidents: 0.990 for 0.01, 0.997 for 0.003.",
    )
    parser.add_argument("source", metavar="IN", type=Path, help="folder of CSV files with the columns timestamp,value")
    parser.add_argument("target", metavar="OUT", type=Path, help="folder for the same files, scored")
    options = parser.parse_args(arguments)
    paths = sorted(options.source.rglob("*.csv"))
    if not paths:
        print(f"{options.source}: no CSV files here.", file=sys.stderr)
        return 1
    refused = points = 0
    begun = time.perf_counter()
    for number, path in enumerate(paths, 1):
        name = path.relative_to(options.source)
        try:
            file = read(path)
        except BadFileError as problem:
            refused += 1
            print(f"{name}: {problem} Not scored.", file=sys.stderr)
            continue
        write(options.target / name, file)
        points += len(file.rows)
        print("".join([f"[{number}/{len(paths)}] {name}: {len(file.rows)} values", *(f"; {n}" for n in file.notes)]))
    seconds = time.perf_counter() - begun
    print(
        f"{len(paths) - refused} files scored, {refused} refused, {points:,} values, {points / seconds:,.0f} a second"
    )
    return 1 if refused else 0


def read(path: Path) -> File:
    """Raises BadFileError where a value or a time would have to be guessed."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = [(number, row) for number, row in enumerate(csv.reader(stream), 1) if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BadFileError(f"not a CSV file in UTF-8 ({problem}).") from problem
    if not lines:
        raise BadFileError("the file is empty.")
    head = [name.strip() for name in lines[0][1]]
    missing = [name for name in COLUMNS if name not in head]
    if missing:
        raise BadFileError(f"line 1: no column {' and '.join(missing)}; its columns are {', '.join(head)}.")
    if len(lines) == 1:
        raise BadFileError("a heading and no rows.")
    file = File(lines[0][1], [row for _, row in lines[1:]])
    time_at, value_at = (head.index(name) for name in COLUMNS)
    for number, row in lines[1:]:
        if len(row) != len(head):
            raise BadFileError(f"line {number}: {len(row)} columns instead of {len(head)}.")
        file.times.append(_time(row[time_at], number))
        file.values.append(_value(row[value_at], number))
        if len(file.times) > 1 and file.times[-1] < file.times[-2] - MAX_SET_BACK_SECONDS:
            raise BadFileError(f"line {number}: {row[time_at]} is long before the row above it. Sort the file.")
    file.notes = _notes(file)
    return file


def _time(text: str, number: int) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as problem:
        raise BadFileError(f'line {number}: "{text}" is not a time such as 2026-06-01 00:05:00.') from problem
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _value(text: str, number: int) -> float:
    if not text.strip():
        return nan
    try:
        value = float(text)
    except ValueError as problem:
        raise BadFileError(f'line {number}: "{text}" is not a number.') from problem
    if isinf(value):
        raise BadFileError(f'line {number}: "{text}" is not a finite number.')
    return value


def _notes(file: File) -> list[str]:
    """What is scored around, and said."""
    notes = []
    time_at = [name.strip() for name in file.head].index("timestamp")
    values, times = np.array(file.values), np.array(file.times)
    if empty := int(np.isnan(values).sum()):
        notes.append(f"without a value: {empty} (scored 0)")
    steps = np.diff(times)
    if (set_back := np.flatnonzero(steps <= 0)).size:
        notes.append(f"times not later than the row before: {set_back.size} (scored in the file's order)")
    if len(steps) and (gaps := np.flatnonzero(steps > 2 * np.median(steps))).size:
        places = ", ".join(file.rows[at][time_at] for at in gaps[:MAX_NAMED])
        notes.append(f"gaps: {gaps.size} (after {places}{' ...' if gaps.size > MAX_NAMED else ''})")
    return notes


def write(path: Path, file: File) -> None:
    scores = score(np.array(file.times, np.int64), np.array(file.values)).anomaly_score
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow([*file.head, "anomaly_score"])
        out.writerows([*row, f"{value:.8f}"] for row, value in zip(file.rows, scores.tolist(), strict=True))

"""NAB's scorer, on a series whose score can be worked out by hand; and `score-series` on files good and bad."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from fleexmon_pipeline_tests.bench.nab import Labelled, curve, folder, load
from fleexmon_pipeline_tests.bench.score_series import main
from fleexmon_pipeline_tests.bench.series_detectors import ours, windowed_gaussian

LENGTH, BEGIN, END = 1_000, 500, 599
SERIES = Labelled("kind/one.csv", np.arange(LENGTH), np.zeros(LENGTH), [(BEGIN, END)])


def fires(*rows: int) -> dict[str, np.ndarray]:
    scores = np.zeros(LENGTH)
    scores[list(rows)] = 0.9
    return {SERIES.name: scores}


@pytest.mark.parametrize(
    ("rows", "points"),
    [
        ((), 0.0),
        ((BEGIN,), 100.0),
        ((BEGIN, BEGIN + 40), 100.0),  # the best one counts
        ((END,), 50 * (1 + 0.02499 / 0.98661)),  # one row before the end, at -0.01
        ((BEGIN, 200), 100 - 5.5),  # a false alarm before the first window
        ((BEGIN, 10), 100.0),  # probation
        ((END + 1,), -50 * 0.11 * 0.02525),  # just after the window
    ],
)
def test_windows_pay_by_earliness_and_alarms_outside_cost(rows: tuple[int, ...], points: float) -> None:
    assert curve([SERIES], fires(*rows)).at(0.9) == pytest.approx(points, abs=0.01)


def test_the_profiles_weigh_false_and_missed() -> None:
    assert curve([SERIES], fires(BEGIN, 200), "low FP").at(0.9) == pytest.approx(100 - 11)
    assert curve([SERIES], fires(BEGIN, 200), "low FN").at(0.9) == pytest.approx(100 - 11 / 3)


def test_the_best_threshold_is_that_with_the_best_score() -> None:
    scores = fires(BEGIN)
    scores[SERIES.name][700:720] = 0.5

    assert curve([SERIES], scores).best == pytest.approx((0.9, 100.0))


@pytest.fixture(scope="module")
def published() -> list[Labelled]:
    root = folder()
    if root is None:
        pytest.skip("NAB's data is not on this machine")
    return load(root)


def test_the_published_baseline_gets_its_published_score(published: list[Labelled]) -> None:
    """39.65 from its result file, whose scores are rounded."""
    scores = {one.name: windowed_gaussian(one.times, one.values) for one in published}

    assert curve(published, scores).best[1] == pytest.approx(39.65, abs=0.6)


def test_one_configuration_reaches_60_of_100(published: list[Labelled]) -> None:
    scores = {one.name: ours(one.times, one.values) for one in published}

    assert curve(published, scores).best[1] >= 60


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def series(values: list[str]) -> str:
    rows = [f"2026-06-01 {at // 12:02}:{at % 12 * 5:02}:00,{value}" for at, value in enumerate(values)]
    return "\n".join(["timestamp,value", *rows, ""])


GOOD = series([*["20", "21", "22", "19"] * 20, "90", *["20"] * 5])


def test_a_folder_is_scored_file_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in" / "one.csv", GOOD)
    write(tmp_path / "in" / "deep" / "two.csv", series(["5"] * 30))

    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 0

    with (tmp_path / "out" / "one.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["timestamp", "value", "anomaly_score"]
    assert [row["value"] for row in rows] == [line.split(",")[1] for line in GOOD.splitlines()[1:]]
    scores = [float(row["anomaly_score"]) for row in rows]
    assert scores.index(max(scores)) == 80
    assert all(0 <= value <= 1 for value in scores)
    assert (tmp_path / "out" / "deep" / "two.csv").read_text().count(",5,0.00000000\n") == 30
    assert "2 files scored, 0 refused, 116 values" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty."),
        ("timestamp,value\n", "a heading and no rows."),
        ("time,value\n2026-06-01 00:00:00,1\n", "line 1: no column timestamp; its columns are time, value."),
        (GOOD.replace(",90\n", ",n/a\n"), 'line 82: "n/a" is not a number.'),
        (GOOD.replace(",90\n", ",inf\n"), 'line 82: "inf" is not a finite number.'),
        (GOOD.replace("2026-06-01 06:40:00", "yesterday"), 'line 82: "yesterday" is not a time'),
        (GOOD.replace("2026-06-01 06:40:00", "2026-05-31 06:40:00"), "line 82: 2026-05-31 06:40:00 is long before"),
        (GOOD.replace(",90\n", "\n"), "line 82: 1 columns instead of 2."),
    ],
    ids=["empty", "no-rows", "columns", "text", "infinite", "no-time", "unsorted", "short"],
)
def test_a_bad_file_is_named_and_the_others_are_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    write(tmp_path / "in" / "bad.csv", text)
    write(tmp_path / "in" / "good.csv", GOOD)

    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 1

    assert f"bad.csv: {message}" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.csv"]


def test_gaps_and_clocks_set_back_are_said_and_scored_around(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gaps = GOOD.replace("2026-06-01 03:00:00,20\n", "").replace("2026-06-01 03:05:00,21\n", "")
    write(tmp_path / "in" / "gaps.csv", gaps.replace(",90\n", ",\n").replace("07:05:00", "06:05:00"))

    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 0

    told = capsys.readouterr().out
    assert "gaps.csv: 84 values; without a value: 1 (scored 0); times not later than the row before: 1" in told
    assert "gaps: 1 (after 2026-06-01 02:55:00)" in told
    assert ",,0.00000000\n" in (tmp_path / "out" / "gaps.csv").read_text()

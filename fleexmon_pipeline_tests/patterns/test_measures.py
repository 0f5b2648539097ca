"""Which number in a line is its duration, and the sketch of many durations."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fleexmon_pipeline.patterns.measures import MAX_MEASURED_CHARS, Durations, sketch

STATED = [
    ("order 4711 was served in 12 ms", 12.0),
    ("took 1.5s for 300 rows", 1500.0),
    ("GET /x 200 12ms - 512", 12.0),
    ("duration_ms=123 status=200", 123.0),
    ('{"level":"info","duration":0.125,"status":200}', 0.125),
    ("status: 200 len: 1893 time: 0.2577140", 0.257714),
    ("[instance: b9000564] Took 1.25 seconds to destroy the instance", 1250.0),
    ("Reading broadcast variable 9 took 160 ms", 160.0),
    ("responseTime=45 user=9", 45.0),
    ('10.0.0.7 "GET /a HTTP/1.1" 200 5123 0.734', 0.734),
    ('"GET /a HTTP/1.1" 200 2326 "-" "curl/7.68.0" 0.123', 0.123),
    ("elapsed 12.5µs", 0.0125),
    ("größe geprüft in 7 ms", 7.0),
    ("waiting 5 minutes", 300_000.0),
]
# Of each file: lines, one a row. In front of those that state a duration stands how long: in milliseconds, or as it is
# written where the line does not say its unit. How many were read at the first try is in decision 0039: "later" and
# "last" lists were written, and read, before what they show was mended.
HERE = Path(__file__).parent / "durations"
MISREAD = {"node 3s is up", "sample 0 of 44.1 kHz, 5 min", "event_time=1700000", "5 minutes past the hour"}
NOT_READ = {"Job 17 ended with success after 00:01:02"}  # as `ended after 10:01:02` is
NOT_STATED = [
    "user 4711 logged in from 10.0.0.7",
    "at 10:15:00 version 1.2.3 was released",
    "Failed password for root from 10.0.0.7 port 38926 ssh2",
    "time=1700000000 user=9",
    "uptime: 300 s",
    "start time 45",
    "5 sockets, 10 servers",
    "gettimeofday({tv_sec=1697048351, tv_usec=11390}, NULL) = 0",
    "E1130 10:00:00.000001       1 runtime.go:79] Observed a panic",
    "2016-09-28 04:30:48, Info  CSI    00000008@2016/9/28:16:00:46.635 - Begin",
]


@pytest.mark.parametrize(("line", "duration"), STATED)
def test_a_line_states_its_duration_in_milliseconds_where_the_unit_is_known(line: str, duration: float) -> None:
    durations = Durations()

    assert durations.has_one(line)
    assert durations.of([line]) == [pytest.approx(duration)]


@pytest.mark.parametrize("line", NOT_STATED)
def test_identifiers_moments_and_versions_are_no_durations(line: str) -> None:
    durations = Durations()

    assert not durations.has_one(line)
    assert durations.of([line]) == [None]


@pytest.mark.parametrize(("file", "lines"), [("stated.txt", 164), ("stated_later.txt", 75), ("stated_last.txt", 41)])
def test_forms_of_many_programs_are_read(file: str, lines: int) -> None:
    rows = [row.split("\t", 1) for row in (HERE / file).read_text().splitlines()]
    read = Durations().of([line for _, line in rows])

    wrong = {line for (due, line), value in zip(rows, read, strict=True) if value != pytest.approx(float(due))}
    assert len(rows) == lines
    assert wrong == NOT_READ & {line for _, line in rows}


@pytest.mark.parametrize(
    ("file", "lines"), [("harmless.txt", 95), ("harmless_later.txt", 71), ("harmless_last.txt", 38)]
)
def test_ports_limits_moments_sizes_and_ratios_are_no_durations(file: str, lines: int) -> None:
    rows = (HERE / file).read_text().splitlines()
    read = Durations().of(rows)

    assert len(rows) == lines
    assert {line for line, value in zip(rows, read, strict=True) if value is not None} == MISREAD & set(rows)


def test_of_several_durations_the_one_of_the_whole_is_read() -> None:
    assert Durations().of(["dns=1ms connect=20ms total=45ms", "lock_time=5 query_time=7", "took 2s (limit 1s)"]) == [
        45.0,
        7.0,
        2000.0,
    ]


def test_lines_of_one_shape_are_each_read_by_its_parts() -> None:
    assert Durations().of(["done in 1m02.5s", "done in 9m59.1s", "took 1,234 ms", "took 9,876 ms"]) == [
        62_500.0,
        599_100.0,
        1_234.0,
        9_876.0,
    ]


def test_a_line_made_to_be_slow_is_read_in_a_few_milliseconds() -> None:
    for unit in ('" 000 ', "GET /", "0 ", "0/", "0.00 ", "time: ", "0,000", "P0D", "took=0s ", "0m0s ", "x (a) "):
        begun = time.process_time()
        Durations().of([(unit * MAX_MEASURED_CHARS)[:MAX_MEASURED_CHARS]])
        assert time.process_time() - begun < 0.1


def test_what_stands_far_behind_in_a_line_is_not_read() -> None:
    far = "x" * MAX_MEASURED_CHARS

    assert Durations().of([f"{far} took 12 ms", "took 12 ms"]) == [None, 12.0]


def test_a_sketch_is_the_median_and_the_95th_percentile() -> None:
    assert sketch(float(n) for n in range(101)) == (50.0, 95.0)
    assert sketch([7.0]) == (7.0, 7.0)
    assert sketch([None, 3.0, None]) == (3.0, 3.0)
    assert sketch([None]) is sketch([]) is None
    assert sketch([1 / 3]) == (0.3333, 0.3333)

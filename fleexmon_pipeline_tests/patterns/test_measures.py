"""Which number of a line is its duration, and the sketch of many."""

from __future__ import annotations

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
NOT_STATED = [
    "user 4711 logged in from 10.0.0.7",
    "at 10:15:00 version 1.2.3 was released",
    "Failed password for root from 10.0.0.7 port 38926 ssh2",
    "time=1700000000 user=9",
    "uptime: 300 s",
    "start time 45",
    "5 sockets, 10 servers",
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


def test_what_stands_far_behind_in_a_line_is_not_read() -> None:
    far = "x" * MAX_MEASURED_CHARS

    assert Durations().of([f"{far} took 12 ms", "took 12 ms"]) == [None, 12.0]


def test_a_sketch_is_the_median_and_the_95th_percentile() -> None:
    assert sketch(float(n) for n in range(101)) == (50.0, 95.0)
    assert sketch([7.0]) == (7.0, 7.0)
    assert sketch([None, 3.0, None]) == (3.0, 3.0)
    assert sketch([None]) is sketch([]) is None
    assert sketch([1 / 3]) == (0.3333, 0.3333)

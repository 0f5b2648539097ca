"""Real lines moved to the present: each once, in order, and the same in every window."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline_tests.loghub_nodes import NoDataError, data_directory, level_of, read, spread

BEGIN = datetime(2026, 11, 19, 10, tzinfo=UTC)
ROWS = [{"level": "info", "message": str(n), "metadata": {}} for n in range(7)]


def told(since: datetime, until: datetime, length: timedelta = timedelta(hours=1)) -> list[tuple[datetime, str]]:
    lists = spread(ROWS, BEGIN, length, since, until)
    return [(datetime.fromisoformat(record["timestamp"]), record["message"]) for [record] in lists]


def test_each_line_once_and_in_order_and_then_again() -> None:
    hour = timedelta(hours=1)
    assert [message for _, message in told(BEGIN - hour, BEGIN + hour)] == list("0123456")
    assert [message for _, message in told(BEGIN, BEGIN + 2 * hour)] == list("0123456" * 2)
    assert told(BEGIN - hour, BEGIN) == []


minutes = st.floats(-10, 200).map(lambda n: timedelta(minutes=n))
lengths = st.timedeltas(timedelta(milliseconds=20), timedelta(hours=1))


@given(
    lengths,
    minutes,
    st.timedeltas(timedelta(0), timedelta(seconds=1)),
    st.timedeltas(timedelta(0), timedelta(seconds=1)),
)
def test_a_window_is_its_halves(length: timedelta, start: timedelta, first: timedelta, second: timedelta) -> None:
    since, middle, until = BEGIN + start, BEGIN + start + first, BEGIN + start + first + second
    whole = told(since, until, length)
    assert whole == told(since, middle, length) + told(middle, until, length)
    assert all(since <= moment < until for moment, _ in whole)


def test_levels_of_lines_that_have_none() -> None:
    assert level_of("error: Received disconnect from 192.0.2.1: Auth fail") == "error"
    assert level_of("Failed password for invalid user admin") == "warn"
    assert level_of("session opened for user root") == "info"


@pytest.fixture
def data() -> Path:
    try:
        return data_directory()
    except NoDataError:
        pytest.skip("no shared/data/loghub above the tests")


def test_a_set_that_is_not_there_is_named_with_those_that_are(data: Path) -> None:
    with pytest.raises(NoDataError, match=r"Nope.*OpenSSH, "):
        read("Nope", data)


@pytest.mark.usefixtures("data")
def test_the_program_serves_two_sets_until_it_is_interrupted() -> None:
    command = [sys.executable, "-m", "fleexmon_pipeline_tests.loghub_nodes", "--blue", "HDFS", "--green", "OpenSSH"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        announced = dict(process.stdout.readline().split() for _ in range(2))
        since = (datetime.now(UTC) - timedelta(hours=26)).isoformat()
        answers = {
            name: httpx.get(f"http://{at}/api/logs", params={"since": since}, timeout=10, trust_env=False).json()
            for name, at in announced.items()
        }
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
    assert {name: record["metadata"]["dataset"] for name, (record, *_) in answers.items()} == {
        "blue": "HDFS",
        "green": "OpenSSH",
    }
    assert all(2_000 <= len(records) < 2_100 for records in answers.values())

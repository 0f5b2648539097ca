"""What redaction finds in another tool's test texts: `python -m fleexmon_pipeline_tests.bench leaks-in-texts FOLDER`.

FOLDER is `pkg/detectors` of a checkout of trufflehog. The tests of its detectors have a text each, often lines of a log
such as `[DEBUG] Using Key=…`, and what must be found in it. Here: those whose text and secrets are literals. They are
read from the checkout and stay there. `--show N` prints N lines that still have their secret.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fleexmon_pipeline.redaction.redact import redact
from fleexmon_pipeline_tests.bench.table import Row, Table

MIN_SECRET_CHARACTERS = 8  # shorter ones are names of hosts and parts of others

_CASE = re.compile(
    r'name:\s*"(?P<name>[^"]*)",\s*input:\s*(?:`(?P<raw>[^`]*)`|"(?P<quoted>(?:[^"\\\n]|\\.)*)"|(?P<variable>\w+)),'
    r"\s*want:\s*\[\]string\{(?P<wanted>.*?)\},?\s*\}",
    re.DOTALL,
)
_VARIABLE = re.compile(r'(\w+)\s*:?=\s*(?:"([^"\n]*)"|`([^`]*)`)')
_WANTED = re.compile(r'"([^"]+)"|\b([a-z]\w*)\b')


class Case(NamedTuple):
    detector: str
    name: str
    text: str
    secrets: list[str]


def cases(folder: Path) -> Iterator[Case]:
    """Those of which at least one secret stands in the text as it is."""
    for file in sorted(folder.rglob("*_test.go")):
        source = file.read_text("utf-8", "replace")
        variables = {name: quoted or raw for name, quoted, raw in _VARIABLE.findall(source)}
        for case in _CASE.finditer(source):
            text = case["raw"] or case["quoted"] or variables.get(case["variable"] or "", "")
            wanted = [value or variables.get(name, "") for value, name in _WANTED.findall(case["wanted"])]
            secrets = [secret for secret in wanted if len(secret) >= MIN_SECRET_CHARACTERS and secret in text]
            if secrets:
                yield Case(file.parent.name, case["name"], text, secrets)


def measure(folder: Path, show: int) -> Table:
    found = list(cases(folder))
    out = [(case, line) for case in found if (line := _left_in(case))]
    for case, line in out[:show]:
        print(f"{case.detector}: {line}")
    share = f"{1 - len(out) / max(1, len(found)):.1%}"
    row: Row = {"texts": len(found), "all_secrets_gone": len(found) - len(out), "share": share}
    return Table("redaction against the texts of trufflehog's tests", "a text and its secrets as literals", [row])


def _left_in(case: Case) -> str | None:
    """A line that still has its secret."""
    redacted = redact(case.text)
    left = next((secret for secret in case.secrets if secret in redacted), None)
    return next(line.strip() for line in redacted.split("\n") if left in line) if left else None


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench leaks-in-texts")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args(arguments)
    if not any(options.folder.rglob("*_test.go")):
        print(f"no *_test.go in {options.folder}: it is pkg/detectors of a checkout of trufflehog", file=sys.stderr)
        return 1
    print(measure(options.folder, options.show))
    return 0

"""`fleexmon patterns` on files and pipes; how patterns are found is tested in `genai/`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fleexmon_pipeline.encoding import zstd
from fleexmon_pipeline_tests.commands.conftest import Call, execute
from fleexmon_pipeline_tests.conftest import Database

TEXT = b"took 5 ms\nuser \xff logged in, password=hunterhunter\r\n\ntook 77 ms"


def test_every_line_of_a_pipe_gets_a_json_line_and_no_database_is_touched(tmp_path: Path) -> None:
    said = execute(
        "patterns", "-", stdin=TEXT, environment={"DATABASE_URL": "nonsense", "FLEEXMON_HOME": str(tmp_path / "home")}
    )

    rows = [json.loads(line) for line in said.out.splitlines()]
    assert (said.status, said.err) == (0, "")
    assert [row["line"] for row in rows] == [0, 1, 2, 3]
    assert all(set(row) == {"line", "pattern", "template"} for row in rows)
    assert rows[0]["pattern"] == rows[3]["pattern"]
    assert "hunterhunter" not in said.out
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_file_can_be_summed_up(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(TEXT)

    said = execute("patterns", str(tmp_path / "a file"), "--summary", *options)

    first = said.out.splitlines()[0]
    if options:
        assert {"lines": 2, "template": "took <duration>"}.items() <= json.loads(first).items()
    else:
        assert first.split()[0] == "2"
        assert first.endswith("took <duration>")


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_a_compressed_file_is_read_like_any_other(compress: Callable[[bytes], bytes]) -> None:
    plain, packed = execute("patterns", "-", stdin=TEXT), execute("patterns", "-", stdin=compress(TEXT))

    assert (packed.status, packed.out) == (0, plain.out)


def test_a_record_of_several_lines_is_one_message() -> None:
    records = [
        {"time": f"2026-11-20T10:0{n}:00Z", "level": "error", "msg": f"no price\n    at cart.js:{n}"} for n in range(3)
    ]
    text = "".join(f"{json.dumps(record)}\n" for record in records)

    printed = execute("patterns", "-", "--records", stdin=text.encode())

    rows = [json.loads(line) for line in printed.out.splitlines()]
    assert [(row["line"], row["template"]) for row in rows] == [(n, "no price") for n in range(3)]


@pytest.mark.parametrize(
    ("options", "stdin", "reason"),
    [
        (["--records"], b"\x89PNG\r\n", "standard input: is a PNG image, not a log"),
        ([], gzip.compress(TEXT, mtime=0)[:-9], "standard input: "),
        (["--records"], gzip.compress(TEXT * 9, mtime=0)[:-9], "standard input: "),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(options: list[str], stdin: bytes, reason: str) -> None:
    refused = execute("patterns", "-", *options, stdin=stdin)

    assert (refused.status, refused.out) == (2, "")
    assert f"fleexmon: {reason}" in refused.err


def test_nothing_in_nothing_out() -> None:
    for options in ([], ["--summary"]):
        assert execute("patterns", "-", *options, stdin=b"").out == ""


def test_a_pattern_can_be_named_ignored_and_listed(fleexmon: Call, database: Database) -> None:
    with database.connect() as connection:
        connection.execute(
            """INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")
            VALUES ('6a9b7d59', 'took <num> ms', 'error', now(), now(), 2)"""
        )
    assert fleexmon("patterns", "labels").out == "No pattern is named or ignored.\n"

    assert fleexmon("patterns", "name", "6a9b", "slow query", "--by", "kim").status == 0
    said = fleexmon("patterns", "ignore", "6a9b", "--why", "a nightly report", "--by", "kim")
    told = '6a9b7d59  named "slow query", ignored: a nightly report (by kim)  took <num> ms'
    assert said.out.splitlines()[0] == fleexmon("patterns", "labels").out.strip() == told
    assert json.loads(fleexmon("patterns", "labels", "--json").out)[0]["ignored"] is True

    assert "neither" not in fleexmon("patterns", "ignore", "6a9b", "--why", "", "--no-longer").out
    assert json.loads(fleexmon("patterns", "labels", "--json").out)[0]["ignored"] is False


@pytest.mark.parametrize(("arguments", "reason"), [
    (["name", "ffff", "n"], '"ffff" is not a pattern'),
    (["name", "6a9b", " "], "is empty or too long: 1 to 80 characters"),
])  # fmt: skip
def test_what_cannot_be_named_is_refused(fleexmon: Call, arguments: list[str], reason: str) -> None:
    said = fleexmon("patterns", *arguments)

    assert said.status == 2
    assert reason in " ".join(said.err.replace("│", " ").split())

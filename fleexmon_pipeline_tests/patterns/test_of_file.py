"""The output of `fleexmon patterns`."""

from __future__ import annotations

import io
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.patterns import miner as miner_module
from fleexmon_pipeline.patterns import of_file
from fleexmon_pipeline.patterns.masks import MAX_READ_CHARS
from fleexmon_pipeline.patterns.miner import PatternMiner
from fleexmon_pipeline.patterns.of_file import Blocks, in_batches, stream_patterns, summarise
from fleexmon_pipeline.redaction.redact import redact

JOBS = [f"job {name} has finished its work on the queue" for name in ("mail", "index", "backup")]


def printed(lines: list[str]) -> list[dict[str, object]]:
    out: list[str] = []
    stream_patterns(in_batches(iter(lines)), out.append, redact=redact)
    return [json.loads(line) for line in "".join(out).splitlines()]


def test_a_json_document_for_every_line_in_order() -> None:
    rows = printed(["took 5 ms", "", "caf\x00é ' \" \\", "took 77 ms"])

    assert [row["line"] for row in rows] == [0, 1, 2, 3]
    assert [row["template"] for row in rows][:2] == ["took <duration>", ""]
    assert rows[0]["pattern"] == rows[3]["pattern"]
    assert printed([]) == []


def test_lines_are_numbered_from_the_first_to_the_last_however_many_are_printed_at_once() -> None:
    for lines in (of_file.PRINT_BATCH - 1, of_file.PRINT_BATCH, 2 * of_file.PRINT_BATCH + 12):
        assert [row["line"] for row in printed(["took 5 ms"] * lines)] == list(range(lines))


def test_a_batch_ends_with_the_block_that_has_its_last_line_or_too_many_bytes() -> None:
    blocks = iter([b"one\ntwo", b"three\nfour", b"five", b"six and more", b"seven"])

    sizes = [len(PatternMiner().identify_lines(blocks, at_least=3, max_bytes=14)) for _ in range(4)]

    assert sizes == [4, 2, 1, 0]


def test_lines_of_one_pattern_show_one_id_though_they_merged_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_file, "BATCH", 1)

    rows = printed(JOBS)

    assert {row["template"] for row in rows} == {"job <*> has finished its work on the queue"}
    assert len({row["pattern"] for row in rows}) == 1


def test_secrets_are_not_printed() -> None:
    (row,) = printed(["login with password=hunterhunter failed"])

    assert "hunterhunter" not in str(row)


def test_the_summary_is_most_frequent_first() -> None:
    rows = summarise([["started", *JOBS, "took 5 ms", "took 6 ms"]], redact=redact)

    assert [(row.lines, row.template) for row in rows] == [
        (3, "job <*> has finished its work on the queue"),
        (2, "took <duration>"),
        (1, "started"),
    ]


def lines_of(data: bytes) -> list[bytes]:
    return [line for block in Blocks(io.BytesIO(data)) for line in block.split(b"\n")]


def test_lines_end_at_newlines_alone() -> None:
    assert lines_of(b"one\r\ntwo\xff\x0bmore\xe2\x80\xa8same\n\nlast\r") == [
        b"one",
        b"two\xff\x0bmore\xe2\x80\xa8same",
        b"",
        b"last",
    ]


def test_of_an_endless_line_only_the_beginning_is_kept() -> None:
    lines = lines_of(b"x" * (9 * MAX_READ_CHARS) + b"\nnext\n")

    assert [len(line) for line in lines] == [4 * MAX_READ_CHARS, 4]


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40)), st.booleans())
def test_lines_of_a_file_have_the_ids_of_their_messages(lines: list[str], wide: bool) -> None:
    lines += ["é" * 3_000, "é /a " * 2_000, "GET /ü/7 401 5ms", "a\0b 7"] if wide else ["GET /cart/7 (503) 5ms"]

    of_file = PatternMiner().identify_lines(iter(["\n".join(lines).encode()]), at_least=1, max_bytes=1)

    assert of_file == PatternMiner().identify(lines)


def test_bytes_that_are_no_text_are_replaced() -> None:
    miner = PatternMiner()
    (pattern,) = miner.identify_lines(iter([b"two \xff more"]), at_least=1, max_bytes=1)

    assert miner.template(pattern) == "two \ufffd more"


def test_what_the_miner_forgets_is_still_printed_and_still_leads_to_what_it_merged_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [f"{word} begins here" for word in ("alpha", "bravo", "carol", "delta")] + JOBS
    lines += ["password=hunterhunter is refused", "alpha begins here", JOBS[0]]
    remembered = printed(lines)
    monkeypatch.setattr(miner_module, "MAX_PATTERNS", 2)
    monkeypatch.setattr(of_file, "BATCH", 1)

    forgotten = printed(lines)

    assert [row["template"] for row in forgotten[:4]] == lines[:4]
    assert forgotten[0] == {**forgotten[8], "line": 0}
    assert "hunterhunter" not in str(forgotten)
    assert [row["pattern"] for row in forgotten[:4]] == [row["pattern"] for row in remembered[:4]]


def test_memory_of_many_different_patterns_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miner_module, "MAX_PATTERNS", 50)
    miner = PatternMiner()
    words = ["".join(letters) for letters in itertools.product("abcdefgh", repeat=3)]
    for start in range(0, len(words), 20):
        batch = [f"{word} {word[::-1]}x {word}y" for word in words[start : start + 20]]
        first = miner.identify(batch)
        miner.forget()
        assert miner.identify(batch) == first

    assert len(miner._templates) <= 100

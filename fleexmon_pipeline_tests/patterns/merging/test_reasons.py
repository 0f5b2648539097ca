"""Reasons that several statements give are values at any place; a few distinguish what happened."""

from __future__ import annotations

import os
from errno import EACCES, ECONNREFUSED, EIO, ENOSPC, EPIPE

import pytest

from fleexmon_pipeline.patterns.merging.reasons import MAX_REASONS, Reasons
from fleexmon_pipeline.patterns.miner import PatternMiner

SYSTEM = [os.strerror(number) for number in (EACCES, ECONNREFUSED, EIO, ENOSPC, EPIPE)]
OWN = ["lease ran out", "parent went away", "shard not ours", "quota used up", "Peer moved on"]


def patterns_of(*batches: list[str]) -> set[str]:
    miner = PatternMiner()
    ids = [pattern for lines in batches for pattern in miner.identify(lines)]
    return {miner.template(miner.resolve(pattern)) for pattern in ids}


@pytest.mark.parametrize(
    "statement", ["setrlimit: {}", "chown of the spool, {}, skipped", "volume gave {} again today"]
)
def test_reasons_of_the_system_are_values_from_five_on(statement: str) -> None:
    assert len(patterns_of([statement.format(reason) for reason in SYSTEM])) == 1
    assert len(patterns_of([statement.format(reason) for reason in SYSTEM[:4]])) == 4


def test_a_reason_that_two_statements_gave_is_one_in_a_third() -> None:
    first = [f"renewal of lock {key}{key} failed: {reason}" for key, reason in zip("abcde", OWN, strict=True)]
    second = [f"shard {key}{key} waits, reason: {reason.lower()}." for key, reason in zip("abcde", OWN, strict=True)]
    third = [f"segment 7 {reason} while it was flushed" for reason in OWN]

    assert third_ones(patterns_of(first, third)) == len(OWN)
    assert third_ones(patterns_of(first, second, third)) == 1


def third_ones(patterns: set[str]) -> int:
    return sum("while it was flushed" in pattern for pattern in patterns)


def test_three_reasons_do_where_one_is_announced_however_they_begin() -> None:
    reasons = ("No such device", "No data available", "Bad address")

    assert len(patterns_of([f"Transport error: {reason}" for reason in reasons])) == 1


def test_what_a_program_reports_of_itself_is_no_reason() -> None:
    lines = [
        f"broker: {said}" for said in ("link is up", "link is down", "link was reset", "new leader", "all caught up")
    ]

    assert len(patterns_of(lines * 9)) == len(lines)


def test_reasons_are_forgotten_but_those_of_the_system() -> None:
    reasons = Reasons()
    for n in range(MAX_REASONS + 2):
        for statement in (1, 2):
            reasons.note(("gone", f"x{n}"), statement)

    assert ("gone", "x1") not in reasons
    assert ("gone", f"x{MAX_REASONS + 1}") in reasons
    assert tuple(SYSTEM[0].split()) in reasons


def test_lines_of_an_earlier_batch_join_when_their_value_proves_to_be_wide() -> None:
    early = ["mailbox ivan: lookup of fields failed: Broken pipe"]
    later = [f"mailbox {name}: lookup of fields failed: {reason}" for name in ("a-1", "b-2") for reason in SYSTEM]

    assert len(patterns_of(early, later)) == 1


def test_a_first_word_that_proved_to_be_a_name_is_one() -> None:
    names = ("gateway", "walter", "mailer", "ledger", "orders")
    known = [f"lost contact with {name} for the moment" for name in names] * 3
    lines = [f"{name} bridge to 10.0.0.{n} is gone" for n, name in enumerate(names)]

    assert len(patterns_of(known, lines * 9)) == 2
    assert len(patterns_of(lines * 9)) == len(names)


VERBS = ["rewind", "drop", "move", "copy", "link"]


@pytest.mark.parametrize("verbs", [[verb.title() for verb in VERBS], VERBS[:3]])
def test_a_first_word_that_begins_a_sentence_is_none(verbs: list[str]) -> None:
    """Nor are three in lower case: any verb may have been a value somewhere."""
    known = [f"lost contact with {verb} for the moment" for verb in (*VERBS, *map(str.title, VERBS))]
    lines = [f"{verb} bridge to 10.0.0.7 is gone" for verb in verbs]

    assert len(patterns_of(known * 3, lines * 9)) == 1 + len(verbs)


def test_functions_are_what_their_lines_are_about() -> None:
    functions = [f"{name} failed" for name in ("key_lookup", "read_seek", "buf_grow", "sign_one", "x509_load")]
    services = [f"{name} failed" for name in ("key-service", "mail-worker", "order-api", "stock-sync")]

    assert len(patterns_of(functions * 9)) == len(functions)
    assert len(patterns_of(services * 9)) == 1


@pytest.mark.parametrize("pair", ["begin end", "start stop", "lock unlock", "enable disable", "success failure"])
def test_opposites_are_two_statements(pair: str) -> None:
    lines = [f"the change of focus made us do another layout pass of it {word}" for word in pair.split()]

    assert len(patterns_of(lines * 9)) == 2

"""Lines with different actions are different patterns; lines with different reasons of a failure are not."""

from __future__ import annotations

import pytest

from fleexmon_pipeline.patterns.merging.words import is_before_verb
from fleexmon_pipeline.patterns.miner import PatternMiner

WHY = ["device is busy", "link went away", "quota used up", "bad checksum in header"]


def patterns_of(lines: list[str]) -> set[str]:
    miner = PatternMiner()
    ids = miner.identify(lines)
    return {miner.template(miner.resolve(pattern)) for pattern in ids}


@pytest.mark.parametrize(
    "before", ["failed to", "Unable to", "node 7 is trying to", "could not", "cannot", "it doesn't", "will"]
)
def test_a_verb_follows(before: str) -> None:
    assert is_before_verb(before.split())


@pytest.mark.parametrize("before", ["", "connected to", "not", "is not", "to", "set to", "user"])
def test_no_verb_follows(before: str) -> None:
    assert not is_before_verb(before.split())


@pytest.mark.parametrize("begin", ["backup failed to", "the store was unable to", "worker cannot", "agent could not"])
def test_what_was_to_be_done_is_no_value_however_many_things_fail(begin: str) -> None:
    deeds = ["open", "grow its log", "read one more block", "purge", "lock", "drain its own queue", "bind", "list"]

    assert len(patterns_of([f'{begin} {deed} err="{why}"' for deed in deeds for why in WHY])) == len(deeds)


@pytest.mark.parametrize(
    "begin",
    [
        'shutting the mailer down failed error="{}"',
        'msg="shutting the mailer down" err="{}"',
        "shutting the mailer down gave up reason={}",
        "shutting the mailer down failed with {}",
        "shutting the mailer down was put off due to {}",
        "shutting the mailer down returned an error {}",
        "shutting the mailer down ended with error {}",
        "shutting the mailer down was put off because {}",
    ],
)
def test_why_it_failed_is_a_value_from_three_on(begin: str) -> None:
    assert len(patterns_of([begin.format(why) for why in WHY[:3]])) == 1
    assert len(patterns_of([begin.format(why) for why in WHY[:2]])) == 2


def test_what_is_said_alone_or_is_an_outcome_stays_apart() -> None:
    alone = [f'level=error err="{why}"' for why in WHY]
    outcomes = [f"check of the disk ended reason={word}" for word in ("passed", "failed", "skipped")]
    events = [f"mailer {event} with error handler in place" for event in ("started", "stopped", "reloaded")]

    for lines in (alone, outcomes, events):
        assert len(patterns_of(lines)) == len(lines)

"""Optional fields: some do not distinguish statements, some do."""

from __future__ import annotations

import pytest

from fleexmon_pipeline.patterns.miner import PatternMiner


def resolved(lines: list[str]) -> list[str]:
    miner = PatternMiner()
    return [miner.resolve(pattern) for pattern in miner.identify(lines)]


@pytest.mark.parametrize(
    ("least", "more"),
    [
        (
            'open() "/a/b" failed (no such file), client: 10.0.0.5',
            'open() "/a/c" failed (no such file), client: 10.0.0.7, referrer: "http://a.example/"',
        ),
        ("upstream answered too late, host=web-1", "upstream answered too late, host=web-2, zone=eu-1"),
        (
            '{"msg":"order 17 was paid late","ms":5}',
            '{"msg":"order 18 was paid late","user":"bob","ms":7}',
        ),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_field_that_a_line_has_or_has_not_makes_no_other_pattern(least: str, more: str, turned: bool) -> None:
    lines = [more, least] if turned else [least, more]

    assert len(set(resolved(lines))) == 1


@pytest.mark.parametrize(
    "lines",
    [
        [
            "sync of the store done, host=web-1",
            "sync of the store done, host=web-2, error=17",
        ],  # said is that it failed
        ["login of user refused rhost=10.0.0.5", "login of user refused rhost=10.0.0.5 user=bob"],  # no comma
        ["done, host=web-1", "done, host=web-2, zone=eu-1"],  # too little is said without them
        ["left the old pool, host=web-1", "left the new pool, host=web-2, zone=eu-1"],
        ["left the old pool, host=web-1", "left the old pool, zone=eu-1"],  # neither has all that the other has
    ],
)
def test_what_a_field_tells_is_kept_apart(lines: list[str]) -> None:
    assert len(set(resolved(lines))) == 2

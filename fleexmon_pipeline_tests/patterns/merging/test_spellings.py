"""One text in two spellings: loggers with and without their package, one word in another case; and counterexamples."""

from __future__ import annotations

import pytest

from fleexmon_pipeline_tests.patterns.merging.test_optional_fields import resolved


@pytest.mark.parametrize(
    ("kept", "other"),
    [
        (
            "INFO Ledger: closed the books of 7 shops",
            "INFO accounts.Ledger: closed the books of 8 shops",
        ),
        ("WARN o.a.Ledger: no rate for 5 pairs", "WARN org.acme.Ledger: no rate for 6 pairs"),
        ("[Ledger] rates are 12 minutes old", "[org.acme.Ledger] rates are 13 minutes old"),
        ("could not open queue mail for 5 s", "could not open queue Mail for 7 s"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_spellings_of_one_text_are_one_pattern(kept: str, other: str, turned: bool) -> None:
    lines = [other, kept] if turned else [kept, other]

    assert len(set(resolved(lines))) == 1


def test_a_spelling_that_comes_in_a_later_batch_joins_the_others() -> None:
    lines = ["INFO accounts.Ledger: books of 7 shops closed", "INFO a.Ledger: books of 7 shops closed"]

    assert len(set(resolved([*lines, "INFO Ledger: books of 9 shops closed"]))) == 1


@pytest.mark.parametrize(
    "lines",
    [
        ["INFO accounts.Ledger: closed 7 books", "INFO accounts.Till: closed 8 books"],
        ["INFO com.acme.Ledger: closed 7 books", "INFO com.acme.Till: closed 8 books"],
        ["shown: < icons alerts back home 5 >", "shown: < ICONS ALERTS back home 6 >"],
        ["Machine state of 5 saved", "machine state of 6 saved"],
        ['"GET /Orders HTTP/1.1" 200 5', '"GET /orders HTTP/1.1" 200 6'],
        ["action is com.acme.action.SCREEN_ON now", "action is com.acme.action.SCREEN_OFF now"],
    ],
    ids=["loggers", "loggers in packages", "states", "sentences", "routes", "constants"],
)
def test_other_words_are_no_spelling(lines: list[str]) -> None:
    assert len(set(resolved(lines))) == len(lines)


def test_two_names_of_packages_are_values() -> None:
    lines = ["released 5 locks held by com.acme.mail now", "released 7 locks held by org.example.calendar now"]

    assert len(set(resolved(lines))) == 1


def test_fields_in_the_message_itself_are_values_but_not_what_came_of_it() -> None:
    audit = 'pid=17 uid=0 msg=\'op=PAM:{op} acct="{user}" exe="/usr/sbin/sshd" hostname={host} res={res}\''
    ok = [audit.format(op="setcred", user="root", host="?", res="success")]
    ok += [audit.format(op="session_open", user="bob", host="10.0.0.7", res="success")]
    failed = [audit.format(op="setcred", user="root", host="?", res="failed")]

    assert len(set(resolved(ok))) == 1
    assert len(set(resolved(ok + failed))) == 2
